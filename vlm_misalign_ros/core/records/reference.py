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

"""What the figures of a run are against, where that is no ground truth but a reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlm_misalign_ros.core.records.ending import evaluation_settings

MEANS = 'how far two models disagree, not what is right'


def against(reference: str) -> str:
    """Return what figures against the labels of a model are against, in words."""
    return f'against reference {reference}'


def reference_of(manifest: Mapping[str, Any]) -> str:
    """
    Return the model whose labels stand for the truth of a run; empty where there is none.

    It is the run's own reference, or what labelled its data set (`vlm-misalign pseudo`).
    """
    found = (evaluation_settings(manifest) or {}).get('reference')
    if isinstance(found, str) and found:
        return found
    dataset = manifest.get('dataset')
    made = dataset.get('pseudo_labels') if isinstance(dataset, dict) else None
    named = made.get('model') if isinstance(made, dict) else None
    return named if isinstance(named, str) else ''
