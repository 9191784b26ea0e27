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

"""VLMs: what a model says under the name of each ask, of pictures, masks and the past."""

import base64
import json
import threading
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

import serving

rclpy = pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image  # noqa: E402
from worlds import picture_message, stamps, wait_for  # noqa: E402

from vlm_misalign_ros.app.graph import build_graph  # noqa: E402
from vlm_misalign_ros.core.checksums import checksum  # noqa: E402
from vlm_misalign_ros.core.errors import FrameError  # noqa: E402
from vlm_misalign_ros.core.evaluation import parts  # noqa: E402
from vlm_misalign_ros.core.evaluation.session import Session  # noqa: E402
from vlm_misalign_ros.core.labels.classes import CLASSES  # noqa: E402
from vlm_misalign_ros.core.models.factory import load_vlm  # noqa: E402
from vlm_misalign_ros.core.settings.configuration import parse  # noqa: E402
from vlm_misalign_ros.core.stamps import NANO  # noqa: E402
from vlm_misalign_ros.core.truth.camera import nominal_camera  # noqa: E402
from vlm_misalign_ros.core.types import (  # noqa: E402
    Camera,
    Condition,
    Confidence,
    Description,
    Failed,
    Judgement,
    Kind,
    Protocol,
    Source,
)
from vlm_misalign_ros.nodes import messages  # noqa: E402
from vlm_misalign_ros.nodes import vlm as vlm_node  # noqa: E402
from vlm_misalign_ros.nodes.monitor import Monitor  # noqa: E402
from vlm_misalign_ros.nodes.vlm import Vlm  # noqa: E402
from vlm_misalign_ros.wire import topics  # noqa: E402
from vlm_misalign_ros.wire import values as codec  # noqa: E402

pytestmark = [pytest.mark.heavy, pytest.mark.usefixtures('ros')]


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
