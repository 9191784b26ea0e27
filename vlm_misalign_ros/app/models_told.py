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

"""What a run notes of its models before it begins, and which it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlm_misalign_ros.core.files import sha256_of
from vlm_misalign_ros.core.models import label_maps
from vlm_misalign_ros.core.models.factory import check, classes_of, local_hash, parse
from vlm_misalign_ros.core.models.hub import check_there
from vlm_misalign_ros.core.models.library_options import Options
from vlm_misalign_ros.core.models.whole import check_whole
from vlm_misalign_ros.core.records.manifest import TOLD
from vlm_misalign_ros.core.settings.nodes import ReferenceParameters
from vlm_misalign_ros.core.settings.reference import itself
from vlm_misalign_ros.core.types import Role


def classes_told(text: str, label_map: str) -> dict[str, Any]:
    """Return what a model can tell, where it is known before it is loaded; raises for nothing."""
    label_maps.check(label_map)
    own = label_map not in ('', *label_maps.shipped())
    hashed = {'sha256': sha256_of(Path(label_map).expanduser())} if own else {}
    classes = classes_of(parse(text), label_map)
    if classes is None:
        return {'label_map': {'name': label_map, **hashed}}
    found: dict[str, Any] = {'label_map': {'name': classes.source, **hashed}}
    found[TOLD] = list(classes.known)
    if classes.lacking:
        found['lacking'] = list(classes.lacking)
    return found


def reference_told(
    chosen: ReferenceParameters, segmentation: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return what the reference is; raises where it cannot stand for the truth of this run."""
    found = model_told(chosen.model, Role.SEGMENTATION)
    found.update(classes_told(chosen.model, chosen.label_map), role='reference')
    check_whole(chosen.model, found.get('lacking', ()))
    if segmentation is not None and found.get('sha256', '') == segmentation.get('sha256'):
        raise itself(chosen.model)
    return found


def model_told(text: str, role: Role, options: Options | None = None) -> dict[str, Any]:
    """Return what a model is; raises for one that will not open."""
    model = parse(text)
    check(model, role)
    check_there(model, options)
    facts = {'model': text, 'role': role.value}
    if hashed := local_hash(model):
        facts['sha256'] = hashed
    return facts
