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

"""Nodes outside over real rclpy: scored by configuration alone, each answer by its own picture."""

import math
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')

from rcl_interfaces.msg import Log  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.serialization import serialize_message  # noqa: E402
from rosbags.typesys import Stores, get_types_from_msg, get_typestore  # noqa: E402
from sensor_msgs.msg import CompressedImage, Image  # noqa: E402
from std_msgs.msg import String  # noqa: E402

from maps import street  # noqa: E402
from vlm_misalign_ros.bags.analyse import analyse  # noqa: E402
from vlm_misalign_ros.bags.reading import open_bag  # noqa: E402
from vlm_misalign_ros.core.errors import MisalignError  # noqa: E402
from vlm_misalign_ros.core.evaluation.parts import CONDITION  # noqa: E402
from vlm_misalign_ros.core.records.schema import AccountingRecord, FrameRecord, Status  # noqa: E402
from vlm_misalign_ros.core.records.store import RECORDS, read_records  # noqa: E402
from vlm_misalign_ros.core.settings import configuration  # noqa: E402
from vlm_misalign_ros.core.settings.nodes import EvaluationParameters  # noqa: E402
from vlm_misalign_ros.core.settings.outside import (  # noqa: E402
    OutsideVlmParameters,
    build_outside,
    read_outside,
    to_text,
)
from vlm_misalign_ros.core.settings.parameters import table  # noqa: E402
from vlm_misalign_ros.nodes import messages, outside, qos  # noqa: E402
from vlm_misalign_ros.nodes.corruption import Corruption  # noqa: E402
from vlm_misalign_ros.nodes.monitor import Monitor  # noqa: E402
from vlm_misalign_ros.nodes.recorder import Recorder  # noqa: E402
from vlm_misalign_ros.wire import topics  # noqa: E402

pytestmark = [pytest.mark.heavy, pytest.mark.usefixtures('ros')]

NANO = 1_000_000_000
PERIOD = 0.8
FRAMES = 16
LABELS, _ = street(64, 32)
STRANGERS = Path(__file__).with_name('strangers.py')
BY_STAMP = {
    'headed': {'topic': '/headed/answer'},
    'oldest': {
        'topic': '/oldest/answer',
        'field': 'msg',
        'rule': 'oldest',
        'cameras': 6,
        'period': PERIOD,
        'tolerance': 0.002,
    },
    'ours': {'topic': '/ours/answer', 'type': 'diagnostic_msgs/msg/DiagnosticArray'},
}
VLMS = {
    'plain': {'topic': '/vlm/response', 'rule': 'published', 'latency': 0.4, 'tolerance': 0.39},
    'timed': {
        'topic': '/timed/answer',
        'field': 'msg',
        'rule': 'published',
        'latency': 0.4,
        'tolerance': 0.39,
    },
    **BY_STAMP,
}


class Street:
    """A camera with labels, five pictures in four seconds, beside the nodes of a live run."""

    def __init__(self, folder, entries, **more):
        self.chosen = configuration.parse(
            {'mode': 'live', 'record': True, 'vlms': entries, **more}
        )
        self.executor = SingleThreadedExecutor()
        self.node = rclpy.create_node('street')
        self.image = self.node.create_publisher(
            Image, topics.CAMERA_IMAGE, qos.image_qos('reliable')
        )
        self.labels = self.node.create_publisher(
            Image, topics.TRUTH_LABELS, qos.image_qos('reliable')
        )
        self.monitor = self.start(
            Monitor, self.chosen.monitor, run_folder=str(folder), frames=FRAMES, deadline=4.0
        )
        self.nodes = [
            self.monitor,
            self.start(Corruption, self.chosen.corruption),
            self.start(Recorder, self.chosen.recorder, path=str(folder / 'bag')),
        ]
        self.node.create_timer(PERIOD, self.show)
        for node in (*self.nodes, self.node):
            self.executor.add_node(node)
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.spin, daemon=True)
        self.thread.start()

    @staticmethod
    def start(kind, chosen, **more):
        values = {
            entry.name: getattr(chosen, entry.name)
            for entry in table(type(chosen))
            if getattr(chosen, entry.name) != entry.default
        }
        values = {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}
        overrides = [Parameter(name, value=value) for name, value in {**values, **more}.items()]
        return kind(parameter_overrides=overrides)

    def show(self):
        if self.monitor.finished:
            return
        header = messages.make_header(time.time_ns(), 'camera')
        self.labels.publish(messages.image_message(LABELS, header, 'mono8'))
        picture = np.full((*LABELS.shape, 3), 90, np.uint8)
        self.image.publish(messages.image_message(picture, header, 'bgr8'))

    def spin(self):
        while not self.stopping.is_set():
            self.executor.spin_once(timeout_sec=0.02)

    def end(self):
        self.stopping.set()
        self.thread.join(10)
        for node in self.nodes:
            node.on_stop()
        for node in (*self.nodes, self.node):
            node.destroy_node()
        self.executor.shutdown()


class Outside:
    """The process of strangers."""

    def __init__(self, *names):
        self.process = subprocess.Popen([sys.executable, str(STRANGERS), *names])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)


def wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, 'waited in vain'
        time.sleep(0.01)


def play(folder, entries, *strangers, **more):
    """Return the frames of a live run with nodes outside, and its accounting."""
    with Outside(*strangers):
        node = rclpy.create_node('looking')
        try:
            wait_for(lambda: len(node.get_publishers_info_by_topic(last_topic(entries))) > 0)
        finally:
            node.destroy_node()
        street = Street(folder, entries, **more)
        try:
            wait_for(lambda: street.monitor.finished)
        finally:
            street.end()
    return frames_of(folder)


def last_topic(entries):
    return list(entries.values())[-1]['topic']


def frames_of(folder):
    records = list(read_records(folder / RECORDS))
    accounting = next(record for record in records if isinstance(record, AccountingRecord))
    return [record for record in records if isinstance(record, FrameRecord)], accounting


def joins(records, name):
    """Return (right, wrong): whether the picture that a text names is that of its record."""
    found = Counter()
    for record in records:
        answer = record.models[name].answer
        if answer is not None:
            seconds, _, rest = record.stamp.partition('.')
            named = int(re.search(r'Picture (\d+)', answer.text)[1])
            found[named == int(seconds) * NANO + int(rest)] += 1
    return found[True], found[False]


def test_five_strangers_and_a_mask_are_scored_by_configuration_alone(tmp_path):
    mask = {'topic': '/theirs/mask', 'label_encoding': 'cityscapes_label_ids'}
    folder = tmp_path / 'run'
    records, accounting = play(
        folder, VLMS, *VLMS, 'mask', segmentation=mask, monitor={'instances': False, 'pictures': 0}
    )
    for name in VLMS:
        right, wrong = joins(records, name)
        assert wrong == 0, name
        # Those at the beginning may have been shown before somebody listened.
        assert right >= FRAMES * 2 // 3, (name, accounting)
        states = Counter(record.models[name].status for record in records)
        assert sum(states.values()) == len(records) and states[Status.SCORED] == right
    placing = {
        name: next(r.models[name].answer.placing for r in records if r.models[name].answer)
        for name in VLMS
    }
    assert {name: entry.rule for name, entry in placing.items()} == {
        'plain': 'published',
        'timed': 'published',
        'headed': 'exact',
        'oldest': 'oldest',
        'ours': 'exact',
    }
    assert (placing['plain'].time, placing['timed'].time) == ('arrival', 'stamp')
    assert placing['headed'].seconds == 0 and placing['oldest'].seconds <= 0
    assert 0.05 < placing['timed'].seconds < 0.7
    masks = [record.segmentation for record in records]
    scored = [entry for entry in masks if entry.status is Status.SCORED]
    assert len(scored) >= FRAMES * 2 // 3
    # Road, train id 0, is predicted everywhere.
    assert all({cell[1] for cell in entry.cells} == {0} for entry in scored)

    # The same from the bag, whose messages of strange types bring their definitions along.
    chosen = configuration.parse(
        {
            'mode': 'live',
            'vlms': VLMS,
            'segmentation': mask,
            'monitor': {'instances': False, 'pictures': 0},
        }
    )
    parameters = EvaluationParameters(
        **{e.name: getattr(chosen.monitor, e.name) for e in table(EvaluationParameters)}
    )
    analyse(folder / 'bag', tmp_path / 'again', parameters)
    again, _ = frames_of(tmp_path / 'again')
    for name in VLMS:
        right, wrong = joins(again, name)
        assert wrong == 0 and right >= FRAMES * 2 // 3, name
    live = {record.stamp: record for record in records}
    for record in again:
        for name in BY_STAMP:
            if record.stamp in live and live[record.stamp].models[name].answer is not None:
                assert record.models[name].answer == live[record.stamp].models[name].answer


def test_junk_megabytes_and_a_flood_are_counted_and_end_nothing(tmp_path):
    entries = {
        'headed': BY_STAMP['headed'],
        'hostile': {'topic': '/hostile/answer', 'rule': 'nearest_before', 'bound': 2.0},
    }
    folder = tmp_path / 'run'
    records, accounting = play(
        folder, entries, *entries, monitor={'instances': False, 'pictures': 0}
    )
    right, wrong = joins(records, 'headed')
    assert wrong == 0 and right >= FRAMES * 2 // 3
    for name in entries:
        states = accounting.parts[name]
        assert sum(states.values()) >= len(records)
    heard = {key: count for key, count in accounting.frames.items() if key.endswith('/hostile')}
    # What the queue could not hold is counted by the numbers that its publisher gives.
    assert heard['lost/hostile'] > 500 and heard['surplus/hostile'] > 0
    assert sum(heard.values()) > 1000
    assert (folder / RECORDS).stat().st_size < 10_000_000


# Pieces --------------------------------------------------------------------------------------


@pytest.mark.parametrize('rule', ['exact', 'published'])
def test_a_stamp_by_another_rule_than_exact_names_no_frame(rule):
    chosen = {**VLMS['timed'], 'rule': rule} if rule == 'published' else {'field': 'msg'}
    entries = {'timed': {**chosen, 'topic': '/timed/answer'}}
    run = configuration.parse({'mode': 'live', 'vlms': entries})
    monitor = Street.start(Monitor, run.monitor)
    try:
        entry = next(e for e in monitor._watch.listened if not e.outside)
        monitor._watch.came(CONDITION, 100 * NANO, 1.0, 'clean')
        # Its stamp is before the picture's.
        answer = Log(stamp=messages.make_header(99 * NANO, '').stamp, msg='A car.')
        monitor._hear('timed', 'rcl_interfaces/msg/Log', serialize_message(answer), {})
        assert entry.messages == 1
        waits = rule == 'exact'
        assert entry.last == (99 * NANO if waits else None)
        assert math.isnan(entry.since) is not waits
    finally:
        monitor.destroy_node()


class Picked:
    """A corruption node, and who listens to its pictures."""

    def __init__(self, kind, topic, **chosen):
        self.node = rclpy.create_node('picked')
        self.got = []
        if kind is not None:
            profile = qos.image_qos('reliable')
            self.node.create_subscription(kind, topic, self.got.append, profile)
        self.raw = []
        self.node.create_subscription(
            Image, topics.DEGRADED_IMAGE, self.raw.append, qos.image_qos('reliable')
        )
        self.camera = self.node.create_publisher(
            Image, topics.CAMERA_IMAGE, qos.image_qos('reliable')
        )
        overrides = [Parameter(name, value=value) for name, value in chosen.items()]
        overrides.append(Parameter('follow_source', value=False))
        self.corruption = Corruption(parameter_overrides=overrides)
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.executor.add_node(self.corruption)
        self.until(
            lambda: (
                self.camera.get_subscription_count()
                and self.node.count_publishers(topics.DEGRADED_IMAGE)
                and (kind is None or self.corruption._packed.get_subscription_count())
            )
        )

    def until(self, condition):
        end = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < end, 'waited in vain'
            self.executor.spin_once(timeout_sec=0.05)

    def end(self):
        self.corruption.destroy_node()
        self.node.destroy_node()
        self.executor.shutdown()


@pytest.fixture
def picture():
    rng = np.random.default_rng(0)
    return cv2.resize(rng.integers(0, 256, (8, 16, 3), np.uint8), (256, 128))


def send(picked, picture, stamp):
    header = messages.make_header(stamp, 'front')
    picked.camera.publish(messages.image_message(picture, header, 'bgr8'))


def unpacked(message):
    return cv2.imdecode(np.frombuffer(bytes(message.data), np.uint8), cv2.IMREAD_COLOR)


def test_compressed_pictures_are_the_degraded_ones_to_the_last_pixel(picture):
    picked = Picked(CompressedImage, topics.DEGRADED_COMPRESSED, condition='low_light:3')
    try:
        send(picked, picture, 5 * NANO)
        picked.until(lambda: picked.got and picked.raw)
    finally:
        picked.end()
    assert picked.got[0].header == picked.raw[0].header
    assert picked.got[0].format == 'bgr8; png compressed bgr8'
    degraded = messages.bgr_pixels(picked.raw[0])
    assert (unpacked(picked.got[0]) == degraded).all() and (degraded != picture).any()


def test_jpeg_is_packed_at_the_quality_that_is_asked_for(picture):
    found = {}
    for quality in (20, 95):
        picked = Picked(
            CompressedImage, topics.DEGRADED_COMPRESSED, compressed='jpeg', jpeg_quality=quality
        )
        try:
            send(picked, picture, 5 * NANO)
            picked.until(lambda p=picked: p.got)
        finally:
            picked.end()
        assert picked.got[0].format == 'bgr8; jpeg compressed bgr8'
        asked = [cv2.IMWRITE_JPEG_QUALITY, quality]
        assert bytes(picked.got[0].data) == cv2.imencode('.jpg', picture, asked)[1].tobytes()
        found[quality] = len(picked.got[0].data)
    assert found[20] < found[95]


def test_nothing_is_packed_where_nobody_listens(picture, monkeypatch):
    packed = []
    monkeypatch.setattr(messages, 'compressed_message', lambda *given: packed.append(given))
    picked = Picked(None, '')
    try:
        send(picked, picture, 5 * NANO)
        picked.until(lambda: picked.raw)
    finally:
        picked.end()
    assert packed == []


@pytest.mark.parametrize(
    'name',
    [
        'autoware_internal_debug_msgs/msg/StringStamped',
        'std_msgs/msg/Nothing',
        'std_msgs/srv/String',
        'antigravity/msg/Import',
        'this/msg/That',
        '../x/msg/Y',
    ],
)
def test_a_type_that_is_not_installed_is_refused_by_name_and_nothing_else_is_imported(name):
    before = set(sys.modules)
    with pytest.raises(outside.NotInstalled) as caught:
        outside.message_class(name)
    assert f'of the type {name} ' in str(caught.value) and 'score the bag' in str(caught.value)
    assert not {'antigravity', 'this'} & (set(sys.modules) - before)


class End:
    """What the graph tells of a publisher."""

    def __init__(self, topic_type, reliable=True):
        from rclpy.qos import QoSProfile, ReliabilityPolicy

        self.topic_type = topic_type
        policy = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
        self.qos_profile = QoSProfile(depth=1, reliability=policy)


class Graph:
    """A node that sees the publishers it is told of."""

    def __init__(self):
        self.ends = []
        self.subscribed = []

    def resolve_topic_name(self, topic):
        return '/run/' + topic if not topic.startswith('/') else topic

    def get_publishers_info_by_topic(self, topic):
        return self.ends

    def create_subscription(self, kind, topic, callback, profile, raw):
        self.subscribed.append((kind.__name__, topic, profile.reliability.name, raw))
        return object()


def listener(graph, said, **chosen):
    values = {'name': 'm', 'topic': 'answers', **chosen}
    text = to_text(build_outside(OutsideVlmParameters, values, 'm'))
    return outside.Listener(
        graph,
        read_outside([text]),
        lambda *given: None,
        lambda name, error: said.append(f'{name}: {error}'),
    )


def test_a_topic_of_two_models_is_in_the_bag_once(tmp_path):
    entries = [
        to_text(build_outside(OutsideVlmParameters, {'name': name, 'topic': '/both'}, name))
        for name in ('fast', 'slow')
    ]
    talker = rclpy.create_node('talker')
    publisher = talker.create_publisher(String, '/both', 10)
    recorder = Recorder(
        parameter_overrides=[
            Parameter('path', value=str(tmp_path / 'bag')),
            Parameter('outside', value=entries),
            Parameter('models', value=['fast', 'slow']),
            Parameter('segmentation', value=False),
        ]
    )
    executor = SingleThreadedExecutor()
    executor.add_node(recorder)
    heard = []
    keep = recorder._listener._heard
    recorder._listener._heard = lambda name, *message: (heard.append(name), keep(name, *message))
    try:
        wait_for(lambda: executor.spin_once(0.02) or publisher.get_subscription_count() == 2)
        for number in range(5):
            publisher.publish(String(data=str(number)))
        wait_for(lambda: executor.spin_once(0.02) or Counter(heard) == {'fast': 5, 'slow': 5})
    finally:
        recorder.on_stop()
        for node in (recorder, talker):
            node.destroy_node()
        executor.shutdown()
    with open_bag(tmp_path / 'bag') as bag:
        found = [bag.decode(raw).data for raw in bag.messages(['/both'])]
    assert found == ['0', '1', '2', '3', '4']


def test_a_topic_is_listened_to_when_somebody_publishes_it_and_as_that_one_offers():
    graph, said = Graph(), []
    found = listener(graph, said)
    assert graph.subscribed == [] and found.topic('m') == '/run/answers'
    graph.ends = [End('std_msgs/msg/String', reliable=False)]
    found.look()
    found.look()
    assert graph.subscribed == [('String', '/run/answers', 'BEST_EFFORT', True)] and said == []


def test_a_type_that_cannot_be_read_is_named_once_and_another_publisher_is_heard():
    graph, said = Graph(), []
    graph.ends = [End('autoware_internal_debug_msgs/msg/StringStamped')]
    found = listener(graph, said)
    found.look()
    assert graph.subscribed == [] and len(said) == 1
    assert said[0].startswith('m: messages of the type autoware_internal_debug_msgs/msg/String')
    graph.ends.append(End('std_msgs/msg/String'))
    found.look()
    assert [kind for kind, *_ in graph.subscribed] == ['String']


def test_a_type_that_was_asked_for_is_waited_for():
    graph, said = Graph(), []
    graph.ends = [End('sensor_msgs/msg/TimeReference')]
    found = listener(graph, said, type='std_msgs/msg/String')
    assert graph.subscribed == [] and said == []
    graph.ends.append(End('std_msgs/msg/String'))
    found.look()
    assert [kind for kind, *_ in graph.subscribed] == ['String']


def test_bytes_that_are_no_message_and_too_many_are_refused():
    for junk in (b'', b'\x00\x01', b'\x00\x01\x00\x00\xff\xff\xff\x7f', bytes(1 << 25)):
        with pytest.raises(MisalignError, match='std_msgs/msg/String'):
            outside.decoded(junk, 'std_msgs/msg/String')


@pytest.mark.parametrize(
    'name',
    [
        'rcl_interfaces/msg/Log',
        'sensor_msgs/msg/TimeReference',
        'sensor_msgs/msg/CameraInfo',
        'diagnostic_msgs/msg/DiagnosticArray',
        'rcl_interfaces/msg/ParameterValue',
        'rcl_interfaces/msg/ParameterDescriptor',
    ],
)
def test_a_definition_made_of_a_class_is_that_of_the_type(name):
    store = get_typestore(Stores.EMPTY)
    for part, text in outside.definitions_of(name, outside.message_class(name)).items():
        store.register(get_types_from_msg(text, part))
    full = get_typestore(Stores.ROS2_JAZZY)
    # The hash is over the names and types of all fields, nested ones too.
    assert store.hash_rihs01(name) == full.hash_rihs01(name)
