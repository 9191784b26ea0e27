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
What is done to one frame in one process: read its truth, degrade, segment, ask.

Each step is the node's of the same name, by the same functions; what goes wrong with one frame
costs that frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from vlm_misalign_ros.core.corruptions.degrading import Degraded, Manner
from vlm_misalign_ros.core.errors import MisalignError, RecordError
from vlm_misalign_ros.core.evaluation import parts
from vlm_misalign_ros.core.evaluation.asker import Asker, Shown
from vlm_misalign_ros.core.evaluation.degraded import degrade_frame
from vlm_misalign_ros.core.evaluation.engine_values import (
    answer_heard,
    applied_heard,
    confidence_heard,
)
from vlm_misalign_ros.core.evaluation.guarding import Guard
from vlm_misalign_ros.core.evaluation.lanes import (
    NO_MASK,
    NO_SEGMENTATION,
    Lane,
    answer,
    mask_for,
    put_all,
    sequence_of,
)
from vlm_misalign_ros.core.evaluation.pairing import Past
from vlm_misalign_ros.core.evaluation.replaying import Sent
from vlm_misalign_ros.core.evaluation.segmenting import Clean, held_against_clean, segment_frame
from vlm_misalign_ros.core.labels.encodings import open_encoding
from vlm_misalign_ros.core.labels.instances import read_instances
from vlm_misalign_ros.core.labels.maps import read_labels
from vlm_misalign_ros.core.models.answering import CheckedSegmentation
from vlm_misalign_ros.core.settings.nodes import (
    CorruptionParameters,
    MonitorParameters,
    SegmentationParameters,
    VlmParameters,
    truth_settings,
)
from vlm_misalign_ros.core.types import (
    AgainstClean,
    Applied,
    Confidence,
    Description,
    Failed,
    Frame,
    Passed,
    Segmented,
)

Say = Callable[[str], None]


@dataclass
class Job:
    """A frame on its way."""

    sent: Sent
    applied: Applied
    degraded: Degraded | None = None
    """None where its corruption failed."""
    mask: np.ndarray | None = None
    """Train ids, uint8 (H, W); None where there is none."""
    sure: Confidence | Failed | Passed | None = None
    """None where nobody segments."""
    answers: dict[str, Description | Failed | Passed] = field(default_factory=dict)


class Step:
    """A guarded piece of work; one that fails too often in a row is gone for the rest."""

    def __init__(self, name: str, most: int, say: Say) -> None:
        """Begin; after `most` failures in a row (0: never) it is gone."""
        self.name = name
        self.gone: MisalignError | None = None
        """Why nothing comes of it any more."""
        self._guard: Guard[tuple[Callable[[], None], Say]] = Guard(
            lambda item: item[0](), lambda item, reason: item[1](reason), most, say
        )

    def do(self, work: Callable[[], None], failed: Say) -> None:
        """Work; `failed` is told why it could not be done."""
        try:
            self._guard((work, failed))
        except MisalignError as error:
            self.gone = error


class TruthStep:
    """Reads the ground truth of frames as their maps are read from messages."""

    def __init__(self, chosen: MonitorParameters) -> None:
        """Read by the evaluation's parameters."""
        self._encoding = open_encoding(chosen.label_encoding, truth_settings(chosen).limits)
        self._instances = chosen.instance_encoding
        self._last: tuple[Frame, list[tuple[str, Any]]] | None = None

    def parts(self, frame: Frame, depth: bool) -> list[tuple[str, Any]]:
        """
        Return the parts of a frame's truth: a value each, or the RecordError that says why not.

        One frame that comes several times in a row is read once.
        """
        if self._last is None or self._last[0] is not frame:
            self._last = frame, list(self._read(frame))
        return [found for found in self._last[1] if depth or found[0] != parts.DEPTH]

    def _read(self, frame: Frame) -> Iterator[tuple[str, Any]]:
        if frame.labels is not None:
            yield parts.LABELS, _read(partial(read_labels, self._encoding, frame.labels))
        if frame.instances is not None:
            read = partial(read_instances, frame.instances, self._instances, self._encoding)
            yield parts.INSTANCES, _read(read)
        if frame.depth is not None:
            yield parts.DEPTH, frame.depth


def _read(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except RecordError as error:
        return error


class DegradeStep(Step):
    """Degrades pictures."""

    def __init__(self, chosen: CorruptionParameters, manner: Manner, say: Say) -> None:
        """Degrade by the corruption's parameters."""
        super().__init__('corruption', chosen.max_failures, say)
        self._seed = chosen.seed
        self._manner = manner

    def take(self, sent: Sent) -> Job:
        """Return a frame with its degraded picture, or why there is none."""
        job = Job(sent, Applied(sent.source.condition, self._seed))

        def work() -> None:
            source = sent.source
            job.degraded = degrade_frame(
                np.ascontiguousarray(sent.frame.image),
                source.condition,
                self._seed,
                source.draw or source.key,
                self._manner,
                source.image,
            )
            job.applied = applied_heard(job.degraded.applied)

        def failed(reason: str) -> None:
            told = Applied(sent.source.condition, self._seed, error=reason)
            job.applied = applied_heard(told)

        self.do(work, failed)
        return job


class SegmentStep(Step):
    """Segments degraded pictures."""

    def __init__(
        self, chosen: SegmentationParameters, model: CheckedSegmentation, say: Say
    ) -> None:
        """Segment with a loaded model."""
        super().__init__('segmentation', chosen.max_failures, say)
        self._model = model
        self._twice = chosen.self_consistency

    def take(self, job: Job) -> None:
        """Give a frame its mask, or why there is none."""
        degraded = job.degraded
        if self.gone is not None or degraded is None:
            return

        def work() -> None:
            mask, told = segment_frame(
                self._model, degraded.image, partial(self._against, job), degraded.applied.image
            )
            job.mask, job.sure = mask, confidence_heard(told)

        def failed(reason: str) -> None:
            job.sure = confidence_heard(Failed(reason))

        self.do(work, failed)

    def _against(self, job: Job, found: Segmented) -> AgainstClean | None:
        if not self._twice:
            return None
        return held_against_clean(self._model, found, [job.sent.frame.image])


class AskStep(Step):
    """Puts the asks of one model to frames."""

    def __init__(self, chosen: VlmParameters, lanes: tuple[Lane, ...], say: Say) -> None:
        """Ask by lanes of a loaded model."""
        super().__init__(chosen.name, chosen.max_failures, say)
        self.lanes = lanes
        self._twice = chosen.self_consistency
        self._confidence = chosen.confidence
        self._past: dict[tuple[int, int], Past] = {}
        """By lane and pass, so that passes may come in any order."""

    @property
    def asks(self) -> list[str]:
        """Return the names of its asks."""
        return [asker.name for lane in self.lanes for asker in lane.askers]

    def take(self, job: Job, segmented: bool) -> None:
        """
        Give a frame the answers of every ask, or why there are none.

        `segmented` says whether somebody still makes masks.
        """
        if job.degraded is None:
            return
        for number, lane in enumerate(self.lanes):
            if self.gone is not None:
                return
            if lane.masked and not segmented:
                for asker in lane.askers:
                    job.answers[asker.name] = Passed(NO_MASK + NO_SEGMENTATION)
                continue
            past = self._shown(job, number, lane)
            self.do(partial(self._put, job, lane, past), partial(self._fail, job, lane))

    def remember(self, job: Job) -> None:
        """Take up a frame that is not asked about, but shown with later ones."""
        if job.degraded is not None:
            for number, lane in enumerate(self.lanes):
                self._shown(job, number, lane)

    def _shown(self, job: Job, number: int, lane: Lane) -> tuple[tuple[np.ndarray, ...], ...]:
        """Return the (degraded, clean) pictures that a lane is shown, oldest first."""
        assert job.degraded is not None
        source = job.sent.source
        pair = (job.degraded.image, job.sent.frame.image)
        if not lane.frames:
            # Nothing of it is shown again; there may be a hundred passes.
            return (pair,)
        past = self._past.setdefault((number, source.cycle), Past(lane.frames, lane.stride))
        told = source if parts.SOURCE in lane.needed else None
        return past.add(job.sent.stamp, sequence_of(told), pair)

    def _put(self, job: Job, lane: Lane, past: tuple[tuple[np.ndarray, ...], ...]) -> None:
        told = job.applied.image
        camera = job.sent.frame.known_camera if parts.SOURCE in lane.needed else None
        shown = Shown(tuple(pair[0] for pair in past), self._mask(job, lane), camera)
        clean: Clean | None = None
        if self._twice and not lane.masked:
            clean = partial(list, [pair[1] for pair in past])

        def put(asker: Asker) -> None:
            job.answers[asker.name] = answer_heard(answer(asker, shown, told, clean))

        put_all(lane.askers, put, partial(self._refuse, job))

    def _mask(self, job: Job, lane: Lane) -> Segmented | None:
        if not lane.masked:
            return None
        if job.mask is None:
            why = job.sure.reason if isinstance(job.sure, Failed) else NO_SEGMENTATION
            raise RecordError(NO_MASK + why)
        assert job.degraded is not None
        sure = job.sure if self._confidence and isinstance(job.sure, Confidence) else None
        return mask_for(job.mask, sure, job.degraded.image, job.applied.image)

    def _refuse(self, job: Job, name: str, reason: str) -> None:
        job.answers[name] = answer_heard(Failed(reason))

    def _fail(self, job: Job, lane: Lane, reason: str) -> None:
        for asker in lane.askers:
            if asker.name not in job.answers:
                self._refuse(job, asker.name, reason)
