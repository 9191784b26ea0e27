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

"""The frames of a run as its models saw them, drawn again from its data set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vlm_misalign_ros.core.errors import MisalignError, RecordError
from vlm_misalign_ros.core.evaluation import parts
from vlm_misalign_ros.core.evaluation.again import Again, Made
from vlm_misalign_ros.core.evaluation.engine_steps import TruthStep
from vlm_misalign_ros.core.evaluation.reasons import Reasons
from vlm_misalign_ros.core.evaluation.verifying import PASSED, UNDEGRADED
from vlm_misalign_ros.core.labels.instances import Numbered
from vlm_misalign_ros.core.labels.maps import LabelMap
from vlm_misalign_ros.core.records.schema import FrameRecord
from vlm_misalign_ros.core.settings.configuration import Configuration

Wanted = Callable[[FrameRecord], bool]


@dataclass(frozen=True, eq=False)
class Seen:
    """A closed frame with what it was about."""

    record: FrameRecord
    picture: np.ndarray
    """As the models saw it, BGR uint8 (H, W, 3)."""
    clean: np.ndarray | None = None
    """As the camera saw it; None where that is not known."""
    labels: np.ndarray | None = None
    """Cityscapes label ids, uint8 (H, W); None where there are none, or they cannot be read."""
    instances: np.ndarray | None = None
    """Cityscapes instance ids, uint16 (H, W), likewise."""
    mask: np.ndarray | None = None
    """What the segmentation found, train ids, uint8 (H, W); None where nobody kept it."""


def draw_again(
    configuration: Configuration,
    records: Iterable[FrameRecord],
    wanted: Wanted,
    folder: Path,
    place: str = '',
    left: Reasons | None = None,
) -> Iterator[Seen]:
    """
    Yield the wanted frames of a replayed run in the order of its records, each as it was seen.

    `place` is where the data set lies by now, else it is looked for from the working directory and
    from the folders above the run's `folder`. A frame that no model saw, or that cannot be made
    again as they saw it, is left out, and `left` told why. Raises RecordError for a run that was
    not replayed, and what Again raises as it opens.
    """
    left = Reasons() if left is None else left
    if configuration.replay is None:
        raise RecordError(
            'the run was not made of a data set: its pictures are not known',
            'record the run (record=true), and give the folder of the run with its bag',
        )
    again = Again(configuration.replay, configuration.corruption, folder, place)
    truth = TruthStep(configuration.monitor)
    for record in records:
        if not wanted(record):
            continue
        if why := unseen(record):
            left.add(why)
            continue
        try:
            seen = _seen(record, again.make(record), truth)
        except MisalignError as error:
            left.add(error.what)
            continue
        yield seen


def unseen(record: FrameRecord) -> str:
    """Return why there was no degraded picture of a frame; empty where there was one."""
    if (record.problem or '').startswith(UNDEGRADED):
        return str(record.problem)
    problems = [record.segmentation.problem, *(one.problem for one in record.models.values())]
    return next((why for why in problems if why is not None and why.startswith(PASSED)), '')


def _seen(record: FrameRecord, made: Made, step: TruthStep) -> Seen:
    truth = dict(step.parts(made.frame, depth=False))
    labels = truth.get(parts.LABELS)
    ids = labels.labels if isinstance(labels, LabelMap) and not labels.problem else None
    found = truth.get(parts.INSTANCES)
    if isinstance(found, Numbered):
        found = None if ids is None else found.resolved(ids)
    instances = found if isinstance(found, np.ndarray) else None
    return Seen(record, made.degraded, made.frame.image, ids, instances)
