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
What a configuration passes on to the libraries that load and run a model: three checked mappings.

Only what is listed here is passed on. What would make answers random, run code of a checkpoint or
take what this package sets itself is refused by name, with the reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from vlm_misalign_ros.core.errors import ConfigurationError

Options = Mapping[str, Any]
NAMES = ('model_kwargs', 'processor_kwargs', 'generation_kwargs')
"""The three, as fields of VlmOptions."""

_MODEL: dict[str, tuple[type, ...]] = {
    'attn_implementation': (str,),
    'device_map': (str, Mapping),
    'max_memory': (Mapping,),
    'offload_folder': (str,),
    'quantization_config': (Mapping,),
    'revision': (str,),
    'subfolder': (str,),
    'variant': (str,),
}
_GENERATION: dict[str, tuple[type, ...]] = {
    'bad_words_ids': (list,),
    'cache_implementation': (str,),
    'early_stopping': (bool,),
    'length_penalty': (float,),
    'min_new_tokens': (int,),
    'no_repeat_ngram_size': (int,),
    'num_beams': (int,),
    'repetition_penalty': (float,),
    'suppress_tokens': (list,),
    'use_cache': (bool,),
}
_OURS = 'this package sets it'
_CODE = 'it lets a checkpoint run code of its own'
_RANDOM = 'answers would differ from run to run'
_SECRET = 'a token has no place in a configuration: log in with hf auth login'
REFUSED = {
    'trust_remote_code': f'{_CODE}; there is a parameter trust_remote_code, if you trust it',
    'custom_generate': _CODE,
    'use_kernels': f'{_CODE}: kernels are fetched from the hub',
    'weights_only': 'files are read as weights only',
    'use_safetensors': 'safetensors are preferred, and other files are read as weights only',
    'do_sample': _RANDOM,
    'temperature': _RANDOM,
    'top_k': _RANDOM,
    'top_p': _RANDOM,
    'min_p': _RANDOM,
    'typical_p': _RANDOM,
    'num_return_sequences': 'one frame has one answer',
    'max_new_tokens': 'there is a parameter max_new_tokens',
    'max_length': 'there is a parameter max_new_tokens',
    'dtype': 'there is a parameter dtype',
    'torch_dtype': 'there is a parameter dtype',
    'device': 'there is a parameter device',
    'token': _SECRET,
    'use_auth_token': _SECRET,
    'local_files_only': _OURS,
    'output_loading_info': _OURS,
    'ignore_mismatched_sizes': _OURS,
    'return_dict_in_generate': _OURS,
    'output_logits': _OURS,
    'logits_processor': _OURS,
    'return_tensors': _OURS,
    'add_generation_prompt': _OURS,
    'chat_template': _OURS,
    'images': _OURS,
    'text': _OURS,
    'batch_size': 'a node answers one frame at a time, so that results do not depend on load',
}
"""What no mapping may hold, and why."""
_PLAIN_NAME = re.compile(r'[a-z0-9_]+')
_LONGEST = 20_000
"""Characters of a mapping given as JSON."""


def mapping_of(value: Any, name: str) -> dict[str, Any]:
    """
    Return the mapping of option `name`, given as one or as JSON; an empty text is an empty one.

    ConfigurationError for what is none, or what JSON cannot hold.
    """
    where = f'parameter {name!r} is {str(value)[:200]!r}'
    if isinstance(value, str):
        if not value.strip():
            return {}
        if len(value) > _LONGEST:
            raise ConfigurationError(f'{where}, {len(value)} characters', f'at most {_LONGEST}')
        try:
            value = json.loads(value)
        except ValueError as error:
            raise ConfigurationError(
                f'{where}, which is no JSON: {error}', 'for example {"num_beams": 3}'
            ) from error
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ConfigurationError(where, 'give a mapping of names to values')
    try:
        copied: dict[str, Any] = json.loads(json.dumps(dict(value), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(f'{where}: {error}', 'give what JSON can hold') from error
    return copied


def model_options(value: Any) -> dict[str, Any]:
    """Return what goes to from_pretrained of a network; ConfigurationError names what may not."""
    found = _checked(value, 'model_kwargs', _MODEL)
    kernel = str(found.get('attn_implementation', 'sdpa'))
    if not _PLAIN_NAME.fullmatch(kernel):
        raise ConfigurationError(
            f"'attn_implementation' in model_kwargs is {kernel!r}: {_CODE}",
            'give eager, sdpa, flash_attention_2 or flex_attention',
        )
    return found


def processor_options(value: Any) -> dict[str, Any]:
    """Return what goes to from_pretrained of a processor; ConfigurationError as above."""
    return _checked(value, 'processor_kwargs', None)


def generation_options(value: Any) -> dict[str, Any]:
    """Return what goes to generate; ConfigurationError names what may not."""
    found = _checked(value, 'generation_kwargs', _GENERATION)
    if found.get('num_beams', 1) < 1:
        raise ConfigurationError(
            f"'num_beams' in generation_kwargs is {found['num_beams']}", 'from 1'
        )
    return found


def refuse_options(options: Any, family: str, names: Sequence[str] = NAMES) -> None:
    """Raise ConfigurationError for mappings of VlmOptions that a family has no use for."""
    for name in names:
        if mapping_of(getattr(options, name), name):
            raise ConfigurationError(
                f'models of the family {family!r} take no {name}', f'leave out {name}'
            )


def _checked(
    value: Any, name: str, known: Mapping[str, tuple[type, ...]] | None
) -> dict[str, Any]:
    found = mapping_of(value, name)
    for key, entry in found.items():
        if key in REFUSED:
            raise ConfigurationError(f'{key!r} in {name} is refused: {REFUSED[key]}')
        if known is None:
            continue
        if key not in known:
            raise ConfigurationError(
                f'{name} has no {key!r}', 'known: ' + ', '.join(sorted(known))
            )
        found[key] = _typed(entry, known[key], f'{key!r} in {name} is {entry!r}')
    return found


def _typed(value: Any, types: tuple[type, ...], where: str) -> Any:
    if float in types and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, types) or isinstance(value, bool) is not (bool in types):
        names = ' or '.join('mapping' if kind is Mapping else kind.__name__ for kind in types)
        raise ConfigurationError(where, f'give a value of type {names}')
    return value
