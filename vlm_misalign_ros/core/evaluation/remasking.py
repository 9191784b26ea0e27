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
The masks of a run, made again by its segmentation model.

A run keeps no masks. What is made again is held against what the record says of its mask: the
confusion matrix to the last pixel, and how sure the model was. It is that mask, or none.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vlm_misalign_ros.core.errors import ConfigurationError, FrameError, ModelError, RecordError
from vlm_misalign_ros.core.evaluation.reasons import Reasons
from vlm_misalign_ros.core.evaluation.seen import Seen
from vlm_misalign_ros.core.files import sha256_of
from vlm_misalign_ros.core.metrics import confusion
from vlm_misalign_ros.core.metrics.known import told_alone
from vlm_misalign_ros.core.models.answering import CheckedSegmentation
from vlm_misalign_ros.core.models.factory import load_segmentation, local_hash, parse
from vlm_misalign_ros.core.models.label_maps import check
from vlm_misalign_ros.core.records.confidence import ConfidenceEntry
from vlm_misalign_ros.core.records.schema import SegmentationEntry, Status
from vlm_misalign_ros.core.settings.nodes import SegmentationParameters, segmentation_options
from vlm_misalign_ros.core.types import Segmented

CLOSE = 1e-5
"""By how much certainties of one mask may differ: they are means, told to six digits."""
_HELD = (Status.SCORED, Status.UNMATCHED)
"""What can have become of a mask that the record tells something of."""


class Remasker:
    """Makes the masks of a run again."""

    def __init__(self, chosen: SegmentationParameters | None, manifest: Mapping[str, Any]) -> None:
        """
        Load the segmentation model of a run.

        ConfigurationError where the run had none, RecordError where the manifest does not tell
        which, ModelError where it is another by now, or does not load.
        """
        if chosen is None:
            raise ConfigurationError(
                'the run has no segmentation model of its own: there are no masks to make again',
                'leave out --masks',
            )
        check_same(chosen, manifest)
        self._model: CheckedSegmentation = load_segmentation(
            chosen.model, **segmentation_options(chosen)
        )
        self._name = chosen.model
        self._without = Reasons()
        self._made = 0
        self._seconds = 0.0

    def masked(self, seen: Seen) -> Seen:
        """Return a frame with its mask, as it is where there was none or it comes out another."""
        entry = seen.record.segmentation
        lost = _lost(entry)
        if lost:
            self._without.add(lost)
            return seen
        begin = time.perf_counter()
        try:
            found = self._model.segment(np.ascontiguousarray(seen.picture))
        except FrameError as error:
            self._without.add(error.what)
            return seen
        finally:
            self._seconds += time.perf_counter() - begin
        other = another(entry, found, seen.labels)
        if other:
            self._without.add(f'the mask comes out another than that of the run: {other}')
            return seen
        self._made += 1
        return replace(seen, mask=found.labels)

    def notes(self) -> list[str]:
        """Return what was made, what it cost, and why some frames have no mask."""
        tried = self._made + self._without.number
        each = f', {self._seconds / tried:.2g} s each' if tried else ''
        return [
            f'{self._made} masks were made again by {self._name} in {self._seconds:.1f} s{each}',
            *self._without.told('without a mask'),
        ]


def check_same(chosen: SegmentationParameters, manifest: Mapping[str, Any]) -> None:
    """
    Raise ModelError where a segmentation model, or its label map, is not that of the run.

    A model of the hub has no hash: that it is the same shows in its masks alone. RecordError where
    the manifest tells no model.
    """
    models = manifest.get('models')
    told = models.get('segmentation') if isinstance(models, Mapping) else None
    if not isinstance(told, Mapping) or told.get('model') != chosen.model:
        raise RecordError(
            f'the manifest of the run does not tell its segmentation model {chosen.model}',
            'give a run folder as it was left, or leave out --masks',
        )
    now = local_hash(parse(chosen.model))
    if now != told.get('sha256', ''):
        raise ModelError(
            f'{chosen.model} has the hash {now[:12] or "of no local model"}, and the segmentation '
            f'of the run had {str(told.get("sha256") or "none")[:12]}: its masks would be others',
            'give back the files that the run was made with, or leave out --masks',
        )
    label_map = told.get('label_map')
    before = label_map.get('sha256') if isinstance(label_map, Mapping) else None
    if before and chosen.label_map:
        check(chosen.label_map)
        if sha256_of(Path(chosen.label_map).expanduser()) != before:
            raise ModelError(
                f'the label map {chosen.label_map} has changed since the run',
                'give it back as it was, or leave out --masks',
            )


def _lost(entry: SegmentationEntry) -> str:
    """Return why a frame has no mask that could be known again; empty where it has."""
    if entry.status in _HELD and (entry.cells or entry.confidence is not None):
        return ''
    why = entry.error or entry.problem
    return f'the run has none of it ({entry.status.value}{f": {why}" if why else ""})'


def another(entry: SegmentationEntry, found: Segmented, labels: np.ndarray | None) -> str:
    """
    Return what shows that a mask is not the one that a record tells of; empty for nothing.

    `labels` are the frame's label ids, uint8 (H, W); a scored mask needs them.
    """
    if entry.status is Status.SCORED:
        if labels is None:
            return 'the labels that it was held against are not there'
        try:
            differing = _differing(entry, found, labels)
        except ValueError as error:
            return f'its confusion matrix cannot be read: {error}'
        if differing:
            return f'{differing} pixels at least lie elsewhere in its confusion matrix'
    if entry.confidence is None:
        return ''
    now = ConfidenceEntry(found.entropy, found.confidence, dict(found.entropies))
    return _surer(entry.confidence, now)


def _differing(entry: SegmentationEntry, found: Segmented, labels: np.ndarray) -> int:
    """Return the least number of pixels in which a mask differs from that of a record."""
    mask = found.labels
    if mask.shape != labels.shape:
        # As the evaluation does it.
        mask = cv2.resize(mask, labels.shape[::-1], interpolation=cv2.INTER_NEAREST)
    now = told_alone(confusion.confusion(labels, mask), entry.lacking)
    differences = np.abs(now - confusion.from_cells(entry.cells))
    # A pixel that lies elsewhere is lacking in one cell and too many in another.
    return int(differences.sum() + 1) // 2


def _surer(told: ConfidenceEntry, now: ConfidenceEntry) -> str:
    """Return which certainty differs from what a record tells; empty for none."""
    pairs = [
        ('entropy', told.entropy, now.entropy),
        ('confidence', told.confidence, now.confidence),
        *(
            (f'entropy of {name}', told.entropies.get(name, -1.0), now.entropies.get(name, -1.0))
            for name in sorted({*told.entropies, *now.entropies})
        ),
    ]
    for name, before, after in pairs:
        if abs(before - after) > CLOSE:
            return f'its {name} is {after:g}, and was {before:g}'
    return ''
