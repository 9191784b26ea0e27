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

"""Runs a configuration in this process, without ROS: the same run folder as the graph leaves."""

from __future__ import annotations

import dataclasses
import math
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, TextIO

from vlm_misalign_ros.app.progress import Terminal
from vlm_misalign_ros.core.datasets import Dataset
from vlm_misalign_ros.core.errors import ConfigurationError, ExitCode, MisalignError
from vlm_misalign_ros.core.evaluation.engine import Engine, replayed
from vlm_misalign_ros.core.evaluation.replaying import open_replayed
from vlm_misalign_ros.core.evaluation.session import Session
from vlm_misalign_ros.core.evaluation.shards import shard
from vlm_misalign_ros.core.records.ending import Ending, write_ending
from vlm_misalign_ros.core.records.ordering import order_frames
from vlm_misalign_ros.core.records.store import RECORDS
from vlm_misalign_ros.core.report.finalise import finalise
from vlm_misalign_ros.core.report.rolling import HEAD, Rolling
from vlm_misalign_ros.core.report.rules import Rules
from vlm_misalign_ros.core.settings.configuration import Configuration
from vlm_misalign_ros.core.types import Source
from vlm_misalign_ros.wire.environment import prepare_process
from vlm_misalign_ros.wire.stopping import listen, restore

LOG = Path('log', 'engine.log')
"""What was told on the way, in a run folder."""
KINDS = 64
"""Warnings that the terminal shows: the first of each kind; the log has all."""


class InProcess:
    """One run of a configuration in this process."""

    def __init__(
        self, configuration: Configuration, folder: Path, total: int, begin: int | None = None
    ) -> None:
        """
        Prepare; `total` frames are expected.

        With `begin` it goes on with what is there, from that position of the data set, from 0.
        """
        self._chosen = dataclasses.replace(
            configuration.monitor, run_folder=str(folder.absolute()), resumed=begin is not None
        )
        self._begin = begin or 0
        self._configuration = configuration
        self._folder = folder
        self._total = total
        self._interrupts: list[str] = []
        self._said: set[str] = set()
        self._terminal: Terminal | None = None
        self._log: TextIO | None = None
        self.failure: MisalignError | None = None
        """What the run ended with before its end."""

    def run(self, out: TextIO | None = None) -> int:
        """
        Run to the end, with progress on `out` (stderr); return the exit code.

        It is the verdict's, ERROR with `failure`, or INTERRUPTED. Raises a MisalignError where the
        run cannot begin.
        """
        prepare_process()
        mode: Literal['a', 'w'] = 'a' if self._chosen.resumed else 'w'
        with open(self._folder / LOG, mode, encoding='utf-8') as self._log:
            engine = Engine(self._configuration, say=self._warn)
            replay = self._configuration.replay
            if replay is None:
                raise ConfigurationError('a live run needs the graph', 'leave out --in-process')
            with self._signals():
                session = Session(self._chosen, log=self._warn, metered=False)
                self._terminal = Terminal(self._total, out, done=session.closed)
                dataset = open_replayed(replay)
                frames = replayed(replay, dataset, self._wanted(dataset))
                try:
                    self._go(engine, session, frames)
                finally:
                    self._terminal.close(session.closed, '')
            return self._end(engine, session)

    def _wanted(self, dataset: Dataset) -> Callable[[int, Source], bool | None]:
        """Return which frames of the data set are asked about."""
        rest = shard(self._configuration, dataset, self._begin, len(dataset))
        # Those with which pass after pass begins, though they come in another order here.
        last = self._chosen.frames or math.inf
        return lambda position, source: source.index < last and rest.wanted(position, source)

    def _warn(self, text: str) -> None:
        """Write a line down; show it where it is the first of its kind."""
        if self._log is not None:
            # A disk that is full ends a run by its records, with a reason.
            with suppress(OSError):
                self._log.write(text + '\n')
                self._log.flush()
        kind = re.sub(r'\d+', '', text)
        if self._terminal is not None and kind not in self._said and len(self._said) < KINDS:
            self._said.add(kind)
            self._terminal.say(text)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Have the first signal end the run after the frame in hand, and a second at once."""
        previous = listen(self._interrupt)
        try:
            yield
        finally:
            restore(previous)

    def _interrupt(self, number: int, frame: Any) -> None:
        if self._interrupts:
            raise KeyboardInterrupt(signal.Signals(number).name)
        self._interrupts.append(signal.Signals(number).name)

    def _go(self, engine: Engine, session: Session, frames: Any) -> None:
        assert self._terminal is not None
        chosen, began, rolling = self._chosen, time.monotonic(), Rolling()
        try:
            for closed in engine.run(frames, session):
                for one in closed:
                    name = '' if one.record is None else one.record.condition.name
                    self._terminal.update(session.closed, name)
                    if one.record is not None:
                        rolling.add(one.record)
                self._terminal.rate(HEAD, rolling.lines)
                enough = 0 < chosen.frames <= session.closed
                late = 0 < chosen.duration <= time.monotonic() - began
                if enough or late or self._interrupts:
                    break
        except MisalignError as error:
            self.failure = error

    def _end(self, engine: Engine, session: Session) -> int:
        """Write the results; return the exit code."""
        session.end(time.monotonic())
        if not session.closed:
            if self.failure is not None:
                raise self.failure
            return ExitCode.INTERRUPTED
        order_frames(self._folder / RECORDS)
        ends = [count for count in (session.total, self._chosen.frames) if count]
        ending = Ending(
            expected_frames=min(ends, default=None),
            interrupted=bool(self._interrupts),
            failure=None if self.failure is None else str(self.failure),
            notes=[*session.notes, *engine.notes],
        )
        write_ending(self._folder, ending)
        verdict = finalise(self._folder, Rules.of(self._chosen))
        if self._interrupts:
            return ExitCode.INTERRUPTED
        return verdict.exit_code if self.failure is None else ExitCode.ERROR
