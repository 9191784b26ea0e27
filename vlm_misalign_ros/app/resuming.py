# Copyright 2026 vlm_misalign_ros maintainers
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""Goes on with a run that was interrupted: killed, ended by Ctrl-C, or by a node that failed."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vlm_misalign_ros.app.runs import check_same
from vlm_misalign_ros.bags.continuing import LAST, RESULTS
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.evaluation.going_on import (
    ANEW,
    Standing,
    graph_order,
    guarded_names,
    in_process_order,
    refuse_endless,
    what_stands,
)
from vlm_misalign_ros.core.evaluation.replaying import lockstep_stamp, open_replayed
from vlm_misalign_ros.core.records.ending import ENDING, TOLD, read_ending
from vlm_misalign_ros.core.records.pictures import FOLDER, Pictures
from vlm_misalign_ros.core.records.schema import RunRecord
from vlm_misalign_ros.core.records.store import RECORDS, RecordFile, keep_frames
from vlm_misalign_ros.core.settings.configuration import Configuration, parse, read_yaml

ENGINE_LOG = Path('log', 'engine.log')
"""What a run in one process has, and no other."""
COMPOSED = Path('log', 'graph.json')
"""What a run has whose nodes are composed in one process, and no other."""


@dataclass(frozen=True)
class Interrupted:
    """A run to be gone on with."""

    folder: Path
    chosen: Configuration
    standing: Standing | None
    """None where all of it is done but the results."""
    in_process: bool
    single: bool
    """Whether its nodes are composed in one process."""


def find_interrupted(folder: Path) -> Interrupted:
    """
    Return what is to be gone on with in a run folder; nothing is changed yet.

    Raises RecordError for what is no interrupted run, and for one that cannot be gone on with to
    what it would have been, saying why; and whatever `preflight` raises.
    """
    if not (folder / 'manifest.json').is_file():
        raise RecordError(
            f'{folder} is no run folder', 'give --resume the name of a run, and --out its folder'
        )
    chosen, ending = _configuration(folder), read_ending(folder)
    in_process, single = (folder / ENGINE_LOG).is_file(), (folder / COMPOSED).is_file()
    if ending is not None and not ending.interrupted and ending.failure is None:
        if (folder / LAST).is_file():
            raise RecordError(
                f'run {folder} has come to its end', 'there is nothing to go on with'
            )
        return Interrupted(folder, chosen, None, in_process, single)
    refuse_endless(chosen)
    if not (folder / RECORDS).is_file():
        raise RecordError(f'run {folder} has no records', ANEW)
    records = RecordFile(folder / RECORDS)
    _refuse_renamed(folder, records)
    check_same(chosen, folder, ros=not in_process)
    assert chosen.replay is not None
    dataset = open_replayed(chosen.replay)
    order = (in_process_order if in_process else graph_order)(chosen, dataset)
    found = what_stands(records, order, guarded_names(chosen))
    return Interrupted(folder, chosen, found, in_process, single)


def _refuse_renamed(folder: Path, records: RecordFile) -> None:
    """Raise RecordError where a folder has another name than the run in it."""
    first, name = next(iter(records), None), folder.absolute().name
    if isinstance(first, RunRecord) and first.name != name:
        raise RecordError(
            f'{folder} holds the run {first.name[:80]!r}', 'give the folder that name again'
        )


def cut(run: Interrupted, standing: Standing) -> None:
    """
    Leave of a run what stands, as if it had just come so far.

    Raises RecordError where it still goes on, or where the disk refuses.
    """
    folder, replay = run.folder, run.chosen.replay
    assert replay is not None
    try:
        # Cut off here, it is a run that was killed: it can be gone on with all the same.
        with suppress(FileNotFoundError):
            (folder / ENDING).unlink()
        keep_frames(folder / RECORDS, standing.kept)
        for name in (*RESULTS, TOLD):
            with suppress(FileNotFoundError):
                (folder / name).unlink()
        pictures = Pictures(folder / FOLDER)
        for stamp in pictures.stamps() - {lockstep_stamp(n, replay) for n in standing.kept}:
            pictures.remove(stamp)
    except OSError as error:
        raise RecordError(
            f'{folder} cannot be written: {error.strerror}', 'make it writable'
        ) from error


def _configuration(folder: Path) -> Configuration:
    """Return the configuration that a run was begun with."""
    return parse({**read_yaml(folder / 'config.yaml'), 'out': str(folder.parent)})
