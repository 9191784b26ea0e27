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
Answers from outside: given to the picture that each is about, or to nobody.

A node outside may give its answers no stamp, the time of day, or that of another camera's frame.
`Placer` holds what a rule makes of that (rules.py) against the pictures that were there. Where one
picture fits, the answer is joined to it; where several do, none of them is scored by it; where
none does, it is counted and passed over.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.evaluation.parts import model_of
from vlm_misalign_ros.core.evaluation.rules import Rule, Stretch, candidates
from vlm_misalign_ros.core.settings.outside import ARRIVAL, STAMP
from vlm_misalign_ros.core.stamps import NANO, format_stamp
from vlm_misalign_ros.core.types import Placing

SETTLE = 0.1
"""Seconds after an answer by arrival in which a picture that came before it is still taken up."""
NAMED = 4
"""Pictures that are named of those that an answer fits."""


@dataclass(frozen=True)
class Claim:
    """An answer as it came, and what is known of its time."""

    make: Callable[[], Any]
    """Makes the value of its part; raises RecordError where nothing can be made of it."""
    stamp: int | None
    """Header time, nanoseconds; None or 0 without one."""
    arrival: int
    """When it came, nanoseconds of the clock by which the arrival of pictures is told."""


@dataclass(frozen=True)
class Settled:
    """A picture and what it is given."""

    stamp: int
    part: str
    publisher: str
    claim: Claim | None = None
    placing: Placing | None = None
    offset: int = 0
    """Nanoseconds by which the answer's time lies behind the picture's."""
    seconds: float = 0.0
    """From the picture's arrival to the answer's."""
    reason: str = ''
    """Why it is given no answer, though one came that may be its own."""


@dataclass
class _Shown:
    """The pictures of one kind of time, sorted by it; the last KEPT."""

    times: list[int] = field(default_factory=list)
    stamps: list[int] = field(default_factory=list)
    newest: int = -(2**63)
    horizon: int = -(2**63)
    """Before it, pictures may have been that are not known."""

    def add(self, time: int, stamp: int, kept: int) -> None:
        place = bisect_left(self.times, time)
        self.times.insert(place, time)
        self.stamps.insert(place, stamp)
        if len(self.times) > kept:
            self.horizon = max(self.horizon, self.times.pop(0) + 1)
            self.stamps.pop(0)


@dataclass(eq=False)
class _Waiting:
    claim: Claim
    publisher: str
    by: str
    time: int
    stretch: Stretch
    since: float


@dataclass(eq=False)
class _Unsure:
    stamps: list[int]
    publisher: str
    reason: str
    until: float


class Placer:
    """
    Places answers by the rules of their parts.

    What stamps decide is decided when pictures have come so far that none can follow which
    changes it, or after `deadline` / 2 seconds: the same live and from a bag. An answer that
    several pictures fit waits as long for answers of their own.
    """

    KEPT = 4096
    """Pictures that are remembered."""
    WAITING = 64
    """Answers of a part that wait at most; more are passed over."""
    MOST = 8
    """Answers that a picture is given at most; a second with other content spoils it already."""

    def __init__(self, rules: Mapping[str, Rule], deadline: float, whole: bool) -> None:
        """
        Place answers by the rules of their parts.

        `deadline`: seconds after which frames close; `whole`: no picture came before the first
        that is known.
        """
        self._rules = dict(rules)
        self._deadline = deadline
        self._whole = whole
        self._arrivals: OrderedDict[int, tuple[int, float]] = OrderedDict()
        self._shown = {STAMP: _Shown(), ARRIVAL: _Shown()}
        self._waiting: dict[str, list[_Waiting]] = {part: [] for part in rules}
        self._unsure: dict[str, list[_Unsure]] = {part: [] for part in rules}
        self._given: dict[str, OrderedDict[int, int]] = {part: OrderedDict() for part in rules}
        self.counters: Counter[str] = Counter()
        """By what and model: `placed/m`, `ambiguous/m`, `without_picture/m`, `surplus/m`."""
        self.astray: dict[str, str] = {}
        """By part, what was the matter with its first answer that no picture fits."""

    @property
    def parts(self) -> tuple[str, ...]:
        """Return the parts that are placed."""
        return tuple(self._rules)

    def picture(self, stamp: int, arrival: int, now: float, shown: bool = True) -> list[Settled]:
        """Take up a picture, or that there will be none of this stamp; return what it settles."""
        if shown and stamp not in self._arrivals:
            self._arrivals[stamp] = arrival, now
            while len(self._arrivals) > self.KEPT:
                self._arrivals.popitem(last=False)
            for by, time in ((STAMP, stamp), (ARRIVAL, arrival)):
                if not self._shown[by].times and not self._whole:
                    self._shown[by].horizon = time
                self._shown[by].add(time, stamp, self.KEPT)
        for by, time in ((STAMP, stamp), (ARRIVAL, arrival)):
            self._shown[by].newest = max(self._shown[by].newest, time)
        return self._settle(now, self._complete)

    def answer(self, part: str, claim: Claim, now: float, publisher: str = '') -> list[Settled]:
        """
        Take up an answer; return what it settles.

        Raises RecordError for one without the time that its rule goes by.
        """
        rule = self._rules[part]
        by = rule.by(claim.stamp)
        if not by:
            raise RecordError(
                f'an answer has no stamp, and its rule {rule.name} goes by it',
                'choose the rule published or nearest_before, or have the node stamp its answers',
            )
        time = claim.arrival if by == ARRIVAL or claim.stamp is None else claim.stamp
        waiting = self._waiting[part]
        if len(waiting) + len(self._unsure[part]) >= self.WAITING:
            self._count('surplus', part)
            return []
        waiting.append(_Waiting(claim, publisher, by, time, rule.stretch(time), now))
        return self._settle(now, self._complete)

    def expire(self, now: float) -> list[Settled]:
        """Settle by what is known what has waited long enough."""

        def old(entry: _Waiting) -> bool:
            patience = SETTLE if entry.by == ARRIVAL else self._deadline / 2
            return self._complete(entry) or now - entry.since >= patience

        return self._settle(now, old)

    def flush(self, now: float) -> list[Settled]:
        """Settle all that waits, and forget the past: the end, or a jump in time."""
        settled = self._settle(now, lambda entry: True, end=True)
        self._arrivals.clear()
        self._shown = {STAMP: _Shown(), ARRIVAL: _Shown()}
        for given in self._given.values():
            given.clear()
        return settled

    def _complete(self, entry: _Waiting) -> bool:
        """Return whether every picture that an answer may be about has come."""
        newest = self._shown[entry.by].newest
        # Stamps are unique; of arrivals two may be equal.
        return newest > entry.stretch.high - (entry.by == STAMP)

    def _settle(
        self, now: float, due: Callable[[_Waiting], bool], end: bool = False
    ) -> list[Settled]:
        settled: list[Settled] = []
        for part, waiting in self._waiting.items():
            ready = [entry for entry in waiting if due(entry)]
            if ready:
                waiting[:] = [entry for entry in waiting if entry not in ready]
            for entry in ready:
                settled.extend(self._place(part, entry, now))
            settled.extend(self._give_up(part, now, end))
        return settled

    def _place(self, part: str, entry: _Waiting, now: float) -> Iterator[Settled]:
        shown, given = self._shown[entry.by], self._given[part]
        places = list(candidates(shown.times, entry.stretch))
        if self._rules[part].once:
            # Given up is not answered: the answer to such a picture may be still to come.
            answered = [0 < given.get(shown.stamps[p], 0) < self.MOST for p in places]
            places = [p for p, had in zip(places, answered, strict=True) if not had] or places
        if not places or self._may_be_before(entry, shown, places[0]):
            self._stray(part, entry, shown)
            return
        stamps = [shown.stamps[place] for place in places]
        if len(stamps) > 1:
            self._count('ambiguous', part)
            begun = min(self._arrivals.get(stamp, (0, now))[1] for stamp in stamps)
            until = min(begun + 0.9 * self._deadline, now + self._deadline / 2)
            self._unsure[part].append(
                _Unsure(stamps, entry.publisher, self._doubt(entry, shown, places), until)
            )
            return
        stamp = stamps[0]
        if given.get(stamp, 0) >= self.MOST:
            self._count('surplus', part)
            return
        self._give(part, stamp, 1)
        self._count('placed', part)
        offset = entry.time - shown.times[places[0]]
        window = (entry.stretch.high - entry.stretch.low + entry.stretch.bound) / NANO
        arrival, _ = self._arrivals.get(stamp, (entry.claim.arrival, now))
        yield Settled(
            stamp,
            part,
            entry.publisher,
            entry.claim,
            Placing(self._rules[part].name, entry.by, offset / NANO, window),
            offset,
            max(0.0, (entry.claim.arrival - arrival) / NANO),
        )

    def _may_be_before(self, entry: _Waiting, shown: _Shown, first: int) -> bool:
        """Return whether a picture that is not known any more, or never was, may be meant."""
        low = entry.stretch.low
        if entry.stretch.bound and shown.times[first] <= low:
            # The newest before is known; whether there was an older one is all the same.
            return False
        return low - entry.stretch.bound < shown.horizon

    def _doubt(self, entry: _Waiting, shown: _Shown, places: list[int]) -> str:
        named = ', '.join(format_stamp(shown.stamps[place]) for place in places[:NAMED])
        more = f' and {len(places) - NAMED} more' if len(places) > NAMED else ''
        return (
            f'an answer fits {len(places)} pictures by its {entry.by} ({named}{more}), and nobody '
            'knows which of them it is about'
        )

    def _stray(self, part: str, entry: _Waiting, shown: _Shown) -> None:
        self._count('without_picture', part)
        # At the beginning, nodes answer to pictures that nobody else heard.
        if part in self.astray or entry.stretch.low < shown.horizon:
            return
        near = min((time - entry.time for time in shown.times), key=abs, default=None)
        where = 'no picture is known'
        if near is not None:
            side = 'before' if near < 0 else 'after'
            where = f'the nearest picture is {abs(near) / NANO:.3f} s {side} it'
        rule = self._rules[part]
        self.astray[part] = (
            f'an answer of {model_of(part)} fits no picture: by its {entry.by} {where}, and its '
            f'rule {rule.name} looks from {(entry.stretch.low - entry.time) / NANO:+.3f} s to '
            f'{(entry.stretch.high - entry.time) / NANO:+.3f} s'
        )

    def _give_up(self, part: str, now: float, end: bool) -> Iterator[Settled]:
        """Tell the pictures of ambiguous answers so, those that have no answer of their own."""
        unsure = self._unsure[part]
        due = [entry for entry in unsure if end or now >= entry.until]
        if not due:
            return
        self._unsure[part] = [entry for entry in unsure if entry not in due]
        for entry in due:
            for stamp in entry.stamps:
                if not self._given[part].get(stamp):
                    # Whatever comes for it now comes too late to tell which was which.
                    self._give(part, stamp, self.MOST)
                    yield Settled(stamp, part, entry.publisher, reason=entry.reason)

    def _give(self, part: str, stamp: int, count: int) -> None:
        given = self._given[part]
        given[stamp] = given.get(stamp, 0) + count
        while len(given) > self.KEPT:
            given.popitem(last=False)

    def _count(self, what: str, part: str) -> None:
        self.counters[f'{what}/{model_of(part)}'] += 1
