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

"""What is passed on to the libraries that load and run a model."""

from __future__ import annotations

from dataclasses import dataclass

from vlm_misalign_ros.core.models.library_options import (
    generation_options,
    model_options,
    processor_options,
)
from vlm_misalign_ros.core.settings.parameters import parameter


@dataclass(frozen=True)
class LibraryParameters:
    """
    Arithmetic, trust, and mappings for transformers.

    core/models/library_options has what the mappings may hold.
    """

    dtype: str = parameter(
        'float32',
        'arithmetic; auto: that of the weights (open_clip: float32)',
        choices=('float32', 'bfloat16', 'float16', 'auto'),
    )
    trust_remote_code: bool = parameter(False, 'let a checkpoint bring code of its own')
    model_kwargs: str = parameter(
        '',
        'transformers: for from_pretrained of the network, such as attn_implementation, '
        'device_map, quantization_config, revision',
        reads=model_options,
    )
    processor_kwargs: str = parameter(
        '',
        'transformers: settings of the processor, such as min_pixels, max_pixels, size, the '
        'number of tiles',
        reads=processor_options,
    )
    generation_kwargs: str = parameter(
        '',
        'generative: for generate, such as num_beams, repetition_penalty, min_new_tokens',
        reads=generation_options,
    )
