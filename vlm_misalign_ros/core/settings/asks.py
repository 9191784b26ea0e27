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

"""Asks: the ways in which one loaded model is asked, each with a name of its own."""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import yaml

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.models.families import reads_masks
from vlm_misalign_ros.core.settings.parameters import build, parameter
from vlm_misalign_ros.core.types import Input

NAME = re.compile(r'[A-Za-z][A-Za-z0-9_]*')
"""What can stand in a topic's name."""


@dataclass(frozen=True)
class AskParameters:
    """Prompt, input and past frames."""

    prompt: str = parameter(
        '', 'id of a prompt (set) of `vlm-misalign list prompts`, or FILE#ID; empty: the default'
    )
    text: str = parameter('', 'generative: the words of the prompt, in place of `prompt`')
    system: str = parameter('', 'generative: system prompt, where the model has a place for one')
    input: str = parameter(
        Input.IMAGE.value,
        'what is shown: the degraded picture, the mask of the segmentation over it or in its '
        'place, what the segmentation found in words (objects), with its entropy (uncertainty)',
        choices=tuple(entry.value for entry in Input),
    )
    frames: int = parameter(
        0, 'past frames of the same sequence that are shown before it', minimum=0, maximum=64
    )
    stride: int = parameter(1, 'frames from one shown to the next', minimum=1, maximum=1000)
    paraphrases: int = parameter(
        0,
        'generative: paraphrases of the safety question that are asked beside the prompt, for '
        'paraphrase_disagreement; 0: none',
        minimum=0,
        maximum=16,
    )


@dataclass(frozen=True)
class Ask:
    """One ask."""

    name: str
    """In topics, records and tables."""
    chosen: AskParameters

    @property
    def input(self) -> Input:
        """Return what the model is shown."""
        return Input(self.chosen.input)


class Asked(Protocol):
    """The parameters of a VLM, as far as its asks go."""

    @property
    def name(self) -> str:
        """Return the model's name."""

    @property
    def model(self) -> str:
        """Return the string of the model."""

    @property
    def calibration(self) -> str:
        """Return the file of operating points, or `own`; empty for none."""

    @property
    def asks(self) -> tuple[str, ...]:
        """Return a JSON object each, parameters by the name of the ask."""


def asks_of(vlm: Asked) -> tuple[Ask, ...]:
    """
    Return the asks of a model; what an ask does not say is as the model's own parameters say.

    One ask has the model's name, several MODEL_ASK. What reads masks is shown the mask, and has
    nothing else to be asked. ConfigurationError names what is wrong.
    """
    own = {f.name: getattr(vlm, f.name) for f in dataclasses.fields(AskParameters)}
    owner = f'vlms.{vlm.name}'
    asks = [(name, values) for text in vlm.asks for name, values in _read(text, owner).items()]
    if not asks:
        asks = [('', {})]
    found = []
    for name, values in asks:
        where = f'{owner}.asks.{name}' if name else owner
        chosen = build(AskParameters, {**own, **_apart(values)}, where)
        if reads_masks(vlm.model):
            chosen = _of_mask(chosen, where)
        elif vlm.calibration and chosen.input != Input.IMAGE.value:
            raise ConfigurationError(
                f'{where} has the input {chosen.input!r} and the calibration {vlm.calibration!r}, '
                'which was made on camera pictures',
                'leave the calibration out, or ask with input: image',
            )
        _check(chosen, where)
        found.append(Ask(vlm.name if len(asks) == 1 else f'{vlm.name}_{name}', chosen))
    refuse_collisions([ask.name for ask in found])
    return tuple(found)


def _apart(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return an ask's own values; one that names a prompt has not the model's words, or back."""
    given = dict(values)
    for name, other in (('prompt', 'text'), ('text', 'prompt')):
        if given.get(name) and other not in given:
            given[other] = ''
    return given


def _of_mask(chosen: AskParameters, where: str) -> AskParameters:
    """Return the ask of a mask reader; ConfigurationError for what it cannot be asked."""
    wanted = AskParameters(input=Input.MASK.value)
    for entry in dataclasses.fields(AskParameters):
        value = getattr(chosen, entry.name)
        if value not in (entry.default, getattr(wanted, entry.name)):
            raise ConfigurationError(
                f'{where} reads masks, and has {entry.name} {value!r}', 'leave it out'
            )
    return wanted


def _check(chosen: AskParameters, where: str) -> None:
    if chosen.text and chosen.prompt:
        raise ConfigurationError(
            f'{where} has the prompt {chosen.prompt!r} and a text', 'give one of them'
        )
    if chosen.frames and not Input(chosen.input).camera:
        raise ConfigurationError(
            f'{where} has {chosen.frames} past frames and the input {chosen.input!r}',
            'past frames are pictures: choose an input with image',
        )


def ask_texts(asks: Any, owner: str) -> tuple[str, ...]:
    """Return the section `asks` of a configuration as texts, the form it has as a parameter."""
    if not isinstance(asks, Mapping) or not asks:
        raise ConfigurationError(
            f'{owner}.asks is {asks!r}', 'give a mapping: parameters by the name of each ask'
        )
    return tuple(json.dumps({str(name): values or {}}) for name, values in asks.items())


def _read(text: str, owner: str) -> dict[str, dict[str, Any]]:
    """Return the asks in one text of the parameter `asks`."""
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigurationError(f'{owner} has the ask {text[:80]!r}: {error}') from error
    if not isinstance(data, dict):
        raise ConfigurationError(
            f'{owner} has the ask {text[:80]!r}', 'give {NAME: {parameter: value}}'
        )
    found: dict[str, dict[str, Any]] = {}
    for name, values in data.items():
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise ConfigurationError(
                f'ask {name!r} of {owner} is no ROS name', 'use letters, digits and _'
            )
        if values is not None and not isinstance(values, dict):
            raise ConfigurationError(
                f'ask {name!r} of {owner} is {values!r}', 'give a mapping of parameters'
            )
        found[name] = values or {}
    return found


def refuse_collisions(names: Iterable[str]) -> None:
    """Raise ConfigurationError where two asks, of whatever models, have one name."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ConfigurationError(
            f'the name {twice[0]!r} belongs to two asks', 'MODEL_ASK has to be there once: rename'
        )


def refuse_unmasked(asks: Iterable[Ask]) -> None:
    """Raise ConfigurationError for an ask about a mask, of a run in which nothing segments."""
    for ask in asks:
        if ask.input.masked:
            raise ConfigurationError(
                f'input {ask.input.value!r} of {ask.name} needs a mask, and section '
                "'segmentation' is empty",
                'name a segmentation model, or ask with input: image',
            )
