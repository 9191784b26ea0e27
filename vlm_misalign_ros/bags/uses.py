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

"""What this package can do with the topics of a bag, by their names, types and encodings."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vlm_misalign_ros.wire import topics
from vlm_misalign_ros.wire.channels import CHANNELS, Form
from vlm_misalign_ros.wire.layouts import LAYOUTS
from vlm_misalign_ros.wire.transports import COMPRESSED, COMPRESSED_IMAGE, IMAGE

if TYPE_CHECKING:
    from vlm_misalign_ros.bags.inspecting import Looked

_ANSWER = re.compile('(.*/)' + topics.vlm_description('([A-Za-z][A-Za-z0-9_]*)'))
_MADE = (topics.ANNOTATED_IMAGE, topics.SEGMENTATION_OVERLAY, topics.DEGRADED_SOURCE)
_CAMERA = ('/camera_info', 'camera_info')


@dataclass
class Roles:
    """Which topics of a bag may be what."""

    known: dict[str, str] = field(default_factory=dict)
    """Topic of the bag by the name that this package has for it."""
    spaces: set[str] = field(default_factory=set)
    """Namespaces in which topics of this package stand."""
    models: dict[str, str] = field(default_factory=dict)
    """Topic by name of a model whose answers it has."""
    cameras: list[str] = field(default_factory=list)
    """Topics of pictures that may be a camera's, without those of this package."""
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Label encodings that fit the maps of a topic, of those that any fits."""
    infos: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, looked: Mapping[str, Looked]) -> Roles:
        """Return the roles of topics."""
        found = cls()
        ours = {channel.topic for channel in CHANNELS if '{model}' not in channel.topic}
        for name, entry in looked.items():
            found._take(name, entry, ours)
        return found

    def _take(self, name: str, entry: Looked, ours: set[str]) -> None:
        answer = _ANSWER.fullmatch(name)
        if answer:
            self.models[answer[2]] = name
            self.spaces.add(answer[1].strip('/'))
            return
        plain = name.removesuffix(f'/{COMPRESSED}')
        role = next((t for t in ours if plain == f'/{t}' or plain.endswith(f'/{t}')), '')
        if role:
            self.known.setdefault(role, plain)
            self.spaces.add(plain.removesuffix(role).strip('/'))
        if entry.encodings:
            self.labels[plain] = entry.encodings
        made = any(plain.endswith(f'/{topic}') for topic in _MADE)
        if entry.topic.type in (IMAGE, COMPRESSED_IMAGE) and not role and not made:
            if _is_picture(entry) and not entry.encodings:
                self.cameras.append(plain)
        elif entry.topic.type == Form.CAMERA_INFO.value and not role:
            self.infos.append(name)

    def camera(self) -> list[str]:
        """Return the topics that may be the camera's: its own name first."""
        own = self.known.get(topics.CAMERA_IMAGE)
        return list(dict.fromkeys([*([own] if own else []), *sorted(self.cameras)]))

    def truth(self) -> str:
        """Return the topic that may be the labels; empty for none, or for several."""
        own = self.known.get(topics.TRUTH_LABELS, '')
        others = [name for name in self.labels if name != self.known.get(topics.DEGRADED_OCCLUDER)]
        others = [name for name in others if not name.endswith(topics.SEGMENTATION_LABELS)]
        return own or (others[0] if len(others) == 1 else '')


def _is_picture(entry: Looked) -> bool:
    """Return whether the pictures of a topic can be looked at: colours, or one grey."""
    kinds = {text.partition(' ')[0] for text in entry.pictures}
    if kinds & {'jpeg', 'png'}:
        return 'depth' not in entry.topic.name.lower()
    return any(kind in LAYOUTS and LAYOUTS[kind].color for kind in kinds)


def uses_of(path: Path, roles: Roles) -> Iterator[str]:
    """Yield what can be done with a bag, as commands, and what it lacks."""
    space = next(iter(roles.spaces)) if len(roles.spaces) == 1 else ''
    bag = shlex.quote(str(path))
    if len(roles.spaces) > 1:
        names = ', '.join(repr(f'/{name}') for name in sorted(roles.spaces))
        yield f'topics of this package stand in {len(roles.spaces)} namespaces: {names}'
    truth = roles.truth()
    where = f' --namespace {shlex.quote(space)}' if space else ''
    if roles.models:
        names = ', '.join(sorted(roles.models))
        against = 'against the labels' if truth else 'against themselves (monitor.truth=false)'
        yield f'scored as it is, {names} {against}: vlm-misalign bag analyse {bag}{where}'
    cameras = roles.camera()
    for camera in cameras[:8]:
        yield from _camera_uses(bag, camera, roles, truth, where)
    if not cameras:
        yield 'no topic has pictures of a camera: no model can be run over it'
    yield from _labels_told(roles, truth)
    if topics.CAMERA_INFO not in roles.known and not roles.infos and cameras:
        yield 'no camera_info: distances are those of the default camera'


def _labels_told(roles: Roles, truth: str) -> Iterator[str]:
    """Yield what the labels of a bag are, or that it has none."""
    if not truth:
        several = ', '.join(sorted(roles.labels))
        yield (
            f'several topics may be the labels: {several}'
            if several
            else 'no topic has labels of a known encoding: rates against ground truth cannot be '
            'measured, agreement with itself can (self_consistency: true)'
        )
    elif truth in roles.labels and len(roles.labels[truth]) == 1:
        yield f'labels on {truth}: monitor.label_encoding={roles.labels[truth][0]}'
    elif truth in roles.labels:
        yield f'labels on {truth} may be {" or ".join(roles.labels[truth])}'


def _camera_uses(bag: str, camera: str, roles: Roles, truth: str, where: str) -> Iterator[str]:
    """Yield how models are run over the pictures of a topic."""
    own = roles.known.get(topics.CAMERA_IMAGE) == camera
    rules = [] if own else [f'{topics.CAMERA_IMAGE}:={camera}']
    if truth and truth != roles.known.get(topics.TRUTH_LABELS):
        rules.append(f'{topics.TRUTH_LABELS}:={truth}')
    near = [name for name in roles.infos if name.rpartition('/')[0] == camera.rpartition('/')[0]]
    if near:
        rules.append(f'{topics.CAMERA_INFO}:={near[0]}')
    words = ''.join(f' --topic {shlex.quote(rule)}' for rule in rules)
    yield (f'models over {camera}: vlm-misalign bag run {bag} CONFIG{words}{where if own else ""}')
