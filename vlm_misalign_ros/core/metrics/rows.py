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

"""What a row of the table of rates (metrics/rates) says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Interval(Enum):
    """How a rate gets its 95 % interval from counts."""

    WILSON = 'wilson'
    """A proportion: Korn and Graubard's over scenes; of a window Wilson's score interval."""
    MOVER = 'mover'
    """The mean of two proportions (Zou and Donner 2008)."""
    NONE = 'none'
    """A mean, or a ratio of sums of weights."""


class Better(Enum):
    """Which way a rate is better."""

    LOWER = 'lower'
    HIGHER = 'higher'
    NEITHER = 'neither'


class ReaderError(Enum):
    """What the text reader's own error does to a rate of a generative model."""

    PRECISION = 'precision'
    """Classes asserted by mistake are in numerator and denominator."""
    OPPORTUNITY = 'opportunity'
    """Classes asserted by mistake are in the numerator alone, missed ones out of it."""
    RECALL = 'recall'
    """Assertions that were missed look like omissions."""
    JUDGEMENT = 'judgement'
    """A judgement read wrongly is the opposite one."""


@dataclass(frozen=True)
class RateRow:
    """One rate."""

    name: str
    title: str
    """Short, for the head of a column."""
    over: tuple[str, ...]
    """Counts whose sum is the numerator; empty for the mean of two rates."""
    under: tuple[str, ...]
    """Counts whose sum is the denominator; empty likewise."""
    meaning: str
    """Numerator and denominator in words."""
    interval: Interval = Interval.WILSON
    mean_of: tuple[str, ...] = ()
    """The two rates it is the mean of."""
    better: Better = Better.LOWER
    headline: bool = False
    """In the table, the plot, and where mIoU is held against the rates."""
    compared: bool = False
    """With its difference to clean, over all conditions, and on the blank control."""
    digits: int | None = None
    """Shown beside the headlines, without its interval, with so many digits."""
    terminal: bool = False
    """And so in the table that a run prints."""
    reader_error: ReaderError | None = None
