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

"""The monitor: when a frame closes, how a run ends, and what strangers send."""

import time

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from sent import parts_of  # noqa: E402
from worlds import send, stamps, wait_for  # noqa: E402

from vlm_misalign_ros.core.errors import ExitCode  # noqa: E402
from vlm_misalign_ros.core.files import read_json  # noqa: E402
from vlm_misalign_ros.core.records.account import LateRecord  # noqa: E402
from vlm_misalign_ros.core.records.ending import read_ending, tell_ending  # noqa: E402
from vlm_misalign_ros.core.records.schema import (  # noqa: E402
    ConfidenceEntry,
    FrameRecord,
    RunRecord,
    Status,
    decode,
)
from vlm_misalign_ros.core.records.store import read_records  # noqa: E402
from vlm_misalign_ros.core.stamps import NANO  # noqa: E402
from vlm_misalign_ros.core.types import Hazard  # noqa: E402
from vlm_misalign_ros.nodes import messages  # noqa: E402
from vlm_misalign_ros.nodes.monitor import Monitor  # noqa: E402
from vlm_misalign_ros.wire import topics  # noqa: E402
from vlm_misalign_ros.wire import values as codec  # noqa: E402

pytestmark = [pytest.mark.heavy, pytest.mark.usefixtures('ros')]


def start_monitor(world, folder='', **parameters):
    frames = world.listen(topics.MONITOR_FRAME, DiagnosticArray)
    metrics = world.listen(topics.MONITOR_METRICS, DiagnosticArray)
    for topic, message in parts_of(NANO).items():
        world.talk(topic, type(message))
    monitor = world.start(
        Monitor,
        run_folder=str(folder),
        models=['m'],
        lockstep=False,
        source=False,
        pictures=0,
        camera_height=1.5,
        **parameters,
    )
    world.meet()
    return monitor, frames, metrics


@pytest.mark.parametrize('finished', [False, True])
def test_a_run_without_a_frame_that_was_stopped_has_no_verdict(world, tmp_path, finished):
    """Whoever started it says why, and removes the folder; a duration that is over is an end."""
    monitor, _, _ = start_monitor(world, tmp_path)
    monitor.finished = finished
    monitor.on_stop()
    for name in ('verdict.json', 'ending.json'):
        assert (tmp_path / name).exists() == finished
    assert monitor.exit_code == (ExitCode.INVALID if finished else ExitCode.INTERRUPTED)


def test_what_the_monitor_was_told_of_its_end_is_in_ending_and_verdict(world, tmp_path):
    monitor, frames, _ = start_monitor(world, tmp_path)
    send(world, parts_of(100 * NANO))
    wait_for(lambda: frames)
    tell_ending(tmp_path, 'replay ended with signal SIGKILL', ['vlm_m ended with exit code 2'])
    # A run that is killed now has no ending, whatever was told.
    assert read_ending(tmp_path) is None
    monitor.on_stop()
    ending = read_ending(tmp_path)
    assert ending.failure == 'replay ended with signal SIGKILL'
    assert ending.notes[-1] == 'vlm_m ended with exit code 2'
    verdict = read_json(tmp_path / 'verdict.json', '')
    assert verdict['status'] == 'INVALID'
    assert any('replay ended with signal SIGKILL' in reason for reason in verdict['reasons'])
    assert 'vlm_m ended with exit code 2' in verdict['notes']


def test_the_time_of_a_run_begins_when_every_node_is_there(world, tmp_path):
    monitor, _, _ = start_monitor(world, tmp_path, duration=50.0)
    monitor._began -= 100.0
    monitor._watch.ready_at = None
    monitor._tick()
    assert not monitor.finished
    # One that never comes does not keep the others for ever.
    monitor._began -= 300.0
    monitor._tick()
    assert monitor.finished
    monitor.finished = False
    monitor._watch.ready_at = time.monotonic() - 49.0
    monitor._tick()
    assert not monitor.finished
    monitor._watch.ready_at -= 1.0
    monitor._tick()
    assert monitor.finished


def test_a_monitor_that_is_started_again_counts_frames_on_and_its_duration_anew(world, tmp_path):
    ends = {'duration': 50.0, 'frames': 2}
    first, frames, _ = start_monitor(world, tmp_path, **ends)
    send(world, parts_of(100 * NANO))
    wait_for(lambda: frames)
    first._watch.ready_at = time.monotonic() - 49.0
    # What is left behind is as after kill -9.
    world.executor.remove_node(first)
    first._session.close()
    world.nodes.remove(first)
    first.destroy_node()
    wait_for(lambda: not world.node.count_publishers(topics.MONITOR_FRAME))
    again, _, _ = start_monitor(world, tmp_path, **ends)
    again._watch.ready_at = time.monotonic() - 30.0
    again._tick()
    assert again.closed == 1 and not again.finished
    again._watch.ready_at -= 20.0
    again._tick()
    assert again.finished
    again.finished = False
    again._watch.ready_at = time.monotonic()
    send(world, parts_of(101 * NANO))
    wait_for(lambda: again.closed == 2)
    wait_for(lambda: again.finished)


def test_the_monitor_scores_a_frame_when_its_last_part_has_come(world, tmp_path):
    _, frames, metrics = start_monitor(world, tmp_path, deadline=60.0)
    parts = parts_of(100 * NANO)
    last = parts.popitem()
    send(world, parts)
    # A second frame in between, in another order, closes first.
    send(world, dict(reversed(parts_of(101 * NANO).items())))
    wait_for(lambda: frames)
    assert stamps(frames) == [101 * NANO]
    send(world, dict([last]))
    wait_for(lambda: len(metrics) == 2)
    record = decode(codec.values_of(frames[1])['record'].encode(), 'monitor/frame')
    assert record == list(read_records(tmp_path / 'records.jsonl'))[-1]
    assert record.models['m'].score.hallucinated == ['bus']
    assert record.models['m'].score.omitted == []
    assert record.truth.hazard is Hazard.HAZARD
    assert record.segmentation.confidence == ConfidenceEntry(0.25, 0.5, {'car': 0.75})
    named = {
        status.name: {pair.key: pair.value for pair in status.values}
        for status in metrics[1].status
    }
    # Of two assertions each one is made up: 2 of 4; both SAFE answers are wrong.
    for span in ('rolling', 'total'):
        values = named[f'monitor: {span}: m']
        assert values['hallucination_rate/metric_value'] == '0.5'
        assert values['hallucination_rate/numerator'] == '2'
        assert values['smr_false_safe/metric_value'] == '1.0'
        assert values['scored'] == '2' and values['missing'] == '0'
    # 800 of 8192 pixels are persons, all of them taken for road.
    road = (64 * 128 - 800) / (64 * 128)
    assert float(named['monitor: total: segmentation']['miou/metric_value']) == road / 2


def test_the_monitor_closes_at_the_deadline_and_counts_what_came_late(world, tmp_path):
    monitor, frames, metrics = start_monitor(world, tmp_path, deadline=0.3, minimum_coverage=0.0)
    parts = parts_of(100 * NANO)
    answer = {topic: parts.pop(topic) for topic in [topics.vlm_description('m')]}
    send(world, parts)
    wait_for(lambda: frames)
    send(world, answer)
    send(world, {topics.vlm_description('m'): parts_of(102 * NANO)[topics.vlm_description('m')]})
    wait_for(lambda: len(frames) == 2)
    records = list(read_records(tmp_path / 'records.jsonl'))
    assert [type(record) for record in records] == [
        RunRecord,
        FrameRecord,
        LateRecord,
        FrameRecord,
    ]
    assert records[1].models['m'].status is Status.MISSING
    assert records[3].models['m'].status is Status.UNMATCHED
    monitor.on_stop()
    total = list(read_records(tmp_path / 'records.jsonl'))[-1]
    assert total.parts['m'] == {'missing': 0, 'late': 1, 'unmatched': 1}


def test_diagnostics_tell_of_every_topic_that_the_monitor_needs_and_of_every_model(world):
    seen = world.listen(topics.DIAGNOSTICS, DiagnosticArray)
    _, frames, _ = start_monitor(world, deadline=60.0)

    def told():
        found = {status.name: status for status in seen[-1].status} if seen else {}
        return {name: (status.level, status.message) for name, status in found.items()}

    wait_for(lambda: told().get('monitor: m coverage') == (b'\3', 'no frame closed yet'))
    assert told()['monitor: /vlm/m/description'] == (b'\3', 'nothing has come yet')
    # Nobody films here.
    level, text = told()['monitor: /camera/image_raw']
    assert level == b'\2' and text.startswith('nobody publishes it')
    send(world, parts_of(100 * NANO))
    wait_for(lambda: frames)
    well = (b'\0', 'coverage 1.000 over 1 frames: 1 scored')
    wait_for(lambda: told()['monitor: m coverage'] == well)
    brought = (b'\0', 'brought frame 100.000000000')
    for topic in ('vlm/m/description', 'segmentation/labels', 'ground_truth/labels'):
        assert told()[f'monitor: /{topic}'] == brought
    assert 'monitor: join' in told() and told()['monitor: segmentation coverage'] == well


def test_messages_that_cannot_be_read_are_counted_and_end_nothing(world):
    diagnostics = world.listen(topics.DIAGNOSTICS, DiagnosticArray)
    monitor, frames, _ = start_monitor(world, deadline=60.0)
    parts = parts_of(100 * NANO)
    answer = parts[topics.vlm_description('m')]
    bad = messages.values_message(
        'vlm', {**codec.values_of(answer), 'mentions': '{"martian": "ASSERTED"}'}, answer.header
    )
    wide = messages.image_message(
        np.zeros((64, 128, 3), np.uint8), messages.make_header(100 * NANO, ''), 'bgr8'
    )
    send(world, {topics.vlm_description('m'): bad})
    narrow = messages.image_message(np.zeros((64, 128), np.uint8), wide.header, 'mono8')
    send(world, {topics.TRUTH_INSTANCES: narrow, topics.SEGMENTATION_LABELS: wide})
    send(world, {topics.vlm_description('m'): DiagnosticArray(header=answer.header)})
    send(world, parts)
    wait_for(lambda: frames)
    assert '"closed":"complete"' in codec.values_of(frames[0])['record']

    def joined():
        return [
            status
            for message in diagnostics
            for status in message.status
            if status.name == 'monitor: join'
            and {p.key: p.value for p in status.values}.get('malformed') == '4'
        ]

    wait_for(joined)


def test_a_run_that_never_begins_names_who_does_not_answer(world):
    world.start(Monitor, models=['m'], source=False, startup_timeout=1.0)
    wait_for(lambda: world.error)
    assert 'no frame within 1 s' in str(world.error)


def test_a_monitor_takes_no_harm_from_strangers(world, tmp_path):
    talkers = {
        topic: world.talk(topic, kind)
        for topic, kind in (
            (topics.CAMERA_SOURCE, DiagnosticArray),
            (topics.DEGRADED_CONDITION, DiagnosticArray),
            (topics.SEGMENTATION_CONFIDENCE, DiagnosticArray),
            (topics.vlm_description('m'), DiagnosticArray),
            (topics.TRUTH_LABELS, Image),
            (topics.SEGMENTATION_LABELS, Image),
        )
    }
    node = world.start(
        Monitor, models=['m'], run_folder=str(tmp_path / 'run'), instances=False, pictures=0
    )
    world.meet()
    sent = 0
    for topic, publisher in talkers.items():
        for number, text in enumerate(('nan', '[', '1e400', 'null', '', '\x00', 'x' * 5000)):
            header = messages.make_header((2 + number) * NANO, '')
            if topic.endswith('labels'):
                publisher.publish(Image(header=header, encoding=text[:40], height=2**31, width=1))
            else:
                keys = ('severity', 'index', 'entropy', 'kind', 'parameters')
                publisher.publish(messages.values_message('x', dict.fromkeys(keys, text), header))
            sent += 1
    wait_for(lambda: node._session.counters['malformed'] >= sent - 7)
    assert world.error is None
