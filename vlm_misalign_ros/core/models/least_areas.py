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
Least areas of a mask reader, set on clean frames of other cities and then frozen.

From which area on a class of a predicted mask is there is decided as the threshold of a score is
(core/models/calibration): where sensitivity plus specificity is highest over frames in which the
class is REQUIRED or ABSENT (Youden 1950), half-way between two neighbouring areas; of equally
good ones the largest, which asserts least. So is from which area on a part is somebody who stands
in the way (IN_THE_WAY), over frames that are a HAZARD or CLEAR. The file holds the hash of the
segmentation and its own; whoever loads it refuses other ones, and other settings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vlm_misalign_ros.core.errors import ModelError
from vlm_misalign_ros.core.files import write_json
from vlm_misalign_ros.core.labels.classes import CLASSES
from vlm_misalign_ros.core.metrics.youden import youden_threshold
from vlm_misalign_ros.core.models import frozen
from vlm_misalign_ros.core.models.frozen import LEAST
from vlm_misalign_ros.core.models.mask_reading import IN_THE_WAY, NO_HOOD, Reading, default_area
from vlm_misalign_ros.core.truth.presence import NATIVE
from vlm_misalign_ros.core.truth.read import TruthSettings

SCHEMA = 'least areas 1'
SET = (*CLASSES, IN_THE_WAY)
"""What has a least area."""


@dataclass(frozen=True)
class LeastArea:
    """From which area on one class is there, and what that does on the frames it was set on."""

    area: float
    """Pixels at 2048 x 1024."""
    positives: int
    negatives: int
    sensitivity: float
    """Share of the positives that reach it."""
    specificity: float
    """Share of the negatives that do not."""


@dataclass(frozen=True)
class LeastAreas:
    """The least areas of one segmentation."""

    segmentation: str
    """The model's string."""
    model_sha256: str
    """Hash of its weights, or of the string for a model that is not local."""
    input_height: int
    """The rows that it was given, as its parameter says; 0: those of the picture."""
    areas: Mapping[str, LeastArea]
    """By class, and IN_THE_WAY."""
    data: Mapping[str, Any]
    """What they were made from."""
    truth: Mapping[str, float] = field(default_factory=dict)
    """The settings by which was decided what is true, by parameter."""
    hood: float = NO_HOOD
    """From which part of the height on the frames show the ego vehicle."""
    sha256: str = ''

    def content(self) -> dict[str, Any]:
        """Return everything but the hash as plain data."""
        settings = TruthSettings.from_plain(self.truth)
        return {
            'schema': SCHEMA,
            'model': self.segmentation,
            'model_sha256': self.model_sha256,
            'input_height': self.input_height,
            'data': dict(self.data),
            'truth': dict(self.truth),
            'hood': self.hood,
            'areas': {name: dict(area.__dict__) for name, area in sorted(self.areas.items())},
            'without_area': {
                name: default_area(name, settings) for name in SET if name not in self.areas
            },
        }

    def save(self, path: Path) -> None:
        """Write the file; RecordError when the disk refuses."""
        content = self.content()
        write_json(path, {**content, 'sha256': frozen.digest(content)})

    def reading(self) -> Reading:
        """Return by what a mask is read."""
        areas = {name: entry.area for name, entry in self.areas.items()}
        return Reading(areas, self.hood, TruthSettings.from_plain(self.truth))


def load(path: Path) -> LeastAreas:
    """Read a file of least areas; ConfigurationError when it cannot be read or was changed."""
    return frozen.load(path, SCHEMA, _made)


def _made(data: dict[str, Any], sha256: str) -> LeastAreas:
    found = LeastAreas(
        data['model'],
        data['model_sha256'],
        int(data['input_height']),
        {name: LeastArea(**entry) for name, entry in data['areas'].items()},
        data['data'],
        data['truth'],
        float(data['hood']),
        sha256,
    )
    found.reading()
    return found


def refuse_others(
    found: LeastAreas,
    place: str,
    model: str,
    model_sha256: str,
    input_height: int,
    truth: Mapping[str, float],
) -> None:
    """
    Raise ModelError unless least areas are of this segmentation and these settings of the truth.

    `place` is where they were found, `input_height` the parameter of the segmentation.
    """
    if found.model_sha256 != model_sha256:
        raise ModelError(
            f'calibration {place} is for another segmentation ({found.model_sha256[:12]}, here '
            f'{model_sha256[:12]}): {found.segmentation}, here {model}',
            f'make one with: vlm-misalign calibrate mask_reader --segmentation {model}',
        )
    if found.input_height != input_height:
        raise ModelError(
            f'calibration {place} was made with an input_height of {found.input_height}, and the '
            f'segmentation has {input_height}',
            f'set segmentation.input_height to {found.input_height}, or make it again with: '
            f'vlm-misalign calibrate mask_reader --segmentation {model} '
            f'--input-height {input_height}',
        )
    frozen.refuse_other_truth(place, found.truth, truth)


def least_area(areas: np.ndarray, positives: np.ndarray) -> LeastArea | None:
    """
    Return the least area of a class; None with too few positives or negatives.

    `areas` are those of the predicted masks, float64 (N,), pixels at 2048 x 1024; `positives`,
    bool (N,), whether the class is REQUIRED, else it is ABSENT (the frame a HAZARD, else CLEAR).
    """
    truth = np.asarray(positives, bool)
    yes, no = int(truth.sum()), int((~truth).sum())
    if min(yes, no) < LEAST:
        return None
    # Shares of the picture, so that above all of them means never: the whole picture.
    least = youden_threshold(np.asarray(areas, np.float64) / NATIVE, truth) * NATIVE
    said = areas >= least
    return LeastArea(
        round(least, 3), yes, no, float(said[truth].mean()), float((~said)[~truth].mean())
    )


def set_areas(
    found: Sequence[Mapping[str, float]], truths: Sequence[Mapping[str, bool | None]]
) -> dict[str, LeastArea]:
    """
    Return least areas from the areas in predicted masks and the truth of clean frames, by class.

    True is there, False is not, None counts as neither.
    """
    result = {}
    for name in SET:
        known = [
            (areas[name], truth[name])
            for areas, truth in zip(found, truths, strict=True)
            if truth.get(name) is not None and name in areas
        ]
        if not known:
            continue
        values, there = (np.array(column) for column in zip(*known, strict=True))
        area = least_area(values, there)
        if area is not None:
            result[name] = area
    return result
