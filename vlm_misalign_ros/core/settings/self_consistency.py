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
`self_consistency` in a configuration: each model is asked about both pictures of every frame.

One line of the configuration is laid under what each model says of itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.settings.asks import asks_of
from vlm_misalign_ros.core.settings.nodes import (
    MonitorParameters,
    SegmentationParameters,
    VlmParameters,
)
from vlm_misalign_ros.core.settings.outside import OutsideParameters, is_outside

SECTION = 'self_consistency'


def asked_twice(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """
    Return a configuration with `self_consistency` told to every model that says nothing of it.

    Raises ConfigurationError for what is neither true nor false.
    """
    chosen = data.get(SECTION, False)
    if not isinstance(chosen, bool):
        raise ConfigurationError(f'parameter {SECTION!r} is {chosen!r}', 'give true or false')
    found = dict(data)
    if isinstance(data.get('vlms'), dict):
        found['vlms'] = {name: _with(entry, chosen) for name, entry in data['vlms'].items()}
    found['segmentation'] = _with(data.get('segmentation'), chosen)
    return found


def _with(entry: Any, chosen: bool) -> Any:
    if not chosen or not isinstance(entry, dict) or is_outside(entry):
        return entry
    return {SECTION: chosen, **entry}


def refuse_nothing_to_measure(
    monitor: MonitorParameters,
    vlms: Sequence[VlmParameters],
    segmentation: SegmentationParameters | None,
    outside: Sequence[OutsideParameters],
) -> None:
    """
    Raise ConfigurationError where there is neither ground truth nor anything else to measure.

    Asks that need a mask have none of the clean picture, and models outside the run are asked by
    others: of these nothing could be said.
    """
    if monitor.truth:
        return
    models: list[VlmParameters | SegmentationParameters] = [*vlms]
    models += [] if segmentation is None else [segmentation]
    lacking = [
        entry.name if isinstance(entry, VlmParameters) else 'segmentation'
        for entry in models
        if not entry.self_consistency
    ]
    lacking += [ask.name for vlm in vlms for ask in asks_of(vlm) if ask.input.masked]
    lacking += [entry.name for entry in outside]
    if lacking:
        raise ConfigurationError(
            f'monitor.truth is false, and {", ".join(dict.fromkeys(lacking))} cannot be measured '
            'without ground truth',
            'set self_consistency: true, with asks of the picture alone, of models of the run',
        )
