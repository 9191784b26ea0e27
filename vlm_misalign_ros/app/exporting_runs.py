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

"""A run opened with its pictures, and written for other tools."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from vlm_misalign_ros.bags.whole import refuse_present, whole_folder
from vlm_misalign_ros.core.errors import ConfigurationError, RecordError
from vlm_misalign_ros.core.evaluation.reasons import Reasons
from vlm_misalign_ros.core.evaluation.seen import Seen, draw_again
from vlm_misalign_ros.core.records.schema import FrameRecord
from vlm_misalign_ros.core.records.store import RECORDS, read_frames
from vlm_misalign_ros.core.report.exports.coco import write_coco
from vlm_misalign_ros.core.report.exports.writing import Exported
from vlm_misalign_ros.core.report.provenance import read_manifest
from vlm_misalign_ros.core.settings.configuration import parse, read_yaml

if TYPE_CHECKING:
    from vlm_misalign_ros.core.evaluation.remasking import Remasker

BAG = 'bag'
"""The folder of a run that holds its recording."""


@dataclass(frozen=True)
class Choice:
    """Which frames of a run are taken, and how."""

    conditions: tuple[str, ...] = ()
    """Names; empty for all."""
    limit: int = 0
    """So many at most; 0 for all."""
    dataset: str = ''
    """Where the data set of the run lies by now; empty for where it lay."""
    pictures: str = 'png'
    """How pictures are written."""
    masks: bool = False
    """Whether masks that nobody kept are made again."""

    def holds(self, record: FrameRecord) -> bool:
        """Return whether a frame is taken."""
        return not self.conditions or record.condition.name in self.conditions


@dataclass
class Told:
    """What is to be told of the frames of a run, once all of them came."""

    left: Reasons = field(default_factory=Reasons)
    """Why frames are left out."""
    remasker: Remasker | None = None
    """What made masks again."""

    def notes(self) -> list[str]:
        """Return it, a line each."""
        made = [] if self.remasker is None else self.remasker.notes()
        return [*self.left.told('left out'), *made]


def seen_frames(folder: Path, choice: Choice, told: Told | None = None) -> Iterator[Seen]:
    """
    Return the frames of a run with their pictures, from its bag or drawn again from its data set.

    A frame that cannot be had as its models saw it is left out; `told` counts why.
    Raises RecordError for what is no run, or has no pictures; ConfigurationError for a limit or
    condition that will not do; what draw_again raises, and, where masks are to be made again, what
    Remasker raises.
    """
    told = Told() if told is None else told
    if choice.limit < 0:
        raise ConfigurationError(f'limit {choice.limit} is negative', 'give 0 for all')
    if not (folder / RECORDS).is_file():
        raise RecordError(f'{folder} has no {RECORDS}', 'give the folder of a run')
    file = folder / 'config.yaml'
    try:
        configuration = parse(read_yaml(file))
    except ConfigurationError as error:
        raise RecordError(f'{file}: {error.what}', 'give a run folder as it was left') from error
    if configuration.replay is None and (folder / BAG).exists():
        from vlm_misalign_ros.bags.seen import recorded_frames

        encoding = configuration.monitor.label_encoding
        found = recorded_frames(folder / BAG, folder, encoding, choice.holds, told.left)
    else:
        records = read_frames(folder / RECORDS)
        found = draw_again(configuration, records, choice.holds, folder, choice.dataset, told.left)
        if choice.masks:
            from vlm_misalign_ros.core.evaluation.remasking import Remasker

            told.remasker = Remasker(configuration.segmentation, read_manifest(folder))
    chosen = islice(found, choice.limit or None)
    return chosen if told.remasker is None else map(told.remasker.masked, chosen)


def export_run(folder: Path, out: Path, kind: str, choice: Choice) -> Exported:
    """
    Write a run as `kind`: coco, fiftyone, mlflow or wandb; return what was written.

    Errors as `seen_frames`; ConfigurationError where the package of a format is not installed;
    RecordError where the folder is there already, or where the disk refuses.
    """
    if kind in ('mlflow', 'wandb'):
        return _export_tables(folder, out, kind)
    refuse_present(out)
    told = Told()
    frames = seen_frames(folder, choice, told)
    with whole_folder(out) as place:
        place.mkdir()
        if kind == 'coco':
            found = write_coco(place, frames, _info(folder), choice.pictures)
        else:
            from vlm_misalign_ros.core.report.exports.fiftyone import write_fiftyone

            found = write_fiftyone(place, frames, _info(folder), choice.pictures)
        if not found.pictures:
            raise RecordError(
                _nothing(folder, choice, told.left), 'vlm-misalign report shows its conditions'
            )
    found.notes += told.notes()
    return found


def save_recording(
    what: Path, path: Path, choice: Choice, records: Path | None = None
) -> Exported:
    """
    Write a run, or a recorded bag, as a recording of Rerun; return what was written.

    The records of a bag are those of `records`, a run folder, else those of the run that it lies
    in, else its own.
    A file that is there is replaced, whole or not at all. ConfigurationError where rerun-sdk is
    not installed; RecordError where there is nothing to be shown; and as `seen_frames`.
    """
    from vlm_misalign_ros.core.report.exports.rerun import write_rerun
    from vlm_misalign_ros.core.report.exports.tracked import package

    package('rerun', 'rerun')
    told = Told()
    if (what / RECORDS).is_file():
        frames = seen_frames(what, choice, told)
    else:
        from vlm_misalign_ros.bags.seen import recorded_frames

        above = what.resolve().parent
        if records is None and (above / RECORDS).is_file():
            records = above
        found_frames = recorded_frames(what, records, wanted=choice.holds, left=told.left)
        frames = islice(found_frames, choice.limit or None)
    partial = path.with_name(f'.{path.name}.part')
    try:
        found = write_rerun(partial, frames, what.resolve().name)
        if not found.pictures:
            raise RecordError(
                _nothing(what, choice, told.left), 'give a run, or a bag that was recorded of one'
            )
        found.notes += told.notes()
        partial.replace(path)
    except OSError as error:
        raise RecordError(
            f'{path} cannot be written: {error.strerror}', 'choose another place'
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return found


def _nothing(what: Path, choice: Choice, left: Reasons) -> str:
    told = ', '.join(choice.conditions) or 'any condition'
    if not left.number:
        return f'{what} has no frame under {told}'
    return f'{what} has no frame under {told} that can be shown: {left.told("left out")[0]}'


def _info(folder: Path) -> dict[str, str]:
    """Return where an export comes from."""
    from vlm_misalign_ros import __version__

    manifest = read_manifest(folder)
    return {
        'description': f'run {folder.resolve().name}: camera pictures as they were degraded',
        'version': '1',
        'contributor': f'vlm_misalign_ros {__version__}',
        'date_created': str(manifest.get('started', ''))[:40],
    }


def _export_tables(folder: Path, out: Path, kind: str) -> Exported:
    if kind == 'mlflow':
        from vlm_misalign_ros.core.report.exports.mlflow import write_mlflow as write
    else:
        from vlm_misalign_ros.core.report.exports.wandb import write_wandb as write
    return write(folder, out)
