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
from dataclasses import replace

import numpy as np

from vlm_misalign_ros.core.corruptions.scenario import Playing
from vlm_misalign_ros.core.datasets import Dataset
from vlm_misalign_ros.core.datasets.order import has_sequences
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
    total = 0 if loop else len(dataset) * len(conditions) * hold
    protocol = protocol_of(dataset, hold)
    index = cycle = 0
    while True:
        for condition in conditions:
            for position, entry in enumerate(dataset.entries):
                for time in range(hold):
                    source = Source(
                        dataset.name,
                        entry.sequence,
                        entry.key,
                        index,
                        total,
                        cycle,
                        condition,
                        depth,
                        protocol=protocol,
                        draw=f'{entry.key}+{time}' if time else '',
                    )
                    yield position, source
                    index += 1
            cycle += 1
        if not loop:
            return


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
