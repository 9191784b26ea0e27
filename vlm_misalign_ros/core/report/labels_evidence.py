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
from collections.abc import Iterator, Sequence
from math import isclose

from vlm_misalign_ros.core.records.schema import FrameRecord
from vlm_misalign_ros.core.report.verdict import Check, Status
from vlm_misalign_ros.core.truth.trust import WRONG

NAMED = 3
"""Findings that the message tells; the most frequent ones."""


def labels_checks(records: Sequence[FrameRecord], minimum_coverage: float) -> Iterator[Check]:
    """
    Yield a check of the frames whose ground truth could not be scored; none where all could.

    INVALID where less than `minimum_coverage` of the frames with labels can be scored, and then
    because of the data themselves where most of the others were read wrongly.
    """
    faults = [(record, record.labels.fault) for record in records if record.labels is not None]
    lost = [(record, fault) for record, fault in faults if fault is not None]
    if not lost:
        return
    wrong = sum(fault in WRONG for _, fault in lost)
    covered = 1 - len(lost) / len(faults)
    good = covered > 0 and (covered >= minimum_coverage or isclose(covered, minimum_coverage))
    yield Check(
        'ground truth',
        Status.PASS if good else Status.INVALID,
        f'{len(lost)} of {len(faults)} frames unscorable: ground truth: '
        + _findings([record.problem or '' for record, _ in lost]),
        data=not good and wrong * 2 > len(lost),
    )


def _findings(problems: Sequence[str]) -> str:
    """Return what was found, the most frequent first, with counts where it was not one thing."""
    found = Counter(problems)
    if len(found) == 1:
        return problems[0]
    told = [f'{problem} ({count} frames)' for problem, count in found.most_common(NAMED)]
    more = [f'and {len(found) - NAMED} other findings'] if len(found) > NAMED else []
    return '; '.join(told + more)
