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

"""A generative model and its processor, loaded from transformers with what options there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from vlm_misalign_ros.core.errors import ConfigurationError, ModelError
from vlm_misalign_ros.core.models import backend
from vlm_misalign_ros.core.models.families import ModelReference, VlmOptions
from vlm_misalign_ros.core.models.library_options import REFUSED, model_options, processor_options

EVERYWHERE = ('revision', 'subfolder')
"""Options of the network that say where its other files are, too, in a repository."""


@dataclass(frozen=True)
class Loaded:
    """What is needed to ask a model."""

    model: Any
    processor: Any
    model_type: str
    unfilled: frozenset[str]
    """Names of weights that its files lack."""

    @property
    def device(self) -> torch.device:
        """Return where its inputs go."""
        return backend.device_of(self.model)

    @property
    def dtype(self) -> torch.dtype:
        """Return the type of its pictures."""
        found: torch.dtype = self.model.dtype
        return found


def load(named: ModelReference, options: VlmOptions) -> Loaded:
    """
    Return the model of a reference with its processor.

    ModelError for a model that does not answer in words to pictures, ConfigurationError for an
    option that is refused or that its processor does not have.
    """
    from transformers import AutoConfig, AutoModelForMultimodalLM, AutoProcessor
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES,
        MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION_MAPPING_NAMES,
    )

    device = backend.prepare(options.device, options.threads)
    network, shared = how_to_load(named, options)
    place = backend.place(named)
    config = AutoConfig.from_pretrained(place, **shared)
    known = config.model_type in MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES
    if not known and not options.trust_remote_code:
        raise ModelError(
            f'model {place!r} is of type {config.model_type!r}, which does not answer with '
            'text to a picture',
            f'it compares pictures with texts: give transformers-clip:{place}'
            if config.model_type in MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION_MAPPING_NAMES
            else 'give an image-text-to-text model',
        )
    processor = load_processor(AutoProcessor, place, options, shared)
    if getattr(processor, 'image_processor', None) is None:
        raise ModelError(
            f'model {place!r} of type {config.model_type!r} comes with a '
            f'{type(processor).__name__}, which takes no pictures',
            'give an image-text-to-text model with its preprocessor_config.json',
        )
    # Of a model that speaks, too, the part that answers in words; the other is left out.
    thinker = getattr(config, 'thinker_config', None)
    if thinker is not None:
        network['config'] = thinker
    model, unfilled = backend.load_pretrained(
        AutoModelForMultimodalLM,
        named,
        device,
        dtype=backend.arithmetic_or_own(options.dtype) or 'auto',
        **{**shared, **network},
    )
    return Loaded(model, processor, str(config.model_type), unfilled)


def how_to_load(
    named: ModelReference, options: VlmOptions
) -> tuple[dict[str, Any], dict[str, Any]]:
    """
    Return the options of the network, and those that all parts of a model are loaded with.

    ConfigurationError for those of a repository where the model is a folder.
    """
    network = model_options(options.model_kwargs)
    places = {key: network[key] for key in EVERYWHERE if key in network}
    if places and named.directory is not None:
        raise ConfigurationError(
            f'model {named.text!r} is a folder, which has no {" and no ".join(places)} '
            '(model_kwargs)',
            'give the folder that holds the files that are meant',
        )
    return network, {
        'local_files_only': backend.offline(named),
        'trust_remote_code': options.trust_remote_code,
        **places,
    }


def load_processor(loader: Any, place: str, options: VlmOptions, shared: dict[str, Any]) -> Any:
    """Return the processor; ConfigurationError for a setting that none of its parts has."""
    given = processor_options(options.processor_kwargs)
    processor = loader.from_pretrained(place, **shared, **given)
    if not given:
        return processor
    parts = [processor, *(getattr(processor, name, None) for name in _PARTS)]
    known = {name for part in parts if part is not None for name in _settings_of(part)}
    unknown = sorted(set(given) - known)
    if unknown:
        raise ConfigurationError(
            f'the processor of {place!r} has no setting {", ".join(map(repr, unknown))}',
            'known: ' + ', '.join(sorted(known)),
        )
    return processor


_PARTS = ('image_processor', 'video_processor', 'tokenizer')


def _settings_of(part: Any) -> set[str]:
    """Return the names that a part of a processor takes when it is made."""
    annotated = getattr(getattr(part, 'valid_kwargs', None), '__annotations__', {})
    found = {name for name in annotated if not name.startswith('_')}
    init = getattr(type(part), '__init__', None)
    code = getattr(init, '__code__', None)
    if code is not None and not annotated:
        found |= set(code.co_varnames[1 : code.co_argcount])
    return found - set(_PARTS) - {'kwargs', 'self'} - set(REFUSED)
