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

"""Parameters of nodes that a run sets itself, whatever its configuration says."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.settings.inputs import CameraParameters
from vlm_misalign_ros.core.settings.nodes import (
    CorruptionParameters,
    MonitorParameters,
    RecorderParameters,
    ReplayParameters,
    VlmParameters,
)

_CAMERA = tuple(entry.name for entry in dataclasses.fields(CameraParameters))

FIXED: Mapping[type, tuple[str, ...]] = {
    CorruptionParameters: ('seed', 'follow_source'),
    VlmParameters: ('name', 'lexicon', 'source', 'confidence', *_CAMERA),
    MonitorParameters: (
        'models',
        'lockstep',
        'source',
        'recorder',
        'segmentation',
        'outside',
        'reference',
        'run_folder',
        'resumed',
    ),
    ReplayParameters: ('begin',),
    RecorderParameters: ('models', 'segmentation', 'source', 'outside', 'reference', 'path'),
}


def unfixed(kind: type, chosen: dict[str, Any], where: str) -> dict[str, Any]:
    """
    Return the section `where` of a node's parameters as it was given.

    Raises ConfigurationError where it has what the run sets itself.
    """
    for name in FIXED[kind]:
        if name in chosen:
            raise ConfigurationError(
                f'parameter {name!r} of {where} is set by the run itself', 'leave it out'
            )
    return chosen
