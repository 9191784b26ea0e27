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

import numpy as np
import torch
from torch.nn.functional import interpolate

from vlm_misalign_ros.core.errors import ModelError
from vlm_misalign_ros.core.models import backend
from vlm_misalign_ros.core.models.families import ModelReference, SegmentationOptions
from vlm_misalign_ros.core.models.label_maps import ClassMap, class_map
from vlm_misalign_ros.core.models.masks import Masker
from vlm_misalign_ros.core.models.preprocessing import (
    Fast,
    Own,
    Prepared,
    Preprocessing,
    Values,
    choose,
)
from vlm_misalign_ros.core.types import Segmented

_TRIAL = (256, 512)
"""Height and width of a picture as wide as a driving scene."""
_ENLARGED = ('mask2former', 'eomt', 'eomt_dinov3', 'videomt')
"""
Types whose mask logits are brought to the size of the network's input before the sigmoid.

So it is in Mask2Former (Cheng et al. 2022) and EoMT (Kerssies et al. 2025). transformers does the
same for EoMT; for Mask2Former it writes 384 x 384 instead, "for all models", which is the input's
size for those alone that are given 384 x 384, and squeezes a picture that is not square.
"""


class SegmentationModel:
    """One segmentation model; answers at the picture's own resolution."""

    preprocessing: Preprocessing
    """How pictures reach the network."""

    def __init__(self, reference: ModelReference, options: SegmentationOptions) -> None:
        """Load the model; ModelError when that cannot be done."""
        self._device = backend.prepare(options.device, options.threads)
        self._dtype = backend.arithmetic(options.dtype)
        self._name = reference.text
        with backend.loading(reference.text):
            self._load(reference, options)

    @property
    def classes(self) -> ClassMap:
        """Return what the model's classes are in Cityscapes."""
        return self._masker.classes

    def _load(self, named: ModelReference, options: SegmentationOptions) -> None:
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
            'trust_remote_code': options.trust_remote_code,
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
        self._kind = kind
        self.weighs = loader is AutoModelForUniversalSegmentation
        self.names: dict[Any, Any] = config.id2label
        self._masker = Masker(self._name, class_map(self.names, place, options.label_map))
        processor = AutoImageProcessor.from_pretrained(place, **shared)
        self.network, self.unfilled = backend.load_pretrained(
            loader, named, self._device, dtype=self._dtype, **shared
        )
        self._extra: dict[str, torch.Tensor] = {}
        if kind == 'oneformer':
            self._extra = self._task(place, shared)
            processor = _Pixels(processor)
        fast = Fast(Values.of(processor), options.input_height, self._device, self._dtype)
        self.preprocessing = choose(processor, fast, self._answer, _TRIAL)
        if isinstance(self.preprocessing, Own):
            self.preprocessing.check_view((*_TRIAL, 3), self._name)

    def _task(self, place: str, shared: dict[str, Any]) -> dict[str, torch.Tensor]:
        """Return what OneFormer is asked to do, which is the same for every picture."""
        from transformers import AutoProcessor

        full = AutoProcessor.from_pretrained(place, **shared)
        blank = np.zeros((64, 64, 3), np.uint8)
        inputs = full(images=blank, task_inputs=['semantic'], return_tensors='pt')
        return {'task_inputs': inputs['task_inputs'].to(self._device)}

    def _answer(self, prepared: Prepared) -> torch.Tensor:
        with torch.inference_mode():
            return self.scores(prepared.inputs)[0]

    def segment(self, bgr: np.ndarray) -> Segmented:
        """
        Return train ids, uint8 (H, W), and certainty of a BGR uint8 (H, W, 3) picture.

        Raises FrameError for scores that are not finite, or that tell no class from another.
        """
        prepared = self.preprocessing.prepare(bgr)
        with torch.inference_mode():
            scores, weights = self.scores(prepared.inputs)
            whole = _stitched(scores, prepared.offsets, bgr.shape[0] > bgr.shape[1])
            if prepared.filled is not None:
                whole = _filled(whole, prepared)
            return self._masker.mask(whole, (bgr.shape[0], bgr.shape[1]), weights)

    def scores(self, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, bool]:
        """
        Return class scores (N, C, h, w) and whether they are weights.

        `inputs` are those of the network, `pixel_values` (N, 3, H, W) among them. The scores are
        logits, or the sum over queries of class and mask, which is a weight.
        """
        size = inputs['pixel_values'].shape[-2:]
        output = self.network(**inputs, **self._extra)
        logits = getattr(output, 'logits', None)
        if logits is not None and logits.ndim == 4:
            return logits.float(), False
        classes = getattr(output, 'class_queries_logits', logits)
        masks = getattr(output, 'masks_queries_logits', getattr(output, 'pred_masks', None))
        if classes is None or masks is None:
            raise ModelError(
                f'the model answers with {type(output).__name__}, without class and mask logits',
                'give a semantic segmentation, Mask2Former, MaskFormer, OneFormer, EoMT or DETR '
                'model',
            )
        masks = masks.float()
        if self._kind in _ENLARGED:
            masks = interpolate(masks, tuple(size), mode='bilinear', align_corners=False)
        # Cheng et al. 2021 (MaskFormer), section 3.4: semantic inference. The last is no object.
        chances = classes.float().softmax(-1)[..., :-1]
        return torch.einsum('bqc,bqhw->bchw', chances, masks.sigmoid()), True


class _Pixels:
    """The picture's part of a processor that also wants to be told a task."""

    def __init__(self, processor: Any) -> None:
        """Keep the processor."""
        self._processor = processor

    def __getattr__(self, name: str) -> Any:
        """Return what the processor says of itself."""
        if name == '_processor':
            raise AttributeError(name)
        return getattr(self._processor, name)

    def __call__(self, **given: Any) -> dict[str, Any]:
        """Return the pixels alone."""
        found = self._processor(**given, task_inputs=['semantic'])
        return {'pixel_values': found['pixel_values']}


def _stitched(
    scores: torch.Tensor, offsets: tuple[tuple[int, int], ...], tall: bool
) -> torch.Tensor:
    """Return the scores (C, h, w) of a picture from those of its pieces, means where they meet."""
    if not offsets:
        return scores[0]
    axis = 1 if tall else 2
    shape = list(scores[0].shape)
    shape[axis] = max(end for _, end in offsets)
    total, count = scores.new_zeros(shape), scores.new_zeros(shape)
    for piece, (start, end) in zip(scores, offsets, strict=True):
        where = (slice(None),) * axis + (slice(start, end),)
        total[where] += piece
        count[where] += 1
    return total / count.clamp(min=1)


def _filled(scores: torch.Tensor, prepared: Prepared) -> torch.Tensor:
    """Return the scores of what is picture, where the input was padded."""
    assert prepared.filled is not None
    top, left, bottom, right = prepared.filled
    high, wide = (have / full for have, full in zip(scores.shape[1:], prepared.size, strict=True))
    rows = slice(int(top * high), max(int(top * high) + 1, round(bottom * high)))
    columns = slice(int(left * wide), max(int(left * wide) + 1, round(right * wide)))
    return scores[:, rows, columns]
