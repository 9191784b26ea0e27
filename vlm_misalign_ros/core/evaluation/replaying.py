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

"""What replay sends and in which order: schedule, probe frames, a bounded cache of frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vlm_misalign_ros.core.checksums import checksum
from vlm_misalign_ros.core.corruptions.scenario import Playing, Scenario
from vlm_misalign_ros.core.datasets import BAG, Dataset, open_dataset, split_place
from vlm_misalign_ros.core.datasets.order import has_sequences
from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.settings.replaying import ReplayParameters
from vlm_misalign_ros.core.stamps import NANO
from vlm_misalign_ros.core.types import Condition, Frame, Protocol, Source


def protocol_of(dataset: Dataset, hold: int = 1) -> Protocol:
    """Return how the frames of a replay hang together in time."""
    if getattr(dataset, 'pseudo_labels', None) is not None:
        return Protocol.PSEUDO_HELD if hold > 1 else Protocol.PSEUDO
    if hold > 1:
        return Protocol.HELD
    return Protocol.LABELLED if has_sequences(dataset.entries) else Protocol.SINGLE


def schedule(
    dataset: Dataset,
    conditions: Sequence[Condition],
    loop: bool = False,
    depth: bool = False,
    hold: int = 1,
) -> Iterator[tuple[int, Source]]:
    """
    Yield (position in the data set, source) for every condition and frame, one pass each.

    A pass holds one condition, so that rolling rates show the degradation as it comes. Each frame
    comes `hold` times in a row; from the second time on its degradation is drawn anew.
    """
    scheduled = _Schedule(dataset, conditions, 0 if loop else 1, depth, hold)
    cycle = 0
    while True:
        for condition in conditions:
            for position in range(len(dataset)):
                for time in range(hold):
                    yield position, scheduled.source(position, condition, cycle, time)
            cycle += 1
        if not loop:
            return


def schedule_by_frame(
    dataset: Dataset, conditions: Sequence[Condition], depth: bool = False, hold: int = 1
) -> Iterator[tuple[int, Source]]:
    """Yield what `schedule` does once, each frame under every condition before the next."""
    scheduled = _Schedule(dataset, conditions, 1, depth, hold)
    for position in range(len(dataset)):
        for cycle, condition in enumerate(conditions):
            for time in range(hold):
                yield position, scheduled.source(position, condition, cycle, time)


class _Schedule:
    """Makes the sources of a replay."""

    def __init__(
        self, dataset: Dataset, conditions: Sequence[Condition], times: int, depth: bool, hold: int
    ) -> None:
        self._dataset = dataset
        self._entries = dataset.entries
        self._total = times * len(dataset) * len(conditions) * hold
        self._depth = depth
        self._hold = hold
        self._protocol = protocol_of(dataset, hold)

    def source(self, position: int, condition: Condition, cycle: int, time: int) -> Source:
        """Return the source of a frame in a pass, the how-manieth time it is shown there."""
        entry = self._entries[position]
        return Source(
            self._dataset.name,
            entry.sequence,
            entry.key,
            (cycle * len(self._entries) + position) * self._hold + time,
            self._total,
            cycle,
            condition,
            self._depth,
            protocol=self._protocol,
            draw=f'{entry.key}+{time}' if time else '',
        )


def told_of(source: Source, frame: Frame) -> Source:
    """Return a source with what is known of its frame only once it is decoded."""
    return replace(source, tells_hood=frame.tells_hood, about=frame.about)


def played(source: Source, stamp: int, playing: Playing) -> Source:
    """Return a source with what a scenario has for it at a stamp, nanoseconds."""
    # A held frame is a sequence of its own.
    of = source.key if source.protocol.held else source.sequence
    condition, draw = playing.take(stamp, of)
    return replace(source, condition=condition, draw=draw)


def probe_frame(like: Frame, dataset: Dataset, depth: bool = False) -> tuple[Frame, Source]:
    """Return a grey frame of the data set's size that asks every node whether it is there."""
    frame = replace(
        like,
        image=np.full_like(like.image, 128),
        labels=None if like.labels is None else np.zeros_like(like.labels),
        instances=None if like.instances is None else np.zeros_like(like.instances),
        depth=None if like.depth is None else np.zeros_like(like.depth),
    )
    source = Source(dataset.name, 'probe', 'probe', -1, 0, -1, Condition(), depth, probe=True)
    return frame, source


class FrameCache:
    """Decoded frames: the first ones within a budget of memory, and the last one in any case."""

    BYTES = 512 * 1024 * 1024

    def __init__(self, read: Callable[[int], Frame], budget: int = BYTES) -> None:
        """Read through `read`, keeping at most `budget` bytes."""
        self._read = read
        self._budget = budget
        self._size = 0
        self._frames: dict[int, Frame] = {}
        self._last: tuple[int, Frame] | None = None

    @staticmethod
    def _bytes(frame: Frame) -> int:
        return sum(
            a.nbytes
            for a in (frame.image, frame.labels, frame.instances, frame.depth)
            if a is not None
        )

    def get(self, position: int) -> Frame:
        """Return a frame, decoded now or before."""
        if self._last is not None and self._last[0] == position:
            return self._last[1]
        frame = self._frames.get(position) or self._kept(position)
        self._last = position, frame
        return frame

    def _kept(self, position: int) -> Frame:
        frame = self._read(position)
        # A pass longer than the budget would evict every frame before its next use.
        if self._size + self._bytes(frame) <= self._budget:
            self._frames[position] = frame
            self._size += self._bytes(frame)
        return frame


@dataclass(frozen=True)
class Sent:
    """A frame as it is sent."""

    stamp: int
    """Header time, nanoseconds."""
    frame: Frame
    source: Source
    """With what is known of the frame only once it is decoded."""
    past: bool = False
    """Only shown as a past one: what it is asked itself is known already."""


class Sending:
    """The frames of a data set as they are sent, each decoded once as long as there is room."""

    def __init__(
        self, dataset: Dataset, scenario: Scenario | None = None, budget: int = FrameCache.BYTES
    ) -> None:
        """
        Begin; a scenario says what each frame meets, in place of its source.

        Decoded frames are kept within `budget` bytes, beside the one that was asked for last.
        """
        self._frames = FrameCache(dataset.read, budget)
        self._again = budget > 0
        self._playing = None if scenario is None else Playing(scenario)
        self._checksums: dict[int, str] = {}

    def frame(self, position: int) -> Frame:
        """Return a frame, decoded now or before; the one that was asked for last is kept."""
        return self._frames.get(position)

    def skip(self, source: Source, stamp: int) -> None:
        """Let a scheduled frame go, undecoded; a scenario goes on behind it all the same."""
        if self._playing is not None:
            played(source, stamp, self._playing)

    def take(self, position: int, source: Source, stamp: int) -> Sent:
        """Return a scheduled frame with a stamp, nanoseconds, its source complete."""
        if self._playing is not None:
            source = played(source, stamp, self._playing)
        frame = self.frame(position)
        if position not in self._checksums:
            if not self._again:
                self._checksums.clear()
            self._checksums[position] = checksum(frame.image)
        told = replace(told_of(source, frame), image=self._checksums[position])
        return Sent(stamp, frame, told)


def lockstep_stamp(index: int, chosen: ReplayParameters) -> int:
    """Return the stamp, nanoseconds, of the frame that is sent as number `index`, from 0."""
    return round(chosen.start_stamp * NANO) + round(index * NANO / chosen.rate)


def open_replayed(chosen: ReplayParameters) -> Dataset:
    """Return the data set that is replayed; ConfigurationError where none is named."""
    if not chosen.dataset:
        raise ConfigurationError(
            "parameter 'dataset' of replay is empty", 'give FOLDER or LAYOUT:FOLDER'
        )
    # How a bag names its topics, no other layout asks.
    more = {'chosen': chosen} if is_bag(chosen) else {}
    return open_dataset(
        chosen.dataset,
        split=chosen.split,
        cities=chosen.cities,
        limit=chosen.limit,
        sequences=chosen.sequences,
        **more,
    )


def is_bag(chosen: ReplayParameters) -> bool:
    """Return whether a bag is replayed, whose maps are in the encodings it was recorded in."""
    return split_place(chosen.dataset)[0] == BAG
