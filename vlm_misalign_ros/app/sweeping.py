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
Sweeps: one configuration over data sets, bags and seeds, in shards, gone on with after a stop.

A sweep is a folder with a run folder for each data set and seed, as a run by itself leaves it, and
one over all of them. What is whole is never made again; what was cut off is made anew.
"""

from __future__ import annotations

import copy
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from vlm_misalign_ros.app.preflight import SeedsCheck
from vlm_misalign_ros.app.ray_pool import on_ray
from vlm_misalign_ros.app.runs import check_same, create_run, settle
from vlm_misalign_ros.app.shard_pool import (
    LOG,
    SHARDS,
    Event,
    Part,
    here,
    notes_of,
    spawned,
    whole,
)
from vlm_misalign_ros.core.datasets import BAG, Dataset, split_place
from vlm_misalign_ros.core.errors import ConfigurationError, ExitCode, RecordError
from vlm_misalign_ros.core.evaluation.assembling import assemble
from vlm_misalign_ros.core.evaluation.engine import refuse_live
from vlm_misalign_ros.core.evaluation.replaying import open_replayed
from vlm_misalign_ros.core.evaluation.shards import Shard, cut, passes
from vlm_misalign_ros.core.files import lock, read_json, sync, write_json
from vlm_misalign_ros.core.records.ending import ENDING, MANIFEST, Ending, write_ending
from vlm_misalign_ros.core.records.merge import SharedFrame, merge
from vlm_misalign_ros.core.report.finalise import finalise
from vlm_misalign_ros.core.report.rules import Rules
from vlm_misalign_ros.core.report.verdict import Verdict
from vlm_misalign_ros.core.settings.configuration import Configuration, parse

SECTION = 'sweep'
"""The section of a configuration that only a sweep has."""
SETTINGS = ('datasets', 'seeds', 'shard')
SWEEP = 'sweep.json'
"""What a folder of a sweep is made of."""
ALL = 'all'
"""Folder of the run over all runs."""
Say = Callable[[str], None]
_GONE = '.shards'
"""Name of the shards of a run that is whole, while they are removed."""
_WORST = (ExitCode.FAIL, ExitCode.INVALID, ExitCode.UNDECIDED)


@dataclass(frozen=True)
class Planned:
    """One run of a sweep."""

    folder: Path
    chosen: Configuration
    shards: tuple[Shard, ...]
    frames_each: int
    """Frames that one frame of its data set gives."""

    @property
    def total(self) -> int:
        """Return its frames."""
        return sum(self.frames(shard) for shard in self.shards)

    def frames(self, shard: Shard) -> int:
        """Return the frames of one of its shards."""
        return (shard.stop - shard.start) * self.frames_each


def plan(data: Mapping[str, Any], folder: Path, say: Say) -> list[Planned]:
    """
    Return the runs of a sweep, data set by data set, each with all seeds.

    `say` is told what is to be said of bags. Raises a MisalignError that names what will not do.
    """
    places, seeds, size = _asked(data)
    found = []
    for place, name in zip(places, _names(places), strict=True):
        dataset: Dataset | None = None
        for seed in seeds:
            one = _one(data, place, seed, say if seed == seeds[0] else lambda text: None)
            one |= {'name': f'{name}_seed{seed}', 'out': str(folder)}
            chosen = parse(one)
            refuse_live(chosen)
            if chosen.monitor.frames or chosen.monitor.duration:
                raise ConfigurationError(
                    'monitor.frames or monitor.duration is set, and the frames of a sweep come '
                    'in no order',
                    'set replay.limit',
                )
            replay = chosen.replay
            assert replay is not None
            # It is gone through once, whatever the seed.
            dataset = open_replayed(replay) if dataset is None else dataset
            shards = cut(chosen, dataset, size)
            each = passes(replay) * replay.hold
            found.append(Planned(folder / chosen.name, chosen, tuple(shards), each))
    return found


def _asked(data: Mapping[str, Any]) -> tuple[list[str], list[int], int]:
    """Return places of data sets, seeds, and the size of shards (0: not said)."""
    section = data.get(SECTION) or {}
    if not isinstance(section, dict):
        raise ConfigurationError(f'section {SECTION!r} is {section!r}', 'expected a mapping')
    for name in section:
        if name not in SETTINGS:
            raise ConfigurationError(
                f'section {SECTION!r} has no {name!r}', 'known: ' + ', '.join(SETTINGS)
            )
    replay = data.get('replay')
    own = replay.get('dataset') if isinstance(replay, dict) else None
    places = section.get('datasets', [own] if own else [])
    seeds, size = section.get('seeds', [data.get('seed', 0)]), section.get('shard', 0)
    if not _list_of(places, str):
        raise ConfigurationError(
            f'sweep.datasets is {places!r}', 'give a list of data sets, as for replay.dataset'
        )
    if not _list_of(seeds, int) or min(seeds) < 0:
        raise ConfigurationError(f'sweep.seeds is {seeds!r}', 'give a list of numbers from 0')
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise ConfigurationError(
            f'sweep.shard is {size!r}', 'give the frames of the data set in a shard, or leave it'
        )
    return places, seeds, size


def _list_of(found: Any, kind: type) -> bool:
    """Return whether something is a list of different things of a kind, and not empty."""
    return (
        isinstance(found, list)
        and bool(found)
        and all(isinstance(one, kind) and not isinstance(one, bool) for one in found)
        and len(set(found)) == len(found)
    )


def _one(data: Mapping[str, Any], place: str, seed: int, say: Say) -> dict[str, Any]:
    """Return the configuration of one run."""
    from vlm_misalign_ros.bags.running import over_bag

    one: dict[str, Any] = copy.deepcopy({k: v for k, v in data.items() if k != SECTION})
    one['seed'] = seed
    kind, path = split_place(place)
    if kind == BAG:
        one, said = over_bag(one, path.resolve())
        for line in said:
            say(f'{place}: {line}')
        return one
    replay = one.get('replay') or {}
    if not isinstance(replay, dict):
        raise ConfigurationError(f"section 'replay' is {replay!r}", 'expected a mapping')
    return {**one, 'replay': {**replay, 'dataset': place}}


def _names(places: Sequence[str]) -> list[str]:
    """Return a name of letters for each place, each once."""
    found: list[str] = []
    for place in places:
        path = split_place(place)[1].resolve()
        stem = re.sub(r'[^\w.-]+', '_', path.stem if path.is_file() else path.name) or 'data'
        name, number = stem, 2
        while name in found:
            name, number = f'{stem}_{number}', number + 1
        found.append(name)
    return found


class Sweep:
    """The folder of a sweep, and what is made in it."""

    def __init__(
        self, data: Mapping[str, Any], folder: Path, say: Say, overwrite: bool = False
    ) -> None:
        """
        Plan a sweep, or find one that was begun; `say` is told what has to be said.

        With `overwrite` one that is there is removed. Raises a MisalignError that names what will
        not do, or in what the sweep that is there is another.
        """
        self.folder = folder
        self._data = dict(data)
        self._say = say
        self.runs = plan(self._data, folder, say)
        self._overwrite = overwrite
        self._check = SeedsCheck()

    @property
    def total(self) -> int:
        """Return the frames of all runs."""
        return sum(run.total for run in self.runs)

    def work(self, jobs: int, progress: Callable[[int, str], None], ray: bool = False) -> None:
        """
        Make all runs that are not made yet in `jobs` processes (0: as many as it takes).

        They are of this machine, one unless said otherwise, or of a Ray cluster that is there.
        `progress` is told how many frames there are and of which run the last was. Raises a
        MisalignError for what ends it; what is whole by then stays.
        """
        with self._locked():
            self._begin()
            waiting, lacking = self._waiting()
            for number, run in enumerate(self.runs):
                if number not in lacking and not is_done(run.folder):
                    self._finish(run)
            count = self.total - sum(self.runs[p.run].frames(p.shard) for p in waiting)
            progress(count, 'sweep')
            data = [(run.folder, run.chosen.raw) for run in self.runs]
            for part, kind, text in _events(data, waiting, jobs, ray):
                run = self.runs[part.run]
                if kind == 'frame':
                    count += 1
                elif kind == 'said':
                    self._say(f'{run.chosen.name}: {text}')
                else:
                    lacking[part.run] -= 1
                    if not lacking[part.run]:
                        self._finish(run)
                progress(count, run.chosen.name)

    def conclude(self) -> tuple[Path, int]:
        """
        Make the run over all runs; return the folder to look at and the exit code.

        Runs that did not measure the same, or share frames, are left as they are, and the code is
        their worst.
        """
        if len(self.runs) == 1:
            return self.runs[0].folder, int(finalised(self.runs[0]).exit_code)
        out = self.folder / ALL
        if out.exists():
            # It is made of the others alone.
            shutil.rmtree(out)
        try:
            merge(out, [run.folder for run in self.runs], seeds=True)
        except (ConfigurationError, SharedFrame) as error:
            self._say(f'no run over all of them: {error}')
            codes = [int(finalised(run).exit_code) for run in self.runs]
            return self.folder, next((int(code) for code in _WORST if code in codes), 0)
        return out, int(finalise(out).exit_code)

    def _locked(self) -> TextIO:
        """Keep other sweeps out of the folder, until what is returned is closed."""
        held: TextIO | None = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            held = open(self.folder / '.lock', 'w', encoding='utf-8')
            lock(held.fileno())
            return held
        except OSError as error:
            if held is not None:
                held.close()
            if isinstance(error, BlockingIOError):
                what, remedy = f'a sweep is going on in {self.folder}', 'wait for it, or give'
            else:
                what = f'the folder {self.folder} cannot be made or written: {error.strerror}'
                remedy = 'free space, make it writable, or give'
            raise RecordError(what, f'{remedy} another --name or --out') from error

    def _begin(self) -> None:
        """Make the folders of all runs, or check that those that are there are of this sweep."""
        told: dict[str, Any] = {'runs': [run.chosen.name for run in self.runs], 'all': ALL}
        told['shards'] = [[shard.name for shard in run.shards] for run in self.runs]
        if not self._is_there():
            write_json(self.folder / SWEEP, told)
        elif read_json(self.folder / SWEEP, 'replace it: --overwrite') != told:
            raise RecordError(
                f'{self.folder} holds a sweep over other runs, frames or conditions',
                'give another --name, or replace it (--overwrite)',
            )
        for run in self.runs:
            if (run.folder / MANIFEST).is_file():
                check_same(run.chosen, run.folder, check=self._check)
                continue
            if run.folder.exists():
                # It was cut off before it had begun.
                settle(run.folder)
            create_run(run.chosen, ros=False, check=self._check)

    def _is_there(self) -> bool:
        """Return whether the folder holds a sweep; remove it where it is to be replaced."""
        there = (self.folder / SWEEP).is_file()
        others = {path.name for path in self.folder.iterdir()} - {'.lock', '.ray', SWEEP + '.part'}
        if others and not there:
            raise RecordError(
                f'{self.folder} holds something that is no sweep', 'give another --name'
            )
        if not there or not self._overwrite:
            return there
        for run in self.runs:
            # What will not do ends the new sweep before anything of the old one is removed.
            self._check(run.chosen, False)
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
        (self.folder / SWEEP).unlink()
        return False

    def _waiting(self) -> tuple[list[Part], dict[int, int]]:
        """Return the parts that are still to be made, and how many each run lacks."""
        parts: list[Part] = []
        lacking: dict[int, int] = {}
        for number, run in enumerate(self.runs):
            if is_done(run.folder):
                shutil.rmtree(run.folder / _GONE, ignore_errors=True)
                continue
            there = whole(run.folder)
            mine = [Part(number, shard) for shard in run.shards if shard.name not in there]
            parts += mine
            if mine:
                lacking[number] = len(mine)
        return parts, lacking

    def _finish(self, run: Planned) -> None:
        """Make results of the shards of a run, all of which are there."""
        shards = [run.folder / SHARDS / shard.name for shard in run.shards]
        frames = assemble(run.folder, shards, run.chosen.monitor.pictures)
        with open(run.folder / 'log' / LOG, 'wb') as log:
            for shard in shards:
                log.write((shard / LOG).read_bytes())
        notes = first_of_each(note for shard in shards for note in notes_of(shard))
        write_ending(run.folder, Ending(expected_frames=frames, notes=notes))
        finalised(run)
        # What was made of the shards is on the disk before they go.
        sync(run.folder)
        (run.folder / SHARDS).rename(run.folder / _GONE)
        shutil.rmtree(run.folder / _GONE, ignore_errors=True)


def _events(
    runs: Sequence[tuple[Path, Mapping[str, Any]]], parts: Sequence[Part], jobs: int, ray: bool
) -> Iterator[Event]:
    """Have processes work on parts."""
    if not parts:
        return iter(())
    if ray:
        return on_ray(runs, parts, jobs)
    return here(runs, parts) if jobs < 2 else spawned(runs, parts, jobs)


def finalised(run: Planned) -> Verdict:
    """Make tables, verdict and report of a run."""
    return finalise(run.folder, Rules.of(run.chosen.monitor))


def is_done(folder: Path) -> bool:
    """Return whether a run is whole, and nothing of it is left to be made."""
    return (folder / ENDING).is_file() and not (folder / SHARDS).exists()


def first_of_each(notes: Iterator[str]) -> list[str]:
    """Return notes without those that tell of a later frame what was told of an earlier one."""
    found: dict[str, str] = {}
    for note in notes:
        found.setdefault(note.partition(' frame ')[0], note)
    return list(found.values())
