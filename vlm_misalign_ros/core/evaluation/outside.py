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

"""What comes from nodes outside the run, on its way into the join."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from vlm_misalign_ros.core.errors import MisalignError, RecordError
from vlm_misalign_ros.core.evaluation.aligning import Placed
from vlm_misalign_ros.core.evaluation.join import Joined
from vlm_misalign_ros.core.evaluation.journal import Journal
from vlm_misalign_ros.core.evaluation.parts import SEGMENTATION, model_of, vlm_part
from vlm_misalign_ros.core.evaluation.placing import Claim, Placer, Settled
from vlm_misalign_ros.core.evaluation.rules import Rule
from vlm_misalign_ros.core.models.outside import OutsideReader, bounded
from vlm_misalign_ros.core.settings.nodes import MonitorParameters
from vlm_misalign_ros.core.settings.outside import MASK, STAMP, OutsideVlmParameters, read_outside
from vlm_misalign_ros.core.stamps import NANO
from vlm_misalign_ros.core.types import Applied, Description, Unplaced


def outside_part(name: str) -> str:
    """Return the part of a model outside, SEGMENTATION for the mask."""
    return SEGMENTATION if name == MASK else vlm_part(name)


class Outside:
    """Places what comes from outside, reads texts, and tells what could not be placed."""

    def __init__(
        self, parameters: MonitorParameters, journal: Journal, counters: Counter[str]
    ) -> None:
        """Open the lexicons and prompts; ConfigurationError where one will not do."""
        entries = read_outside(parameters.outside)
        rules = {outside_part(name): Rule.of(entry) for name, entry in entries.items()}
        self._rules = rules
        self.placer = partial(Placer, rules, parameters.deadline, whole=parameters.lockstep)
        """Returns what places answers among the pictures of one stretch of time."""
        self._readers = {
            vlm_part(name): OutsideReader(name, entry.prompt, entry.text, entry.lexicon)
            for name, entry in entries.items()
            if isinstance(entry, OutsideVlmParameters)
        }
        self._journal = journal
        self._counters = counters

    def picture(
        self, placer: Placer, stamp: int, applied: Applied, arrival: int | None, now: float
    ) -> list[Settled]:
        """Take up the condition of a picture, which says whether there is one."""
        if not placer.parts:
            return []
        arrival = round(now * NANO) if arrival is None else arrival
        return self._told(placer, placer.picture(stamp, arrival, now, shown=applied.shown))

    def stamp_of(self, part: str, claim: Claim) -> int | None:
        """Return the stamp of an answer; None where its rule does not go by it."""
        return claim.stamp if self._rules[part].by(claim.stamp) == STAMP else None

    def answer(
        self, placer: Placer, part: str, claim: Claim, now: float, publisher: str
    ) -> list[Settled]:
        """Take up an answer; RecordError for one without the time that its rule goes by."""
        return self._told(placer, placer.answer(part, claim, now, publisher))

    def claim(self, part: str, text: str, stamp: int | None, arrival: int) -> Claim:
        """Return the claim of an answer in words; it is read when it is known whose it is."""
        kept, cut = bounded(text)
        return Claim(partial(self._readers[part].describe, kept, cut), stamp, arrival)

    def refused(self, name: str, error: MisalignError) -> None:
        """Note why nothing that comes from a model can be taken."""
        self._journal.note(f'{name}: {error}')

    def expire(self, placer: Placer, now: float) -> list[Settled]:
        """Settle what has waited long enough."""
        return self._told(placer, placer.expire(now))

    def flush(self, placer: Placer, now: float) -> list[Settled]:
        """Settle all that waits, and forget the past."""
        return self._told(placer, placer.flush(now))

    def _told(self, placer: Placer, settled: list[Settled]) -> list[Settled]:
        self._counters.update(placer.counters)
        placer.counters.clear()
        for part, text in placer.astray.items():
            if self._journal.once(f'astray {part}', text):
                self._journal.notes.append(text)
        return settled

    @staticmethod
    def placed(
        settled: Iterable[Settled], malformed: Callable[[str, RecordError], None]
    ) -> Iterator[Placed]:
        """Yield what pictures are given; `malformed` is told of what nothing can be made of."""
        for one in settled:
            offset = 0
            value: Any = Unplaced(one.reason)
            if one.claim is not None:
                try:
                    value = one.claim.make()
                except RecordError as error:
                    malformed(one.part, error)
                    continue
            if isinstance(value, Description):
                value = replace(
                    value,
                    model=model_of(one.part),
                    placing=one.placing,
                    latency=value.latency or one.seconds,
                )
            elif isinstance(value, np.ndarray) and one.placing and one.placing.time == STAMP:
                # An answer says itself how far it lies from its picture. By arrival that is how
                # long the node took, and no distance of stamps.
                offset = one.offset
            yield Placed(one.stamp, one.part, value, one.publisher, offset)


def without_unplaced(joined: Joined) -> tuple[Joined, dict[str, str]]:
    """Return a frame without the parts that may be another's, and why each may."""
    reasons = {
        name: value.reason for name, value in joined.parts.items() if isinstance(value, Unplaced)
    }
    if not reasons:
        return joined, reasons
    parts = {name: value for name, value in joined.parts.items() if name not in reasons}
    return replace(joined, parts=parts), reasons
