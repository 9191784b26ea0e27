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

"""The parameters of the annotator node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.settings.inputs import TransportParameters
from vlm_misalign_ros.core.settings.parameters import build, parameter
from vlm_misalign_ros.core.settings.working import HEARD, RELIABILITY

_ASKED = ('label_encoding', 'image_transport')
"""What is as the monitor has it, unless told otherwise."""


@dataclass(frozen=True)
class AnnotatorParameters(TransportParameters):
    """Parameters of the annotator, which draws what was said of each frame, and what is true."""

    models: tuple[str, ...] = parameter(
        (), 'names of the models that are drawn, in this order; empty: all of each frame'
    )
    width: int = parameter(
        960, 'pixels of a picture wider than this; it is scaled down', minimum=160, maximum=4096
    )
    opacity: float = parameter(
        0.35, 'of the mask over the picture; 0: no mask', minimum=0, maximum=1, live=True
    )
    jpeg_quality: int = parameter(80, 'of annotated/image_raw/compressed', minimum=1, maximum=100)
    capacity: int = parameter(
        64, 'pictures, and masks, that wait for their frame to close', minimum=1, maximum=1024
    )
    labels: bool = parameter(
        True, 'take ground_truth/labels too, to outline what was left out where it is'
    )
    label_encoding: str = parameter(
        'cityscapes_label_ids', "what the values of ground_truth/labels mean; the monitor's"
    )
    reliability: str = parameter('best_effort', HEARD, choices=RELIABILITY)


def read_annotator(data: Mapping[str, Any]) -> AnnotatorParameters | None:
    """
    Return what a configuration says of the annotator; None where it has none.

    It reads labels as the monitor does, unless told otherwise. Raises ConfigurationError for what
    will not do.
    """
    wanted = data.get('annotate', False)
    if not isinstance(wanted, bool):
        raise ConfigurationError(
            f"parameter 'annotate' is {wanted!r}", 'give a value of type bool'
        )
    if not wanted:
        return None
    chosen = data.get('annotator') or {}
    if not isinstance(chosen, Mapping):
        raise ConfigurationError(f"section 'annotator' is {chosen!r}", 'expected a mapping')
    monitor = data.get('monitor') or {}
    asked = {name: monitor[name] for name in _ASKED if name in monitor}
    return build(AnnotatorParameters, {**asked, **chosen}, 'annotator')
