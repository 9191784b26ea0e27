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

"""Whether the data of a run are of one piece: what came twice, of another picture, or never."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from vlm_misalign_ros.core.evaluation.aligning import say
from vlm_misalign_ros.core.evaluation.parts import SEGMENTATION
from vlm_misalign_ros.core.evaluation.period import Lost
from vlm_misalign_ros.core.records.account import AccountingRecord, DoubledRecord
from vlm_misalign_ros.core.records.schema import FrameRecord, ModelEntry, Record, SegmentationEntry
from vlm_misalign_ros.core.records.schema import Status as State
from vlm_misalign_ros.core.report.verdict import Check, Status
from vlm_misalign_ros.core.stamps import parse_stamp

MIXED = 'data of one piece'
"""The name of the check."""
FEW = 5
"""Frames between two jumps back in time, below which two clocks are taken to be mixed."""


def doubled_checks(records: Sequence[Record]) -> Iterator[Check]:
    """
    Yield whether everything came once and was of the picture it came with.

    One check that passes, or one that makes the run INVALID for each kind of part; its message
    names the publishers, as far as they are known.
    """
    found = [*_told(records), *_untold(records), *_clocks(records)]
    for message in found:
        yield Check(MIXED, Status.INVALID, message, data=True, short='data are mixed')
    if not found:
        yield Check(MIXED, Status.PASS, 'nothing came twice, and all is of the picture it is with')


def _told(records: Iterable[Record]) -> Iterator[str]:
    """Yield a message for each part that came twice or was of another picture."""
    frames: dict[tuple[str, bool], set[tuple[str | None, int, str]]] = {}
    who: dict[tuple[str, bool], Counter[tuple[str, ...]]] = {}
    for record in records:
        if isinstance(record, DoubledRecord):
            key = (record.part, record.mismatch)
            frames.setdefault(key, set()).add((record.run, record.epoch, record.stamp))
            who.setdefault(key, Counter())[tuple(record.publishers)] += 1
    for (part, mismatch), places in frames.items():
        publishers = who[part, mismatch].most_common(1)[0][0]
        names = ' and '.join(publishers) or 'publishers that are not known'
        what = 'was of another picture' if mismatch else 'came twice with other content'
        yield f'{part} {what} in {len(places)} {_frames(len(places))}, from {names}'


def _untold(records: Iterable[Record]) -> Iterator[str]:
    """Yield a message for doubled frames of which no line says what was doubled."""
    told = {
        (record.run, record.epoch, record.stamp)
        for record in records
        if isinstance(record, DoubledRecord)
    }
    count = sum(
        (record.run, record.epoch, record.stamp) not in told
        for record in records
        if isinstance(record, FrameRecord) and _is_doubled(record)
    )
    if count:
        yield f'{count} {_frames(count)} came twice with other content'


def _is_doubled(record: FrameRecord) -> bool:
    states = {entry.status for entry in record.models.values()} | {record.segmentation.status}
    return State.DOUBLED in states


def _clocks(records: Iterable[Record]) -> Iterator[str]:
    """Yield a message where time jumps back and forth, as with two sources of other clocks."""
    counts: Counter[tuple[str | None, int]] = Counter()
    for record in records:
        if isinstance(record, FrameRecord):
            counts[record.run, record.epoch] += 1
    jumps = sum(epoch > 0 for _, epoch in counts)
    short = sum(count < FEW for (_, epoch), count in counts.items() if epoch > 0)
    if jumps > 2 and 2 * short > jumps:
        yield (
            f'time jumped back {jumps} times, mostly after fewer than {FEW} frames: sources with '
            'two clocks publish on the same topics'
        )


def _frames(count: int) -> str:
    return 'frame' if count == 1 else 'frames'


def evidence_notes(records: Sequence[Record]) -> list[str]:
    """Return what has to be known of a run's data beside its verdict."""
    frames = [record for record in records if isinstance(record, FrameRecord)]
    accounts = [record for record in records if isinstance(record, AccountingRecord)]
    return [
        *_unverified(frames),
        *(note for record in accounts for note in _accounted(record)),
        *_joined_beside(frames),
        *_lost(frames),
        *_looped(frames),
    ]


def _unverified(frames: Iterable[FrameRecord]) -> Iterator[str]:
    scored: Counter[str] = Counter()
    unverified: Counter[str] = Counter()
    for record in frames:
        entries: dict[str, ModelEntry | SegmentationEntry] = dict(record.models)
        entries[SEGMENTATION] = record.segmentation
        for name, entry in entries.items():
            if entry.status is State.SCORED:
                scored[name] += 1
                unverified[name] += not entry.verified
    for name, count in unverified.items():
        if count:
            what = 'masks' if name == SEGMENTATION else 'answers'
            yield (
                f'{name}: {count} of {scored[name]} scored {what} are unverified: no checksum '
                'says that they are of this picture'
            )


def _accounted(record: AccountingRecord) -> Iterator[str]:
    for part, entry in record.offsets.items():
        yield f'{say(f"ground_truth/{part}", entry)}: not joined (parameter slop)'
    repeated = record.join.get('repeated', 0)
    if repeated:
        yield (
            f'{repeated} parts came again with the same content (delivered twice, or a recording '
            'looped in less than 10 s): the first alone counts'
        )


def _joined_beside(frames: Iterable[FrameRecord]) -> Iterator[str]:
    found: dict[str, list[float]] = {}
    for record in frames:
        for part, seconds in record.offsets.items():
            found.setdefault(part, []).append(seconds)
    for part, offsets in found.items():
        yield (
            f'ground_truth/{part} joined beside its picture in {len(offsets)} '
            f'{_frames(len(offsets))}: {median(offsets) * 1000:+.3g} ms in the middle, '
            f'{max(offsets, key=abs) * 1000:+.3g} ms at most (parameter slop)'
        )


def _lost(frames: Iterable[FrameRecord]) -> Iterator[str]:
    stretches: dict[tuple[str | None, int], Lost] = {}
    for record in frames:
        stretch = stretches.setdefault((record.run, record.epoch), Lost())
        stretch.add(parse_stamp(record.stamp))
    told = [found for stretch in stretches.values() if (found := stretch.told()) is not None]
    lost = sum(count for _, count in told)
    if lost:
        period = median(seconds for seconds, _ in told)
        yield (
            f'about {lost} {"picture" if lost == 1 else "pictures"} never came, by the gaps in '
            f'stamps that are {period:.3g} s apart'
        )


def _looped(frames: Iterable[FrameRecord]) -> Iterator[str]:
    jumps = len({(r.run, r.epoch) for r in frames if r.epoch > 0})
    if jumps:
        yield (
            f'time jumped back {jumps} {"time" if jumps == 1 else "times"}: stamps and windows '
            'began anew each time'
        )
