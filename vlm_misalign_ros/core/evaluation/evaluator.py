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
From the joined parts of a frame to its record: the one evaluation core.

Live nodes, the offline bag analysis and anything else that has a frame's parts come through
here, so the same frame gives the same record whichever way it came.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np
from msgspec import UNSET, UnsetType

from vlm_misalign_ros.core.corruptions.conditions import UNKNOWN
from vlm_misalign_ros.core.errors import MAX_REASON, ConfigurationError
from vlm_misalign_ros.core.evaluation.clean import only_of_its_own
from vlm_misalign_ros.core.evaluation.holding import Held, hold
from vlm_misalign_ros.core.evaluation.join import Joined
from vlm_misalign_ros.core.evaluation.parts import (
    CONDITION,
    CONFIDENCE,
    SEGMENTATION,
    SOURCE,
    Parts,
    vlm_part,
)
from vlm_misalign_ros.core.evaluation.scored import DIGITS, Own, scored
from vlm_misalign_ros.core.evaluation.worst import Slot, errors_of
from vlm_misalign_ros.core.labels.classes import CRITICAL
from vlm_misalign_ros.core.metrics import confusion
from vlm_misalign_ros.core.metrics.counts import Counts
from vlm_misalign_ros.core.metrics.known import lacking_by, told_alone
from vlm_misalign_ros.core.records.confidence import ConfidenceEntry
from vlm_misalign_ros.core.records.schema import (
    SCHEMA,
    AnswerEntry,
    ConditionEntry,
    FrameRecord,
    ModelEntry,
    SegmentationEntry,
    Status,
    TimingEntry,
)
from vlm_misalign_ros.core.records.truths import (
    CorridorEntry,
    RequiredEntry,
    StandingEntry,
    TruthEntry,
)
from vlm_misalign_ros.core.settings.nodes import EvaluationParameters, truth_settings
from vlm_misalign_ros.core.settings.outside import MASK, outside_names
from vlm_misalign_ros.core.stamps import format_stamp
from vlm_misalign_ros.core.truth.read import Seen, Truth, read_seen
from vlm_misalign_ros.core.truth.recent import LastScene
from vlm_misalign_ros.core.types import (
    WHOLE,
    Applied,
    Camera,
    Condition,
    Confidence,
    Description,
    Failed,
    NoCamera,
    Passed,
    Protocol,
    Source,
    View,
)

_UNTOLD = (
    'nothing told which classes the mask can hold: it has no segmentation/confidence '
    '(monitor.segmentation_classes says so where none comes)'
)
CAN_BE_CRITICAL = (*CRITICAL, 'traffic light', 'traffic sign')


@dataclass
class Evaluated:
    """A frame's record with what the rolling sums and the pictures need."""

    record: FrameRecord
    counts: dict[str, Counts]
    confusion: np.ndarray | None
    confusion_visible: np.ndarray | None
    """The same over what an occluder leaves to see; the whole where there is none."""
    errors: dict[Slot, float]
    """How wrong each model was, by kind of error."""
    mismatches: tuple[tuple[str, str], ...] = ()
    """Parts that are of another picture, with the part that they were held against."""
    held: Held | None = None
    """What it was held against; None of a frame that is taken up from its record."""


class Evaluator:
    """Turns joined frames into records; holds settings, and the last scene to spare work."""

    def __init__(self, parameters: EvaluationParameters) -> None:
        """Keep the settings; ConfigurationError for a class that does not exist."""
        self._parameters = parameters
        self._critical = check_critical(parameters.critical)
        self._settings = truth_settings(parameters)
        self._last = LastScene()
        self._told: tuple[Truth, TruthEntry] | None = None
        # An encoding that cannot tell all classes is refused for masks from outside.
        outside = MASK in outside_names(parameters.outside)
        self._lacking = () if outside else lacking_by(parameters.segmentation_classes)

    def evaluate(
        self,
        joined: Joined,
        default_camera: Camera | NoCamera | None = None,
        epoch: int = 0,
        unplaced: Mapping[str, str] = MappingProxyType({}),
    ) -> Evaluated:
        """
        Return the record of one closed frame, complete or not.

        `default_camera` is used for frames whose source names no camera; `epoch` is how often
        time had jumped back before; `unplaced` says of parts why what came may be another frame's.
        What came twice with other content, or is of another picture, is not scored for anybody
        whom it concerns. A frame that cannot be evaluated for whatever reason says so in its
        record and ends nothing.
        """
        models = self._parameters.models
        joined = only_of_its_own(joined, models)
        told: tuple[Source, Camera | NoCamera | None] | None = joined.parts.get(SOURCE)
        source, camera = told or (None, None)
        try:
            known = camera or default_camera
            held = hold(joined, source, known, models, self._settings, self._last)
            held.evidence.problems.update(unplaced)
            return self._record(joined, source, held, epoch)
        except Exception as error:  # whatever strangers publish costs their frame only
            reason = f'the frame could not be evaluated: {type(error).__name__}: {error}'
            held = Held.nothing(joined, models, reason[:MAX_REASON])
            return self._record(joined, source, held, epoch)

    def _record(self, joined: Joined, source: Source | None, held: Held, epoch: int) -> Evaluated:
        """Return the record of one closed frame by what it is held against."""
        parts = joined.parts
        segmentation, matrix, visible = self._segmentation(held, parts)
        truth = None if held.truth is None else self._entry(held.truth)
        models = self._models(held, parts, truth)
        stamp = format_stamp(joined.stamp)
        # What nothing told of a frame is as plain as can be.
        known = source or Source('', '', stamp, 0, 0, 0, Condition(UNKNOWN))
        # What the source asks for is not what was applied.
        applied: Applied = parts.get(CONDITION) or Applied(Condition(UNKNOWN), 0)
        record = FrameRecord(
            schema=SCHEMA,
            stamp=stamp,
            index=None if source is None else source.index,
            dataset=known.dataset,
            sequence=known.sequence,
            key=known.key,
            cycle=known.cycle,
            condition=_condition(applied),
            closed=joined.reason,
            missing=list(joined.missing),
            truth=truth,
            segmentation=segmentation,
            models=models,
            timing=_timing(joined, models),
            labels=held.entry(),
            problem=held.problem or None,
            image=held.evidence.image or None,
            pictures=joined.heard.pictures,
            epoch=epoch,
            offsets=joined.heard.seconds_beside(),
            protocol=self._protocol(known),
            recorded=dict(known.about.recorded) or UNSET,
        )
        counts = {name: entry.score.counts for name, entry in models.items() if entry.score}
        mismatches = tuple(held.evidence.mismatches)
        return Evaluated(record, counts, matrix, visible, errors_of(record), mismatches, held)

    def _entry(self, truth: Truth) -> TruthEntry:
        """Return the truth as a record shows it; that of a scene that stays is made once."""
        if self._told is None or self._told[0] is not truth:
            self._told = truth, truth_entry(truth)
        return self._told[1]

    def _protocol(self, source: Source) -> Protocol | UnsetType:
        """Return how frames hang together in time; unset where they do not."""
        if self._parameters.reference:
            return Protocol.PSEUDO
        return UNSET if source.protocol is Protocol.SINGLE else source.protocol

    def _models(self, held: Held, parts: Parts, truth: TruthEntry | None) -> dict[str, ModelEntry]:
        seen: dict[View, Own | None] = {WHOLE: None}
        return {
            name: self._model(name, held, parts, truth, seen) for name in self._parameters.models
        }

    def _model(
        self,
        name: str,
        held: Held,
        parts: Parts,
        truth: TruthEntry | None,
        seen: dict[View, Own | None],
    ) -> ModelEntry:
        """Return what became of a model's answer; `seen` keeps what is in views."""
        part = vlm_part(name)
        answer: Description | Failed | Passed | None = parts.get(part)
        if isinstance(answer, Description) and answer.empty:
            answer = Failed('an empty answer')
        lost = held.lost(name, part, answer)
        if isinstance(answer, Failed):
            return ModelEntry(lost or Status.MISSING, error=answer.reason)
        if isinstance(answer, Passed):
            return ModelEntry(lost or Status.DROPPED, problem=answer.reason)
        said = None if answer is None else AnswerEntry.of(answer)
        verified = part in held.evidence.verified
        if lost is not None or answer is None or truth is None or held.maps is None:
            status, problem = lost or Status.MISSING, held.evidence.why(part)
            return ModelEntry(status, said, verified=verified, problem=problem)
        if answer.view not in seen:
            seen[answer.view] = _own(read_seen(held.maps.part(answer.view), self._settings))
        score = scored(answer, truth, seen[answer.view], self._critical)
        return ModelEntry(Status.SCORED, said, score, verified)

    def _segmentation(
        self, held: Held, parts: Parts
    ) -> tuple[SegmentationEntry, np.ndarray | None, np.ndarray | None]:
        """Return the mask's entry, its confusion matrix, and that over what is left to see."""
        predicted: np.ndarray | None = parts.get(SEGMENTATION)
        told: Confidence | Failed | Passed | None = parts.get(CONFIDENCE)
        if not self._parameters.segmentation:
            return SegmentationEntry(Status.NOT_ASKED, None, None, []), None, None
        if isinstance(told, (Failed, Passed)):
            return _without_mask(held, told), None, None
        confidence = None if told is None else ConfidenceEntry.of(told)
        lost = held.lost(SEGMENTATION, SEGMENTATION, predicted)
        verified = SEGMENTATION in held.evidence.verified
        if lost is not None or predicted is None or held.maps is None:
            problem = held.evidence.why(SEGMENTATION)
            status = lost or Status.MISSING
            entry = SegmentationEntry(
                status, None, confidence, [], verified=verified, problem=problem
            )
            return entry, None, None
        lacking = self._lacking if told is None else told.lacking
        if lacking is None:
            entry = SegmentationEntry(
                Status.UNSCORABLE, None, None, [], verified=verified, problem=_UNTOLD
            )
            return entry, None, None
        labels = held.maps.labels
        if predicted.shape != labels.shape:
            # A model that answers at its own resolution is compared at the ground truth's.
            size = labels.shape[::-1]
            predicted = cv2.resize(predicted, size, interpolation=cv2.INTER_NEAREST)
        visible = matrix = told_alone(confusion.confusion(labels, predicted), lacking)
        cells_visible = None
        if held.maps.visible is not None:
            left = cv2.copyTo(labels, held.maps.visible.view(np.uint8))
            visible = told_alone(confusion.confusion(left, predicted), lacking)
            cells_visible = confusion.to_cells(visible)
        value = confusion.miou(matrix)
        entry = SegmentationEntry(
            Status.SCORED,
            None if np.isnan(value) else float(value),
            confidence,
            confusion.to_cells(matrix),
            cells_visible,
            verified,
            lacks=list(lacking) if told is None and lacking else UNSET,
        )
        return entry, matrix, visible


def _timing(joined: Joined, models: Iterable[str]) -> TimingEntry:
    """Return how long everybody took, as far as they tell."""
    told: dict[str, Description | Confidence] = {
        name: answer
        for name, part in (
            *((name, vlm_part(name)) for name in models),
            (SEGMENTATION, CONFIDENCE),
        )
        if isinstance(answer := joined.parts.get(part), (Description, Confidence))
    }
    return TimingEntry(
        {name: answer.latency for name, answer in told.items() if answer.latency is not None},
        [n for n, answer in told.items() if isinstance(answer, Description) and answer.cached],
        {name: answer.waited for name, answer in told.items() if answer.waited is not None},
        {name: answer.age for name, answer in told.items() if answer.age is not None},
        round(float(joined.open_seconds), 6) or None,
    )


def _without_mask(held: Held, told: Failed | Passed) -> SegmentationEntry:
    """Return the entry of a frame of which the segmentation says that there will be no mask."""
    status = held.lost(SEGMENTATION, SEGMENTATION, told) or Status.MISSING
    failed = isinstance(told, Failed)
    return SegmentationEntry(
        status,
        None,
        None,
        [],
        problem=None if failed else told.reason,
        error=told.reason if failed else None,
    )


def check_critical(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the critical classes; ConfigurationError names one that cannot be."""
    for name in names:
        if name not in CAN_BE_CRITICAL:
            raise ConfigurationError(
                f"parameter 'critical' names the class {name!r}",
                'allowed: ' + ', '.join(CAN_BE_CRITICAL),
            )
    if not names:
        raise ConfigurationError("parameter 'critical' is empty", 'name at least one class')
    return names


def _condition(applied: Applied) -> ConditionEntry:
    condition = applied.condition
    return ConditionEntry(
        condition.corruption, condition.severity, condition.name, applied.seed, applied.parameters
    )


def _own(seen: Seen) -> Own:
    """Return what is in the view of one model, as a record keeps it."""
    areas = {name: round(area, DIGITS) for name, area in sorted(seen.areas.items())}
    return Own(seen.scene, seen.visible, areas)


def truth_entry(truth: Truth) -> TruthEntry:
    """Return the truth as a record shows it."""
    hidden, covers = set(map(id, truth.hidden)), truth.covers()
    seen, distances, visible = truth.seen, truth.distances, truth.visible_hazard
    covered, reach = truth.covered or (0, 0)
    return TruthEntry(
        presence=seen.scene,
        visible=seen.visible,
        required={
            name: RequiredEntry(
                round(needed.area, DIGITS),
                round(distances[name], 2) if math.isfinite(distances[name]) else None,
            )
            for name, needed in sorted(seen.needed.items())
        },
        objects=sum(not thing.group for thing in seen.inventory.things),
        hazard=truth.hazard.verdict,
        nearest=truth.hazard.nearest,
        nearest_class=truth.hazard.nearest_class,
        distance_source=truth.hazard.source,
        sweep=truth.sweep(),
        doubt=truth.hazard.doubt,
        hazard_visible=None if visible is None else visible.verdict,
        doubt_visible=None if visible is None else visible.doubt,
        corridor=CorridorEntry(
            truth.corridor.pixels, truth.corridor.silent, truth.corridor.obstacles, covered, reach
        ),
        standing=[StandingEntry.of(near, id(near) in hidden) for near in truth.standing()]
        if truth.known
        else UNSET,
        roads={
            name: (road.pixels, road.silent, road.obstacles, *covers.get(name, (0, 0)))
            for name, road in truth.roads.items()
        }
        if truth.known
        else UNSET,
    )
