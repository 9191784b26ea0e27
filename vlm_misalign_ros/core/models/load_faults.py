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

"""What a library means that cannot load a model, in one line, and what helps against that."""

from __future__ import annotations

import json
import re
from pathlib import Path

_LONGEST = 400
"""Characters of a cause."""
_READ = 4000
"""Characters of a message that are looked at."""
_PACKAGES = {
    'PIL': 'pillow',
    'cv2': 'opencv-python-headless',
    'flash_attn': 'flash-attn',
    'sentencepiece': 'sentencepiece',
    'google.protobuf': 'protobuf',
    'protobuf': 'protobuf',
}
"""Names on the package index of modules that are called otherwise there."""
_MISSING = (
    re.compile(r"No module named '([\w.]+)'"),
    re.compile(r'packages that were not found in your environment: ([\w.-]+)'),
    re.compile(r'[Pp]ackage `([\w.-]+)` is required'),
    re.compile(r'requires (?:the )?`?([\w.-]+)`? (?:library|package)\b'),
    re.compile(r'requires `?([\w.-]+)`?: `?pip install'),
    # An address (git+https://...) is no name.
    re.compile(r'pip install (?:-U |--upgrade |-q )*[`\'"]?([A-Za-z][\w.-]*)(?![\w.+:/-])'),
    re.compile(r'[`\'"]?([\w.-]+)[`\'"]? (?:(?:seems to be|is|has) )?not (?:been )?installed'),
)
_WORDS = frozenset({'following', 'has', 'is', 'it', 'that', 'this', 'was', 'which'})
"""What stands where a name might, and is none: nobody is told to install it."""
_MEMORY = re.compile(r'out of memory|cannot allocate memory|not enough memory|bad_alloc', re.I)
_MEMORY_REMEDY = (
    'give a smaller model, dtype: bfloat16 or another device; a VLM of transformers takes a '
    'device_map or a quantization_config in model_kwargs'
)
_REMEDIES = (
    (
        re.compile(r'FlashAttention\d'),
        'pip install flash-attn, or in model_kwargs attn_implementation: sdpa',
    ),
    (re.compile(r'trust_remote_code', re.I), 'if you trust its code: trust_remote_code: true'),
    (
        re.compile(
            r'does not recognize this architecture|Unrecognized (?:configuration|model)', re.I
        ),
        'check its config.json; for a new kind of model: pip install -U transformers',
    ),
    (
        re.compile(r'(?:processor|preprocessor)_config|image processor|feature extractor', re.I),
        'the folder needs the files of its processor beside the weights: preprocessor_config.json '
        'or processor_config.json',
    ),
    (
        re.compile(r'tokenizer|vocab|sentencepiece|\.model\b', re.I),
        'the folder needs the files of its tokenizer beside the weights: tokenizer.json',
    ),
    (
        re.compile(r'not a valid model identifier|Repository Not Found|404|revision', re.I),
        'check the name and the revision; a folder is given as a path, such as ./NAME',
    ),
    (
        re.compile(r'connect|offline|timed? ?out|resolve|couldn.t reach|network', re.I),
        'check the network, fetch the model before, or give its folder',
    ),
    (re.compile(r'gated|401|403|log ?in', re.I), 'accept its terms on the hub: hf auth login'),
    (
        re.compile(r'No such file|does not appear to have a file|no file named', re.I),
        'save or download the model again, all of its files',
    ),
)


def cause_of(error: BaseException) -> str:
    """Return what an exception says in one line of bounded length."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = ' '.join(lines)[:_LONGEST]
    plain = isinstance(error, (OSError, ValueError, RuntimeError, ImportError))
    if not said:
        return type(error).__name__
    return said if plain else f'{type(error).__name__}: {said}'


def explained(error: BaseException, directory: Path | None = None) -> tuple[str, str]:
    """
    Return (cause, remedy) of an error of loading; without a remedy where none is known.

    `directory` is where a local model lies.
    """
    cause = cause_of(error)
    damaged = damaged_json(directory) if directory is not None else ''
    if damaged:
        return damaged, 'save or download the model again, all of its files'
    told = of_this_machine(error)
    if told is not None:
        return told
    # The end of a long message, which often has the advice, is no part of the line.
    whole = f'{cause} {str(error)[:_READ]}'
    for pattern, remedy in _REMEDIES:
        if pattern.search(whole):
            return cause, remedy
    return cause, ''


def of_this_machine(error: BaseException) -> tuple[str, str] | None:
    """Return (cause, remedy) where memory or a package is lacking, whatever the model; or None."""
    cause = cause_of(error)
    if isinstance(error, MemoryError) or _MEMORY.search(f'{cause} {str(error)[:_READ]}'):
        return f'it does not fit into the memory ({cause})', _MEMORY_REMEDY
    if isinstance(error, ImportError) and (package := missing_package(str(error))):
        return f'the package {package} is not installed', f'pip install {package}'
    return None


def damaged_json(directory: Path) -> str:
    """Return which JSON file of a folder is none, and why; empty where all can be read."""
    for path in sorted(directory.glob('*.json')):
        try:
            json.loads(path.read_text(encoding='utf-8'))
        except (OSError, ValueError, RecursionError) as error:
            return f'{path} cannot be read: {error}'
    return ''


def missing_package(said: str) -> str:
    """Return the package that the message of an ImportError asks for; empty for none."""
    for pattern in _MISSING:
        if match := pattern.search(said):
            name = match.group(1).rstrip('.')
            if name.lower() in _WORDS:
                continue
            return _PACKAGES.get(name, _PACKAGES.get(name.split('.')[0], name.split('.')[0]))
    return ''
