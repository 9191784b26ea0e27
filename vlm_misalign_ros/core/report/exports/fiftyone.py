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
A run as FiftyOne has data sets on disk, written without FiftyOne.

The format FiftyOneDataset without a `version`: samples as `Sample.from_dict` reads them, whose
fields FiftyOne finds out for itself; no identifiers of its data base are made up. Every picture of
the run is a sample, with its truth as detections and segmentation, and of each model what it
judged, said, made up and left out.
"""

from __future__ import annotations

import base64
import io
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vlm_misalign_ros.core.evaluation.seen import Seen
from vlm_misalign_ros.core.labels.classes import BY_ID, LABELS, to_label_ids
from vlm_misalign_ros.core.records.schema import ModelEntry
from vlm_misalign_ros.core.report.exports.pictures import picture_path, write_picture
from vlm_misalign_ros.core.report.exports.writing import Exported, JsonList, bounded, said
from vlm_misalign_ros.core.truth.inventory import INSTANCE

SAMPLES, METADATA = 'samples.json', 'metadata.json'
_THINGS = tuple(label.id for label in LABELS if label.has_instances)


def write_fiftyone(
    folder: Path, frames: Iterable[Seen], info: Mapping[str, Any], kind: str = 'png'
) -> Exported:
    """
    Write FOLDER/metadata.json, samples.json and data/; `kind` is one of pictures.FORMATS.

    OSError when the disk refuses.
    """
    found = Exported()
    targets = {str(label.id): label.name for label in LABELS}
    metadata = {'media_type': 'image', 'info': {**info, 'default_mask_targets': targets}}
    (folder / METADATA).write_text(json.dumps(metadata, indent=2), encoding='utf-8')
    with open(folder / SAMPLES, 'w', encoding='utf-8') as stream:
        samples = JsonList(stream, '{"samples": ')
        for number, seen in enumerate(frames, 1):
            place = f'data/{picture_path(number, seen, kind)}'
            write_picture(folder / place, seen.picture)
            samples.add(_sample(place, seen))
            found.pictures += 1
        samples.close('}\n')
    found.counts[SAMPLES] = found.pictures
    return found


def _sample(place: str, seen: Seen) -> dict[str, Any]:
    record = seen.record
    sample: dict[str, Any] = {
        'filepath': place,
        'tags': [],
        'metadata': None,
        'dataset': record.dataset,
        'sequence': record.sequence,
        'key': record.key,
        'stamp': record.stamp,
        'condition': record.condition.name,
        'corruption': record.condition.corruption,
        'severity': record.condition.severity,
        'hazard': None,
        'frame_iou': record.segmentation.frame_iou,
        'ground_truth': None,
        'segmentation': None,
        'predicted': None,
    }
    if record.truth is not None:
        sample['hazard'] = _classification(record.truth.hazard.value)
    if seen.labels is not None:
        sample['ground_truth'] = {
            '_cls': 'Detections',
            'detections': list(_detections(seen.labels, seen.instances)),
        }
        sample['segmentation'] = {'_cls': 'Segmentation', 'tags': [], 'mask': _array(seen.labels)}
    if seen.mask is not None:
        mask = _array(to_label_ids(seen.mask))
        sample['predicted'] = {'_cls': 'Segmentation', 'tags': [], 'mask': mask}
    for name, entry in record.models.items():
        sample |= _model(f'vlm_{re.sub(r"[^A-Za-z0-9_]", "_", name)}', entry)
    return sample


def _classification(label: str, **more: Any) -> dict[str, Any]:
    return {'_cls': 'Classification', 'tags': [], 'label': label, **more}


def _model(field: str, entry: ModelEntry) -> dict[str, Any]:
    """Return what a model judged, then its classes: asserted, made up and left out."""
    told, answer = said(entry), entry.answer
    judged = _classification(
        told.get('judgement', told['status']),
        status=told['status'],
        text='' if answer is None else bounded(answer.text),
    )
    lists = {
        f'{field}_{name}': {
            '_cls': 'Classifications',
            'tags': [],
            'classifications': [_classification(label) for label in told.get(name) or []],
        }
        for name in ('asserted', 'hallucinated', 'omitted')
    }
    return {field: judged, **lists}


def _detections(labels: np.ndarray, instances: np.ndarray | None) -> Iterator[dict[str, Any]]:
    """Yield each thing with its box, as parts of the picture, and the mask within the box."""
    values = labels if instances is None else instances
    height, width = labels.shape
    held = np.flatnonzero(np.bincount(values.ravel()))
    for value in map(int, held):
        label = value // INSTANCE if value >= INSTANCE else value
        if label not in _THINGS:
            continue
        inside = values == value
        left, top, wide, high = cv2.boundingRect(inside.view(np.uint8))
        yield {
            '_cls': 'Detection',
            'tags': [],
            'label': BY_ID[label].name,
            'bounding_box': [left / width, top / height, wide / width, high / height],
            'mask': _array(inside[top : top + high, left : left + wide]),
            'group': value < INSTANCE,
        }


def _array(array: np.ndarray) -> dict[str, Any]:
    """Return an array as FiftyOne keeps it: of numpy.save, compressed, in extended JSON."""
    stream = io.BytesIO()
    np.save(stream, np.ascontiguousarray(array), allow_pickle=False)
    text = base64.b64encode(zlib.compress(stream.getvalue())).decode('ascii')
    return {'$binary': {'base64': text, 'subType': '00'}}
