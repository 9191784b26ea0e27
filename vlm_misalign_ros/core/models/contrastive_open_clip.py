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

"""Contrastive models of open_clip as embedders of pictures and texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image

from vlm_misalign_ros.core.models import backend
from vlm_misalign_ros.core.models.families import ModelReference, VlmOptions
from vlm_misalign_ros.core.models.library_options import refuse_options
from vlm_misalign_ros.core.models.weights import check_values, refuse_lacking

_PRECISION = {
    None: 'fp32',
    torch.float32: 'fp32',
    torch.bfloat16: 'pure_bf16',
    torch.float16: 'pure_fp16',
}
"""Its own names; its configurations tell no type, so that `auto` is float32."""


class OpenClipEmbedder:
    """One model of open_clip with its transform and its tokenizer."""

    def __init__(self, named: ModelReference, options: VlmOptions) -> None:
        """Load it; a library's error for what it cannot, ModelError for weights that are none."""
        import open_clip
        from open_clip.transform import PreprocessCfg, image_transform_v2

        refuse_options(options, 'open_clip')
        self._device = backend.prepare(options.device, options.threads)
        dtype = backend.arithmetic_or_own(options.dtype)
        self._dtype = dtype or torch.float32
        if named.directory is not None:
            name, pretrained = f'local-dir:{named.directory}', None
        else:
            name, pretrained = named.name, named.pretrained or None
        model, self._transform = open_clip.create_model_from_pretrained(
            name, pretrained, precision=_PRECISION[dtype], device=self._device, weights_only=True
        )
        config = dict(getattr(model.visual, 'preprocess_cfg', None) or {})
        mode = str(config.get('resize_mode', 'shortest')).lower()
        if mode == 'shortest' and options.field_of_view != 'native':
            # The shortest edge with a centre crop would hide the frame's sides from the model.
            self._transform = image_transform_v2(
                PreprocessCfg(**{**config, 'resize_mode': 'longest'}), is_train=False
            )
        self.model = model.eval()
        # Before anything is embedded, so that what is wrong is named by its weights.
        check_values(named.text, self.model)
        self._tokenizer = open_clip.get_tokenizer(name)
        with torch.inference_mode():
            self.scale = float(model.logit_scale.exp())
            bias = getattr(model, 'logit_bias', None)
            self.bias = None if bias is None else float(bias)
        if self.bias == 0:
            # open_clip takes 0 where the file has none, and a model that is scored by its
            # sigmoid then asserts nearly everything. No training ends at exactly 0.
            raise refuse_lacking(
                named.text, ['logit_bias'], 'leave out init_logit_bias if it has none'
            )
        self.fill = tuple(round(255 * float(value)) for value in reversed(_mean(config)))

    def classes(self, names: Sequence[str], templates: Sequence[str]) -> torch.Tensor:
        """Return the embeddings of prompt ensembles, one a name, unit length, (N, D)."""
        import open_clip

        embedded = open_clip.build_zero_shot_classifier(
            self.model, self._tokenizer, list(names), list(templates), device=self._device
        )
        found: torch.Tensor = embedded.float().T
        return found

    def texts(self, texts: Sequence[str]) -> torch.Tensor:
        """Return the embeddings of texts, unit length, (N, D)."""
        found: torch.Tensor = self.model.encode_text(
            self._tokenizer(list(texts)).to(self._device), normalize=True
        ).float()
        return found

    def pixels(self, picture: Image.Image) -> dict[str, torch.Tensor]:
        """Return what the network is given of a picture."""
        return {'pixels': self._transform(picture)[None]}

    def picture(self, pixels: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the embedding of a picture, unit length, (D,)."""
        found: torch.Tensor = self.model.encode_image(
            pixels['pixels'].to(self._device, self._dtype), normalize=True
        )
        return found.float()[0]


def _mean(config: dict[str, Any]) -> Sequence[float]:
    mean = config.get('mean') or (0.5, 0.5, 0.5)
    return (mean,) * 3 if isinstance(mean, (int, float)) else tuple(mean)
