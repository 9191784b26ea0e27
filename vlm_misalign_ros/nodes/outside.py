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
Listens to topics of nodes outside, whose message types nobody told at the start.

The type is that which a publisher has, found in the graph; its Python class is needed to
subscribe. Messages come serialised, so that what cannot be decoded costs nothing but itself.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rclpy.node import Node
from rclpy.qos import ReliabilityPolicy
from rclpy.serialization import deserialize_message

from vlm_misalign_ros.core.errors import MisalignError, RecordError
from vlm_misalign_ros.core.settings.outside import OutsideMaskParameters, OutsideParameters
from vlm_misalign_ros.nodes import qos
from vlm_misalign_ros.wire.channels import Form
from vlm_misalign_ros.wire.outside import check_size

PUBLISHERS = 64
"""Publishers whose messages are numbered at most: there may be any number of strangers."""
_TYPE = re.compile(r'([a-z][a-z0-9_]*)/msg/([A-Z][A-Za-z0-9]*)')


class NotInstalled(MisalignError):
    """There is no Python class for the type of a message."""


def message_class(name: str) -> Any:
    """
    Return the class of a message type such as std_msgs/msg/String.

    Nothing is imported that is no package of messages. Raises NotInstalled, which names the type
    and the remedy.
    """
    error = NotInstalled(
        f'messages of the type {name[:120]} cannot be read: their package is not installed here',
        'install it (ros-DISTRO-PACKAGE, or build and source its workspace), or record the topic '
        'and score the bag: a bag brings the definition along',
    )
    match = _TYPE.fullmatch(name)
    spec = None if match is None else find_spec(match[1])
    places = [] if spec is None else spec.submodule_search_locations or []
    if match is None or not any((Path(at) / 'msg' / '__init__.py').is_file() for at in places):
        raise error
    try:
        found = getattr(import_module(f'{match[1]}.msg'), match[2])
        found.get_fields_and_field_types()
    except Exception as cause:  # a package of that name that is none of messages
        raise error from cause
    return found


@dataclass
class _Topic:
    chosen: OutsideParameters
    name: str
    """Full name, remapped."""
    subscription: Any = None
    refused: set[str] = field(default_factory=set)


class Listener:
    """
    Subscribes to topics from outside once somebody publishes them.

    `heard(name, type, data, info)` gets each message as it came, serialised; `opened(name, topic,
    type, class)` is told of each topic before the first; `refused(name, error)` why a type cannot
    be listened to.
    """

    def __init__(
        self,
        node: Node,
        entries: Mapping[str, OutsideParameters],
        heard: Callable[[str, str, bytes, Mapping[str, Any]], None],
        refused: Callable[[str, MisalignError], None],
        opened: Callable[[str, str, str, Any], None] = lambda name, topic, form, kind: None,
    ) -> None:
        """Look once at once."""
        self._node = node
        self._heard = heard
        self._refused = refused
        self._opened = opened
        self._topics = {
            name: _Topic(chosen, node.resolve_topic_name(chosen.topic))
            for name, chosen in entries.items()
        }
        self._numbers: dict[tuple[str, bytes], int] = {}
        self.lost: Counter[str] = Counter()
        """Messages that the queue could not hold, by name, as far as publishers number theirs."""
        self.look()

    def topic(self, name: str) -> str:
        """Return the full name of a model's topic."""
        return self._topics[name].name

    def look(self) -> None:
        """Subscribe to the topics that have a publisher by now; call it now and then."""
        for name, topic in self._topics.items():
            if topic.subscription is None:
                self._look_at(name, topic)

    def _look_at(self, name: str, topic: _Topic) -> None:
        found = self._node.get_publishers_info_by_topic(topic.name)
        forms = {end.topic_type: None for end in found}
        wanted = topic.chosen.type
        for form in [wanted] if wanted in forms else [] if wanted else forms:
            if form in topic.refused:
                continue
            try:
                self._subscribe(name, topic, form, found)
                return
            except MisalignError as error:
                topic.refused.add(form)
                self._refused(name, error)

    def _subscribe(self, name: str, topic: _Topic, form: str, found: Sequence[Any]) -> None:
        if isinstance(topic.chosen, OutsideMaskParameters) and form != Form.IMAGE.value:
            raise MisalignError(
                f'{topic.name} carries {form}, and a mask is {Form.IMAGE.value}',
                'give the topic of the labels, uncompressed',
            )
        kind = message_class(form)
        reliable = all(
            end.qos_profile.reliability != ReliabilityPolicy.BEST_EFFORT
            for end in found
            if end.topic_type == form
        )
        # As few as of pictures: texts may be of megabytes.
        profile = qos.image_qos('reliable' if reliable else 'best_effort')
        self._opened(name, topic.name, form, kind)

        def take(data: bytes, info: Mapping[str, Any]) -> None:
            self._count(name, info)
            self._heard(name, form, data, info)

        try:
            topic.subscription = self._node.create_subscription(
                kind, topic.name, take, profile, raw=True
            )
        except Exception as error:  # rclpy raises its own kinds where a library is missing
            raise NotInstalled(
                f'messages of the type {form} cannot be read: {error}', 'install its package again'
            ) from error

    def _count(self, name: str, info: Mapping[str, Any]) -> None:
        number, told = info.get('publication_sequence_number'), info.get('publisher_gid')
        if not isinstance(number, int) or not isinstance(told, Mapping):
            return
        key = name, bytes(told.get('data', b''))
        if key not in self._numbers and len(self._numbers) >= PUBLISHERS:
            return
        self.lost[name] += max(0, number - self._numbers.get(key, number) - 1)
        self._numbers[key] = number


def decoded(data: bytes, form: str) -> Any:
    """Return the message in bytes; RecordError where there is none in them, or too many."""
    check_size(form, len(data))
    try:
        return deserialize_message(data, message_class(form))
    except RecordError:
        raise
    except Exception as error:  # rclpy raises its own kinds
        raise RecordError(f'a {form} cannot be decoded: {error}') from error


_PLAIN = {'double': 'float64', 'float': 'float32', 'boolean': 'bool', 'octet': 'byte'}
"""What rclpy calls the types of fields otherwise than .msg files do."""
_SEQUENCE = re.compile(r'sequence<(?P<of>.+?)(?:, (?P<most>\d+))?>')
_ARRAY = re.compile(r'(?P<of>.+)\[(?P<size>\d+)\]')
_BOUNDED = re.compile(r'(?P<of>w?string)<(?P<most>\d+)>')


def definitions_of(form: str, kind: Any) -> dict[str, str]:
    """
    Return the definitions, as of .msg files, of a message type and of what it is made of.

    Constants and defaults are left out: nothing of them travels.
    """
    found: dict[str, str] = {}
    lines = []
    for name, told in kind.get_fields_and_field_types().items():
        text, element = _field(told)
        lines.append(f'{text} {name}')
        if '/' in element:
            package, _, last = element.partition('/')
            inner = f'{package}/msg/{last}'
            found |= definitions_of(inner, message_class(inner))
    # What it is made of goes first.
    return {**found, form: '\n'.join(lines) + '\n'}


def _field(told: str) -> tuple[str, str]:
    """Return a field's type as .msg files write it, and that of its elements."""
    if match := _SEQUENCE.fullmatch(told):
        text, element = _field(match['of'])
        return f'{text}[{"<=" + match["most"] if match["most"] else ""}]', element
    if match := _ARRAY.fullmatch(told):
        text, element = _field(match['of'])
        return f'{text}[{match["size"]}]', element
    if match := _BOUNDED.fullmatch(told):
        return f'{match["of"]}<={match["most"]}', match['of']
    plain = _PLAIN.get(told, told)
    return plain, plain
