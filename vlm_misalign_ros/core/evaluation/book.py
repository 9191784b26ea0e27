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

"""What is kept of closed frames: records, sums, states, and the worst pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from vlm_misalign_ros.core.evaluation.aligning import Beside
from vlm_misalign_ros.core.evaluation.cameras import Cameras
from vlm_misalign_ros.core.evaluation.evaluator import Evaluated, Evaluator
from vlm_misalign_ros.core.evaluation.join import Joined, Twice
from vlm_misalign_ros.core.evaluation.journal import Journal
from vlm_misalign_ros.core.evaluation.ledger import Closed, Ledger
from vlm_misalign_ros.core.evaluation.outside import without_unplaced
from vlm_misalign_ros.core.evaluation.parts import IMAGE, SEGMENTATION, is_pictured
from vlm_misalign_ros.core.evaluation.period import Lost
from vlm_misalign_ros.core.evaluation.resuming import evaluated, is_of
from vlm_misalign_ros.core.evaluation.worst import Ranking, kept_of_each, scene_of
from vlm_misalign_ros.core.labels.encodings import AUTO
from vlm_misalign_ros.core.records.account import AccountingRecord
from vlm_misalign_ros.core.records.pictures import FOLDER, Pictures
from vlm_misalign_ros.core.records.schema import FrameRecord
from vlm_misalign_ros.core.settings.nodes import MonitorParameters
from vlm_misalign_ros.core.stamps import NANO, parse_stamp
from vlm_misalign_ros.core.truth import outlines


class Book:
    """Has every closed frame evaluated, writes it down and adds it to the sums."""

    def __init__(
        self, parameters: MonitorParameters, journal: Journal, counters: Counter[str]
    ) -> None:
        """Start with nothing; `counters` are those of the session."""
        self._chosen = parameters
        self._journal = journal
        self._counters = counters
        self._evaluator = Evaluator(parameters)
        self.ledger = Ledger(
            parameters.models, parameters.segmentation, parameters.window, parameters.reference
        )
        self.cameras = Cameras()
        self._beside = Beside()
        self._lost = Lost()
        self._epoch = 0
        self._before: Counter[str] = Counter()
        """Frames that were closed before the run was gone on with, by why."""
        self._pictures: Pictures | None = None
        self._worst = Ranking(kept_of_each(parameters.pictures, len(parameters.models)))
        if parameters.run_folder and parameters.pictures:
            self._pictures = Pictures(Path(parameters.run_folder) / FOLDER)
            for stamp in self._pictures.stamps() if journal.follows else ():
                # Which of them are kept at a place, only going over all before it tells.
                self._pictures.remove(stamp)

    def enter(self, joined: Joined, epoch: int) -> Closed:
        """Take up a closed frame; truth without a picture is counted and no frame."""
        self._beside.closed(joined.stamp, joined.parts, joined.missing)
        if not is_pictured(joined.parts):
            self._counters['truth_without_picture'] += 1
            return Closed(joined.stamp, None)
        reach = round(self._chosen.slop * NANO)
        camera = self.cameras.of(epoch, joined, reach, self._counters, self._journal)
        joined, unplaced = without_unplaced(joined)
        evaluate = partial(self._evaluator.evaluate, joined, camera, epoch, unplaced)
        found = self._standing(joined, epoch) or evaluate()
        record = found.record
        self.ledger.enter(epoch, joined.stamp, found)
        self._lost.add(joined.stamp, epoch < self._epoch, record.cycle)
        for part, against in found.mismatches:
            self._journal.mismatch(epoch, joined, part, against)
        if self._pictures is not None and IMAGE in joined.parts:
            # Ahead of the record: what is written down has all that is kept of it.
            self._illustrate(self._pictures, found, joined, evaluate)
        self._journal.write(record)
        self._tell(record, self._counters)
        if record.truth is None:
            for part, text in self._beside.plain(self._counters['without_truth']).items():
                self._journal.once(f'beside {part}', text)
        return Closed(joined.stamp, record, self.ledger.metrics())

    def _tell(self, record: FrameRecord, counters: Counter[str]) -> None:
        """Count what a frame lacks, and tell each kind of it once."""
        if failed := self._journal.failures(record):
            counters['failed'] += failed
        self._journal.labels(record, auto=self._chosen.label_encoding == AUTO)
        if record.truth is None:
            counters['without_truth'] += 1

    def _standing(self, joined: Joined, epoch: int) -> Evaluated | None:
        """Return what was scored before of a frame; None where nothing of it stands."""
        record = self._journal.expected
        if not isinstance(record, FrameRecord):
            return None
        stands = is_of(record, joined, epoch, self._chosen.models)
        return evaluated(record) if stands else None

    def _illustrate(
        self,
        pictures: Pictures,
        found: Evaluated,
        joined: Joined,
        evaluate: Callable[[], Evaluated],
    ) -> None:
        """Keep the pictures of a frame that is among the worst; `evaluate` it for its truth."""
        kept, gone = self._worst.add(found.errors, scene_of(found.record), joined.stamp)
        for stamp in gone:
            pictures.remove(stamp)
        if kept:
            truth = None
            found = found if found.held is not None else evaluate()
            if found.held is not None and found.held.truth is not None and found.held.maps:
                drawn = outlines.outline(found.held.truth, found.held.maps)
                truth = outlines.encode(drawn)
            mask = joined.parts.get(SEGMENTATION)
            pictures.keep(joined.stamp, joined.parts[IMAGE], mask, truth)

    def restore(self, record: FrameRecord) -> None:
        """
        Take up a frame that is written down already.

        It is counted where the run goes on as if it had never stopped.
        """
        counters = self._counters if self._chosen.resumed else Counter()
        self._tell(record, counters)
        counters[record.closed.value] += 1
        if self._chosen.resumed:
            self._before[record.closed.value] += 1
        found, stamp = evaluated(record), parse_stamp(record.stamp)
        self.ledger.enter(record.epoch, stamp, found)
        self._lost.add(stamp, record.epoch < self._epoch, record.cycle)
        if self._pictures is not None and self._pictures.has(stamp):
            self._worst.add(found.errors, scene_of(record), stamp)

    def take_back(self, epoch: int, twice: Twice) -> None:
        """Take back what a closed frame was scored, for those whom a doubled part concerns."""
        self.ledger.take_back(epoch, twice)
        if self._pictures is not None and self._worst.drop(twice.stamp):
            self._pictures.remove(twice.stamp)

    def restart(self, epoch: int) -> None:
        """Begin another stretch: time has jumped. Frames of the former one may still close."""
        self._epoch = epoch
        self.ledger.restart(epoch)
        self._lost.restart()
        self.cameras.restart(epoch - 1)

    def account(self, join: Mapping[str, int]) -> AccountingRecord:
        """Return the last line: what became of everything; `join` has the counts of the parts."""
        period, lost = self._lost.told() or (None, None)
        return AccountingRecord(
            {name: dict(counter) for name, counter in self.ledger.states.items()},
            dict(self._before + Counter(join)),
            dict(self._counters),
            period,
            lost,
            self._beside.told(),
        )
