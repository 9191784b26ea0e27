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
"""What the monitor sees of the graph: who publishes what, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rclpy.node import Node
from rclpy.qos import ReliabilityPolicy

from vlm_misalign_ros.core.evaluation.outside import outside_part
from vlm_misalign_ros.core.evaluation.parts import (
    CONDITION,
    DEPTH,
    INSTANCES,
    LABELS,
    REFERENCE,
    SEGMENTATION,
    model_of,
    vlm_part,
)
from vlm_misalign_ros.core.settings.nodes import MonitorParameters
from vlm_misalign_ros.core.settings.outside import read_outside
from vlm_misalign_ros.nodes.watching import Endpoint, Listened
from vlm_misalign_ros.wire import topics
from vlm_misalign_ros.wire.channels import Form
from vlm_misalign_ros.wire.transports import AUTO

_OWN = ('degraded/', 'segmentation/', 'vlm/', 'monitor/', 'recorder/', 'reference/')
"""Topics of a run itself, which nobody means who names a topic from outside."""
_SYSTEM = ('/rosout', '/parameter_events', topics.DIAGNOSTICS)


class GraphSight:
    """Answers what `watching.Sight` asks, from a node."""

    def __init__(self, node: Node) -> None:
        """Look from `node`, in its namespace and with its remappings."""
        self._node = node

    def resolve(self, topic: str) -> str:
        """Return the full name of a topic, remapped."""
        return self._node.resolve_topic_name(topic)

    def publishers(self, topic: str) -> Sequence[Endpoint]:
        """Return who publishes the topic of a full name."""
        return [_endpoint(found) for found in self._node.get_publishers_info_by_topic(topic)]

    def listeners(self, topic: str) -> Sequence[Endpoint]:
        """Return who listens to the topic of a full name."""
        return [_endpoint(found) for found in self._node.get_subscriptions_info_by_topic(topic)]

    def topics(self) -> Mapping[str, Sequence[str]]:
        """Return the types of every topic of others that somebody publishes, by full name."""
        own = tuple(self.resolve(prefix + 'x')[:-1] for prefix in _OWN)
        return {
            name: kinds
            for name, kinds in self._node.get_topic_names_and_types()
            if not name.startswith(own)
            and name not in _SYSTEM
            and self._node.count_publishers(name)
        }


def _endpoint(found: Any) -> Endpoint:
    return Endpoint(
        f'{found.node_namespace.rstrip("/")}/{found.node_name}',
        found.topic_type,
        found.qos_profile.reliability != ReliabilityPolicy.BEST_EFFORT,
    )


def listened_by(chosen: MonitorParameters) -> list[Listened]:
    """Return what has to come: from models, and in a live run from outside."""
    image, values = Form.IMAGE.value, Form.VALUES.value
    found = []
    if not chosen.lockstep:
        # By which transport the corruption takes them, it alone knows.
        found.append(
            Listened(CONDITION, 'pictures', topics.CAMERA_IMAGE, image, 'corruption', True, AUTO)
        )
        for part, topic, wanted in (
            (LABELS, topics.TRUTH_LABELS, chosen.truth and not chosen.reference),
            (INSTANCES, topics.TRUTH_INSTANCES, chosen.truth and chosen.instances),
            (DEPTH, topics.TRUTH_DEPTH, chosen.truth and chosen.depth),
        ):
            if wanted:
                transport = chosen.image_transport
                found.append(Listened(part, part, topic, image, 'monitor', True, transport))
    outside = read_outside(chosen.outside)
    for part, topic in _answers(chosen).items():
        # Of a node outside any type may do.
        own = image if part == SEGMENTATION else values
        type_name = outside[model_of(part)].type if model_of(part) in outside else own
        found.append(Listened(part, part, topic, type_name, 'monitor', False))
    return found


def _answers(chosen: MonitorParameters) -> dict[str, str]:
    """Return the topic of the mask, of the reference and of each model's answers, by part."""
    found = {SEGMENTATION: topics.SEGMENTATION_LABELS} if chosen.segmentation else {}
    if chosen.reference:
        found[REFERENCE] = topics.REFERENCE_CONFIDENCE
    found |= {vlm_part(name): topics.vlm_description(name) for name in chosen.models}
    for name, entry in read_outside(chosen.outside).items():
        found[outside_part(name)] = entry.topic
    return found


def answering(sight: GraphSight, chosen: MonitorParameters) -> dict[str, bool]:
    """Return for every node of a run whether it publishes, which it does once it is loaded."""
    wanted = {'corruption': topics.DEGRADED_CONDITION}
    if chosen.lockstep and chosen.source:
        wanted['replay'] = topics.CAMERA_SOURCE
    if chosen.recorder:
        wanted['recorder'] = topics.RECORDER_FRAME
    wanted |= _answers(chosen)
    return {name: bool(sight.publishers(sight.resolve(topic))) for name, topic in wanted.items()}
