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

"""Which label maps the masks of a run can be scored again by, and what the run says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.evaluation.remapping import Remapper
from vlm_misalign_ros.core.files import sha256_of
from vlm_misalign_ros.core.labels.classes import CLASSES, IGNORE
from vlm_misalign_ros.core.models import label_maps
from vlm_misalign_ros.core.models.families import reads_masks
from vlm_misalign_ros.core.records.manifest import TOLD
from vlm_misalign_ros.core.settings.asks import asks_of
from vlm_misalign_ros.core.settings.configuration import Configuration


def remapper_of(
    new: Configuration, manifest: Mapping[str, Any], models: Sequence[str]
) -> tuple[Remapper, dict[str, Any]]:
    """
    Return what scores masks by another label map, and what the manifest says of them then.

    ConfigurationError where the masks were not made by the names of Cityscapes, where models that
    are scored again were told what the mask held, and for a map that will not do.
    """
    facts = dict((manifest.get('models') or {}).get('segmentation') or {})
    was = (facts.get('label_map') or {}).get('name')
    known = facts.get(TOLD)
    if was != label_maps.NAMES or not isinstance(known, list) or new.segmentation is None:
        raise ConfigurationError(
            f'segmentation.label_map cannot be changed by a rescore: the masks were made by '
            f'{was!r}, and are kept in classes of Cityscapes alone',
            'run again; masks of a model whose own classes are those of Cityscapes can be',
        )
    _refuse_told(new, models)
    own = {place: name for place, name in enumerate(CLASSES) if name in known}
    path = Path(new.segmentation.label_map).expanduser()
    rows = _rows(path) if new.segmentation.label_map else {}
    found = label_maps.by_rows(own, new.segmentation.model, rows, str(path))
    train_ids = found.train_ids + (IGNORE,) * (len(CLASSES) - len(found.train_ids))
    facts.pop('lacking', None)
    facts['label_map'] = {'name': str(path), 'sha256': sha256_of(path)}
    facts[TOLD] = list(found.known)
    if found.lacking:
        facts['lacking'] = list(found.lacking)
    return Remapper(tuple(train_ids), tuple(own.values())), facts


def _refuse_told(new: Configuration, models: Sequence[str]) -> None:
    """Raise ConfigurationError for a model to be scored again that knew what the mask held."""
    for vlm in new.vlms:
        for ask in asks_of(vlm):
            told = reads_masks(vlm.model) or ask.input.masked
            if told and (not models or ask.name in models):
                raise ConfigurationError(
                    f'segmentation.label_map cannot be changed by a rescore of {ask.name}: it was '
                    'told what the mask held',
                    'run again, or score other models alone: --model NAME',
                )


def _rows(path: Path) -> dict[Any, int]:
    """Return the rows of a label map, which have to go by names."""
    rows = label_maps.read_file(path)
    for key in rows:
        if not isinstance(key, str):
            raise ConfigurationError(
                f'label map {path} has the index {key}, and the records know names alone',
                'write the name of the class',
            )
    return rows
