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

"""What waits for a node while it is busy, and the QoS of every topic, by name."""

import dataclasses
import threading
from contextlib import contextmanager

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from livegraphs import LiveGraph, frames_of, records_of  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from worlds import World, picture_message, wait_for  # noqa: E402

from vlm_misalign_ros.app.graph import build_graph, topics_of  # noqa: E402
from vlm_misalign_ros.core.records.schema import Status  # noqa: E402
from vlm_misalign_ros.core.settings.configuration import parse  # noqa: E402
from vlm_misalign_ros.core.stamps import NANO  # noqa: E402
from vlm_misalign_ros.nodes import composed, qos  # noqa: E402
from vlm_misalign_ros.nodes.corruption import Corruption  # noqa: E402
from vlm_misalign_ros.wire import topics  # noqa: E402

pytestmark = [pytest.mark.heavy, pytest.mark.usefixtures('ros')]

RATE = 30
"""Pictures a second that a camera of a live run may have."""


def data_of(checkpoints, **monitor):
    """Return a live configuration with its queues as they are unless told otherwise."""
    every = {'policy': 'every_frame', 'queue_size': 64}
    return {
        'corruption': {'condition': 'motion_blur:1', **every},
        'segmentation': {
            'model': f'transformers:{checkpoints["segformer"]}',
            'input_height': 64,
            **every,
        },
        'vlms': {'clip': {'model': f'open_clip:local-dir:{checkpoints["clip"]}', **every}},
        'monitor': {'deadline': 60.0, 'pictures': 0, 'instances': False, **monitor},
        'record': True,
    }


@contextmanager
def busy(node):
    """Keep a node at something else than its subscriptions."""
    began, go = threading.Event(), threading.Event()

    def hold():
        timer.cancel()
        began.set()
        assert go.wait(120)

    timer = node.create_timer(0.0, hold)
    assert began.wait(20)
    try:
        yield
    finally:
        go.set()


@pytest.mark.parametrize('name', ['corruption', 'segmentation', 'vlm_clip', 'monitor', 'recorder'])
def test_a_node_that_is_busy_for_a_second_loses_nothing_at_30_hz(checkpoints, tmp_path, name):
    street = np.repeat(np.uint8([23, 11, 8, 7]), 16)[:, None].repeat(128, 1)
    world = World()
    camera, labels = (world.talk(at, Image) for at in (topics.CAMERA_IMAGE, topics.TRUTH_LABELS))
    made = world.listen(topics.DEGRADED_CONDITION, DiagnosticArray)
    graph = LiveGraph(data_of(checkpoints), tmp_path / 'run')
    try:
        world.meet()
        wait_for(lambda: world.node.count_subscribers(topics.DEGRADED_IMAGE) >= 3)
        with busy(graph.nodes[name]):
            # Within a process what is published is in every queue when the call returns.
            for number in range(1, RATE + 1):
                stamp = 100 * NANO + number * NANO // RATE
                labels.publish(picture_message(street, stamp, encoding='mono8'))
                camera.publish(picture_message(np.full((64, 128, 3), 90, np.uint8), stamp))
            if name != 'corruption':
                wait_for(lambda: len(made) == RATE, 60)
        graph.settle(RATE, 30)
    finally:
        graph.end()
        world.end()
    records, accounting = records_of(graph.folder)
    assert len(frames_of(records)) == RATE and accounting.estimated_lost == 0
    for record in records:
        assert record.models['clip'].status is Status.SCORED, record.models['clip']
        assert record.segmentation.status is Status.SCORED


def ends_of(node):
    """Yield (topic, kind of end, depth) of every end that a node of this package made."""
    own = ('/parameter_events', '/rosout', '/clock')
    for kind, ends in (('publisher', node.publishers), ('subscription', node.subscriptions)):
        for end in ends:
            name = node.resolve_topic_name(end.topic)
            if name not in own and not name.endswith('/transition_event'):
                yield name, kind, end.qos_profile.depth


def test_the_depth_of_every_topic_of_a_graph_is_set_by_its_name(checkpoints, tmp_path):
    data = data_of(checkpoints)
    data |= {'mode': 'live', 'namespace': 'front', 'annotate': True, 'self_consistency': True}
    data['remap'] = {'camera/image_raw': '/ego/rgb'}
    depths = {name: 3 + place for place, name in enumerate(topics_of(parse(data)))}
    data['qos_overrides'] = {
        name: {'publisher': {'depth': depth}, 'subscription': {'depth': depth}}
        for name, depth in depths.items()
    }
    graph = build_graph(parse(data), tmp_path)
    rules = [f'{source}:={target}' for source, target in graph.remappings]
    seen = set()
    for spec in graph.nodes:
        node = composed.build_node(dataclasses.asdict(spec), graph.namespace, rules)
        try:
            for topic, kind, depth in ends_of(node):
                assert depth == depths[topic], (spec.name, topic, kind)
                seen.add(topic)
        finally:
            if spec.name == 'recorder':
                node.on_stop()
            node.destroy_node()
    assert {'/ego/rgb', '/front/camera/camera_info', '/front/vlm/clip/description'} <= seen
    assert {'/front/segmentation/confidence', '/front/monitor/frame', '/diagnostics'} <= seen
    assert {'/front/degraded/condition', '/front/degraded/source'} <= seen


def test_what_is_set_for_one_topic_or_end_changes_no_other(world):
    node = world.start(
        Corruption,
        **{
            f'qos_overrides./{topics.DEGRADED_CONDITION}.publisher.depth': 7,
            f'qos_overrides./{topics.DEGRADED_IMAGE}.publisher.depth': 8,
        },
    )
    found = {(topic, kind): depth for topic, kind, depth in ends_of(node)}
    assert found.pop(('/' + topics.DEGRADED_CONDITION, 'publisher')) == 7
    assert found.pop(('/' + topics.DEGRADED_IMAGE, 'publisher')) == 8
    assert set(found.values()) == {qos.IMAGE_DEPTH, qos.RESULT_DEPTH}
