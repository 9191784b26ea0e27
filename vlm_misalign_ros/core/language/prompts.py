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
Prompts by id, from the file that this package brings along or from one of the user's own.

A prompt is named `ID`, `FILE#ID` or `FILE` (its default); FILE is YAML with the sections of
data/prompts.yaml that are needed.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.files import PACKAGE
from vlm_misalign_ros.core.labels.classes import CLASSES
from vlm_misalign_ros.core.language.styles import STYLES

SHIPPED = PACKAGE / 'core' / 'language' / 'data' / 'prompts.yaml'
"""The prompts of this package."""
PARAPHRASES = SHIPPED.with_name('paraphrases.yaml')
"""Its paraphrases, apart: what is calibrated with the prompts does not depend on them."""
DEFAULT = 'default'
_STYLES = 'answer_style'
_PARAPHRASES = 'paraphrases'
_STYLED = re.compile(rb'^answer_style:.*\n?(?:[ \t#].*\n?|\r?\n)*', re.MULTILINE)
"""That section as it stands in a file."""
_SUFFIXES = ('.yaml', '.yml')


@dataclass(frozen=True)
class Prompt:
    """What a model is asked."""

    id: str
    """As records tell it: an id, FILE#ID or FILE."""
    text: str
    """The words themselves; of a contrastive model, which has a prompt set, empty."""
    style: str = ''
    """The kind of answer that it asks for, one of styles.STYLES; empty where nothing tells."""


@dataclass(frozen=True)
class PromptSet:
    """What a contrastive model compares a picture with."""

    templates: tuple[str, ...]
    neutral: tuple[str, ...]
    classes: dict[str, str]
    safe: tuple[str, ...]
    unsafe: tuple[str, ...]


def split_prompt(text: str, default: str = DEFAULT) -> tuple[Path, str]:
    """Return (file, id) of a prompt given as `ID`, `FILE#ID` or `FILE`."""
    file, mark, prompt_id = text.rpartition('#')
    if mark:
        return Path(file).expanduser(), prompt_id or default
    if text.endswith(_SUFFIXES):
        return Path(text).expanduser(), default
    return SHIPPED, text or default


def prompt_ids(kind: str, path: Path = SHIPPED) -> tuple[str, ...]:
    """Return the ids of a section, `generative` or `contrastive`; ConfigurationError for none."""
    return tuple(_section(kind, path))


def _load(path: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f'prompts {path} cannot be read: {error}') from error
    return data if isinstance(data, dict) else {}


def _section(kind: str, path: Path) -> dict[str, Any]:
    section = _load(path).get(kind)
    if not isinstance(section, dict):
        raise ConfigurationError(
            f'prompts {path} have no section {kind!r}', f'compare them with {SHIPPED}'
        )
    return section


def _entry(kind: str, text: str, default: str) -> Any:
    path, prompt_id = split_prompt(text, default)
    section = _section(kind, path)
    if prompt_id not in section:
        raise ConfigurationError(
            f'{path} has no {kind} prompt {prompt_id!r}', 'known: ' + ', '.join(section)
        )
    return section[prompt_id]


def generative_prompt(text: str, default: str = DEFAULT) -> str:
    """Return the question put to a generative model; ConfigurationError where there is none."""
    found = _entry('generative', text, default)
    if not isinstance(found, str) or not found.strip():
        raise ConfigurationError(f'generative prompt {text!r} is {found!r}', 'give a text')
    return found.strip()


def find_prompt(text: str, default: str = DEFAULT) -> Prompt:
    """Return the generative prompt that a text names; ConfigurationError where there is none."""
    return Prompt(text or default, generative_prompt(text, default), answer_style(text, default))


def paraphrases_file(text: str) -> Path:
    """Return the file that has the paraphrases for the prompt `text`."""
    path, _ = split_prompt(text)
    return path if path != SHIPPED and _PARAPHRASES in _load(path) else PARAPHRASES


def paraphrases(text: str, count: int) -> tuple[Prompt, ...]:
    """
    Return the first `count` paraphrases of the safety question.

    They come from the section `paraphrases` of the file that the prompt `text` comes from, or of
    this package's where that has none. ConfigurationError where there are fewer.
    """
    path = paraphrases_file(text)
    found = _load(path).get(_PARAPHRASES)
    texts = found.get('safety') if isinstance(found, dict) else None
    if not isinstance(texts, list) or not all(isinstance(t, str) and t.strip() for t in texts):
        raise ConfigurationError(
            f'{path} has the {_PARAPHRASES} {str(found)[:80]}', 'give {safety: [texts]}'
        )
    if len(set(texts)) < count:
        raise ConfigurationError(
            f'{path} has {len(set(texts))} paraphrases of the safety question, {count} are asked '
            'for',
            f'add some under {_PARAPHRASES}: safety, or ask for fewer',
        )
    chosen = list(dict.fromkeys(texts))[:count]
    return tuple(
        Prompt(f'paraphrase {n}', asked.strip(), 'answer') for n, asked in enumerate(chosen, 1)
    )


def answer_style(text: str, default: str = DEFAULT) -> str:
    """
    Return the kind of answer that a generative prompt asks for; empty where its file says none.

    ConfigurationError names a kind that is none of styles.STYLES.
    """
    path, prompt_id = split_prompt(text, default)
    section = _load(path).get(_STYLES) or {}
    if not isinstance(section, dict):
        raise ConfigurationError(
            f'{path} has the {_STYLES} {section!r}', 'give a style by the id of its prompt'
        )
    for name, style in section.items():
        if style not in STYLES:
            raise ConfigurationError(
                f'{path} has the {_STYLES} {style!r} of {name!r}', 'allowed: ' + ', '.join(STYLES)
            )
    return str(section.get(prompt_id, ''))


def contrastive_prompts(text: str) -> PromptSet:
    """Return the prompt set of a contrastive model; ConfigurationError names what it lacks."""
    section = _entry('contrastive', text, DEFAULT)
    try:
        prompts = PromptSet(
            tuple(section['templates']),
            tuple(section['neutral']),
            dict(section['classes']),
            tuple(section['safe']),
            tuple(section['unsafe']),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f'contrastive prompts {text!r} are incomplete: {error}',
            'needed: templates, neutral, classes, safe, unsafe',
        ) from error
    missing = [name for name in CLASSES if name not in prompts.classes]
    if missing or not all((prompts.templates, prompts.neutral, prompts.safe, prompts.unsafe)):
        raise ConfigurationError(
            f'contrastive prompts {text!r} lack {", ".join(missing) or "an entry"}',
            'every class and every list needs at least one prompt',
        )
    return prompts


def prompts_hash(text: str = '') -> str:
    """
    Return the SHA-256 of the file that a prompt comes from; ConfigurationError for none.

    Its section `answer_style` is left out: it says nothing to a model, so that what was measured
    or calibrated with the prompts stays comparable.
    """
    path, _ = split_prompt(text)
    try:
        return hashlib.sha256(_STYLED.sub(b'', path.read_bytes())).hexdigest()
    except OSError as error:
        raise ConfigurationError(f'prompts {path} cannot be read: {error.strerror}') from error
