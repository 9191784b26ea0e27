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
    labelled = [record for record in records if record.labels is not None]
    lost = [record for record in labelled if record.labels and record.labels.fault is not None]
    if not lost:
        return
    wrong = sum(record.labels is not None and record.labels.fault in WRONG for record in lost)
    covered = 1 - len(lost) / len(labelled)
    good = covered >= minimum_coverage
    found = Counter(record.problem or '' for record in lost)
    told = '; '.join(
        f'{problem} ({count} frames)' if len(found) > 1 else problem
        for problem, count in found.most_common(NAMED)
    )
    more = f'; and {len(found) - NAMED} other findings' if len(found) > NAMED else ''
    yield Check(
        'ground truth',
        Status.PASS if good else Status.INVALID,
        f'{len(lost)} of {len(labelled)} frames unscorable: ground truth: {told}{more}',
        data=not good and wrong * 2 > len(lost),
    )
