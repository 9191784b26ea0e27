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

"""Nodes of a run that another machine starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.settings.nodes import SegmentationParameters, VlmParameters
from vlm_misalign_ros.core.settings.ros import nearest

ELSEWHERE = 'elsewhere'
"""The entry of a configuration."""


def read_elsewhere(
    data: Mapping[str, Any],
    vlms: Sequence[VlmParameters],
    segmentation: SegmentationParameters | None,
) -> tuple[str, ...]:
    """
    Return the names of the nodes that are started elsewhere, in the order of the configuration.

    Models may be, and the segmentation. Raises ConfigurationError for what is no list of them.
    """
    nodes = [f'vlm_{vlm.name}' for vlm in vlms]
    nodes += [] if segmentation is None else ['segmentation']
    chosen = data.get(ELSEWHERE) or []
    if not isinstance(chosen, list) or not all(isinstance(name, str) for name in chosen):
        raise ConfigurationError(
            f'{ELSEWHERE} is {str(chosen)[:80]!r}', 'give a list of nodes, such as [vlm_clip]'
        )
    for name in chosen:
        if name not in nodes:
            raise ConfigurationError(
                f'{ELSEWHERE} has {name[:80]!r}, which is no model node of this run'
                + nearest(name, sorted(nodes)),
                'known: ' + ', '.join(nodes),
            )
    return tuple(dict.fromkeys(chosen))
