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
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from statistics import median

from vlm_misalign_ros.core.evaluation.aligning import say
from vlm_misalign_ros.core.evaluation.parts import SEGMENTATION
from vlm_misalign_ros.core.evaluation.period import Lost
from vlm_misalign_ros.core.records.account import AccountingRecord, DoubledRecord, GapRecord
from vlm_misalign_ros.core.records.reference import MEANS, against
from vlm_misalign_ros.core.records.schema import FrameRecord, ModelEntry, Record, SegmentationEntry
from vlm_misalign_ros.core.records.schema import Status as State
from vlm_misalign_ros.core.report.unseen import Unseen
from vlm_misalign_ros.core.report.verdict import Check, Status
from vlm_misalign_ros.core.stamps import parse_stamp

MIXED = 'data of one piece'
"""The name of the check."""
FEW = 5
"""Frames between two jumps back in time, below which two clocks are taken to be mixed."""
SEVERAL = 3
"""Frames that agree on an offset of the truth, from which it is told."""

_Place = tuple[str | None, int, str]


@dataclass
class _Beside:
    """Offsets of ground truth that was joined beside its picture, seconds."""

    frames: int = 0
    total: float = 0.0
    most: float = 0.0

    def add(self, seconds: float) -> None:
        self.frames += 1
        self.total += seconds
        self.most = max(self.most, seconds, key=abs)


@dataclass
class Evidence:
    """What records that stream by show of their own trustworthiness; sums, and what is wrong."""

    places: dict[tuple[str, bool], set[_Place]] = field(default_factory=dict)
    """Frames by part and whether it was of another picture, else it came twice."""
    publishers: dict[tuple[str, bool], Counter[tuple[str, ...]]] = field(default_factory=dict)
    turns: dict[str, list[str]] = field(default_factory=dict)
    """Publishers that take turns with a part."""
    doubled: set[_Place] = field(default_factory=set)
    scored: Counter[str] = field(default_factory=Counter)
    unverified: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    cached: Counter[str] = field(default_factory=Counter)
    """Answers of served models that were not asked for in this run."""
    epochs: Counter[tuple[str | None, int]] = field(default_factory=Counter)
    stretches: dict[tuple[str | None, int], Lost] = field(default_factory=dict)
    beside: dict[str, _Beside] = field(default_factory=dict)
    pseudo: int = 0
    """Frames whose truth is made of a model's labels."""
    accounts: list[AccountingRecord] = field(default_factory=list)
    gaps: list[Unseen] = field(default_factory=list)

    @classmethod
    def of(cls, records: Iterable[Record]) -> Evidence:
        """Return what records show, gone through once."""
        found = cls()
        for record in records:
            found.add(record)
        return found

    def add(self, record: Record) -> None:
        """Add one record."""
        if isinstance(record, FrameRecord):
            self._frame(record)
        elif isinstance(record, DoubledRecord):
            self._doubled(record)
        elif isinstance(record, AccountingRecord):
            self.accounts.append(record)
        elif isinstance(record, GapRecord):
            self.gaps.append(Unseen(record))

    def _frame(self, record: FrameRecord) -> None:
        entries: dict[str, ModelEntry | SegmentationEntry] = dict(record.models)
        entries[SEGMENTATION] = record.segmentation
        for name, entry in entries.items():
            if entry.status is State.SCORED:
                self.scored[name] += 1
                self.unverified[name] += not entry.verified
            elif entry.status is State.DOUBLED:
                self.doubled.add((record.run, record.epoch, record.stamp))
        self.answered.update(n for n, entry in record.models.items() if entry.answer is not None)
        self.cached.update(record.timing.cached)
        # Where the model made none, nothing is held against it.
        self.pseudo += record.pseudo and record.truth is not None
        stretch = record.run, record.epoch
        self.epochs[stretch] += 1
        lost = self.stretches.setdefault(stretch, Lost())
        lost.add(parse_stamp(record.stamp), cycle=record.cycle)
        for unseen in self.gaps:
            unseen.add(record)
        for part, seconds in record.offsets.items():
            self.beside.setdefault(part, _Beside()).add(seconds)

    def _doubled(self, record: DoubledRecord) -> None:
        if not record.count and not record.mismatch:
            self.turns[record.part] = record.publishers
            return
        key = (record.part, record.mismatch)
        place = (record.run, record.epoch, record.stamp)
        self.places.setdefault(key, set()).add(place)
        self.publishers.setdefault(key, Counter())[tuple(record.publishers)] += 1

    def checks(self) -> Iterator[Check]:
        """
        Yield whether everything came once and was of the picture it came with.

        One check that passes, or one that makes the run INVALID for each kind of part; its
        message names the publishers, as far as they are known.
        """
        turns = [
            f'{part} came from {" and ".join(names)} in turns'
            for part, names in self.turns.items()
        ]
        found = [*self._told(), *self._untold(), *turns, *self._clocks()]
        for message in found:
            yield Check(MIXED, Status.INVALID, message, data=True, short='data are mixed')
        if not found:
            message = 'nothing came twice with other content, or of another picture'
            yield Check(MIXED, Status.PASS, message)

    def _told(self) -> Iterator[str]:
        for (part, mismatch), places in self.places.items():
            names = self.publishers[part, mismatch].most_common(1)[0][0]
            who = ' and '.join(names) or 'publishers that are not known'
            what = 'was of another picture' if mismatch else 'came twice with other content'
            yield f'{part} {what} in {_frames(len(places))}, from {who}'

    def _untold(self) -> Iterator[str]:
        """Yield a message for doubled frames of which no line says what was doubled."""
        count = len(self.doubled.difference(*self.places.values()))
        if count:
            yield f'{_frames(count)} came twice with other content'

    def _clocks(self) -> Iterator[str]:
        """Yield a message where time jumps back and forth, as with two sources' clocks."""
        jumps = sum(epoch > 0 for _, epoch in self.epochs)
        short = sum(count < FEW for (_, epoch), count in self.epochs.items() if epoch > 0)
        if jumps > 2 and 2 * short > jumps:
            yield (
                f'time jumped back {jumps} times, mostly after fewer than {FEW} frames: sources '
                'with two clocks publish on the same topics'
            )

    def notes(self, reference: str = '') -> list[str]:
        """
        Return what has to be known of a run's data beside its verdict.

        `reference` is the model that made its labels, where that is known.
        """
        return [
            *self._pseudo(reference),
            *self._unverified(),
            *self._kept(),
            *(note for record in self.accounts for note in _accounted(record)),
            *self._joined_beside(),
            *self._lost(),
            *self._unseen(),
            *self._looped(),
        ]

    def _pseudo(self, reference: str) -> Iterator[str]:
        if self.pseudo:
            named = f'pseudo-labels; every figure is {against(reference)}' if reference else ''
            yield (
                f"the labels of {_frames(self.pseudo)} are a segmentation model's "
                f'({named or "pseudo-labels"}): rates say {MEANS}'
            )

    def _unverified(self) -> Iterator[str]:
        for name, count in self.unverified.items():
            if count:
                what = 'masks' if name == SEGMENTATION else 'answers'
                yield (
                    f'{name}: {count} of {self.scored[name]} scored {what} are unverified: no '
                    'checksum says that they are of this picture'
                )

    def _kept(self) -> Iterator[str]:
        for name, count in self.cached.items():
            yield (
                f'{name}: {count} of {self.answered[name]} answers were kept from before '
                '(answer_cache), and the server was not asked'
            )

    def _joined_beside(self) -> Iterator[str]:
        for part, found in self.beside.items():
            yield (
                f'ground_truth/{part} was joined beside its picture in {_frames(found.frames)}, '
                f'by {found.total / found.frames * 1000:+.3g} ms on average and '
                f'{found.most * 1000:+.3g} ms at most (parameter slop)'
            )

    def _lost(self) -> Iterator[str]:
        told = [one for lost in self.stretches.values() if (one := lost.told()) is not None]
        # What came while the monitor was gone is told apart.
        unseen = sum(gap.count(self._period(gap)) or 0 for gap in self.gaps)
        count = sum(lost for _, lost in told) - unseen
        if count > 0:
            period = median(seconds for seconds, _ in told)
            yield (
                f'about {count} picture{"" if count == 1 else "s"} never came, by the gaps in '
                f'stamps that are {period:.3g} s apart'
            )

    def _unseen(self) -> Iterator[str]:
        for unseen in self.gaps:
            yield unseen.said(self._period(unseen))

    def _period(self, unseen: Unseen) -> float | None:
        stretch = self.stretches.get((unseen.record.run, unseen.record.epoch))
        told = None if stretch is None else stretch.told()
        return None if told is None else told[0]

    def _looped(self) -> Iterator[str]:
        jumps = sum(epoch > 0 for _, epoch in self.epochs)
        if jumps:
            yield (
                f'time jumped back {jumps} time{"" if jumps == 1 else "s"}: stamps and windows '
                'began anew each time'
            )


def _accounted(record: AccountingRecord) -> Iterator[str]:
    for part, entry in record.offsets.items():
        if entry.agreeing < SEVERAL:
            # Frames that lost their truth, beside others that lost their picture.
            continue
        yield f'{say(f"ground_truth/{part}", entry)}: not joined (parameter slop)'
    repeated = record.join.get('repeated', 0)
    if repeated:
        yield (
            f'{repeated} part{"" if repeated == 1 else "s"} came again with the same content '
            '(delivered twice, or a recording looped in less than 10 s): the first alone counts'
        )


def _frames(count: int) -> str:
    return f'{count} frame{"" if count == 1 else "s"}'
