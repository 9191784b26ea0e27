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

"""Replay: what it sends in lockstep and in real time, and what holds it up."""

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image  # noqa: E402
from sent import scenario  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402
from worlds import at, stamps, wait_for  # noqa: E402

from vlm_misalign_ros.core.checksums import checksum  # noqa: E402
from vlm_misalign_ros.core.datasets import open_dataset  # noqa: E402
from vlm_misalign_ros.core.stamps import NANO  # noqa: E402
from vlm_misalign_ros.core.types import Protocol  # noqa: E402
from vlm_misalign_ros.nodes import messages  # noqa: E402
from vlm_misalign_ros.nodes.replay import Replay  # noqa: E402
from vlm_misalign_ros.wire import pixels as images  # noqa: E402
from vlm_misalign_ros.wire import topics  # noqa: E402
from vlm_misalign_ros.wire import values as codec  # noqa: E402

pytestmark = [pytest.mark.heavy, pytest.mark.usefixtures('ros')]


def credit(world, publisher, stamp):
    publisher.publish(messages.values_message('frame', {}, messages.make_header(stamp, '')))


def test_replay_in_lockstep_sends_what_is_closed_and_nothing_more(world, scenes):
    source = world.listen(topics.CAMERA_SOURCE, DiagnosticArray)
    pictures = world.listen(topics.CAMERA_IMAGE, Image)
    infos = world.listen(topics.CAMERA_INFO, CameraInfo)
    labels = world.listen(topics.TRUTH_LABELS, Image)
    instances = world.listen(topics.TRUTH_INSTANCES, Image)
    closed = world.talk(topics.MONITOR_FRAME, DiagnosticArray)
    replay = world.start(
        Replay,
        dataset=str(scenes),
        conditions=['clean', 'low_light:2'],
        limit=3,
        max_in_flight=2,
        rate=4.0,
        start_stamp=5.0,
    )
    world.meet()
    # First come probes, below one second and marked; one that comes back opens the way.
    wait_for(lambda: pictures)
    probe, _ = codec.source_from_values(codec.values_of(source[0]))
    assert probe.probe and stamps(pictures)[0] < NANO
    credit(world, closed, stamps(pictures)[0])
    wait_for(lambda: stamps(pictures)[-1] >= NANO and len(sent_of(pictures)) == 2)

    expected = [5 * NANO + k * NANO // 4 for k in range(6)]

    for done in range(6):
        outside = min(2, 6 - done)
        wait_for(lambda n=done + outside: len(sent_of(pictures)) == n)
        assert sent_of(pictures) == expected[: done + outside] and not replay.finished
        credit(world, closed, expected[done])
    wait_for(lambda: replay.finished)
    dataset = open_dataset(scenes, limit=3)
    wait_for(
        lambda: all(
            stamps(heard)[-1] == expected[-1]
            for heard in (source, pictures, infos, labels, instances)
        )
    )
    for number, stamp in enumerate(expected):
        frame = dataset.read(number % 3)
        found, camera = codec.source_from_values(codec.values_of(at(source, stamp)))
        assert (found.key, found.index, found.total) == (frame.key, number, 6)
        assert found.condition.name == ('clean', 'low_light:2')[number // 3]
        assert found.image == checksum(frame.image)
        assert camera == frame.camera and at(infos, stamp).k[0] == frame.camera.fx
        assert np.array_equal(images.to_array(at(pictures, stamp)), frame.image)
        assert np.array_equal(images.to_array(at(labels, stamp)), frame.labels)
        assert np.array_equal(images.to_array(at(instances, stamp)), frame.instances)
        assert at(pictures, stamp).encoding == 'bgr8'
        assert at(instances, stamp).encoding == 'mono16'


def sent_of(heard):
    return [stamp for stamp in stamps(heard) if stamp >= NANO]


def test_replay_can_be_started_stepped_resumed_and_paused(world, scenes):
    pictures = world.listen(topics.CAMERA_IMAGE, Image)
    clock = world.listen('/clock', Clock)
    replay = world.start(
        Replay,
        dataset=str(scenes),
        mode='real_time',
        rate=100.0,
        loop=True,
        start_paused=True,
        publish_clock=True,
    )
    world.meet()
    assert not world.call('/replay/step', Trigger, Trigger.Request()).message.startswith('not')
    wait_for(lambda: len(pictures) == 1)
    world.call('/replay/play_next', Trigger, Trigger.Request())
    wait_for(lambda: len(pictures) == 2)
    assert world.call('/replay/resume', Trigger, Trigger.Request()).success
    # A loop goes beyond the six frames that there are.
    wait_for(lambda: len(pictures) > 14)
    assert not world.call('/replay/step', Trigger, Trigger.Request()).success
    assert world.call('/replay/pause', Trigger, Trigger.Request()).success
    wait_for(lambda: len(clock) == len(pictures))
    count = len(pictures)
    assert world.call('/replay/start', Trigger, Trigger.Request()).message == 'running'
    wait_for(lambda: len(pictures) > count)
    assert not replay.finished
    told = [message.clock.sec * NANO + message.clock.nanosec for message in clock]
    assert told[:count] == stamps(pictures)[:count]


@pytest.mark.parametrize('begin', [0, 6])
def test_replay_holds_frames_and_plays_a_scenario(world, scenes, tmp_path, begin):
    source = world.listen(topics.CAMERA_SOURCE, DiagnosticArray)
    pictures = world.listen(topics.CAMERA_IMAGE, Image)
    closed = world.talk(topics.MONITOR_FRAME, DiagnosticArray)
    replay = world.start(
        Replay,
        dataset=str(scenes),
        scenario=scenario(tmp_path),
        limit=2,
        hold=5,
        max_in_flight=16,
        rate=10.0,
        # A run that goes on: what was sent before decides what is sent now all the same.
        begin=begin,
    )
    world.meet()
    wait_for(lambda: pictures)
    credit(world, closed, stamps(pictures)[0])
    wait_for(lambda: len(sent_of(pictures)) == 10 - begin)
    for stamp in sent_of(pictures):
        credit(world, closed, stamp)
    wait_for(lambda: replay.finished)
    expected = [NANO + k * NANO // 10 for k in range(begin, 10)]
    assert sent_of(pictures) == expected
    wait_for(lambda: stamps(source)[-1] == expected[-1])
    found = [codec.source_from_values(codec.values_of(at(source, stamp)))[0] for stamp in expected]
    keys = [entry.key for entry in open_dataset(scenes, limit=2).entries]
    assert [one.key for one in found] == ([keys[0]] * 5 + [keys[1]] * 5)[begin:]
    assert [one.condition.name for one in found] == (
        ['clean'] * 4 + ['low_light:2+motion_blur:1'] * 4 + ['clean'] * 2
    )[begin:]
    assert {one.protocol for one in found} == {Protocol.HELD}
    assert {one.total for one in found} == {10}
    assert [one.index for one in found] == list(range(begin, 10))
    # What seeds the draws is the time since the scenario began.
    assert [one.draw for one in found] == [str(k * NANO // 10) for k in range(begin, 10)]


def test_replay_names_what_does_not_answer(world, scenes):
    world.start(Replay, dataset=str(scenes), startup_timeout=1.0)
    wait_for(lambda: world.error)
    assert 'no probe frame came back within 1 s' in str(world.error)


def test_credits_of_strangers_do_not_end_a_replay(world, scenes):
    pictures = world.listen(topics.CAMERA_IMAGE, Image)
    closed = world.talk(topics.MONITOR_FRAME, DiagnosticArray)
    world.start(Replay, dataset=str(scenes), limit=1)
    world.meet()
    wait_for(lambda: pictures)
    bad = messages.values_message('frame', {'record': '{'}, messages.make_header(0, ''))
    bad.header.stamp.sec = -5
    closed.publish(bad)
    closed.publish(DiagnosticArray())
    credit(world, closed, 77 * NANO)
    credit(world, closed, stamps(pictures)[0])
    wait_for(lambda: sent_of(pictures))
    assert world.error is None
