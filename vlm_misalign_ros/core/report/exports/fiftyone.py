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
judged, said, made up and left out. Whole masks are files below `fields/`, which FiftyOne finds by
the names of their fields; the truth of a frame under several conditions is one file.
"""

from __future__ import annotations

import base64
import io
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vlm_misalign_ros.core.checksums import checksum
from vlm_misalign_ros.core.evaluation.seen import Seen
from vlm_misalign_ros.core.evaluation.worst import Error, errors_of
from vlm_misalign_ros.core.labels.classes import BY_ID, LABELS
from vlm_misalign_ros.core.records.schema import ModelEntry
from vlm_misalign_ros.core.report.exports.pictures import picture_path, predicted, write_picture
from vlm_misalign_ros.core.report.exports.writing import Exported, JsonList, bounded, said
from vlm_misalign_ros.core.truth.inventory import INSTANCE

SAMPLES, METADATA = 'samples.json', 'metadata.json'
_THINGS = tuple(label.id for label in LABELS if label.has_instances)
_LISTS = ('asserted', 'hallucinated', 'omitted')
"""Classes of a model's answer, each with a field of its own behind that of the model."""


def write_fiftyone(
    folder: Path, frames: Iterable[Seen], info: Mapping[str, Any], kind: str = 'png'
) -> Exported:
    """
    Write FOLDER/metadata.json, samples.json, data/ and fields/; `kind` is one of pictures.FORMATS.

    OSError when the disk refuses.
    """
    found, samples = Exported(), _Samples(folder, kind)
    with open(folder / SAMPLES, 'w', encoding='utf-8') as stream:
        listed = JsonList(stream, '{"samples": ')
        for number, seen in enumerate(frames, 1):
            listed.add(samples.sample(number, seen))
            found.pictures += 1
        listed.close('}\n')
    targets = {str(label.id): label.name for label in LABELS}
    told = {**info, 'models': samples.fields.names, 'default_mask_targets': targets}
    metadata = {'media_type': 'image', 'info': told}
    (folder / METADATA).write_text(json.dumps(metadata, indent=2), encoding='utf-8')
    found.counts[SAMPLES] = found.pictures
    return found


class _Fields:
    """Names of the fields of models, of which no two are one."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        """Models by their fields."""
        self._fields: dict[str, str] = {}
        self._taken: set[str] = set()

    def of(self, model: str) -> str:
        """Return the field of a model, before the names of what it asserted and so on."""
        if model not in self._fields:
            plain = found = f'vlm_{re.sub(r"[^A-Za-z0-9_]", "_", model)}'
            number = 1
            while not self._taken.isdisjoint(_with_lists(found)):
                number += 1
                found = f'{plain}_{number}'
            self._taken.update(_with_lists(found))
            self._fields[model], self.names[found] = found, model
        return self._fields[model]


def _with_lists(field: str) -> list[str]:
    return [field, *(f'{field}_{name}' for name in _LISTS)]


class _Samples:
    """Makes the samples, and writes their pictures and masks."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.fields = _Fields()
        self._folder, self._kind = folder, kind
        self._truths: dict[tuple[str, ...], str] = {}
        """Where the labels of a source frame lie, by its name and their checksum."""

    def sample(self, number: int, seen: Seen) -> dict[str, Any]:
        """Write a frame's files; return its sample."""
        record = seen.record
        errors: dict[str, list[str]] = {}
        wrong = errors_of(record)
        for model, error in wrong:
            errors.setdefault(model, []).append(error.value)
        sample: dict[str, Any] = {
            'filepath': self._picture(number, seen),
            'tags': [error.value for error in Error if error in {kind for _, kind in wrong}],
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
            'predicted': self._predicted(number, seen),
        }
        sample['metadata'] = self._metadata(sample['filepath'], seen)
        if record.truth is not None:
            sample['hazard'] = _classification(record.truth.hazard.value)
        if seen.labels is not None:
            sample['ground_truth'] = {
                '_cls': 'Detections',
                'detections': list(_detections(seen.labels, seen.instances)),
            }
            sample['segmentation'] = self._truth(number, seen, seen.labels)
        for name, entry in record.models.items():
            sample |= _model(self.fields.of(name), entry, errors.get(name, []))
        return sample

    def _picture(self, number: int, seen: Seen) -> str:
        place = f'data/{picture_path(number, seen, self._kind)}'
        write_picture(self._folder / place, seen.picture)
        return place

    def _metadata(self, place: str, seen: Seen) -> dict[str, Any]:
        height, width = seen.picture.shape[:2]
        return {
            '_cls': 'ImageMetadata',
            'size_bytes': (self._folder / place).stat().st_size,
            'mime_type': 'image/jpeg' if self._kind == 'jpg' else 'image/png',
            'width': width,
            'height': height,
            'num_channels': 3,
        }

    def _truth(self, number: int, seen: Seen, labels: np.ndarray) -> dict[str, Any]:
        record = seen.record
        known = record.dataset, record.sequence, record.key, checksum(labels)
        if known not in self._truths:
            place = f'fields/segmentation/{Path(picture_path(number, seen, "png")).name}'
            write_picture(self._folder / place, labels)
            self._truths[known] = place
        return _segmentation(self._truths[known])

    def _predicted(self, number: int, seen: Seen) -> dict[str, Any] | None:
        mask = predicted(seen)
        if mask is None:
            return None
        place = f'fields/predicted/{picture_path(number, seen, "png")}'
        write_picture(self._folder / place, mask)
        return _segmentation(place)


def _segmentation(place: str) -> dict[str, Any]:
    return {'_cls': 'Segmentation', 'tags': [], 'mask_path': place}


def _classification(label: str, tags: Sequence[str] = (), **more: Any) -> dict[str, Any]:
    return {'_cls': 'Classification', 'tags': list(tags), 'label': label, **more}


def _model(field: str, entry: ModelEntry, errors: Sequence[str]) -> dict[str, Any]:
    """Return what a model judged, tagged by its errors, and each of its lists of classes."""
    told, answer = said(entry), entry.answer
    judged = _classification(
        told.get('judgement', told['status']),
        errors,
        status=told['status'],
        text='' if answer is None else bounded(answer.text),
    )
    lists = {
        f'{field}_{name}': {
            '_cls': 'Classifications',
            'tags': [],
            'classifications': [_classification(label) for label in told.get(name) or []],
        }
        for name in _LISTS
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
