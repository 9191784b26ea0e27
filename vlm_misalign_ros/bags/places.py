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

"""Under which names, and of which types, the topics of a run stand in a bag."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vlm_misalign_ros.bags.reading import Bag
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.evaluation.parts import DEPTH, IMAGE
from vlm_misalign_ros.wire import transports
from vlm_misalign_ros.wire.channels import CHANNELS, PACKED, Channel
from vlm_misalign_ros.wire.packed import is_lossless


@dataclass(frozen=True)
class Places:
    """Where the topics of a run are in a bag that was recorded of it."""

    namespace: str = ''
    remap: Mapping[str, str] = field(default_factory=dict)
    """Rules of the run, by which its nodes listened to topics of other names."""
    transport: str = transports.AUTO
    """By which pictures and maps from outside are taken."""

    def full(self, topic: str) -> str:
        """Return the full name of a topic, remapped."""
        name = self._expanded(topic)
        target = self.remap.get(topic) or self.remap.get(name)
        return self._expanded(target) if target else name

    def _expanded(self, topic: str) -> str:
        if topic.startswith('/'):
            return topic
        space = self.namespace.strip('/')
        return f'/{space}/{topic}' if space else f'/{topic}'

    def carrier(self, bag: Bag, channel: Channel) -> str:
        """
        Return the full name of the topic of a bag that carries a channel; empty for none.

        What comes from outside may be compressed, and so may the degraded picture, where that
        lost nothing: its checksum tells answers from those to another picture.
        """
        name = self.full(channel.topic)
        kinds = {topic.name: topic.types for topic in bag.topics.values()}
        if channel.part in PACKED:
            found = transports.among(
                name, lambda topic: kinds.get(topic, ()), channel.part == DEPTH, self.transport
            )
            # A topic of another type is there all the same: its messages are malformed.
            return found.topic if found else name if name in kinds else ''
        if name in kinds:
            return name
        packed = f'{name}/{transports.COMPRESSED}'
        there = transports.COMPRESSED_IMAGE in kinds.get(packed, ())
        return packed if channel.part == IMAGE and there and _lossless(bag, packed) else ''

    def recorded(self, bag: Bag) -> set[str]:
        """Return the names of the topics in a bag as the run has them, relative."""
        prefix = self._expanded('')
        found = {name.removeprefix(prefix) for name in bag.topics if name.startswith(prefix)}
        for channel in CHANNELS:
            if '{model}' not in channel.topic and self.carrier(bag, channel):
                found.add(channel.topic)
        return found


def _lossless(bag: Bag, topic: str) -> bool:
    """Return whether the first message of a topic lost nothing when it was packed."""
    try:
        message: Any = bag.decode(next(bag.messages([topic])))
        return is_lossless(message)
    except (RecordError, StopIteration):
        return False
    except Exception:  # bytes of anybody: whoever reads the bag says what is wrong with it
        return False
