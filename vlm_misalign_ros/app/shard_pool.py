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

"""Works on shards of runs: in this process, or in several that are spawned for it."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import connection
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from vlm_misalign_ros.app.workers import Work, Workers
from vlm_misalign_ros.core.datasets import Dataset
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.evaluation.engine import Engine, Kept, Models, replayed
from vlm_misalign_ros.core.evaluation.replaying import open_replayed
from vlm_misalign_ros.core.evaluation.session import Session
from vlm_misalign_ros.core.evaluation.shards import Shard
from vlm_misalign_ros.core.files import name_folder, write_json
from vlm_misalign_ros.core.settings.configuration import Configuration, parse
from vlm_misalign_ros.wire.environment import prepare_process

SHARDS = 'shards'
"""Folder of the shards of a run, in its own, until the run is whole."""
NOTES = 'notes.json'
"""What a shard has to tell, in its folder."""
LOG = 'engine.log'


@dataclass(frozen=True)
class Part:
    """A shard of one of several runs."""

    run: int
    shard: Shard


class Event(NamedTuple):
    """What is told of a part on the way."""

    part: Part
    kind: str
    """`frame`: one closed; `said`: a warning; `done`: it is whole, and on the disk."""
    text: str = ''


class Worker:
    """Holds the models, and works on one part after the other."""

    def __init__(self, runs: Sequence[tuple[Path, Mapping[str, Any]]]) -> None:
        """Take up runs: the folder of each, and its configuration."""
        self._runs = runs
        self._kept: Kept = {}
        self._opened: tuple[int, Configuration, Models, Dataset] | None = None

    def work(self, part: Part) -> Iterator[Event]:
        """
        Make the records of a part; yield what there is to tell.

        They are under their name only once they are whole, and on the disk. Raises a
        MisalignError for what ends the run.
        """
        folder, _ = self._runs[part.run]
        _, chosen, models, dataset = self._open(part.run)
        assert chosen.replay is not None
        making = folder / SHARDS / f'.{part.shard.name}-{os.getpid()}'
        try:
            making.mkdir(parents=True)
            said: list[str] = []
            with open(making / LOG, 'w', encoding='utf-8') as log:

                def say(text: str) -> None:
                    log.write(text + '\n')
                    said.append(text)

                monitor = dataclasses.replace(chosen.monitor, run_folder=str(making.absolute()))
                session = Session(monitor, folder.name, say, metered=False)
                engine = Engine(chosen, models, say)
                frames = replayed(chosen.replay, dataset, part.shard.wanted)
                try:
                    for closed in engine.run(frames, session):
                        yield from (Event(part, 'said', text) for text in said)
                        said.clear()
                        yield from (Event(part, 'frame') for _ in closed)
                finally:
                    session.end(0.0)
            write_json(making / NOTES, {'notes': [*session.notes, *engine.notes]})
            _name(making, folder / SHARDS / part.shard.name)
        except OSError as error:
            raise RecordError(
                f'{making} cannot be written: {error.strerror}', 'free space, and go on'
            ) from error
        finally:
            shutil.rmtree(making, ignore_errors=True)
        yield Event(part, 'done')

    def _open(self, run: int) -> tuple[int, Configuration, Models, Dataset]:
        if self._opened is None or self._opened[0] != run:
            chosen = parse(self._runs[run][1])
            assert chosen.replay is not None
            models = Models.load(chosen, self._kept)
            self._opened = run, chosen, models, open_replayed(chosen.replay)
        return self._opened


def _name(making: Path, shard: Path) -> None:
    """Give a whole shard its name; where another process was first, theirs is as good."""
    try:
        name_folder(making, shard)
    except OSError:
        if not shard.is_dir():
            raise


def whole(folder: Path) -> set[str]:
    """Return the names of the shards of a run that are whole; what was cut off is removed."""
    found: set[str] = set()
    with suppress(FileNotFoundError):
        for path in (folder / SHARDS).iterdir():
            if path.name.startswith('.'):
                shutil.rmtree(path, ignore_errors=True)
            else:
                found.add(path.name)
    return found


def notes_of(shard: Path) -> list[str]:
    """Return what a shard has to tell."""
    try:
        found = json.loads((shard / NOTES).read_text(encoding='utf-8'))
        return [str(note) for note in found['notes']]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordError(f'{shard / NOTES} cannot be read: {error}', f'remove {shard}') from error


def here(runs: Sequence[tuple[Path, Mapping[str, Any]]], parts: Iterable[Part]) -> Iterator[Event]:
    """Work on parts in this process; errors as `Worker.work`."""
    prepare_process()
    worker = Worker(runs)
    for part in parts:
        yield from worker.work(part)


def spawned(
    runs: Sequence[tuple[Path, Mapping[str, Any]]], parts: Iterable[Part], processes: int
) -> Iterator[Event]:
    """
    Work on parts in so many processes, each with models of its own.

    They end with this one, however it ends. Raises what `Worker.work` raises in them, and
    RecordError where one of them was ended from outside; what is whole by then stays.
    """
    workers = Workers(
        partial(_work, runs),
        'the sweep',
        'run the same command again to go on; fewer --jobs need less memory',
    )
    waiting, busy = deque(parts), set[Connection]()
    try:
        while waiting and len(busy) < processes:
            worker = workers.start()
            workers.give(worker, waiting.popleft())
            busy.add(worker)
        while busy:
            for ready in connection.wait(busy):
                assert isinstance(ready, Connection)
                event: Event = workers.heard(ready)
                if event.kind == 'done':
                    if waiting:
                        workers.give(ready, waiting.popleft())
                    else:
                        busy.remove(ready)
                yield event
    finally:
        workers.end()


def _work(runs: Sequence[tuple[Path, Mapping[str, Any]]]) -> Work:
    """Return what a process does with each part."""
    prepare_process()
    return Worker(runs).work
