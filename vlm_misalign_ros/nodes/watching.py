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
What the monitor says while a run goes on: what is waited for, what hangs, how the rates stand.

No ROS here but the few questions of `Sight`, which a node answers.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from vlm_misalign_ros.core.evaluation.disagreement import status_name
from vlm_misalign_ros.core.evaluation.parts import (
    CONDITION,
    CONFIDENCE,
    DEPTH,
    LABELS,
    REFERENCE,
    SEGMENTATION,
)
from vlm_misalign_ros.core.metrics.rates import RATES
from vlm_misalign_ros.core.stamps import format_stamp
from vlm_misalign_ros.nodes.headlines import line_of_rates
from vlm_misalign_ros.wire import transports
from vlm_misalign_ros.wire.channels import COMPRESSED_IMAGE, Form
from vlm_misalign_ros.wire.transports import Carrier

SILENT = 5.0
"""Seconds without a message after which a topic, or a model, is named."""
RATES_EVERY = 5.0
"""Seconds between two lines of rolling rates of a model."""
FADES = 0.8
"""What is left of the longest wait with each shorter one."""
SIMILAR = 3
"""Names that are offered for a topic that nobody publishes."""


@dataclass(frozen=True)
class Endpoint:
    """A node at one end of a topic."""

    node: str
    type: str
    reliable: bool


class Sight(Protocol):
    """What can be seen of the graph from a node."""

    def resolve(self, topic: str) -> str:
        """Return the full name of a topic, remapped."""

    def publishers(self, topic: str) -> Sequence[Endpoint]:
        """Return who publishes the topic of a full name."""

    def listeners(self, topic: str) -> Sequence[Endpoint]:
        """Return who listens to the topic of a full name."""

    def topics(self) -> Mapping[str, Sequence[str]]:
        """Return the types of every topic that somebody publishes, by full name."""


@dataclass
class Listened:
    """A topic that has to bring something: from outside all the time, from a model on demand."""

    part: str
    what: str
    """As it is named at the terminal."""
    topic: str
    """As the node names it, before it is remapped."""
    type: str
    """Of its messages; empty where any will do."""
    listener: str
    """Name of the node of the run that listens."""
    outside: bool
    """It comes from outside of the run."""
    transport: str = transports.RAW
    """How pictures or maps come, one of `transports.TRANSPORTS`; raw where it is no picture."""
    since: float = math.nan
    """Since when something is waited for; NaN while nothing is."""
    frame: int = 0
    """Stamp of the first frame that waits for it; 0 where it brings frames itself."""
    usual: float = 0.0
    """Longest wait that came to an end of late."""
    named: float = 0.0
    """Wait at which it was last named; 0: not since it last brought something."""
    messages: int = 0
    """How many it has ever brought."""
    last: int | None = None
    """Stamp of the last, nanoseconds; None where it named no frame."""
    passing: str = ''
    """Why it passed the last frame over; empty where it answered."""
    asked: int = 0
    """Stamp of the newest frame that waits for it, or did."""
    quiet: float = math.nan
    """Since when it has said nothing, though it was asked; NaN while it is asked nothing."""


def carrier(listened: Listened, sight: Sight) -> Carrier:
    """Return what carries a topic, or would: another one where pictures come compressed."""
    name, depth = sight.resolve(listened.topic), listened.part == DEPTH
    if listened.transport == transports.RAW:
        return Carrier(name, listened.type)

    def published(topic: str) -> set[str]:
        return {end.type for end in sight.publishers(topic)}

    found = transports.among(name, published, depth, listened.transport)
    return found or transports.first(name, listened.transport, depth)


def reason(listened: Listened, sight: Sight) -> str:
    """Return why a topic may bring nothing, as far as the graph tells."""
    carried = carrier(listened, sight)
    name, kind = carried.topic, carried.type
    found = sight.publishers(name)
    if not found:
        near = similar(name, kind, sight.topics())
        hint = f'; similar: {", ".join(near)}' if near else ''
        return f'nobody publishes it{hint}'
    right = [one for one in found if kind in ('', one.type)]
    if not right:
        return _of_another_type(found[0], kind)
    asked, elsewhere = (
        [one for one in sight.listeners(topic) if one.node.endswith('/' + listened.listener)]
        for topic in (name, sight.resolve(listened.topic))
    )
    publisher = right[0].node
    if elsewhere and kind not in ('', *(one.type for one in asked)):
        return (
            f'its publisher {publisher} sends {kind.rpartition("/")[2]}, which '
            f'{listened.listener} does not take; set {listened.listener}.image_transport to auto'
        )
    if _reliable(asked) and not _reliable(right):
        return (
            f'its publisher {publisher} sends best effort, and a listener that asks for '
            f'reliable gets none of it; set {listened.listener}.reliability to best_effort'
        )
    return f'its publisher {publisher} is there and sends nothing'


def _reliable(ends: Sequence[Endpoint]) -> bool:
    return any(one.reliable for one in ends)


def _of_another_type(publisher: Endpoint, wanted: str) -> str:
    kind, needed = (text.rpartition('/')[2] for text in (publisher.type, wanted))
    how = 'reliable' if publisher.reliable else 'best effort'
    return (
        f'its publisher {publisher.node} sends {kind}, {how}; {needed} is needed: remap to a '
        'topic that has it'
    )


def similar(name: str, kind: str, topics: Mapping[str, Sequence[str]]) -> list[str]:
    """
    Return topics that may be the one that is meant, the nearest first, SIMILAR at most.

    Of the same last words in another namespace, or of nearly the same name; where there is none,
    of the same type.
    """
    last = name.rpartition('/')[2]
    tail = name.split('/')[-2:]

    def nearness(other: str) -> float:
        score = difflib.SequenceMatcher(None, name, other).ratio()
        if other.split('/')[-2:] == tail:
            return score + 2
        return score + 1 if other.rpartition('/')[2] == last else score

    others = {topic: kinds for topic, kinds in topics.items() if topic != name}
    ranked = sorted(others, key=lambda topic: (-nearness(topic), topic))
    # Of a type that has nothing to do with it only where the name is all but the same.
    images = {Form.IMAGE.value, COMPRESSED_IMAGE}
    kin = images if kind in images else {kind}
    typed = [topic for topic in ranked if kin & set(others[topic])]
    close = [topic for topic in typed if nearness(topic) > 0.7]
    named = [topic for topic in ranked if topic not in typed and nearness(topic) > 1.7]
    chosen = [*close, *named] or typed
    return [f'{topic} ({", ".join(others[topic])})' for topic in chosen[:SIMILAR]]


class Watch:
    """Says the few things that somebody at the terminal has to know, each a few times at most."""

    def __init__(
        self,
        tell: Callable[[str], None],
        sight: Sight,
        listened: Sequence[Listened],
        deadline: float,
        now: float,
    ) -> None:
        """Begin to wait for every node, and for what comes from outside."""
        self._tell = tell
        self._sight = sight
        self.listened = list(listened)
        self._deadline = deadline
        self._began = now
        self._waited = 0.0
        self.ready_at: float | None = None
        """When every node was there; None before."""
        self._first = False
        self._rates_at = -math.inf
        self._headlines = [row.name for row in RATES if row.headline]
        for entry in self.listened:
            if entry.outside:
                entry.since = now

    def came(
        self, part: str, stamp: int | None, now: float, condition: str = '', asked: bool = True
    ) -> None:
        """
        Take note that a part of a frame came; the `condition` is that of a picture.

        `stamp` is that of the frame; None for an answer that does not name the one it is about.
        `asked`: there is a picture, which models have to answer to.
        """
        if part == CONDITION and stamp is not None and not self._first:
            self._first = True
            self._tell(f'first frame: {format_stamp(stamp)}, {condition}')
        asked &= part == CONDITION
        for entry in self.listened:
            if entry.part == part:
                self._brought(entry, stamp, now)
            elif asked and not entry.outside:
                self._asked(entry, stamp or 0, now)

    def absent(self, now: float) -> list[str]:
        """
        Return the parts of nodes of the run that nobody has to wait for, until they speak again.

        Those that came before, and that nobody publishes any more, or whose node has said nothing
        at all for longer than the deadline, though it was asked.
        """
        gone = [
            entry.part
            for entry in self.listened
            if entry.messages and not entry.outside and self._is_gone(entry, now)
        ]
        also = ((SEGMENTATION, CONFIDENCE), (REFERENCE, LABELS))
        return [*gone, *(other for part, other in also if part in gone)]

    def _is_gone(self, entry: Listened, now: float) -> bool:
        if now - entry.quiet > self._deadline:
            return True
        return not self._sight.publishers(self._sight.resolve(entry.topic))

    def _asked(self, entry: Listened, stamp: int, now: float) -> None:
        entry.asked = stamp
        if math.isnan(entry.since):
            entry.since, entry.frame = now, stamp
        if math.isnan(entry.quiet):
            entry.quiet = now

    def passed(self, part: str, stamp: int, why: str, now: float) -> None:
        """Take note that a frame was passed over, which is no answer: who does so may hang."""
        part = SEGMENTATION if part == CONFIDENCE else part
        for entry in self.listened:
            if entry.part == part:
                entry.passing = why
                # It is asked nothing more where that was the newest.
                entry.quiet = now if stamp < entry.asked else math.nan

    def _brought(self, entry: Listened, stamp: int | None, now: float) -> None:
        waited = 0.0 if math.isnan(entry.since) else now - entry.since
        if entry.named:
            verb = 'come' if entry.outside else 'answers'
            again = ' again' if entry.messages else ''
            self._tell(f'{entry.what} {verb}{again} after {waited:.0f} s')
        entry.messages += 1
        entry.last = stamp
        entry.passing = ''
        if self.ready_at is not None:
            # What is always slow is not named each time; what hung once is, the next time.
            entry.usual = max(waited, FADES * entry.usual)
        # An answer that names no frame may be to any of those that wait.
        early = stamp is not None and stamp < entry.frame
        entry.since = entry.quiet = now if entry.outside or early else math.nan
        entry.named = 0.0

    def tick(self, now: float, answering: Callable[[], Mapping[str, bool]]) -> None:
        """
        Look around, about once a second.

        `answering` says of every node of the run whether it is there; it asks the graph, and is
        only called until all are.
        """
        if self.ready_at is None:
            self._await(now, answering())
        for entry in self.listened:
            # While nodes start, it is they who keep the frames waiting.
            if entry.outside or self.ready_at is not None:
                self._look_at(entry, now)

    def _await(self, now: float, answering: Mapping[str, bool]) -> None:
        lacking = [name for name, there in answering.items() if not there]
        waited = now - self._began
        if lacking:
            if waited >= max(SILENT, 2 * self._waited):
                self._waited = waited
                self._tell(f'starting for {waited:.0f} s; waiting for {", ".join(lacking)}')
            return
        self.ready_at = now
        outside = [self._sight.resolve(e.topic) for e in self.listened if e.outside]
        listening = f'; listening to {", ".join(outside)}' if outside else ''
        self._tell(f'ready after {waited:.0f} s: {", ".join(answering)}{listening}')
        for entry in self.listened:
            if not entry.outside and not math.isnan(entry.since):
                entry.since = entry.quiet = now

    def _look_at(self, entry: Listened, now: float) -> None:
        waited = now - entry.since
        if now - entry.quiet > self._deadline:
            # It does not even do that any more.
            entry.passing = ''
        # Each time it is named, it is left alone for twice as long.
        if not waited >= max(SILENT, 2 * entry.usual, 2 * entry.named):
            return
        entry.named = waited
        if entry.outside:
            self._tell(
                f'no {entry.what} on {carrier(entry, self._sight).topic} for {waited:.0f} s; '
                f'{reason(entry, self._sight)}'
            )
            return
        closing = (
            f'it passes frames over: {entry.passing}'
            if entry.passing
            else f'frames close without it after {self._deadline:g} s'
        )
        self._tell(
            f'{entry.what} has not answered for {waited:.0f} s, since frame '
            f'{format_stamp(entry.frame)}; {closing}'
        )

    def rates(self, metrics: Callable[[], Mapping[str, Mapping[str, str]]], now: float) -> None:
        """
        Say the rolling rates of every model in a line, every RATES_EVERY seconds.

        `metrics` makes them, and is only called where they are said.
        """
        if now - self._rates_at < RATES_EVERY:
            return
        self._rates_at = now
        found = metrics()
        for name, values in found.items():
            span, _, model = name.partition(': ')
            if span == 'rolling' and model != SEGMENTATION:
                own = found.get(status_name(span, model))
                self._tell(f'{model}: {line_of_rates(values, self._headlines, own)}')
