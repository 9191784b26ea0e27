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

"""Every node over real rclpy: what it publishes for what it hears."""

import base64
import json
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

import serving

rclpy = pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from rcl_interfaces.srv import GetParameters, ListParameters, SetParameters  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rosbags.highlevel import AnyReader  # noqa: E402
from rosbags.typesys import Stores, get_typestore  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402
from worlds import picture_message, stamps, wait_for  # noqa: E402

from vlm_misalign_ros.app.graph import build_graph  # noqa: E402
from vlm_misalign_ros.bags.analyse import analyse  # noqa: E402
from vlm_misalign_ros.core.checksums import checksum  # noqa: E402
from vlm_misalign_ros.core.corruptions import Manner, degrade, measured  # noqa: E402
from vlm_misalign_ros.core.corruptions.scenario import Playing, load_scenario  # noqa: E402
from vlm_misalign_ros.core.datasets import open_dataset  # noqa: E402
from vlm_misalign_ros.core.errors import ExitCode, FrameError, MisalignError  # noqa: E402
from vlm_misalign_ros.core.evaluation import parts  # noqa: E402
from vlm_misalign_ros.core.evaluation.replaying import played  # noqa: E402
from vlm_misalign_ros.core.evaluation.session import Session  # noqa: E402
from vlm_misalign_ros.core.files import read_json  # noqa: E402
from vlm_misalign_ros.core.labels.classes import CLASSES, color_table  # noqa: E402
from vlm_misalign_ros.core.models.factory import load_segmentation, load_vlm  # noqa: E402
from vlm_misalign_ros.core.records.account import LateRecord  # noqa: E402
from vlm_misalign_ros.core.records.ending import read_ending, tell_ending  # noqa: E402
from vlm_misalign_ros.core.records.schema import (  # noqa: E402
    Closing,
    ConfidenceEntry,
    FrameRecord,
    RunRecord,
    Status,
    decode,
)
from vlm_misalign_ros.core.records.store import read_records  # noqa: E402
from vlm_misalign_ros.core.settings.configuration import parse  # noqa: E402
from vlm_misalign_ros.core.settings.nodes import EvaluationParameters  # noqa: E402
from vlm_misalign_ros.core.truth.camera import nominal_camera  # noqa: E402
from vlm_misalign_ros.core.types import (  # noqa: E402
    Applied,
    Camera,
    Condition,
    Confidence,
    Description,
    Failed,
    Hazard,
    Judgement,
    Kind,
    Mention,
    Protocol,
    Segmented,
    Source,
)
from vlm_misalign_ros.nodes import messages  # noqa: E402
from vlm_misalign_ros.nodes import segmentation as segmentation_node  # noqa: E402
from vlm_misalign_ros.nodes import vlm as vlm_node  # noqa: E402
from vlm_misalign_ros.nodes.corruption import Corruption  # noqa: E402
from vlm_misalign_ros.nodes.monitor import Monitor  # noqa: E402
from vlm_misalign_ros.nodes.recorder import Recorder, raw_stamp  # noqa: E402
from vlm_misalign_ros.nodes.replay import Replay  # noqa: E402
from vlm_misalign_ros.nodes.segmentation import Segmentation  # noqa: E402
from vlm_misalign_ros.nodes.vlm import Vlm  # noqa: E402
from vlm_misalign_ros.wire import pixels as images  # noqa: E402
from vlm_misalign_ros.wire import topics  # noqa: E402
from vlm_misalign_ros.wire import values as codec  # noqa: E402

pytestmark = [pytest.mark.heavy, pytest.mark.usefixtures('ros')]

NANO = 1_000_000_000
STORE = get_typestore(Stores.ROS2_JAZZY)


@pytest.fixture(scope='module')
def picture():
    # Smooth, so that a corruption changes it everywhere.
    rng = np.random.default_rng(0)
    return cv2.resize(rng.integers(0, 256, (8, 16, 3), np.uint8), (256, 128))


# Replay --------------------------------------------------------------------------------------


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


def at(heard, stamp):
    return next(message for message in heard if messages.stamp_of(message.header) == stamp)


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


def scenario(folder):
    """Return the path of a scenario: clean for .4 s, two at once for .4 s, clean."""
    path = folder / 'scenario.yaml'
    path.write_text(
        '- {condition: clean, seconds: 0.4}\n'
        '- {condition: "low_light:2 + motion_blur:1", seconds: 0.4}\n'
        '- {condition: clean}\n'
    )
    return str(path)


def test_replay_holds_frames_and_plays_a_scenario(world, scenes, tmp_path):
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
    )
    world.meet()
    wait_for(lambda: pictures)
    credit(world, closed, stamps(pictures)[0])
    wait_for(lambda: len(sent_of(pictures)) == 10)
    for stamp in sent_of(pictures):
        credit(world, closed, stamp)
    wait_for(lambda: replay.finished)
    expected = [NANO + k * NANO // 10 for k in range(10)]
    assert sent_of(pictures) == expected
    wait_for(lambda: stamps(source)[-1] == expected[-1])
    found = [codec.source_from_values(codec.values_of(at(source, stamp)))[0] for stamp in expected]
    keys = [entry.key for entry in open_dataset(scenes, limit=2).entries]
    assert [one.key for one in found] == [keys[0]] * 5 + [keys[1]] * 5
    assert [one.condition.name for one in found] == (
        ['clean'] * 4 + ['low_light:2+motion_blur:1'] * 4 + ['clean'] * 2
    )
    assert {one.protocol for one in found} == {Protocol.HELD}
    assert {one.total for one in found} == {10}
    assert len({one.draw for one in found}) == 10


def test_replay_names_what_does_not_answer(world, scenes):
    world.start(Replay, dataset=str(scenes), startup_timeout=1.0)
    wait_for(lambda: world.error)
    assert 'no probe frame came back within 1 s' in str(world.error)


# Corruption ----------------------------------------------------------------------------------


def source_message(stamp, condition, key='k_000000_000000'):
    return messages.values_message(
        'source',
        codec.source_to_values(Source('d', 's', key, 0, 1, 0, condition)),
        messages.make_header(stamp, 'front'),
    )


@pytest.mark.parametrize(
    'name, severity, first',
    [
        ('motion_blur', 3, 'image'),
        ('low_light', 2, 'source'),
        ('occlusion', 4, 'image'),
        ('clean', 0, 'source'),
    ],
)
def test_the_frame_says_how_it_is_degraded(world, picture, name, severity, first):
    degraded = world.listen(topics.DEGRADED_IMAGE, Image)
    conditions = world.listen(topics.DEGRADED_CONDITION, DiagnosticArray)
    masks = world.listen(topics.DEGRADED_OCCLUDER, Image)
    camera = world.talk(topics.CAMERA_IMAGE, Image)
    source = world.talk(topics.CAMERA_SOURCE, DiagnosticArray)
    world.start(Corruption, seed=11)
    world.meet()
    condition = Condition(name, severity)
    send = [
        lambda: source.publish(source_message(7 * NANO, condition)),
        lambda: camera.publish(picture_message(picture, 7 * NANO)),
    ]
    for action in send if first == 'source' else reversed(send):
        action()
    wait_for(lambda: degraded and conditions)
    expected = degrade(picture, condition, 11, 'k_000000_000000')
    assert np.array_equal(images.to_array(degraded[0]), expected.image)
    applied = codec.applied_from_values(codec.values_of(conditions[0]))
    # All that is about the picture carries its checksum.
    assert applied == replace(
        expected.applied,
        image=checksum(expected.image),
        occluder='' if expected.occluder is None else checksum(expected.occluder),
        source=checksum(picture),
    )
    for message in (degraded[0], conditions[0]):
        assert message.header == messages.make_header(7 * NANO, 'front')
    if name == 'occlusion':
        wait_for(lambda: masks)
        assert np.array_equal(images.to_array(masks[0]), expected.occluder)
    else:
        assert not masks


def test_live_the_condition_changes_by_parameter_and_a_wrong_one_is_refused(world, picture):
    conditions = world.listen(topics.DEGRADED_CONDITION, DiagnosticArray)
    camera = world.talk(topics.CAMERA_IMAGE, Image)
    world.start(Corruption, follow_source=False, condition='low_light:1')
    world.meet()

    def set_condition(text):
        request = SetParameters.Request(
            parameters=[Parameter('condition', value=text).to_parameter_msg()]
        )
        return world.call('/corruption/set_parameters', SetParameters, request).results[0]

    def applied(stamp):
        camera.publish(picture_message(picture, stamp))
        wait_for(lambda: stamp in stamps(conditions))
        return codec.applied_from_values(codec.values_of(at(conditions, stamp))).condition.name

    assert applied(2 * NANO) == 'low_light:1'
    assert set_condition('motion_blur:5').successful
    assert applied(3 * NANO) == 'motion_blur:5'
    for wrong in ('fog:1', 'all', 'motion_blur:9', ''):
        refused = set_condition(wrong)
        assert not refused.successful and refused.reason
    assert applied(4 * NANO) == 'motion_blur:5'


def measured_file(path, severity):
    """Write a file of severities: motion_blur:1 at `severity`, the others beyond what was lost."""
    none = {'severity': None, 'problem': 'more than was measured'}
    levels = [{'loss': 0.05, 'severity': severity}, *({'loss': 0.1 * k, **none} for k in range(4))]
    measured.save(
        path,
        {
            'schema': measured.SCHEMA,
            'model': 'mine',
            'model_sha256': 'mine',
            'input_height': 512,
            'keep_lamps': False,
            'data': {'dataset': 'mine'},
            'corruptions': {
                'motion_blur': {'scale': measured.scale_of('motion_blur'), 'levels': levels}
            },
        },
    )
    return path


def test_measured_severities_are_used_and_one_that_was_not_measured_is_refused(
    world, picture, tmp_path
):
    path = measured_file(tmp_path / 'severities.json', 2.5)
    degraded = world.listen(topics.DEGRADED_IMAGE, Image)
    conditions = world.listen(topics.DEGRADED_CONDITION, DiagnosticArray)
    camera = world.talk(topics.CAMERA_IMAGE, Image)
    world.start(
        Corruption, follow_source=False, condition='motion_blur:1', severity_by_miou=str(path)
    )
    world.meet()
    camera.publish(picture_message(picture, 2 * NANO))
    wait_for(lambda: degraded and conditions)
    found = codec.applied_from_values(codec.values_of(conditions[0]))
    manner = Manner(measured.load(path))
    expected = degrade(picture, Condition('motion_blur', 1), 0, '2.000000000', manner)
    assert found.image and found.source
    assert replace(found, image='', source='') == expected.applied
    assert found.parameters['severity'] == 2.5
    assert np.array_equal(images.to_array(degraded[0]), expected.image)
    request = SetParameters.Request(
        parameters=[Parameter('condition', value='motion_blur:2').to_parameter_msg()]
    )
    refused = world.call('/corruption/set_parameters', SetParameters, request).results[0]
    assert not refused.successful and 'more than was measured' in refused.reason


def test_live_a_schedule_goes_by_header_time(world, picture):
    conditions = world.listen(topics.DEGRADED_CONDITION, DiagnosticArray)
    camera = world.talk(topics.CAMERA_IMAGE, Image)
    world.start(
        Corruption, follow_source=False, hold=2.0, schedule=['clean', 'occlusion:1', 'low_light:5']
    )
    world.meet()
    times = [10.0, 11.9, 12.0, 13.9, 14.0, 15.9, 16.0]
    for count, seconds in enumerate(times, 1):
        camera.publish(picture_message(picture, round(seconds * NANO)))
        wait_for(lambda n=count: len(conditions) == n)
    assert [
        codec.applied_from_values(codec.values_of(message)).condition.name
        for message in conditions
    ] == ['clean', 'clean', 'occlusion:1', 'occlusion:1', 'low_light:5', 'low_light:5', 'clean']


def test_live_a_scenario_degrades_as_it_does_in_a_replay(world, picture, tmp_path):
    degraded = world.listen(topics.DEGRADED_IMAGE, Image)
    camera = world.talk(topics.CAMERA_IMAGE, Image)
    world.start(Corruption, follow_source=False, seed=4, scenario=scenario(tmp_path))
    world.meet()
    times = [1_790_000_000 * NANO + k * NANO // 10 for k in range(10)]
    for count, stamp in enumerate(times, 1):
        camera.publish(picture_message(picture, stamp))
        wait_for(lambda n=count: len(degraded) == n)
    playing = Playing(load_scenario(Path(scenario(tmp_path))))
    source = Source('d', 's', 'k_000000_000000', 0, 10, 0, Condition())
    for index, message in enumerate(degraded):
        told = played(source, NANO + index * NANO // 10, playing)
        wanted = degrade(picture, told.condition, 4, told.draw)
        assert np.array_equal(images.to_array(message), wanted.image), index
    assert not np.array_equal(images.to_array(degraded[4]), images.to_array(degraded[5]))
    assert np.array_equal(images.to_array(degraded[9]), picture)


def test_a_scenario_that_will_not_do_is_named_by_its_segment(world, tmp_path):
    path = tmp_path / 'fog.yaml'
    path.write_text('- {condition: clean, seconds: 1}\n- {condition: fog:1}\n')
    with pytest.raises(MisalignError, match='segment 2 of scenario'):
        world.start(Corruption, follow_source=False, scenario=str(path))


def test_a_picture_that_cannot_be_read_is_passed_over(world, picture):
    degraded = world.listen(topics.DEGRADED_IMAGE, Image)
    camera = world.talk(topics.CAMERA_IMAGE, Image)
    world.start(Corruption, follow_source=False)
    world.meet()
    lying = picture_message(picture, 2 * NANO)
    lying.height *= 2
    odd = picture_message(picture, 3 * NANO)
    odd.encoding = 'yuv422_yuy2_of_mars'
    for message in (lying, odd, picture_message(picture, 4 * NANO)):
        camera.publish(message)
    wait_for(lambda: degraded)
    assert stamps(degraded) == [4 * NANO] and world.error is None


# Models --------------------------------------------------------------------------------------


def test_segmentation_publishes_the_masks_of_its_model_and_an_overlay_for_who_listens(
    world, picture, checkpoints
):
    model = f'transformers:{checkpoints["segformer"]}'
    labels = world.listen(topics.SEGMENTATION_LABELS, Image)
    certainty = world.listen(topics.SEGMENTATION_CONFIDENCE, DiagnosticArray)
    degraded = world.talk(topics.DEGRADED_IMAGE, Image)
    world.start(Segmentation, model=model, input_height=64)
    world.meet()
    degraded.publish(picture_message(picture, 2 * NANO))
    wait_for(lambda: labels)
    found = load_segmentation(model, input_height=64).segment(picture)
    expected = found.labels
    assert np.array_equal(images.to_array(labels[0]), expected)
    wait_for(lambda: certainty)
    told = codec.confidence_from_values(codec.values_of(certainty[0]))
    assert replace(told, latency=None, waited=None) == Confidence(
        found.entropy, found.confidence, checksum(picture), checksum(expected), found.entropies
    )
    assert set(found.entropies) == {CLASSES[value] for value in np.unique(expected)}
    assert labels[0].header == messages.make_header(2 * NANO, 'front')
    overlay = world.listen(topics.SEGMENTATION_OVERLAY, Image)
    world.meet()
    rgb = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(int)
    wanted = (rgb + color_table()[expected]) / 2
    # The listener may be known to the node a moment later than here.
    stamp = 3 * NANO
    while not overlay:
        degraded.publish(picture_message(picture, stamp))
        wait_for(lambda now=stamp: stamps(labels)[-1] == now)
        stamp += NANO
    assert overlay[0].encoding == 'rgb8'
    assert np.abs(images.to_array(overlay[0]) - wanted).max() <= 1


@pytest.mark.parametrize('kind', ['clip', 'llava', 'captioner'])
def test_a_vlm_node_publishes_what_its_model_says(world, picture, checkpoints, kind):
    model = (
        f'open_clip:local-dir:{checkpoints[kind]}'
        if kind == 'clip'
        else f'transformers:{checkpoints[kind]}'
    )
    answers = world.listen(topics.vlm_description('tested'), DiagnosticArray)
    degraded = world.talk(topics.DEGRADED_IMAGE, Image)
    world.start(Vlm, name='tested', model=model, max_new_tokens=8)
    world.meet()
    degraded.publish(picture_message(picture, 2 * NANO))
    wait_for(lambda: answers)
    found = codec.description_from_values(codec.values_of(answers[0]))
    expected = load_vlm(model, max_new_tokens=8).describe(picture)
    assert found.model == 'tested' and found.latency > 0
    assert found.image == checksum(picture)
    for name in (
        'kind',
        'text',
        'mentions',
        'further',
        'scores',
        'judgement',
        'judgement_score',
        'prompt_id',
        'truncated',
        'cut',
        'style',
    ):
        assert getattr(found, name) == getattr(expected, name), name
    assert answers[0].header == messages.make_header(2 * NANO, 'front')


def test_a_served_model_has_several_requests_under_way_and_each_answer_its_own_stamp(
    world, monkeypatch
):
    monkeypatch.setenv('A_KEY', serving.CANARY)
    pictures = {k * NANO: np.full((8, 16, 3), 40 * k, np.uint8) for k in range(2, 6)}
    together, turn = threading.Barrier(3, timeout=20), threading.Condition()
    left = [4 * NANO, 3 * NANO, 2 * NANO]

    def answer(handler, asked):
        url = asked.json['messages'][-1]['content'][0]['image_url']['url']
        raw = np.frombuffer(base64.b64decode(url.partition(',')[2]), np.uint8)
        stamp = int(cv2.imdecode(raw, cv2.IMREAD_COLOR)[0, 0, 0]) // 40 * NANO
        if stamp not in left:
            return serving.say({'error': f'no {serving.CANARY}'}, 400)(handler, asked)
        together.wait()
        with turn:
            # The last that was sent is answered first.
            assert turn.wait_for(lambda: left[0] == stamp, 20)
        serving.say(serving.completion(f'A car, {stamp}.'))(handler, asked)
        with turn:
            left.pop(0)
            turn.notify_all()

    with serving.Server() as server:
        answers = world.listen(topics.vlm_description('tested'), DiagnosticArray)
        degraded = world.talk(topics.DEGRADED_IMAGE, Image)
        world.start(
            Vlm,
            name='tested',
            model=f'openai:{serving.MODEL}',
            base_url=server.url,
            api_key_env='A_KEY',
            uncertainty=False,
            concurrency=3,
        )
        world.meet()
        server.otherwise = answer
        for stamp, pixels in list(pictures.items())[:3]:
            degraded.publish(picture_message(pixels, stamp))
        wait_for(lambda: len(answers) == 3)
        degraded.publish(picture_message(pictures[5 * NANO], 5 * NANO))
        wait_for(lambda: len(answers) == 4)
    for message in answers[:3]:
        stamp = messages.stamp_of(message.header)
        found = codec.description_from_values(codec.values_of(message))
        assert found.text == f'A car, {stamp}.'
        assert found.image == checksum(pictures[stamp])
    assert sorted(stamps(answers[:3])) == [2 * NANO, 3 * NANO, 4 * NANO]
    failed = codec.description_from_values(codec.values_of(answers[3]))
    assert stamps(answers)[3] == 5 * NANO
    assert 'the server answers 400: no [key]' in failed.reason
    assert serving.CANARY not in str(answers)


class Told:
    """A model that keeps what it is asked."""

    kind = Kind.GENERATIVE

    def __init__(self):
        self.queries = []

    def describe(self, query):
        self.queries.append(query)
        return Description('m', self.kind, 'a car')


MASK = np.zeros((64, 128), np.uint8)
MASK[:, :40] = CLASSES.index('bus')


def mask_of(shown, stamp, labels=MASK, **told):
    """Return the messages of a mask of a picture, and of how sure it is."""
    header = messages.make_header(stamp, 'front')
    sure = Confidence(0.25, 0.5, checksum(shown), checksum(labels), {'bus': 0.75})
    return (
        messages.image_message(labels, header, 'mono8'),
        messages.values_message(
            'confidence', codec.confidence_to_values(replace(sure, **told)), header
        ),
    )


@pytest.fixture
def asked(world, monkeypatch):
    """Return a function that starts a model with asks, and gives what to send and what came."""

    def start(*asks, **chosen):
        model, loaded = Told(), []
        masked = any('input' in values for _, values in asks)
        heard = ['image', *(['mask', 'sure'] if masked else [])]
        heard += ['source'] if chosen.get('source') else []

        def load(name, **options):
            loaded.append(name)
            return model

        monkeypatch.setattr(vlm_node, 'load_vlm', load)
        told = [json.dumps({name: values}) for name, values in asks]
        names = [f'm_{name}' for name, _ in asks] if len(asks) > 1 else ['m']
        came = {
            name: world.listen(topics.vlm_description(name), DiagnosticArray) for name in names
        }
        sent = {
            part: world.talk(topic, kind)
            for part, topic, kind in (
                ('image', topics.DEGRADED_IMAGE, Image),
                ('mask', topics.SEGMENTATION_LABELS, Image),
                ('sure', topics.SEGMENTATION_CONFIDENCE, DiagnosticArray),
                ('source', topics.CAMERA_SOURCE, DiagnosticArray),
            )
            if part in heard
        }
        world.start(Vlm, name='m', asks=told, **chosen)
        world.meet()
        assert len(loaded) == 1
        model.queries.clear()
        return model, sent, came

    return start


def answer_of(message):
    return codec.description_from_values(codec.values_of(message))


def test_one_loaded_model_answers_every_ask_under_its_own_name(asked, picture):
    model, sent, came = asked(
        ('plain', {}), ('words', {'input': 'objects'}), ('both', {'input': 'image+objects'})
    )
    sent['image'].publish(picture_message(picture, 2 * NANO))
    # What needs no mask does not wait for one.
    wait_for(lambda: came['m_plain'])
    assert not came['m_words'] and len(model.queries) == 1
    mask, sure = mask_of(picture, 2 * NANO)
    sent['sure'].publish(sure)
    sent['mask'].publish(mask)
    wait_for(lambda: came['m_words'] and came['m_both'])
    found = {name: answer_of(messages_[0]) for name, messages_ in came.items()}
    assert [found[name].model for name in came] == list(came)
    assert [found[name].input.value for name in came] == ['image', 'objects', 'image+objects']
    assert {answer.image for answer in found.values()} == {checksum(picture)}
    assert found['m_words'].prompted == ('bus', 'road') and found['m_plain'].prompted == ()
    assert all(stamps(messages_) == [2 * NANO] for messages_ in came.values())
    words, both = model.queries[1:]
    assert words.pictures == () and (both.picture == picture).all()
    assert 'bus, 31 % of it, on the left' in words.context
    assert words.mask.entropies == {'bus': 0.75}


def test_a_mask_reader_says_what_the_mask_of_the_stamp_says(world, picture):
    sent = {
        part: world.talk(topic, kind)
        for part, topic, kind in (
            ('image', topics.DEGRADED_IMAGE, Image),
            ('mask', topics.SEGMENTATION_LABELS, Image),
            ('sure', topics.SEGMENTATION_CONFIDENCE, DiagnosticArray),
            ('source', topics.CAMERA_SOURCE, DiagnosticArray),
        )
    }
    came = world.listen(topics.vlm_description('mask'), DiagnosticArray)
    world.start(Vlm, name='mask', model='mask_reader', source=True)
    world.meet()
    height, width = picture.shape[:2]
    empty = np.full((height, width), CLASSES.index('building'), np.uint8)
    empty[height * 27 // 64 :] = CLASSES.index('road')
    blocked = empty.copy()
    # Its foot is 14 m away before a camera as high as a car's, and 57 m before one four times so.
    blocked[height * 34 // 64 : height * 39 // 64, width // 2 : width * 5 // 8] = 13
    low = nominal_camera((height, width), 1.22, 0.038)
    for number, (labels, camera) in enumerate(
        [(empty, low), (blocked, low), (blocked, replace(low, mount_height=4 * 1.22))]
    ):
        stamp = (2 + number) * NANO
        source = Source('d', 'a', f'k{number}', number, 3, 0, Condition())
        header = messages.make_header(stamp, 'front')
        sent['image'].publish(picture_message(picture, stamp))
        told = codec.source_to_values(source, camera)
        sent['source'].publish(messages.values_message('source', told, header))
        for part, message in zip(('mask', 'sure'), mask_of(picture, stamp, labels), strict=True):
            sent[part].publish(message)
    wait_for(lambda: len(came) == 3)
    answers = [answer_of(message) for message in came]
    assert stamps(came) == [2 * NANO, 3 * NANO, 4 * NANO]
    assert [answer.judgement for answer in answers] == [
        Judgement.SAFE,
        Judgement.UNSAFE,
        Judgement.SAFE,
    ]
    assert [sorted(answer.asserted) for answer in answers] == [
        ['building', 'road'],
        ['building', 'car', 'road'],
        ['building', 'car', 'road'],
    ]
    assert {(a.kind, a.input.value, a.image) for a in answers} == {
        (Kind.MASK, 'mask', checksum(picture))
    }


def test_a_mask_reader_sees_through_the_camera_of_the_monitor(world, monkeypatch):
    # An equidistant lens is known to nobody here: rectified pictures alone have a camera.
    chosen = {'camera_height': 1.6, 'camera_pitch': 0.01, 'camera_image': 'rectified'}
    run = parse(
        {
            'mode': 'live',
            'segmentation': {'model': 'miniature:segformer'},
            'vlms': {'mask': {'model': 'mask_reader'}},
            'monitor': chosen,
        }
    )
    seen = []
    add = Session.add

    def added(session, stamp, part, value, *more):
        seen.extend([value] if part == parts.CAMERA else [])
        return add(session, stamp, part, value, *more)

    monkeypatch.setattr(Session, 'add', added)
    sent = world.talk(topics.CAMERA_INFO, CameraInfo)
    specs = {spec.executable: spec.parameters for spec in build_graph(run, Path('runs')).nodes}
    world.start(Monitor, **{**specs['monitor'], 'run_folder': ''})
    reader = world.start(Vlm, **specs['vlm'])
    wait_for(lambda: sent.get_subscription_count() == 2)
    info = CameraInfo(header=messages.make_header(NANO, 'front'), width=1024, height=512)
    info.distortion_model, info.d = 'equidistant', [0.1, 0.01, 0.0, 0.0]
    info.k = [600.0, 0.0, 512.0, 0.0, 600.0, 256.0, 0.0, 0.0, 1.0]
    info.p = [500.0, 0.0, 510.0, 0.0, 0.0, 500.0, 250.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    sent.publish(info)
    wait_for(lambda: seen and reader._camera)
    assert seen == [reader._camera] == [Camera(1024, 512, 500.0, 500.0, 510.0, 250.0, 1.6, 0.01)]


@pytest.mark.parametrize('first', ['image', 'sure'])
def test_a_frame_that_gets_no_mask_is_answered_with_the_reason(asked, picture, first):
    _, sent, came = asked(('one', {'input': 'mask'}))
    failed = messages.values_message(
        'confidence',
        codec.failed_to_values(Failed('out of memory')),
        messages.make_header(NANO, ''),
    )
    parts_sent = [('image', picture_message(picture, NANO)), ('sure', failed)]
    for part, message in parts_sent if first == 'image' else parts_sent[::-1]:
        sent[part].publish(message)
    wait_for(lambda: came['m'])
    assert answer_of(came['m'][0]) == Failed('there is no mask of this frame: out of memory')


@pytest.mark.parametrize(
    'told', [{'image': checksum(MASK)}, {'mask': checksum(MASK + 1)}], ids=['picture', 'mask']
)
def test_a_mask_of_another_picture_is_not_passed_on(asked, picture, told):
    model, sent, came = asked(('one', {'input': 'mask'}))
    for part, message in zip(('mask', 'sure'), mask_of(picture, NANO, **told), strict=True):
        sent[part].publish(message)
    sent['image'].publish(picture_message(picture, NANO))
    wait_for(lambda: came['m'])
    assert 'the mask of this stamp is of another picture' in answer_of(came['m'][0]).reason
    assert not model.queries


def test_a_mask_of_another_size_is_brought_to_that_of_the_picture(asked, picture):
    model, sent, came = asked(('one', {'input': 'mask'}))
    small = np.ascontiguousarray(MASK[::2, ::2])
    for part, message in zip(('mask', 'sure'), mask_of(picture, NANO, small), strict=True):
        sent[part].publish(message)
    sent['image'].publish(picture_message(picture, NANO))
    wait_for(lambda: came['m'])
    assert model.queries[0].picture.shape == picture.shape


def test_past_frames_are_those_of_the_same_sequence_and_pass(asked, picture):
    model, sent, came = asked(('one', {'frames': 2}), source=True)
    shown = [np.full_like(picture, k) for k in range(8)]
    # In a pass the condition changes where a scenario changes it; a held frame is by itself.
    for number, (sequence, cycle, severity, held) in enumerate(
        [
            ('a', 0, 0, ''),
            ('a', 0, 3, ''),
            ('a', 0, 0, ''),
            ('b', 0, 0, ''),
            ('b', 1, 3, ''),
            ('b', 1, 3, ''),
            ('b', 1, 3, 'k'),
            ('b', 1, 3, 'k'),
        ]
    ):
        condition = Condition('occlusion', severity) if severity else Condition()
        protocol = Protocol.HELD if held else Protocol.LABELLED
        key = held or f'k{number}'
        source = Source('d', sequence, key, number, 8, cycle, condition, protocol=protocol)
        header = messages.make_header((2 + number) * NANO, 'front')
        sent['source'].publish(
            messages.values_message('source', codec.source_to_values(source), header)
        )
        sent['image'].publish(picture_message(shown[number], (2 + number) * NANO))
    wait_for(lambda: len(came['m']) == 8)
    told = [[int(seen[0, 0, 0]) for seen in query.pictures] for query in model.queries]
    assert told == [[0], [0, 1], [0, 1, 2], [3], [4], [4, 5], [6], [6, 7]]
    assert [answer_of(message).shown for message in came['m']] == [1, 2, 3, 1, 1, 2, 1, 2]


def test_an_ask_that_fails_takes_no_other_with_it(world, asked, picture):
    model, sent, came = asked(('plain', {}), ('system', {'system': 'You drive.'}), max_failures=9)

    def describe(query):
        if query.system:
            raise FrameError('no room for a system prompt')
        return Description('m', Kind.GENERATIVE, 'a car')

    model.describe = describe
    for number in range(3):
        sent['image'].publish(picture_message(picture, (2 + number) * NANO))
    wait_for(lambda: len(came['m_plain']) == len(came['m_system']) == 3)
    assert all(answer_of(message).text == 'a car' for message in came['m_plain'])
    assert {answer_of(m).reason for m in came['m_system']} == {'no room for a system prompt'}
    assert world.error is None


# Monitor -------------------------------------------------------------------------------------

LABELS = np.full((64, 128), 7, np.uint8)
LABELS[20:60, 50:70] = 24
INSTANCES = LABELS.astype(np.uint16)
INSTANCES[LABELS == 24] = 24000


def parts_of(stamp, answer=None, condition='clean'):
    """Return {topic: message} of one frame with a person straight ahead."""
    header = messages.make_header(stamp, 'front')
    name, _, severity = condition.partition(':')
    applied = Applied(Condition(name, int(severity or 0)), 1)
    answer = answer or Description(
        'm',
        Kind.GENERATIVE,
        'a person',
        {'person': Mention.ASSERTED, 'bus': Mention.ASSERTED},
        judgement=Judgement.SAFE,
    )
    return {
        topics.TRUTH_LABELS: messages.image_message(LABELS, header, 'mono8'),
        topics.TRUTH_INSTANCES: messages.image_message(INSTANCES, header, 'mono16'),
        topics.DEGRADED_CONDITION: messages.values_message(
            'condition', codec.applied_to_values(applied), header
        ),
        topics.SEGMENTATION_LABELS: messages.image_message(np.zeros_like(LABELS), header, 'mono8'),
        topics.SEGMENTATION_CONFIDENCE: messages.values_message(
            'confidence', {'entropy': '0.25', 'confidence': '0.5', 'entropy/car': '0.75'}, header
        ),
        topics.vlm_description('m'): messages.values_message(
            'vlm', codec.description_to_values(answer), header
        ),
    }


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


def send(world, parts):
    for topic, message in parts.items():
        world.publishers[topic].publish(message)


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


# Recorder ------------------------------------------------------------------------------------


def test_the_bag_of_the_recorder_can_be_analysed(world, tmp_path):
    done = world.listen(topics.RECORDER_FRAME, DiagnosticArray)
    for topic, message in parts_of(NANO).items():
        world.talk(topic, type(message))
    recorder = world.start(
        Recorder, path=str(tmp_path / 'bag'), models=['m'], source=False, images=False
    )
    world.meet()
    for second in range(100, 104):
        send(world, parts_of(second * NANO, condition='low_light:2'))
    wait_for(lambda: len(done) == 4)
    assert stamps(done) == [second * NANO for second in range(100, 104)]
    recorder.on_stop()
    analyse(tmp_path / 'bag', tmp_path / 'out', EvaluationParameters(camera_height=1.5))
    records = [
        record
        for record in read_records(tmp_path / 'out' / 'records.jsonl')
        if isinstance(record, FrameRecord)
    ]
    assert [record.closed for record in records] == [Closing.COMPLETE] * 4
    assert {record.condition.name for record in records} == {'low_light:2'}
    assert records[0].models['m'].score.hallucinated == ['bus']


def test_the_stamp_is_read_from_raw_messages():
    from rclpy.serialization import serialize_message

    header = messages.make_header(1_700_000_000 * NANO + 123_456_789, 'somewhere')
    for message in (Image(header=header), DiagnosticArray(header=header)):
        assert raw_stamp(serialize_message(message)) == messages.stamp_of(header)


# Failures and strangers ----------------------------------------------------------------------


def strange_source(stamp, **values):
    pairs = codec.source_to_values(Source('d', 's', 'k', 0, 1, 0, Condition('low_light', 2)))
    return messages.values_message(
        'source', {**pairs, **values}, messages.make_header(stamp, 'front')
    )


@pytest.mark.parametrize('first', ['source', 'image'])
@pytest.mark.parametrize(
    'values',
    [
        {'corruption': 'quicksand'},
        {'corruption': 'clean', 'severity': '3'},
        {'corruption': 'low_light', 'severity': '0'},
        {'severity': '9'},
        {'severity': 'nan'},
        {'index': ''},
        {'camera': '[[['},
    ],
)
def test_a_source_that_cannot_be_followed_costs_its_frame_only(world, picture, values, first):
    degraded = world.listen(topics.DEGRADED_IMAGE, Image)
    camera = world.talk(topics.CAMERA_IMAGE, Image)
    source = world.talk(topics.CAMERA_SOURCE, DiagnosticArray)
    node = world.start(Corruption)
    world.meet()
    send = [
        lambda: source.publish(strange_source(2 * NANO, **values)),
        lambda: camera.publish(picture_message(picture, 2 * NANO)),
    ]
    for action in send if first == 'source' else reversed(send):
        action()
    source.publish(strange_source(3 * NANO))
    camera.publish(picture_message(picture, 3 * NANO))
    wait_for(lambda: degraded)
    assert stamps(degraded) == [3 * NANO] and world.error is None
    # Neither half of the bad frame is kept, whichever came first.
    wait_for(lambda: not node._pictures and not node._sources)


def test_pictures_that_cannot_be_degraded_never_end_the_node(world, picture):
    degraded = world.listen(topics.DEGRADED_IMAGE, Image)
    told = world.listen(topics.DEGRADED_CONDITION, DiagnosticArray)
    camera = world.talk(topics.CAMERA_IMAGE, Image)
    world.start(Corruption, follow_source=False, condition='occlusion:3', queue_size=64)
    world.meet()
    for number in range(20):
        tiny = picture_message(picture[:8, :8], (2 + number) * NANO)
        tiny.encoding = ('bgr8', 'nonsense')[number % 2]
        camera.publish(tiny)
        wait_for(lambda count=number + 1: len(told) == count)
    late = picture_message(picture, 50 * NANO)
    late.header.stamp.sec = -1
    camera.publish(late)
    camera.publish(picture_message(picture, 60 * NANO))
    wait_for(lambda: degraded)
    assert stamps(degraded) == [60 * NANO] and world.error is None
    # Of every other one with a stamp it is said why there is none.
    wait_for(lambda: len(told) == 21)
    found = [codec.applied_from_values(codec.values_of(message)) for message in told]
    assert stamps(told) == [(2 + number) * NANO for number in range(20)] + [60 * NANO]
    assert all('too small' in applied.error for applied in found[:20:2])
    assert all('nonsense' in applied.error for applied in found[1:20:2])
    assert not found[20].error and {applied.condition.name for applied in found} == {'occlusion:3'}


class Moody:
    """A model that fails on dark pictures."""

    kind = Kind.GENERATIVE

    def __init__(self, answer):
        self.answer = answer

    def work(self, bgr):
        if bgr.mean() < 10:
            raise FrameError('too dark: nan')
        return self.answer(bgr)

    segment = work

    def describe(self, query):
        return self.work(query.picture)


@pytest.fixture
def moody(monkeypatch):
    said = Description('m', Kind.GENERATIVE, 'a car')

    def mask(bgr):
        return Segmented(np.zeros(bgr.shape[:2], np.uint8), 0.5, 0.5)

    monkeypatch.setattr(vlm_node, 'load_vlm', lambda model, **options: Moody(lambda bgr: said))
    monkeypatch.setattr(
        segmentation_node, 'load_segmentation', lambda model, **options: Moody(mask)
    )


CASES = [
    (Vlm, {'name': 'm'}, topics.vlm_description('m'), codec.description_from_values),
    (Segmentation, {}, topics.SEGMENTATION_CONFIDENCE, codec.confidence_from_values),
]


@pytest.mark.parametrize('kind, chosen, topic, convert', CASES)
def test_a_model_that_fails_on_a_frame_says_so_and_goes_on(
    world, moody, picture, kind, chosen, topic, convert
):
    answers = world.listen(topic, DiagnosticArray)
    degraded = world.talk(topics.DEGRADED_IMAGE, Image)
    world.start(kind, max_failures=3, **chosen)
    world.meet()
    dark = np.zeros_like(picture)
    for number, shown in enumerate((picture, dark, dark, picture, dark, dark, picture)):
        degraded.publish(picture_message(shown, (2 + number) * NANO))
    broken = picture_message(picture, 20 * NANO)
    broken.step = 1
    degraded.publish(broken)
    wait_for(lambda: len(answers) == 8)
    found = [convert(codec.values_of(message)) for message in answers]
    failed = [entry.reason if isinstance(entry, Failed) else '' for entry in found]
    dark_reason = 'too dark: nan'
    assert failed[:7] == ['', dark_reason, dark_reason, '', dark_reason, dark_reason, '']
    assert 'step of 1' in failed[7]
    assert stamps(answers) == [(2 + n) * NANO for n in range(7)] + [20 * NANO]
    assert world.error is None


@pytest.mark.parametrize('kind, chosen', [case[:2] for case in CASES])
def test_a_model_that_fails_on_so_many_in_a_row_ends_with_the_reason(
    world, moody, picture, kind, chosen
):
    degraded = world.talk(topics.DEGRADED_IMAGE, Image)
    world.start(kind, max_failures=3, **chosen)
    world.meet()
    for number in range(3):
        degraded.publish(picture_message(np.zeros_like(picture), (2 + number) * NANO))
    wait_for(lambda: world.error)
    assert '3 frames in a row failed; the last: too dark: nan' in str(world.error)
    assert world.error.exit_code == 2


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


def test_a_recorder_keeps_what_it_cannot_read_and_goes_on(world, tmp_path):
    done = world.listen(topics.RECORDER_FRAME, DiagnosticArray)
    sources = world.talk(topics.CAMERA_SOURCE, DiagnosticArray)
    applied = world.talk(topics.DEGRADED_CONDITION, DiagnosticArray)
    sure = world.talk(topics.SEGMENTATION_CONFIDENCE, DiagnosticArray)
    labels = world.talk(topics.TRUTH_LABELS, Image)
    node = world.start(
        Recorder, path=str(tmp_path / 'bag'), images=False, instances=False, depth=False
    )
    world.meet()
    sources.publish(strange_source(2 * NANO, severity='nan'))
    sources.publish(DiagnosticArray())
    late = strange_source(2 * NANO)
    late.header.stamp.nanosec = 4_000_000_000
    sources.publish(late)
    header = messages.make_header(3 * NANO, '')
    told = codec.applied_to_values(Applied(Condition('low_light', 2), 1))
    sources.publish(strange_source(3 * NANO))
    applied.publish(messages.values_message('condition', told, header))
    labels.publish(picture_message(np.zeros((4, 4), np.uint8), 3 * NANO, 'mono8'))
    # A segmentation that failed has no mask to wait for.
    sure.publish(messages.values_message('c', codec.failed_to_values(Failed('dark')), header))
    wait_for(lambda: done)
    assert stamps(done) == [3 * NANO] and world.error is None
    node.on_stop()
    with AnyReader([tmp_path / 'bag'], default_typestore=STORE) as reader:
        kept = Counter(connection.topic for connection, _, _ in reader.messages())
    assert kept[f'/{topics.CAMERA_SOURCE}'] == 4


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


# Parameters ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    'kind, parameters, words',
    [
        (Replay, {}, "'dataset'"),
        (Replay, {'dataset': '/no/such/data'}, '/no/such/data'),
        (Replay, {'dataset': 7}, "'dataset'"),
        (Corruption, {'condition': 'fog:2'}, 'fog:2'),
        (Corruption, {'policy': 'some'}, "'policy'"),
        (Corruption, {'queue_size': 0}, "'queue_size'"),
        (Vlm, {'model': 'open_clip:local-dir:/no/such'}, "'name'"),
        (Vlm, {'name': 'm', 'model': 'open_clip:local-dir:/no/such'}, '/no/such'),
        (Segmentation, {'model': ''}, "model ''"),
        (Monitor, {'deadline': -1.0}, "'deadline'"),
        (Monitor, {'limits': ['luck=1']}, "'luck'"),
    ],
)
def test_a_node_refuses_wrong_parameters_by_name(kind, parameters, words):
    with pytest.raises(MisalignError) as caught:
        kind(parameter_overrides=[Parameter(n, value=v) for n, v in parameters.items()])
    assert words in str(caught.value)


def test_parameters_are_described_and_those_that_are_not_live_are_read_only(world):
    node = world.start(Corruption, follow_source=False)
    described = node.describe_parameter('condition')
    assert 'NAME:SEVERITY' in described.description and not described.read_only
    assert node.describe_parameter('seed').read_only
    request = SetParameters.Request(parameters=[Parameter('seed', value=3).to_parameter_msg()])
    answer = world.call('/corruption/set_parameters', SetParameters, request).results[0]
    assert not answer.successful


def test_every_parameter_has_a_value_that_can_be_asked_for(world):
    # One parameter without a value would leave the whole answer empty (ros2 param dump).
    world.start(Corruption, follow_source=False)
    names = world.call(
        '/corruption/list_parameters', ListParameters, ListParameters.Request()
    ).result.names
    answer = world.call(
        '/corruption/get_parameters', GetParameters, GetParameters.Request(names=names)
    )
    assert {'schedule', 'seed', 'condition'} <= set(names)
    assert len(answer.values) == len(names) and all(value.type for value in answer.values)


def test_quality_of_service_can_be_overridden(world):
    node = world.start(
        Corruption, **{f'qos_overrides./{topics.CAMERA_IMAGE}.subscription.depth': 3}
    )
    wait_for(lambda: node.get_subscriptions_info_by_topic(f'/{topics.CAMERA_IMAGE}'))
    name = f'qos_overrides./{topics.CAMERA_IMAGE}.subscription.depth'
    assert node.get_parameter(name).value == 3


def test_in_a_namespace_every_topic_moves_along(world, picture):
    degraded = world.listen(f'/car/{topics.DEGRADED_IMAGE}', Image)
    camera = world.talk(f'/car/{topics.CAMERA_IMAGE}', Image)
    world.start(Corruption, namespace='/car', follow_source=False)
    world.meet()
    camera.publish(picture_message(picture, 2 * NANO))
    wait_for(lambda: degraded)
