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

"""From a segmentation model's own class names to Cityscapes train ids."""

from __future__ import annotations

from typing import Any

from vlm_misalign_ros.core.errors import ModelError
from vlm_misalign_ros.core.labels.classes import CLASSES


def train_ids(id2label: dict[Any, Any], model: str) -> dict[int, int]:
    """
    Return {the model's class index: Cityscapes train id} by the names in `id2label`.

    Classes that Cityscapes does not have are left out; ModelError when one of the 19 is missing.
    """
    wanted = {_plain(name): index for index, name in enumerate(CLASSES)}
    found = {
        int(index): wanted[_plain(str(name))]
        for index, name in id2label.items()
        if _plain(str(name)) in wanted
    }
    missing = [name for index, name in enumerate(CLASSES) if index not in found.values()]
    if missing:
        raise ModelError(
            f'segmentation model {model} does not know the class{"es" * (len(missing) > 1)} '
            + ', '.join(repr(name) for name in missing),
            'use a model trained on Cityscapes, with its class names in id2label',
        )
    return found


def _plain(name: str) -> str:
    return name.strip().lower().replace('_', ' ').replace('-', ' ')
