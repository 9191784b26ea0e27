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
Models outside: topics on which nodes that no run starts answer, and how answers find pictures.

Monitor, recorder and bag analysis take each as a text of JSON, since a parameter of ROS has no
room for more.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.settings.parameters import build, parameter, table

EXACT, OLDEST, PUBLISHED, NEAREST_BEFORE = 'exact', 'oldest', 'published', 'nearest_before'
RULES = (EXACT, OLDEST, PUBLISHED, NEAREST_BEFORE)
STAMP, ARRIVAL = 'stamp', 'arrival'
TIMES = ('', STAMP, ARRIVAL)
MASK = 'segmentation'
"""The name under which a mask from outside goes among the models."""

_TYPE = re.compile(r'[a-z][a-z0-9_]*/msg/[A-Z][A-Za-z0-9]*')
_TOPIC = re.compile(r'/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*', re.ASCII)
_FIELD = re.compile(r'[a-z]\w*(\.[a-z]\w*)*', re.ASCII)


@dataclass(frozen=True)
class OutsideParameters:
    """A topic of a node outside the run, and which picture each of its messages is about."""

    name: str = parameter('', 'name of the model in records and tables')
    topic: str = parameter('', 'topic on which the node publishes, relative or with a leading /')
    type: str = parameter(
        '', 'message type, such as std_msgs/msg/String; empty: as the publisher has it'
    )
    rule: str = parameter(
        EXACT,
        'which picture a message is about. exact: that of its stamp; oldest: its stamp is that of '
        'the oldest of several cameras; published: the picture that was there `latency` before; '
        'nearest_before: the newest at or before',
        choices=RULES,
    )
    time: str = parameter(
        '',
        'the time of a message. stamp: its own, held against the stamps of pictures; arrival: '
        'when it came, held against when pictures came; empty: its stamp where it has one',
        choices=TIMES,
    )
    latency: float = parameter(
        0.0,
        'published: seconds from a picture to its answer; nearest_before: from a picture to when '
        'its node has it',
        minimum=0,
        maximum=600,
    )
    tolerance: float = parameter(
        0.0,
        'published, nearest_before: seconds by which the time may be wrong either way; oldest: by '
        'which the newest frame of a camera may be late',
        minimum=0,
        maximum=600,
    )
    bound: float = parameter(
        0.0, 'nearest_before: seconds by which a picture may be older', minimum=0, maximum=600
    )
    cameras: int = parameter(
        0,
        'oldest: how many cameras take turns evenly within a period; 0: they may lie in any phase',
        minimum=0,
        maximum=64,
    )
    period: float = parameter(
        0.0, 'oldest: seconds between two frames of a camera', minimum=0, maximum=600
    )
    once: bool = parameter(
        False,
        'the node answers to a picture once at most: one that has its answer is no candidate for '
        'another',
    )

    @property
    def spread(self) -> float:
        """Return the seconds by which the newest frames of all cameras lie apart at most."""
        share = (self.cameras - 1) / self.cameras if self.cameras else 1.0
        return self.period * share


@dataclass(frozen=True)
class OutsideVlmParameters(OutsideParameters):
    """A VLM outside the run: what it says, in words or in this package's own message."""

    field: str = parameter(
        '', 'field of the message that has the text; empty: its only string, or `data` or `text`'
    )
    prompt: str = parameter(
        '', 'id of the generative prompt that the node asks, or FILE#ID; empty: not known'
    )
    text: str = parameter('', 'the words of that prompt, in place of `prompt`')
    lexicon: str = parameter('', 'YAML file of words, laid over the lexicon')


@dataclass(frozen=True)
class OutsideMaskParameters(OutsideParameters):
    """A segmentation outside the run: an Image with a class at every pixel."""

    label_encoding: str = parameter(
        'cityscapes_train_ids',
        'what the values of the mask mean: a name of `vlm-misalign list encodings`, or a YAML '
        'file that maps values or colours to labels',
    )


P = TypeVar('P', bound=OutsideParameters)


def build_outside(cls: type[P], values: Mapping[str, Any], owner: str) -> P:
    """
    Return a model outside, made from `values`.

    Raises ConfigurationError as `build`, and for a topic, type or field that is no name of ROS, a
    rule that lacks what it needs, and a parameter that its rule never uses.
    """
    chosen = build(cls, values, owner)
    _check_name(owner, 'topic', chosen.topic, _TOPIC, 'a name of ROS such as /vlm/response')
    if chosen.type:
        _check_name(owner, 'type', chosen.type, _TYPE, 'PACKAGE/msg/NAME')
    if isinstance(chosen, OutsideVlmParameters) and chosen.field:
        _check_name(owner, 'field', chosen.field, _FIELD, 'a field, or FIELD.FIELD')
    _check_rule(chosen, owner)
    return chosen


def _check_name(owner: str, name: str, text: str, form: re.Pattern[str], wanted: str) -> None:
    if not form.fullmatch(text):
        raise ConfigurationError(
            f'parameter {name!r} of {owner} is {text!r}', f'expected {wanted}'
        )


_USED = {
    EXACT: (),
    OLDEST: ('period', 'cameras', 'tolerance'),
    PUBLISHED: ('latency', 'tolerance'),
    NEAREST_BEFORE: ('bound', 'latency', 'tolerance'),
}
"""Which parameters each rule uses."""
_NEEDED = {OLDEST: ('period',), PUBLISHED: ('tolerance',), NEAREST_BEFORE: ('bound',)}


def _check_rule(chosen: OutsideParameters, owner: str) -> None:
    used = _USED[chosen.rule]
    for entry in table(OutsideParameters):
        value = getattr(chosen, entry.name)
        known = any(entry.name in names for names in _USED.values())
        if known and entry.name not in used and value != entry.default:
            raise ConfigurationError(
                f'parameter {entry.name!r} of {owner} is {value!r}, and its rule {chosen.rule} '
                'does not use it',
                'leave it out, or choose another rule',
            )
    for name in _NEEDED.get(chosen.rule, ()):
        if not getattr(chosen, name):
            raise ConfigurationError(
                f'{owner} has the rule {chosen.rule} and no {name!r}', 'give it in seconds'
            )
    if chosen.time == ARRIVAL and chosen.rule in (EXACT, OLDEST):
        raise ConfigurationError(
            f"parameter 'time' of {owner} is {ARRIVAL!r}, and the rule {chosen.rule} needs stamps",
            f'choose the rule {PUBLISHED} or {NEAREST_BEFORE}',
        )
    if chosen.cameras == 1:
        raise ConfigurationError(
            f"parameter 'cameras' of {owner} is 1", f'with one camera the rule is {EXACT}'
        )


def is_outside(entry: Any) -> bool:
    """Return whether an entry of a configuration is of a model outside: it has a topic."""
    return isinstance(entry, Mapping) and 'topic' in entry


def outside_entries(
    entries: Mapping[str, Any], live: bool, lexicon: str
) -> tuple[OutsideParameters, ...]:
    """
    Return the models outside among the entries of `vlms`, and of MASK, of a configuration.

    In an evaluation one that goes by what time it is goes by arrival: replay makes up the stamps
    of its pictures, and no clock of another node goes by them. Raises ConfigurationError naming
    what will not do.
    """
    found: list[OutsideParameters] = []
    for name, entry in entries.items():
        if not is_outside(entry):
            continue
        where = MASK if name == MASK else f'vlms.{name}'
        if 'model' in entry:
            raise ConfigurationError(
                f'{where} has a model and a topic',
                'a topic means that its node runs outside: give one of the two',
            )
        for fixed in ('name', 'lexicon'):
            if fixed in entry:
                raise ConfigurationError(
                    f'parameter {fixed!r} of {where} is set by the run itself', 'leave it out'
                )
        untold = not entry.get('time') and entry.get('rule') in (PUBLISHED, NEAREST_BEFORE)
        own = {'time': ARRIVAL} if untold and not live else {}
        values = {**entry, **own, 'name': name}
        if name == MASK:
            found.append(build_outside(OutsideMaskParameters, values, where))
        else:
            found.append(
                build_outside(OutsideVlmParameters, {**values, 'lexicon': lexicon}, where)
            )
    return tuple(found)


def check_flight(outside: Iterable[OutsideParameters], in_flight: int) -> None:
    """Raise ConfigurationError where pictures fly together that only arrival tells apart."""
    names = [entry.name for entry in outside if entry.time == ARRIVAL]
    if names and in_flight > 1:
        raise ConfigurationError(
            f"parameter 'max_in_flight' of replay is {in_flight}, and answers of "
            f'{", ".join(names)} are told by when they come',
            'set replay.max_in_flight to 1: of two pictures in flight nobody knows which is meant',
        )


def to_text(chosen: OutsideParameters) -> str:
    """Return a model outside as JSON: what is not at its default, and its name."""
    plain = {
        entry.name: value
        for entry in table(type(chosen))
        if (value := getattr(chosen, entry.name)) != entry.default
    }
    return json.dumps(plain, sort_keys=True)


def read_outside(texts: Iterable[str]) -> dict[str, OutsideParameters]:
    """
    Return the models outside by name, as `to_text` gave them; MASK is the segmentation.

    Raises ConfigurationError for what is no such text, and for a name that comes twice.
    """
    found: dict[str, OutsideParameters] = {}
    for text in texts:
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ConfigurationError(
                f"parameter 'outside' has {text[:80]!r}, which is no JSON",
                'the configuration of a run makes it from vlms.NAME.topic',
            ) from error
        name = values.get('name') if isinstance(values, dict) else None
        if not isinstance(name, str) or not name or name in found:
            raise ConfigurationError(
                f"parameter 'outside' has {text[:80]!r}",
                'expected an object with a `name` of its own',
            )
        kind = OutsideMaskParameters if name == MASK else OutsideVlmParameters
        found[name] = build_outside(kind, values, f'outside.{name}')
    return found


def outside_names(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the models outside, MASK among them where the mask is."""
    return tuple(read_outside(texts))


def plain_outside(chosen: OutsideParameters) -> dict[str, Any]:
    """Return a model outside as plain data, defaults filled in, for the manifest."""
    return dataclasses.asdict(chosen)
