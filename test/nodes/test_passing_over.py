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

"""Frames that nodes pass over: each says so, and whoever waits for it passes it over, too."""

import json
import threading
import time

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from worlds import Held, picture_message, stamps, wait_for  # noqa: E402

from vlm_misalign_ros.bags.analyse import analyse  # noqa: E402
from vlm_misalign_ros.core.records.schema import Closing, FrameRecord, Status, decode  # noqa: E402
from vlm_misalign_ros.core.records.store import RECORDS, comparable, read_records  # noqa: E402
from vlm_misalign_ros.core.settings.nodes import EvaluationParameters  # noqa: E402
from vlm_misalign_ros.core.types import Applied, Condition, Confidence, Description, Failed, Passed  # noqa: E402
from vlm_misalign_ros.nodes import messages  # noqa: E402
from vlm_misalign_ros.nodes import segmentation as segmentation_node  # noqa: E402
from vlm_misalign_ros.nodes import vlm as vlm_node  # noqa: E402
from vlm_misalign_ros.nodes.corruption import Corruption  # noqa: E402
from vlm_misalign_ros.nodes.monitor import Monitor  # noqa: E402
from vlm_misalign_ros.nodes.recorder import Recorder  # noqa: E402
from vlm_misalign_ros.nodes.segmentation import Segmentation  # noqa: E402
from vlm_misalign_ros.nodes.vlm import Vlm  # noqa: E402
from vlm_misalign_ros.wire import topics  # noqa: E402
from vlm_misalign_ros.wire import values as codec  # noqa: E402

pytestmark = [pytest.mark.heavy, pytest.mark.usefixtures('ros')]

NANO = 1_000_000_000
PICTURE = np.zeros((64, 128, 3), np.uint8)
NEWER = 'a newer frame was taken (policy latest)'


@pytest.fixture
def held(monkeypatch):
    """Return the model that every node loads."""
    model = Held()
    monkeypatch.setattr(vlm_node, 'load_vlm', lambda name, **options: model)
    monkeypatch.setattr(segmentation_node, 'load_segmentation', lambda name, **options: model)
    yield model
    model.open.set()


def answer_of(message):
    return codec.description_from_values(codec.values_of(message))


def sure_of(message):
    return codec.confidence_from_values(codec.values_of(message))


CASES = [
    (Vlm, {'name': 'm'}, topics.vlm_description('m'), answer_of),
    (Segmentation, {}, topics.SEGMENTATION_CONFIDENCE, sure_of),
]


@pytest.mark.parametrize('kind, chosen, topic, read', CASES)
def test_a_model_names_the_stamps_that_it_passes_over_while_it_works(
    world, held, kind, chosen, topic, read
):
    told = world.listen(topic, DiagnosticArray)
    degraded = world.talk(topics.DEGRADED_IMAGE, Image)
    world.start(kind, policy='latest', **chosen)
    world.meet()
    degraded.publish(picture_message(PICTURE, 1 * NANO))
    assert held.begun.acquire(timeout=10)
    for number in (2, 3, 4):
        degraded.publish(picture_message(PICTURE, number * NANO))
    # The model still works on the first.
    wait_for(lambda: len(told) == 2)
    assert stamps(told) == [2 * NANO, 3 * NANO]
    assert [read(message) for message in told] == [Passed(NEWER)] * 2
    held.open.set()
    wait_for(lambda: len(told) == 4)
    assert stamps(told)[2:] == [1 * NANO, 4 * NANO]
    assert all(isinstance(read(m), (Description, Confidence)) for m in told[2:])


def test_a_picture_that_is_not_degraded_in_time_is_named(world, monkeypatch):
    from vlm_misalign_ros.nodes import corruption as node

    begun, go_on, degrade = threading.Semaphore(0), threading.Event(), node.degrade_frame

    def slow(*given):
        begun.release()
        assert go_on.wait(20)
        return degrade(*given)

    monkeypatch.setattr(node, 'degrade_frame', slow)
    told = world.listen(topics.DEGRADED_CONDITION, DiagnosticArray)
    camera = world.talk(topics.CAMERA_IMAGE, Image)
    world.start(Corruption, follow_source=False, condition='low_light:2', queue_size=1)
    world.meet()
    camera.publish(picture_message(PICTURE, 1 * NANO))
    assert begun.acquire(timeout=10)
    for number in (2, 3):
        camera.publish(picture_message(PICTURE, number * NANO))
    wait_for(lambda: told)
    go_on.set()
    wait_for(lambda: len(told) == 3)
    assert stamps(told) == [2 * NANO, 1 * NANO, 3 * NANO]
    found = [codec.applied_from_values(codec.values_of(message)) for message in told]
    assert found[0] == Applied(
        Condition('low_light', 2), 0, passed='the queue was full (queue_size 1)'
    )
    assert all(applied.shown for applied in found[1:])


@pytest.mark.parametrize('first', ['image', 'passed'])
def test_who_waits_for_a_mask_that_was_passed_over_passes_the_frame_over_too(world, held, first):
    held.open.set()
    asks = [json.dumps({'plain': {}}), json.dumps({'masked': {'input': 'mask'}})]
    plain, masked = (
        world.listen(topics.vlm_description(f'm_{name}'), DiagnosticArray)
        for name in ('plain', 'masked')
    )
    degraded = world.talk(topics.DEGRADED_IMAGE, Image)
    sure = world.talk(topics.SEGMENTATION_CONFIDENCE, DiagnosticArray)
    world.talk(topics.SEGMENTATION_LABELS, Image)
    world.start(Vlm, name='m', asks=asks)
    world.meet()
    passed = messages.values_message(
        'confidence', codec.passed_to_values(Passed(NEWER)), messages.make_header(NANO, '')
    )
    sends = [
        lambda: degraded.publish(picture_message(PICTURE, NANO)),
        lambda: sure.publish(passed),
    ]
    for send in sends if first == 'image' else sends[::-1]:
        send()
    wait_for(lambda: plain and masked)
    assert answer_of(plain[0]).text == 'a car'
    assert answer_of(masked[0]) == Passed(f'there is no mask of this frame: {NEWER}')
    # Told once, however often it is heard.
    sure.publish(passed)
    degraded.publish(picture_message(PICTURE, 2 * NANO))
    wait_for(lambda: len(plain) == 2)
    assert stamps(masked) == [NANO]


def test_a_frame_whose_mask_never_comes_is_passed_over_when_too_many_wait(world, held):
    held.open.set()
    masked = world.listen(topics.vlm_description('m'), DiagnosticArray)
    degraded = world.talk(topics.DEGRADED_IMAGE, Image)
    world.talk(topics.SEGMENTATION_CONFIDENCE, DiagnosticArray)
    world.talk(topics.SEGMENTATION_LABELS, Image)
    world.start(Vlm, name='m', input='mask', queue_size=2)
    world.meet()
    for number in (1, 2, 3):
        degraded.publish(picture_message(PICTURE, number * NANO))
    wait_for(lambda: masked)
    assert stamps(masked) == [NANO]
    assert answer_of(masked[0]) == Passed('its confidence and segmentation did not come')


def test_frames_close_when_all_has_come_and_the_bag_says_the_same(world, held, tmp_path):
    """A model that stands still keeps one frame open, and no other."""
    labels = np.full((64, 128), 7, np.uint8)
    labels[:32] = 11
    frames = world.listen(topics.MONITOR_FRAME, DiagnosticArray)
    sent = {
        topic: world.talk(topic, Image) for topic in (topics.CAMERA_IMAGE, topics.TRUTH_LABELS)
    }
    own = {'models': ['m'], 'source': False, 'instances': False, 'segmentation': False}
    world.start(
        Monitor,
        run_folder=str(tmp_path / 'run'),
        lockstep=False,
        deadline=600.0,
        pictures=0,
        **own,
    )
    recorder = world.start(Recorder, path=str(tmp_path / 'bag'), images=False, **own)
    world.start(Corruption, follow_source=False, condition='clean')
    world.start(Vlm, name='m', policy='latest')
    world.meet()
    wait_for(
        lambda: (
            world.node.count_subscribers(topics.vlm_description('m')) == 2
            and world.node.count_subscribers(topics.DEGRADED_CONDITION) == 3
            and world.node.count_subscribers(topics.TRUTH_LABELS) == 2
            and world.node.count_subscribers(topics.DEGRADED_IMAGE) == 1
        )
    )
    for number in range(1, 7):
        sent[topics.TRUTH_LABELS].publish(
            messages.image_message(labels, messages.make_header(number * NANO, ''), 'mono8')
        )
        sent[topics.CAMERA_IMAGE].publish(picture_message(PICTURE, number * NANO))
        if number == 1:
            assert held.begun.acquire(timeout=10)
    # The first is worked on, the last waits; those between are closed.
    wait_for(lambda: len(frames) == 4)
    assert stamps(frames) == [number * NANO for number in (2, 3, 4, 5)]
    held.open.set()
    wait_for(lambda: len(frames) == 6)
    world.nodes[0].on_stop()
    wait_for(lambda: recorder.finished or recorder._join.counters['complete'] == 6)
    recorder.on_stop()
    records = [
        record
        for record in read_records(tmp_path / 'run' / RECORDS)
        if isinstance(record, FrameRecord)
    ]
    states = {record.stamp[0]: record.models['m'].status for record in records}
    assert {key for key, state in states.items() if state is Status.DROPPED} == set('2345')
    assert {key for key, state in states.items() if state is Status.SCORED} == set('16')
    assert {record.closed for record in records} == {Closing.COMPLETE}
    analyse(
        tmp_path / 'bag',
        tmp_path / 'analysed',
        EvaluationParameters(pictures=0, **own | {'models': ('m',)}),
    )
    again = {
        record.stamp: record
        for record in read_records(tmp_path / 'analysed' / RECORDS)
        if isinstance(record, FrameRecord)
    }
    assert len(again) == 6
    for record in records:
        assert comparable(again[record.stamp]) == comparable(record)


@pytest.mark.parametrize('kind, chosen, topic, read', CASES)
def test_answers_say_how_long_their_pictures_waited_and_how_old_they_are(
    world, held, kind, chosen, topic, read
):
    told = world.listen(topic, DiagnosticArray)
    degraded = world.talk(topics.DEGRADED_IMAGE, Image)
    world.start(kind, **chosen)
    world.meet()
    began = time.time_ns()
    begun = time.monotonic()
    # Now, and of a recording.
    degraded.publish(picture_message(PICTURE, began))
    degraded.publish(picture_message(PICTURE, 2 * NANO))
    assert held.begun.acquire(timeout=10)
    held.open.set()
    wait_for(lambda: len(told) == 2)
    most = time.monotonic() - begun
    now, old = (read(message) for message in told)
    assert 0 <= now.waited <= now.age <= most + 0.01
    assert 0 <= old.waited <= most and old.age is None
    assert now.latency is not None and now.latency <= now.age


def test_with_use_sim_time_a_picture_is_as_old_as_the_clock_of_the_simulator_says(world, held):
    told = world.listen(topics.vlm_description('m'), DiagnosticArray)
    degraded = world.talk(topics.DEGRADED_IMAGE, Image)
    clock = world.talk('/clock', Clock)
    node = world.start(Vlm, name='m', use_sim_time=True)
    world.meet()

    def tick(seconds):
        clock.publish(Clock(clock=messages.make_header(seconds * NANO, '').stamp))
        wait_for(lambda: node.get_clock().now().nanoseconds == seconds * NANO)

    tick(100)
    degraded.publish(picture_message(PICTURE, 100 * NANO))
    assert held.begun.acquire(timeout=10)
    tick(107)
    held.open.set()
    wait_for(lambda: told)
    assert answer_of(told[0]).age == 7.0


@pytest.mark.parametrize('kind, chosen, topic, read', CASES)
def test_diagnostics_call_a_node_hung_and_well_again(world, held, kind, chosen, topic, read):
    seen = world.listen(topics.DIAGNOSTICS, DiagnosticArray)
    told = world.listen(topic, DiagnosticArray)
    degraded = world.talk(topics.DEGRADED_IMAGE, Image)
    world.start(kind, hung_after=0.1, **chosen)
    world.meet()
    wait_for(lambda: seen)
    (status,) = seen[0].status
    assert status.level == DiagnosticStatus.STALE and status.hardware_id == 'vlm_misalign_ros'
    assert status.name.startswith(f'{kind.__name__.lower()}: ')
    degraded.publish(picture_message(PICTURE, 3 * NANO))
    wait_for(lambda: seen[-1].status[0].level == DiagnosticStatus.ERROR)
    assert 'hung: works on frame 3.000000000' in seen[-1].status[0].message
    held.open.set()
    wait_for(lambda: told and seen[-1].status[0].level == DiagnosticStatus.OK)
    values = {pair.key: pair.value for pair in seen[-1].status[0].values}
    assert values['last_stamp'] == '3.000000000' and values['answered'] == '1'


@pytest.mark.parametrize('kind, chosen, topic, read', CASES)
def test_a_picture_that_got_lost_is_told_when_a_later_one_has_come(
    world, held, kind, chosen, topic, read
):
    held.open.set()
    told = world.listen(topic, DiagnosticArray)
    degraded = world.talk(topics.DEGRADED_IMAGE, Image)
    condition = world.talk(topics.DEGRADED_CONDITION, DiagnosticArray)
    world.start(kind, **chosen)
    world.meet()

    def announce(number, **more):
        values = codec.applied_to_values(Applied(Condition(), 1, **more))
        header = messages.make_header(number * NANO, 'front')
        condition.publish(messages.values_message('condition', values, header))

    announce(1)
    announce(2)
    # Of these two nobody expects a picture.
    announce(3, passed='the queue was full')
    announce(4, error='too small')
    announce(5)
    degraded.publish(picture_message(PICTURE, 2 * NANO))
    degraded.publish(picture_message(PICTURE, 5 * NANO))
    wait_for(lambda: len(told) == 3)
    found = dict(zip(stamps(told), [read(message) for message in told], strict=True))
    assert found.pop(1 * NANO) == Failed('the picture got lost on its way to this node')
    assert set(found) == {2 * NANO, 5 * NANO}
    assert all(isinstance(answer, (Description, Confidence)) for answer in found.values())


def test_frames_do_not_wait_for_a_model_whose_node_is_gone(world, held):
    held.open.set()
    frames = world.listen(topics.MONITOR_FRAME, DiagnosticArray)
    sent = {
        topic: world.talk(topic, kind)
        for topic, kind in (
            (topics.TRUTH_LABELS, Image),
            (topics.DEGRADED_CONDITION, DiagnosticArray),
            (topics.DEGRADED_IMAGE, Image),
        )
    }
    labels = np.full((64, 128), 7, np.uint8)
    labels[:32] = 11
    world.start(
        Monitor,
        models=['m'],
        lockstep=False,
        deadline=600.0,
        pictures=0,
        source=False,
        instances=False,
        segmentation=False,
    )
    model = world.start(Vlm, name='m')
    world.meet()
    wait_for(lambda: world.node.count_subscribers(topics.vlm_description('m')) == 1)

    def show(number):
        header = messages.make_header(number * NANO, 'front')
        sent[topics.TRUTH_LABELS].publish(messages.image_message(labels, header, 'mono8'))
        applied = codec.applied_to_values(Applied(Condition(), 1))
        sent[topics.DEGRADED_CONDITION].publish(
            messages.values_message('condition', applied, header)
        )
        sent[topics.DEGRADED_IMAGE].publish(picture_message(PICTURE, number * NANO))

    show(1)
    wait_for(lambda: len(frames) == 1)
    model.finished = True
    wait_for(lambda: model not in world.executor.get_nodes())
    model.destroy_node()
    world.nodes.remove(model)
    show(2)
    wait_for(lambda: len(frames) == 2)
    record = decode(codec.values_of(frames[1])['record'].encode(), 'monitor/frame')
    assert record.models['m'].status is Status.MISSING and record.missing == ['vlm:m']


def test_without_a_segmentation_node_who_needs_a_mask_passes_frames_over(world, held):
    held.open.set()
    masked = world.listen(topics.vlm_description('m'), DiagnosticArray)
    degraded = world.talk(topics.DEGRADED_IMAGE, Image)
    world.start(Vlm, name='m', input='mask')
    world.meet()
    degraded.publish(picture_message(PICTURE, NANO))
    wait_for(lambda: masked)
    reason = 'there is no mask of this frame: no segmentation node is there'
    assert answer_of(masked[0]) == Passed(reason)
