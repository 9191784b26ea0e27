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
`reference` in a configuration: a second segmentation model, whose labels stand for the truth.

It looks at the clean picture of every frame of a live run that has no ground truth. What is held
against its labels is a disagreement between two models, and everything says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.labels.encodings import DEFAULT
from vlm_misalign_ros.core.settings.nodes import ReferenceParameters
from vlm_misalign_ros.core.settings.outside import is_outside
from vlm_misalign_ros.core.settings.parameters import build

SECTION = 'reference'
_TAKEN = {'reliability': 'reliable', 'policy': 'latest'}
"""Of degraded/source, which the corruption sends reliably; unless the section says otherwise."""
_OF_TRUTH: Mapping[str, tuple[Any, ...]] = {
    'truth': (True,),
    'instances': (False,),
    'depth': (False,),
    'label_encoding': (DEFAULT,),
    'image_transport': ('auto', 'raw'),
}
"""Parameters of the monitor about ground truth from outside, and what is said where none comes."""
_LAID = {'instances': False}
"""What the monitor is told where it says nothing of it."""


def against_reference(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """
    Return a configuration whose monitor takes the labels of its reference, where it has one.

    Raises ConfigurationError where there is other ground truth, or the reference will not do.
    """
    chosen = data.get(SECTION)
    if chosen in (None, False):
        return data
    if not isinstance(chosen, dict) or not chosen.get('model'):
        raise ConfigurationError(
            f'section {SECTION!r} is {chosen!r}', 'name a segmentation model: {model: MODEL}'
        )
    if data.get('mode', 'evaluation') != 'live':
        raise ConfigurationError(
            f'section {SECTION!r} is given in an evaluation, whose data set has its truth',
            'for frames without labels make a data set with `vlm-misalign pseudo`',
        )
    monitor = data.get('monitor') or {}
    if isinstance(monitor, dict):
        _refuse_other_truth(monitor)
        data = {**data, 'monitor': {**_LAID, **monitor}}
    _refuse_its_own(chosen, data)
    return data


def _refuse_other_truth(monitor: Mapping[str, Any]) -> None:
    for name, allowed in _OF_TRUTH.items():
        if name in monitor and monitor[name] not in allowed:
            raise ConfigurationError(
                f'parameter {name!r} of monitor is {monitor[name]!r}, and the run has a reference',
                'leave out one of the two: the labels of a reference are all the truth there is',
            )


def _refuse_its_own(chosen: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    """Raise ConfigurationError for a reference that is what is held against it, or named so."""
    segmentation = data.get('segmentation')
    if isinstance(segmentation, dict) and not is_outside(segmentation):
        if segmentation.get('model') == chosen['model']:
            raise itself(chosen['model'])
    if isinstance(data.get('vlms'), dict) and SECTION in data['vlms']:
        raise ConfigurationError(
            f"a model of 'vlms' is called {SECTION!r}, and the run has a reference",
            'give it another name',
        )


def itself(model: str) -> ConfigurationError:
    """Return the error that a model would be held against itself."""
    return ConfigurationError(
        f"the reference {model!r} is the run's own segmentation, whose mIoU would be held against "
        'itself',
        'choose another model; how far one agrees with itself is self_consistency',
    )


def read_reference(data: Mapping[str, Any]) -> ReferenceParameters | None:
    """Return what a configuration says of its reference; None where it has none."""
    chosen = data.get(SECTION)
    if chosen in (None, False):
        return None
    return build(ReferenceParameters, {**_TAKEN, **chosen}, SECTION)
