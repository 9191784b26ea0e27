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

"""Contrastive models of transformers (CLIP, SigLIP, AltCLIP, ALIGN) as embedders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image

from vlm_misalign_ros.core.errors import ModelError
from vlm_misalign_ros.core.models import backend
from vlm_misalign_ros.core.models.families import ModelReference, VlmOptions
from vlm_misalign_ros.core.models.generative_loading import how_to_load, load_processor
from vlm_misalign_ros.core.models.library_options import refuse_options
from vlm_misalign_ros.core.models.weights import check_values, refuse_lacking

_PADDED = ('siglip', 'siglip2')
"""Types whose text towers were trained on texts padded to their full length."""
_TOWERS = ('get_text_features', 'get_image_features')


class TransformersEmbedder:
    """One model of transformers with a text tower and a picture tower."""

    def __init__(self, named: ModelReference, options: VlmOptions) -> None:
        """Load it; a library's error for what it cannot, ModelError for another kind of model."""
        from transformers import AutoConfig, AutoModel, AutoProcessor

        refuse_options(options, 'transformers-clip', ('generation_kwargs',))
        device = backend.prepare(options.device, options.threads)
        network, shared = how_to_load(named, options)
        place = backend.place(named)
        config = AutoConfig.from_pretrained(place, **shared)
        self._processor = load_processor(AutoProcessor, place, options, shared)
        self.model, unfilled = backend.load_pretrained(
            AutoModel,
            named,
            device,
            dtype=backend.arithmetic_or_own(options.dtype) or 'auto',
            **{**shared, **network},
        )
        self._device = backend.device_of(self.model)
        scale: Any = getattr(self.model, 'logit_scale', None)
        temperature: Any = getattr(self.model, 'temperature', None)
        if not all(hasattr(self.model, name) for name in _TOWERS) or (
            scale is None and temperature is None
        ):
            raise ModelError(
                f'model {place!r} is of type {config.model_type!r}, which does not compare '
                'pictures with texts',
                'give a contrastive model, or transformers:NAME_OR_DIRECTORY for one that answers '
                'in words',
            )
        if unfilled:
            raise refuse_lacking(named.text, unfilled)
        check_values(named.text, self.model)
        with torch.inference_mode():
            # Jia et al. 2021 (ALIGN) divide by a temperature, Radford et al. 2021 (CLIP) multiply
            # by the exponential of a scale.
            self.scale = float(scale.exp() if temperature is None else 1 / temperature)
            bias = getattr(self.model, 'logit_bias', None)
            self.bias = None if bias is None else float(bias)
        tokenizer = self._processor.tokenizer
        longest = getattr(config.text_config, 'max_position_embeddings', 512)
        self._reading = {
            'padding': 'max_length' if config.model_type in _PADDED else True,
            'truncation': True,
            'max_length': min(int(longest), int(tokenizer.model_max_length)),
        }
        mean = getattr(self._processor.image_processor, 'image_mean', None) or (0.5, 0.5, 0.5)
        self.fill = tuple(round(255 * float(value)) for value in reversed(mean))

    def classes(self, names: Sequence[str], templates: Sequence[str]) -> torch.Tensor:
        """Return the embeddings of prompt ensembles, one a name, unit length, (N, D)."""
        # As open_clip's build_zero_shot_classifier: the mean of unit vectors, made one again.
        means = [
            self.texts([template.format(name) for template in templates]).mean(0) for name in names
        ]
        stacked = torch.stack(means)
        return _normalised(stacked)

    def texts(self, texts: Sequence[str]) -> torch.Tensor:
        """Return the embeddings of texts, unit length, (N, D)."""
        # Through the processor, which sets for its parts what they do not know by themselves.
        inputs = self._processor(text=list(texts), return_tensors='pt', **self._reading)
        given = {name: value.to(self._device) for name, value in inputs.items()}
        return _unit(self.model.get_text_features(**given))

    def pixels(self, picture: Image.Image) -> dict[str, torch.Tensor]:
        """Return what the network is given of a picture."""
        made = self._processor(images=picture, return_tensors='pt')
        return {name: value for name, value in made.items() if isinstance(value, torch.Tensor)}

    def picture(self, pixels: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the embedding of a picture, unit length, (D,)."""
        given = {
            name: value.to(self._device, self.model.dtype)
            if value.is_floating_point()
            else value.to(self._device)
            for name, value in pixels.items()
        }
        return _unit(self.model.get_image_features(**given))[0]


def _unit(features: Any) -> torch.Tensor:
    """Return features as unit vectors, (N, D)."""
    found: torch.Tensor = getattr(features, 'pooler_output', features)
    return _normalised(found.float())


def _normalised(vectors: torch.Tensor) -> torch.Tensor:
    unit: torch.Tensor = vectors / vectors.norm(dim=-1, keepdim=True)
    return unit
