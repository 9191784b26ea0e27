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

"""What is checked of a mask reader before a run: its areas are of this very segmentation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from vlm_misalign_ros.core.errors import ConfigurationError, ModelError
from vlm_misalign_ros.core.models.factory import model_hash, parse
from vlm_misalign_ros.core.models.families.mask_reader import NAME, areas_of
from vlm_misalign_ros.core.models.least_areas import refuse_others
from vlm_misalign_ros.core.settings.asks import Ask
from vlm_misalign_ros.core.settings.nodes import SegmentationParameters, VlmParameters
from vlm_misalign_ros.core.truth.read import TruthSettings


def mask_reader_facts(
    vlm: VlmParameters,
    ask: Ask,
    segmentation: SegmentationParameters | None,
    truth: Mapping[str, float],
) -> dict[str, Any]:
    """
    Return the ask of a mask reader of a run, and by which areas it reads.

    `truth` are the settings of the evaluation, by parameter.

    Raises ConfigurationError where there is no mask to read, or settings that it does not have,
    ModelError for areas of another segmentation or of other settings of the truth.
    """
    if segmentation is None:
        raise ConfigurationError(
            f'{vlm.name} is a mask reader, and the run has no segmentation',
            'add a section segmentation with a model',
        )
    if vlm.calibration:
        raise ConfigurationError(
            f"parameter 'calibration' of {vlm.name} is {vlm.calibration!r}, and {NAME} has none",
            f'name the areas in the model: {NAME}:{vlm.calibration}',
        )
    asked = asdict(ask.chosen)
    areas = areas_of(parse(vlm.model))
    if areas is None:
        refuse_other_truth(vlm, segmentation, truth)
        return {'ask': asked, 'least_areas': 'those of the truth'}
    file = vlm.model.partition(':')[2]
    sha256 = model_hash(parse(segmentation.model))
    refuse_others(areas, file, segmentation.model, sha256, segmentation.input_height, truth)
    return {'ask': asked, 'calibration': {'file': file, 'sha256': areas.sha256}}


def refuse_other_truth(
    vlm: VlmParameters, segmentation: SegmentationParameters, truth: Mapping[str, float]
) -> None:
    """Raise ModelError where the evaluation does not judge as a reader without areas does."""
    for name, value in TruthSettings().to_plain().items():
        if truth[name] != value:
            raise ModelError(
                f'{vlm.name} ({vlm.model}) reads by {name} {value}, and the evaluation has '
                f'{truth[name]}',
                f'make areas with: vlm-misalign calibrate {NAME} --segmentation '
                f'{segmentation.model} {name}={truth[name]} ..., and give {NAME}:FILE',
            )
