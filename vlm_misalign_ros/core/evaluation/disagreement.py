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
How far models agree with themselves, over the window and in total, as a run goes on.

Of the degraded frames alone, as the line `all` of self_consistency.csv, which the run ends with.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vlm_misalign_ros.core.corruptions.conditions import BLANK, CLEAN
from vlm_misalign_ros.core.evaluation.parts import SEGMENTATION
from vlm_misalign_ros.core.evaluation.told import told_rates
from vlm_misalign_ros.core.metrics.confusion import SHAPE, from_cells, miou
from vlm_misalign_ros.core.metrics.rates import rates
from vlm_misalign_ros.core.metrics.rolling import RollingCounts
from vlm_misalign_ros.core.metrics.self_counts import SELF_RATES, STATES, SelfCounts, count_pair
from vlm_misalign_ros.core.records.schema import FrameRecord, ModelEntry, Status
from vlm_misalign_ros.core.types import Mention

TRUSTED = (Status.SCORED, Status.UNMATCHED)
"""Where an answer is of its picture: whether there is truth for it is no matter here."""
SELF_MIOU = 'self_miou'
"""Of the segmentation: mean IoU of the masks of the two pictures."""
KIND = 'disagreement'
"""What stands in the names of its statuses, so that none passes for a rate against truth."""
WORDS = 'degraded against clean picture: disagreement, never an error'


def status_name(span: str, name: str) -> str:
    """Return what the status of a model is called, over the span `rolling` or `total`."""
    return f'{span} {KIND}: {name}'


def meaning(status: str) -> str:
    """Return what a status of monitor/metrics is about, where that is no rate against truth."""
    return WORDS if status.partition(': ')[0].endswith(f' {KIND}') else ''


@dataclass
class Compared:
    """What one closed frame says of each model, and of the segmentation, against itself."""

    counts: dict[str, SelfCounts]
    mask: np.ndarray | None
    """Confusion of the clean picture's mask and the degraded one's, int64 (19, 20)."""
    summed: bool
    """Whether the frame is degraded: clean and blank ones are in no sum."""


def asserted(mentions: Mapping[str, Mention]) -> set[str]:
    """Return the classes that an answer asserts."""
    return {name for name, state in mentions.items() if state is Mention.ASSERTED}


def compared(record: FrameRecord) -> Compared | None:
    """Return what a frame says of models against themselves; None where nobody was asked."""
    found = {
        name: counts
        for name, entry in record.models.items()
        if (counts := _of_model(entry)) is not None
    }
    mask = None
    told = None if record.segmentation.confidence is None else record.segmentation.confidence.clean
    if told is not None:
        good = told.error is None and record.segmentation.status in TRUSTED
        found[SEGMENTATION] = SelfCounts(
            asked=1,
            failed=int(told.error is not None),
            untrusted=int(told.error is None and not good),
            compared=int(good),
        )
        mask = from_cells(told.cells) if good else None
    return (
        Compared(found, mask, record.condition.corruption not in (CLEAN, BLANK)) if found else None
    )


def _of_model(entry: ModelEntry) -> SelfCounts | None:
    answer = entry.answer
    if answer is None or answer.clean is None:
        return None
    if answer.clean.error is not None:
        return SelfCounts(asked=1, failed=1)
    if entry.status not in TRUSTED:
        return SelfCounts(asked=1, untrusted=1)
    return count_pair(
        asserted(answer.clean.mentions),
        asserted(answer.mentions),
        answer.clean.judgement,
        answer.judgement,
    )


class Disagreement:
    """Rolling and total counts of each model that is asked about both pictures."""

    def __init__(self, window: float) -> None:
        """Start with nothing; `window` in seconds of header time."""
        self._window = window
        self.frames: Counter[str] = Counter()
        """Frames compared by model, the clean ones with them, as the verdict counts them."""
        self._rolling: dict[str, RollingCounts[SelfCounts]] = {}
        self._totals: dict[str, SelfCounts] = {}
        self._mask = np.zeros(SHAPE, np.int64)

    @property
    def asked(self) -> tuple[str, ...]:
        """Return the models, and the segmentation, that were asked about a clean picture."""
        return tuple(self._totals)

    def add(self, stamp: int, found: Compared, windowed: bool = True) -> None:
        """Take up a closed frame; not `windowed` is one from before time jumped."""
        for name, counts in found.counts.items():
            mask = found.mask if name == SEGMENTATION else None
            self._add(stamp, name, counts, mask, found, windowed)

    def _add(
        self,
        stamp: int,
        name: str,
        counts: SelfCounts,
        mask: np.ndarray | None,
        of: Compared,
        windowed: bool,
    ) -> None:
        self.frames[name] += counts.compared
        if name not in self._totals:
            self._totals[name] = SelfCounts()
            self._rolling[name] = RollingCounts(self._window, SelfCounts())
        if not of.summed:
            return
        self._totals[name] += counts
        if windowed:
            self._rolling[name].add(stamp, counts, mask)
        if mask is not None:
            self._mask += mask

    def take_back(self, stamp: int, found: Compared, name: str, windowed: bool = True) -> None:
        """Take out what a frame said of `name`: its answer turned out to be doubled."""
        former = found.counts.get(name)
        if former is None or not former.compared:
            return
        found.counts[name] = now = SelfCounts(asked=1, untrusted=1)
        mask = found.mask if name == SEGMENTATION else None
        self._add(stamp, name, now - former, None if mask is None else -mask, found, windowed)

    def restart(self) -> None:
        """Empty the windows: time has jumped."""
        for sums in self._rolling.values():
            sums.clear()

    def metrics(self, span: str) -> dict[str, dict[str, str]]:
        """Return {status name: {key: value}} of the span `rolling` or `total`, as strings."""
        return {status_name(span, name): self._told(name, span == 'total') for name in self.asked}

    def _told(self, name: str, whole: bool) -> dict[str, str]:
        counts, mask = self._rolling[name].totals()
        if whole:
            counts, mask = self._totals[name], self._mask
        if name == SEGMENTATION:
            value = float('nan') if mask is None else float(miou(mask))
            values = {f'{SELF_MIOU}/metric_value': repr(value)}
        else:
            values = told_rates(rates(counts, SELF_RATES))
        shown = STATES[:-1] if name == SEGMENTATION else STATES
        return values | {key: str(getattr(counts, key)) for key in shown}
