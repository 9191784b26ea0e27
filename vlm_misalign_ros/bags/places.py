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

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlm_misalign_ros.bags.reading import Bag
from vlm_misalign_ros.core.errors import ConfigurationError, RecordError
from vlm_misalign_ros.core.evaluation.parts import DEPTH, IMAGE
from vlm_misalign_ros.core.settings.configuration import read_yaml
from vlm_misalign_ros.wire import transports
from vlm_misalign_ros.wire.channels import CHANNELS, PACKED, Channel
from vlm_misalign_ros.wire.packed import is_lossless

MOST_NAMED = 40
"""Topics that are named where one is missing."""
_OWN = {channel.topic for channel in CHANNELS}
"""What is of a run itself, such as the masks of its model, stands for nothing else."""
_SECTIONS = {'vlms', 'segmentation', 'monitor', 'replay', 'remap'}
_RULE = re.compile(r'([^:=\s]+):=([^:=\s]+)')
_NAME = re.compile(r'~?/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*', re.ASCII)
_LABELS = ('label', 'seman', 'segment', 'truth', 'tag')


def parse_topics(rules: Iterable[str]) -> dict[str, str]:
    """Return remappings written as `camera/image_raw:=/front/image`; ConfigurationError else."""
    found = {}
    for rule in rules:
        match = _RULE.fullmatch(rule)
        if not match or not all(_NAME.fullmatch(name) for name in match.groups()):
            raise ConfigurationError(
                f'{rule!r} is no rule for a topic',
                'write TOPIC_OF_THE_RUN:=TOPIC_OF_THE_BAG, such as '
                'camera/image_raw:=/sensing/camera/front/image_raw',
            )
        found[match[1]] = match[2]
    return found


def run_folder(bag: Path) -> Path:
    """
    Return the folder in which a bag was recorded; a file of a bag is in one more.

    A bag without a name, such as `.`, is that of its folder.
    """
    bag = bag if bag.name not in ('', '..') else bag.resolve()
    inside = bag.is_file() and (bag.parent / 'metadata.yaml').is_file()
    return bag.parent.parent if inside else bag.parent


def run_config(bag: Path) -> str:
    """
    Return the path of the configuration by which a bag was recorded; empty where there is none.

    Many a file is named config.yaml: one that configures nothing of a run is somebody else's.
    """
    path = run_folder(bag) / 'config.yaml'
    if not path.is_file():
        return ''
    try:
        known = read_yaml(path).keys() & _SECTIONS
    except ConfigurationError:
        if (path.parent / 'manifest.json').is_file():
            raise
        return ''
    return str(path) if known else ''


def suggestion(bag: Bag, topic: str) -> str:
    """Return which topics of a bag may be one that is missing, as advice; empty for none."""
    pictures = _pictures(bag, topic)
    last = topic.rpartition('/')[2]
    exact = sorted(name for name in pictures if name.endswith(f'/{topic}'))
    found = exact or sorted(pictures, key=lambda name: (not name.endswith(f'/{last}'), name))
    if not found:
        return ''
    if len(found) == 1:
        return f'the bag has one topic that it may be: --topic {topic}:={found[0]}; or '
    named = ', '.join(found[:5])
    return f'it may be one of {named}: --topic {topic}:={found[0]}; or '


def _pictures(bag: Bag, topic: str) -> set[str]:
    """Return the topics of pictures, or of label maps, that may be meant by one of a run."""
    kinds = (transports.IMAGE, transports.COMPRESSED_IMAGE)
    others = tuple(f'/{own}' for own in _OWN - {topic})
    found = {
        name
        for name, entry in bag.topics.items()
        if entry.type in kinds and not name.endswith(others)
    }
    labels = {name for name in found if any(word in name.lower() for word in _LABELS)}
    if topic.startswith('ground_truth/'):
        return labels
    # Compressed pictures go by the name of those that they are made of.
    return {
        name.removesuffix(f'/{transports.COMPRESSED}')
        for name in found - labels
        if 'depth' not in name.lower()
    }


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
        """
        Return the names of the topics in a bag as the run has them, relative.

        By the rules, a topic stands under another name than its own, and what stands under its own
        is something else.
        """
        prefix = self._expanded('')
        own = {name.removeprefix(prefix) for name in bag.topics if name.startswith(prefix)}
        ruled = {self._expanded(name).removeprefix(prefix) for name in self.remap}
        found = {name for name in own | ruled if self.full(name) in bag.topics}
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
