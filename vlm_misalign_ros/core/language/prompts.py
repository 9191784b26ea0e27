"""Prompts by id, read from config/prompts.yaml."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import yaml

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.labels.classes import CLASSES
from vlm_misalign_ros.core.settings.resources import config_path


@dataclass(frozen=True)
class PromptSet:
    """What a contrastive model compares a picture with."""

    templates: tuple[str, ...]
    neutral: tuple[str, ...]
    classes: dict[str, str]
    safe: tuple[str, ...]
    unsafe: tuple[str, ...]


def _section(kind: str, prompt_id: str) -> Any:
    path = config_path('prompts.yaml')
    try:
        section = yaml.safe_load(path.read_text(encoding='utf-8'))[kind]
        return section[prompt_id]
    except KeyError as error:
        known = ', '.join(section) if 'section' in locals() else 'none'
        raise ConfigurationError(
            f'{path} has no {kind} prompt {prompt_id!r}', f'known: {known}'
        ) from error
    except (OSError, yaml.YAMLError, TypeError) as error:
        raise ConfigurationError(f'{path} cannot be read: {error}') from error


def generative_prompt(prompt_id: str) -> str:
    """Return the question put to a generative model."""
    return str(_section('generative', prompt_id)).strip()


def contrastive_prompts(prompt_id: str) -> PromptSet:
    """Return the prompt set of a contrastive model; ConfigurationError names what it lacks."""
    section = _section('contrastive', prompt_id)
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
            f'contrastive prompts {prompt_id!r} are incomplete: {error}',
            'needed: templates, neutral, classes, safe, unsafe',
        ) from error
    missing = [name for name in CLASSES if name not in prompts.classes]
    if missing or not all((prompts.templates, prompts.neutral, prompts.safe, prompts.unsafe)):
        raise ConfigurationError(
            f'contrastive prompts {prompt_id!r} lack {", ".join(missing) or "an entry"}',
            'every class and every list needs at least one prompt',
        )
    return prompts


def prompts_hash() -> str:
    """Return the SHA-256 of config/prompts.yaml."""
    return hashlib.sha256(config_path('prompts.yaml').read_bytes()).hexdigest()
