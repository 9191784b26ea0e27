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

"""
How a run ended: what only the process that ran it knew, kept beside its records.

`ending.json` is written when a run ends by itself or is stopped. A run that was killed leaves
none, and whoever reads the folder later knows by that that it did not end by itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.files import read_json, sha256_of, write_json
from vlm_misalign_ros.core.records.store import RECORDS
from vlm_misalign_ros.core.settings.nodes import JUDGING

ENDING = 'ending.json'
"""The name of the file in a run folder."""
TOLD = Path('log', 'told.json')
"""Where it is told, in a run folder, why a run has to end."""
MANIFEST = 'manifest.json'
EXPECTED = 'expected_frames'
"""Key of the manifest: frames that the run has to close; 0 where it has no end."""


class Ending(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a run ended."""

    expected_frames: int | None = None
    """Frames of the whole run; null for one without a number of its own."""
    interrupted: bool = False
    """Stopped by a signal (Ctrl-C) before its end."""
    endless: bool = False
    """Had no end of its own (live, no `duration`, no `frames`): a signal is how it ends."""
    failure: str | None = None
    """The error that it ended with."""
    notes: list[str] = []
    """What happened on the way, such as a model that was no longer waited for."""
    sealed: dict[str, str] | None = None
    """
    SHA-256 by name of the records, and of what the manifest says that decides the verdict, as the
    run left them; null where not known.
    """
    schema: int = 1


_FIELDS = frozenset(field.encode_name for field in msgspec.structs.fields(Ending))


def write_ending(folder: Path, ending: Ending) -> None:
    """Write `ending.json`, with the hashes of what it seals; RecordError when the disk refuses."""
    sealed = _seal(folder)
    write_json(
        folder / ENDING, msgspec.to_builtins(msgspec.structs.replace(ending, sealed=sealed))
    )


def changed(folder: Path, ending: Ending | None) -> list[str]:
    """Return the names of the files that are not as the run in a folder left them."""
    known = (ending.sealed if ending else None) or {}
    found = _seal(folder)
    return [name for name in known if found.get(name) != known[name]]


def _seal(folder: Path) -> dict[str, str]:
    found = {}
    try:
        if (folder / RECORDS).is_file():
            found[RECORDS] = sha256_of(folder / RECORDS)
    except OSError as error:
        raise RecordError(
            f'{folder / RECORDS} cannot be read: {error.strerror}', 'make it readable'
        ) from error
    try:
        manifest = read_json(folder / MANIFEST, '')
    except RecordError:
        return found
    text = json.dumps(_deciding(manifest), sort_keys=True, default=str)
    return {**found, MANIFEST: hashlib.sha256(text.encode()).hexdigest()}


def _deciding(manifest: dict[str, Any]) -> list[Any]:
    """Return what of a manifest decides a verdict: a folder that moved is the same run."""
    configuration = manifest.get('configuration')
    configuration = configuration if isinstance(configuration, dict) else {}
    values = evaluation_settings(manifest) or {}
    return [
        {name: values[name] for name in (*JUDGING, 'truth') if name in values},
        configuration.get('segmentation') not in (None, False),
        manifest.get(EXPECTED),
        manifest.get('language'),
    ]


def evaluation_settings(manifest: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the settings of the evaluation that a manifest keeps; None where it keeps none."""
    configuration = manifest.get('configuration')
    if not isinstance(configuration, dict):
        return None
    # A bag's analysis keeps the settings of the evaluation alone.
    values = configuration.get('monitor', configuration)
    return values if isinstance(values, dict) else None


def tell_ending(folder: Path, failure: str | None, notes: Sequence[str]) -> None:
    """
    Tell the process that is to end a run why it has to, and what else befell it.

    It is no ending: a run that is killed after all has none. A disk that refuses stops nobody:
    whoever tells has said it at the terminal, too.
    """
    with suppress(RecordError, OSError):
        (folder / TOLD).parent.mkdir(exist_ok=True)
        write_json(folder / TOLD, {'failure': failure, 'notes': list(notes)})


def told_ending(folder: Path) -> tuple[str | None, list[str]]:
    """Return the failure and the notes that `tell_ending` told; nothing where it told nothing."""
    try:
        told = read_json(folder / TOLD, '')
    except RecordError:
        return None, []
    failure, notes = told.get('failure'), told.get('notes')
    return (
        failure if isinstance(failure, str) else None,
        [str(note) for note in notes] if isinstance(notes, list) else [],
    )


def read_ending(folder: Path) -> Ending | None:
    """
    Return how the run in a folder ended; None when it did not end by itself.

    RecordError for a file that cannot be read or was changed: a field that is lacking or has
    another name would stand for nothing having happened.
    """
    try:
        data = (folder / ENDING).read_bytes()
        lacking = _FIELDS - msgspec.json.decode(data, type=dict).keys()
        if lacking:
            raise msgspec.ValidationError(f'it lacks {", ".join(sorted(lacking))}')
        return msgspec.json.decode(data, type=Ending)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RecordError(
            f'{folder / ENDING} cannot be read: {error.strerror}', 'make it readable'
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RecordError(
            f'{folder / ENDING} cannot be read: {error}',
            'the file was changed or damaged; without it the run counts as one that was killed',
        ) from error


def merged_ending(endings: Sequence[tuple[str, Ending | None]]) -> Ending | None:
    """
    Return the ending of runs merged into one, given by the name of each; None when one has none.

    A merged run is as whole as its parts: frames add up, whatever befell a part is kept.
    """
    known = [(name, ending) for name, ending in endings if ending is not None]
    if len(known) < len(endings):
        return None
    failures = [f'{name}: {ending.failure}' for name, ending in known if ending.failure]
    return Ending(
        _all_together([ending.expected_frames for _, ending in known]),
        any(ending.interrupted and not ending.endless for _, ending in known),
        False,
        '; '.join(failures) or None,
        [f'{name}: {note}' for name, ending in known for note in ending.notes],
    )


def _all_together(counts: Sequence[int | None]) -> int | None:
    """Return the sum of counts; None where one is not known."""
    told = [count for count in counts if count is not None]
    return sum(told) if len(told) == len(counts) else None


def planned_frames(manifest: dict[str, Any]) -> int | None:
    """Return the frames that a run was to close, by its manifest; None where it does not say."""
    found = manifest.get(EXPECTED)
    return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else None
