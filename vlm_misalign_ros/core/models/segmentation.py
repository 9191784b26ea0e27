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

"""Segmentation by any semantic or universal model of transformers, as Cityscapes train ids."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch

from vlm_misalign_ros.core.errors import FrameError, ModelError
from vlm_misalign_ros.core.labels.classes import IGNORE
from vlm_misalign_ros.core.models import backend
from vlm_misalign_ros.core.models.certainty import certainty, entropies
from vlm_misalign_ros.core.models.class_names import train_ids
from vlm_misalign_ros.core.models.families import ModelReference, SegmentationOptions
from vlm_misalign_ros.core.types import Segmented

_MULTIPLE = 32


class SegmentationModel:
    """One segmentation model; answers at the picture's own resolution."""

    def __init__(self, reference: ModelReference, options: SegmentationOptions) -> None:
        """Load the model; ModelError when that cannot be done."""
        self._device = backend.prepare(options.device, options.threads)
        self._dtype = backend.arithmetic(options.dtype)
        self._input_height = options.input_height
        self._name = reference.text
        with backend.loading(reference.text):
            self._load(reference, options.trust_remote_code)

    def _load(self, named: ModelReference, trust: bool) -> None:
        from transformers import (
            AutoConfig,
            AutoImageProcessor,
            AutoModelForSemanticSegmentation,
            AutoModelForUniversalSegmentation,
        )
        from transformers.models.auto.modeling_auto import (
            MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING_NAMES,
            MODEL_FOR_UNIVERSAL_SEGMENTATION_MAPPING_NAMES,
        )

        shared: dict[str, Any] = {
            'local_files_only': backend.offline(named),
            'trust_remote_code': trust,
        }
        place = backend.place(named)
        config = AutoConfig.from_pretrained(place, **shared)
        kind = config.model_type
        if kind in MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING_NAMES:
            loader: Any = AutoModelForSemanticSegmentation
        elif kind in MODEL_FOR_UNIVERSAL_SEGMENTATION_MAPPING_NAMES:
            loader = AutoModelForUniversalSegmentation
        else:
            raise ModelError(
                f'model {place!r} is of type {kind!r}, which does not segment',
                'give a semantic or universal segmentation model',
            )
        columns = train_ids(config.id2label, place)
        processor = AutoImageProcessor.from_pretrained(place, **shared)
        self._model, self.unfilled = backend.load_pretrained(
            loader, named, self._device, dtype=self._dtype, **shared
        )
        self._mean = np.array(getattr(processor, 'image_mean', None) or (0, 0, 0), np.float32)
        self._std = np.array(getattr(processor, 'image_std', None) or (1, 1, 1), np.float32)
        if not getattr(processor, 'do_normalize', True):
            self._mean, self._std = np.zeros(3, np.float32), np.ones(3, np.float32)
        # One table a channel: value / 255, minus mean, over deviation.
        values = np.arange(256, dtype=np.float32) / 255
        self._tables = [(values - m) / s for m, s in zip(self._mean, self._std, strict=True)]
        self._queries = loader is AutoModelForUniversalSegmentation
        self._columns = sorted(columns)
        self._train_ids = np.array([columns[index] for index in self._columns], np.uint8)
        self._extra: dict[str, torch.Tensor] = {}
        if kind == 'oneformer':
            from transformers import AutoProcessor

            full = AutoProcessor.from_pretrained(place, **shared)
            blank = np.zeros((64, 64, 3), np.uint8)
            inputs = full(images=blank, task_inputs=['semantic'], return_tensors='pt')
            self._extra = {'task_inputs': inputs['task_inputs'].to(self._device)}

    def _size(self, height: int, width: int) -> tuple[int, int]:
        wanted = self._input_height or height
        rows = max(_MULTIPLE, round(wanted / _MULTIPLE) * _MULTIPLE)
        columns = max(_MULTIPLE, round(width * rows / height / _MULTIPLE) * _MULTIPLE)
        return rows, columns

    def _input(self, bgr: np.ndarray) -> torch.Tensor:
        rows, columns = self._size(*bgr.shape[:2])
        if (rows, columns) != bgr.shape[:2]:
            shrinks = rows < bgr.shape[0]
            bgr = cv2.resize(
                bgr,
                (columns, rows),
                interpolation=(cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR),
            )
        planes = cv2.split(np.ascontiguousarray(bgr))
        stacked = np.empty((1, 3, rows, columns), np.float32)
        for channel in range(3):
            stacked[0, channel] = cv2.LUT(planes[2 - channel], self._tables[channel])
        return torch.from_numpy(stacked).to(self._device, self._dtype)

    def segment(self, bgr: np.ndarray) -> Segmented:
        """
        Return train ids, uint8 (H, W), and certainty of a BGR uint8 (H, W, 3) picture.

        Class scores are brought to the picture's size before the best is chosen. Where a
        model's own class that Cityscapes lacks wins, the best of the 19 is taken. Raises
        FrameError for scores that are not finite, or that tell no class from another.
        """
        with torch.inference_mode():
            output = self._model(pixel_values=self._input(bgr), **self._extra)
            found = self._scores(output)[0, self._columns].float()
            low, high = (float(value) for value in found.aminmax())
            if not np.isfinite(high - low) or low == high:
                raise FrameError(
                    f'model {self._name!r} gave class scores that are not finite or all the same '
                    f'({low} to {high})'
                )
            sure = certainty(found, self._queries)
            scores = found.cpu().numpy()
        best, where = None, np.full(bgr.shape[:2], IGNORE, np.uint8)
        size = (bgr.shape[1], bgr.shape[0])
        for train_id, plane in zip(self._train_ids, scores, strict=True):
            large = cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR)
            if best is None:
                best = large
                where[:] = train_id
                continue
            better = cv2.compare(large, best, cv2.CMP_GT)
            where[better > 0] = train_id
            np.maximum(best, large, out=best)
        return Segmented(where, sure.entropy, sure.confidence, entropies(where, sure.plane))

    @staticmethod
    def _scores(output: Any) -> torch.Tensor:
        """Return class scores (1, C, h, w): logits, or the sum over queries of class and mask."""
        if getattr(output, 'logits', None) is not None and output.logits.ndim == 4:
            logits: torch.Tensor = output.logits
            return logits
        classes = getattr(output, 'class_queries_logits', None)
        masks = getattr(output, 'masks_queries_logits', None)
        if classes is None or masks is None:
            raise ModelError(
                f'the model answers with {type(output).__name__}, without class and mask logits',
                'give a semantic segmentation, Mask2Former, MaskFormer, OneFormer or EoMT model',
            )
        # Cheng et al. 2021 (MaskFormer), section 3.4: semantic inference.
        return torch.einsum(
            'bqc,bqhw->bchw', classes.float().softmax(-1)[..., :-1], masks.float().sigmoid()
        )
