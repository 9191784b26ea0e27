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

"""What the ground truth of a run was worth, as a check of its verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import isclose

from vlm_misalign_ros.core.records.schema import FrameRecord, Record
from vlm_misalign_ros.core.report.verdict import Check, Status
from vlm_misalign_ros.core.truth.trust import NO_OTHER, WRONG

NAMED = 3
"""Findings that the message tells; the most frequent ones."""


class LabelsEvidence:
    """What records that stream by say of the ground truth that they were held against."""

    def __init__(self) -> None:
        """Start with none."""
        self._labelled = self._wrong = 0
        self._problems: Counter[str] = Counter()
        self._doubts: Counter[str] = Counter()

    def add(self, record: Record) -> None:
        """Add one record."""
        if not isinstance(record, FrameRecord) or record.labels is None:
            return
        self._labelled += 1
        fault, problem = record.labels.fault, record.problem or ''
        if fault is not None:
            self._problems[problem] += 1
            self._wrong += fault in WRONG
        elif NO_OTHER in problem:
            self._doubts[problem] += 1

    def checks(self, minimum_coverage: float) -> Iterator[Check]:
        """
        Yield a check of the frames whose ground truth could not be scored; none where all could.

        INVALID where less than `minimum_coverage` of the frames with labels can be scored, and
        then because of the data themselves where most of the others were read wrongly.
        """
        lost = self._problems.total()
        if not lost:
            return
        covered = 1 - lost / self._labelled
        good = covered > 0 and (covered >= minimum_coverage or isclose(covered, minimum_coverage))
        told = _findings(self._problems)
        yield Check(
            'ground truth',
            Status.PASS if good else Status.INVALID,
            f'{lost} of {self._labelled} frames unscorable: ground truth: {told}',
            data=not good and self._wrong * 2 > lost,
            short='ground truth unscorable',
        )

    def notes(self) -> list[str]:
        """Return a note of the frames that were scored though their labels lie as in no road."""
        count = self._doubts.total()
        if not count:
            return []
        told = '1 frame was' if count == 1 else f'{count} frames were'
        return [f'{told} scored in doubt: {_findings(self._doubts)}']


def _findings(found: Counter[str]) -> str:
    """Return what was found, the most frequent first, with counts where it was not one thing."""
    if len(found) == 1:
        return next(iter(found))
    told = [f'{problem} ({count} frames)' for problem, count in found.most_common(NAMED)]
    more = [f'and {len(found) - NAMED} other findings'] if len(found) > NAMED else []
    return '; '.join(told + more)
