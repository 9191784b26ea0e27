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
A run cut into shards: some frames of a data set in a row, each under every condition.

Shards are worked on in any order, in any process, and again after they were cut off; what they
give does not depend on it.
"""

from __future__ import annotations

from dataclasses import dataclass

from vlm_misalign_ros.core.corruptions import parse_conditions
from vlm_misalign_ros.core.datasets import Dataset
from vlm_misalign_ros.core.labels.encodings import AUTO
from vlm_misalign_ros.core.settings.asks import asks_of
from vlm_misalign_ros.core.settings.configuration import Configuration
from vlm_misalign_ros.core.settings.nodes import ReplayParameters
from vlm_misalign_ros.core.types import Source

CLOSED = 32
"""Frames that a shard closes, at least, where nobody says otherwise: so many may be lost at most
by each process that is killed."""


@dataclass(frozen=True)
class Shard:
    """Positions in a data set from `start` up to, not including, `stop`."""

    start: int
    stop: int
    before: int
    """From this position up to `start`, frames are shown as past ones alone."""

    @property
    def name(self) -> str:
        """Return the key by which it is found again."""
        return f'{self.start:07d}-{self.stop:07d}'

    def wanted(self, position: int, source: Source) -> bool | None:
        """Return whether a frame is of this shard; None where it is only shown with others."""
        if self.before <= position < self.start:
            return None
        return self.start <= position < self.stop


def past_frames(chosen: Configuration) -> int:
    """Return how many frames back the asks of a configuration look."""
    asks = [ask.chosen for vlm in chosen.vlms for ask in asks_of(vlm)]
    return max((ask.frames * ask.stride for ask in asks), default=0)


def shown_from(dataset: Dataset, start: int, past: int) -> int:
    """Return where the last `past` frames before `start` begin, as far as of its sequence."""
    entries = dataset.entries
    first = start
    while first > max(0, start - past) and entries[first - 1].sequence == entries[start].sequence:
        first -= 1
    return first


def cut(chosen: Configuration, dataset: Dataset, size: int = 0) -> list[Shard]:
    """
    Return the shards of a run, `size` frames of the data set each.

    Without a size they close CLOSED frames each. What is learnt from frame to frame is not cut:
    with the label encoding `auto` there is one shard.
    """
    assert chosen.replay is not None
    replay, count = chosen.replay, len(dataset)
    size = size or max(1, -(-CLOSED // (passes(replay) * replay.hold)))
    if chosen.monitor.label_encoding == AUTO:
        size = count
    return [
        shard(chosen, dataset, start, min(start + size, count)) for start in range(0, count, size)
    ]


def shard(chosen: Configuration, dataset: Dataset, start: int, stop: int) -> Shard:
    """Return the shard of a run from one position in its data set up to another."""
    assert chosen.replay is not None
    # A frame that is held is a sequence of its own.
    past = 0 if chosen.replay.hold > 1 else past_frames(chosen)
    return Shard(start, stop, shown_from(dataset, start, past))


def passes(chosen: ReplayParameters) -> int:
    """Return how often a run goes through its data set."""
    return 1 if chosen.scenario else len(parse_conditions(list(chosen.conditions)))
