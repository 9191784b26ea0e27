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
A run as COCO has data sets: pictures, instances, stuff, and what models said and segmented.

Source: cocodataset.org, Data format and Results format. Every picture of the run, degraded as it
was, is an image of its own; categories have the label ids of Cityscapes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from vlm_misalign_ros.core.evaluation.seen import Seen
from vlm_misalign_ros.core.labels.classes import LABELS
from vlm_misalign_ros.core.records.schema import ModelEntry
from vlm_misalign_ros.core.report.exports.pictures import picture_path, predicted, write_picture
from vlm_misalign_ros.core.report.exports.rle import Region, regions
from vlm_misalign_ros.core.report.exports.writing import Exported, JsonList, bounded, said
from vlm_misalign_ros.core.truth.inventory import INSTANCE
from vlm_misalign_ros.core.types import Kind

INSTANCES, STUFF, SEGMENTED = 'instances.json', 'stuff.json', 'segmentation.json'
_FLAT, _CONSTRUCTION, _OBJECT = 'flat', 'construction', 'object'
_GROUPS = (
    (7, 10, _FLAT),
    (11, 16, _CONSTRUCTION),
    (17, 20, _OBJECT),
    (21, 22, 'nature'),
    (23, 23, 'sky'),
    (24, 25, 'human'),
    (26, 33, 'vehicle'),
)
"""First and last label id of the categories of Cityscapes, without void."""
_SUPER = {number: name for first, last, name in _GROUPS for number in range(first, last + 1)}
_Truth = tuple[list[tuple[Region, int, bool]], list[Region]]
_LONGEST_NAME = 120
_KEPT = 500
"""Frames whose encoded truth is kept for their next condition."""
_THINGS = tuple(label.id for label in LABELS if label.has_instances)
_STUFF = tuple(label.id for label in LABELS if label.id in _SUPER and not label.has_instances)
_PREDICTED = tuple(label.id for label in LABELS if label.id in _SUPER)


def write_coco(
    folder: Path, frames: Iterable[Seen], info: Mapping[str, Any], kind: str = 'png'
) -> Exported:
    """
    Write FOLDER/images, annotations/instances.json, annotations/stuff.json and results/.

    `info` says where it comes from; `kind` is one of pictures.FORMATS. results/captions_MODEL.json
    has a model's words, with what they came to; a model without words has results/said_MODEL.json.
    results/segmentation.json has the masks of the segmentation, as far as they are known.
    OSError when the disk refuses.
    """
    found = Exported()
    with ExitStack() as stack:
        lists = _Lists(folder, info, stack)
        for number, seen in enumerate(frames, 1):
            place = picture_path(number, seen, kind)
            write_picture(folder / 'images' / place, seen.picture)
            lists.add(number, place, seen)
            found.pictures += 1
        lists.close()
    found.counts.update(lists.counts)
    found.notes += lists.notes
    return found


class _Lists:
    """The JSON files of a data set, written entry by entry."""

    def __init__(self, folder: Path, info: Mapping[str, Any], stack: ExitStack) -> None:
        self.counts: Counter[str] = Counter()
        self.notes: list[str] = []
        self._folder, self._stack, self._info = folder, stack, info
        self._images: list[dict[str, Any]] = []
        self._results: dict[str, JsonList] = {}
        self._things = self._annotations(INSTANCES, _THINGS)
        self._stuff = self._annotations(STUFF, _STUFF)
        self._known: dict[tuple[str, str, str], _Truth] = {}

    def _annotations(self, name: str, ids: tuple[int, ...]) -> JsonList:
        head = {
            'info': dict(self._info),
            'licenses': [],
            'categories': [
                {'id': label.id, 'name': label.name, 'supercategory': _SUPER[label.id]}
                for label in LABELS
                if label.id in ids
            ],
        }
        text = json.dumps(head)[:-1] + ', "annotations": '
        return self._open(Path('annotations', name), text)

    def _open(self, place: Path, head: str = '') -> JsonList:
        path = self._folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        return JsonList(self._stack.enter_context(open(path, 'w', encoding='utf-8')), head)

    def add(self, number: int, place: str, seen: Seen) -> None:
        record, (height, width) = seen.record, seen.picture.shape[:2]
        truth = record.truth
        self._images.append(
            {
                'id': number,
                'file_name': place,
                'width': width,
                'height': height,
                'dataset': record.dataset,
                'sequence': record.sequence,
                'key': record.key,
                'condition': record.condition.name,
                'stamp': record.stamp,
                'hazard': None if truth is None else truth.hazard.value,
                # Without labels it has no annotation, and yet it is not empty.
                'labelled': seen.labels is not None,
                'segmented': seen.mask is not None,
            }
        )
        if seen.labels is not None:
            things, stuff = self._regions(seen)
            for region, label, crowd in things:
                self._put(self._things, INSTANCES, number, label, region, seen, crowd)
            for region in stuff:
                self._put(self._stuff, STUFF, number, region.value, region, seen)
        self._segment(number, seen)
        for name, entry in record.models.items():
            self._say(number, name, entry)

    def _segment(self, image: int, seen: Seen) -> None:
        """Write what the segmentation found, a segment each class."""
        mask = predicted(seen)
        if mask is None:
            return
        into = self._result(SEGMENTED)
        for region in regions(mask, _PREDICTED):
            self.counts[SEGMENTED] += 1
            segment = {'size': list(mask.shape), 'counts': region.counts}
            into.add({'image_id': image, 'category_id': region.value, 'segmentation': segment})

    def _result(self, file: str) -> JsonList:
        if file not in self._results:
            self._results[file] = self._open(Path('results', file))
        return self._results[file]

    def _regions(self, seen: Seen) -> _Truth:
        """Return things with label and whether they are a group, and stuff."""
        assert seen.labels is not None
        # Of a frame under several conditions the truth is one.
        key = seen.record.dataset, seen.record.sequence, seen.record.key
        if key not in self._known:
            if len(self._known) >= _KEPT:
                self._known.pop(next(iter(self._known)))
            self._known[key] = (
                list(_things(seen.labels, seen.instances)),
                regions(seen.labels, _STUFF),
            )
        return self._known[key]

    def _put(
        self,
        into: JsonList,
        name: str,
        image: int,
        category: int,
        region: Region,
        seen: Seen,
        crowd: bool = False,
    ) -> None:
        assert seen.labels is not None
        self.counts[name] += 1
        into.add(
            {
                'id': self.counts[name],
                'image_id': image,
                'category_id': category,
                'segmentation': {'size': list(seen.labels.shape), 'counts': region.counts},
                'area': region.area,
                'bbox': list(region.box),
                'iscrowd': int(crowd),
            }
        )

    def _say(self, image: int, name: str, entry: ModelEntry) -> None:
        answer = entry.answer
        if answer is None:
            return
        words = answer.kind is Kind.GENERATIVE
        file = f'{"captions" if words else "said"}_{quote(name, safe="")[:_LONGEST_NAME]}.json'
        if file not in self._results and not words:
            self.notes.append(f'{name} has no words: its classes are in results/{file}')
        self.counts[file] += 1
        caption = {'caption': bounded(answer.text)} if words else {}
        self._result(file).add({'image_id': image, **caption, **said(entry)})

    def close(self) -> None:
        images = f', "images": {json.dumps(self._images)}}}\n'
        for annotated in (self._things, self._stuff):
            annotated.close(images)
        for result in self._results.values():
            result.close('\n')


def _things(
    labels: np.ndarray, instances: np.ndarray | None
) -> Iterator[tuple[Region, int, bool]]:
    """Yield each thing with its label id, and whether it is a group of things."""
    if instances is None:
        # Nobody told one from another.
        for region in regions(labels, _THINGS):
            yield region, region.value, True
        return
    held = np.flatnonzero(np.bincount(instances.ravel()))
    single = [int(v) for v in held if v >= INSTANCE and v // INSTANCE in _THINGS]
    for region in regions(instances, single):
        yield region, region.value // INSTANCE, False
    for region in regions(instances, _THINGS):
        yield region, region.value, True
