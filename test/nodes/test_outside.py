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

import re
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')

from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402

from maps import street  # noqa: E402
from vlm_misalign_ros.bags.analyse import analyse  # noqa: E402
from vlm_misalign_ros.core.records.schema import AccountingRecord, FrameRecord, Status  # noqa: E402
from vlm_misalign_ros.core.records.store import RECORDS, read_records  # noqa: E402
from vlm_misalign_ros.core.settings import configuration  # noqa: E402
from vlm_misalign_ros.core.settings.nodes import EvaluationParameters  # noqa: E402
from vlm_misalign_ros.core.settings.parameters import table  # noqa: E402
from vlm_misalign_ros.nodes import messages, qos  # noqa: E402
from vlm_misalign_ros.nodes.corruption import Corruption  # noqa: E402
from vlm_misalign_ros.nodes.monitor import Monitor  # noqa: E402
from vlm_misalign_ros.nodes.recorder import Recorder  # noqa: E402
from vlm_misalign_ros.wire import topics  # noqa: E402

pytestmark = pytest.mark.heavy

NANO = 1_000_000_000
PERIOD = 0.4
FRAMES = 24
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
    'plain': {'topic': '/vlm/response', 'rule': 'published', 'latency': 0.2, 'tolerance': 0.19},
    'timed': {
        'topic': '/timed/answer',
        'field': 'msg',
        'rule': 'published',
        'latency': 0.2,
        'tolerance': 0.19,
    },
    **BY_STAMP,
}


@pytest.fixture(scope='module', autouse=True)
def ros():
    rclpy.init()
    yield
    rclpy.try_shutdown()


class Street:
    """A camera with labels, five pictures in two seconds, beside the nodes of a live run."""

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
    assert 0.05 < placing['timed'].seconds < 0.3
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
