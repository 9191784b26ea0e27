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


"""Nodes whose model is asked about both pictures of a frame."""

import gc
from types import SimpleNamespace

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from worlds import Held, picture_message, stamps, wait_for  # noqa: E402

from vlm_misalign_ros.core.checksums import checksum  # noqa: E402
from vlm_misalign_ros.core.errors import FrameError  # noqa: E402
from vlm_misalign_ros.core.evaluation.clean import NEVER_CAME  # noqa: E402
from vlm_misalign_ros.core.types import AgainstClean, Description, Failed, Kind, Segmented  # noqa: E402
from vlm_misalign_ros.nodes import clean as clean_module  # noqa: E402
from vlm_misalign_ros.nodes import segmentation as segmentation_node  # noqa: E402
from vlm_misalign_ros.nodes import vlm as vlm_node  # noqa: E402
from vlm_misalign_ros.nodes.clean import AHEAD, CleanPictures, pictures_of  # noqa: E402
from vlm_misalign_ros.nodes.corruption import Corruption  # noqa: E402
from vlm_misalign_ros.nodes.segmentation import Segmentation  # noqa: E402
from vlm_misalign_ros.nodes.vlm import Vlm  # noqa: E402
from vlm_misalign_ros.wire import topics  # noqa: E402
from vlm_misalign_ros.wire import values as codec  # noqa: E402

pytestmark = [pytest.mark.heavy, pytest.mark.usefixtures('ros')]

NANO = 1_000_000_000


def picture(value):
    return np.full((64, 128, 3), value, np.uint8)


def message(value, second):
    return picture_message(picture(value), second * NANO)


class Brightness:
    """A model that says, and segments by, how bright a picture is."""

    kind = Kind.GENERATIVE

    def describe(self, query):
        return Description('m', self.kind, ' '.join(str(p[0, 0, 0]) for p in query.pictures))

    def segment(self, bgr):
        return Segmented(np.full(bgr.shape[:2], bgr[0, 0, 0] % 19, np.uint8), 0.5, 0.5)


@pytest.fixture(autouse=True)
def model(monkeypatch):
    monkeypatch.setattr(vlm_node, 'load_vlm', lambda name, **options: Brightness())
    monkeypatch.setattr(segmentation_node, 'load_segmentation', lambda name, **o: Brightness())


def answers(heard):
    return [codec.description_from_values(codec.values_of(one)) for one in heard]


def clean_texts(heard):
    return [getattr(one.clean, 'text', one.clean) for one in answers(heard)]


@pytest.mark.parametrize('first', ['clean', 'degraded'])
def test_a_model_answers_to_both_pictures_whichever_comes_first(world, first):
    heard = world.listen(topics.vlm_description('m'), DiagnosticArray)
    degraded = world.talk(topics.DEGRADED_IMAGE, Image)
    source = world.talk(topics.DEGRADED_SOURCE, Image)
    world.start(Vlm, name='m', self_consistency=True)
    world.meet()
    order = [(source, message(7, 1)), (degraded, message(3, 1))]
    for publisher, sent in order if first == 'clean' else order[::-1]:
        publisher.publish(sent)
    wait_for(lambda: heard)
    (answer,) = answers(heard)
    assert stamps(heard) == [NANO]
    assert (answer.text, answer.clean.text) == ('3', '7')
    assert (answer.image, answer.clean.image) == (checksum(picture(3)), checksum(picture(7)))


def test_a_model_that_is_not_asked_listens_to_no_clean_picture(world):
    heard = world.listen(topics.vlm_description('m'), DiagnosticArray)
    degraded = world.talk(topics.DEGRADED_IMAGE, Image)
    node = world.start(Vlm, name='m')
    world.meet()
    degraded.publish(message(3, 1))
    wait_for(lambda: heard)
    assert answers(heard)[0].clean is None
    assert node.count_subscribers(topics.DEGRADED_SOURCE) == 0


def test_a_clean_picture_that_a_newer_has_overtaken_is_not_waited_for(world, monkeypatch):
    # It would be waited for longer than the test does.
    monkeypatch.setattr(clean_module, 'PATIENCE', 1000.0)
    heard = world.listen(topics.vlm_description('m'), DiagnosticArray)
    degraded = world.talk(topics.DEGRADED_IMAGE, Image)
    source = world.talk(topics.DEGRADED_SOURCE, Image)
    world.start(Vlm, name='m', self_consistency=True)
    world.meet()
    degraded.publish(message(3, 1))
    source.publish(message(8, 2))
    degraded.publish(message(4, 2))
    wait_for(lambda: len(heard) == 2)
    assert [answer.text for answer in answers(heard)] == ['3', '4']
    assert clean_texts(heard) == [Failed(NEVER_CAME), '8']


def test_a_clean_picture_that_never_comes_costs_the_comparison_alone(world, monkeypatch):
    monkeypatch.setattr(clean_module, 'PATIENCE', 0.05)
    heard = world.listen(topics.vlm_description('m'), DiagnosticArray)
    degraded = world.talk(topics.DEGRADED_IMAGE, Image)
    world.start(Vlm, name='m', self_consistency=True)
    world.meet()
    degraded.publish(message(3, 1))
    wait_for(lambda: heard)
    assert (answers(heard)[0].text, clean_texts(heard)) == ('3', [Failed(NEVER_CAME)])


def test_past_frames_are_clean_where_the_own_one_is(world):
    heard = world.listen(topics.vlm_description('m'), DiagnosticArray)
    degraded = world.talk(topics.DEGRADED_IMAGE, Image)
    source = world.talk(topics.DEGRADED_SOURCE, Image)
    world.start(Vlm, name='m', self_consistency=True, frames=2)
    world.meet()
    for number in (1, 2, 3, 4):
        source.publish(message(10 + number, number))
        degraded.publish(message(number, number))
        wait_for(lambda number=number: len(heard) == number)
    assert [answer.text for answer in answers(heard)] == ['1', '1 2', '1 2 3', '2 3 4']
    assert clean_texts(heard) == ['11', '11 12', '11 12 13', '12 13 14']


def test_a_segmentation_tells_how_its_mask_stands_to_the_clean_one(world):
    heard = world.listen(topics.SEGMENTATION_CONFIDENCE, DiagnosticArray)
    masks = world.listen(topics.SEGMENTATION_LABELS, Image)
    degraded = world.talk(topics.DEGRADED_IMAGE, Image)
    source = world.talk(topics.DEGRADED_SOURCE, Image)
    world.start(Segmentation, self_consistency=True)
    world.meet()
    for value, number in ((7, 1), (3, 2)):
        source.publish(message(7, number))
        degraded.publish(message(value, number))
        wait_for(lambda number=number: len(heard) == len(masks) == number)
    told = [codec.confidence_from_values(codec.values_of(one)) for one in heard]
    sum_of = checksum(picture(7))
    assert [one.against_clean for one in told] == [
        AgainstClean(((7, 7, 64 * 128),), sum_of),
        AgainstClean(((7, 3, 64 * 128),), sum_of),
    ]


@pytest.mark.parametrize('policy, size', [('latest', 9), ('every_frame', 3)])
def test_a_busy_segmentation_keeps_the_clean_pictures_of_what_waits_alone(
    world, monkeypatch, policy, size
):
    held = Held()
    monkeypatch.setattr(segmentation_node, 'load_segmentation', lambda name, **options: held)
    told = world.listen(topics.SEGMENTATION_CONFIDENCE, DiagnosticArray)
    degraded = world.talk(topics.DEGRADED_IMAGE, Image)
    world.talk(topics.DEGRADED_SOURCE, Image)
    node = world.start(Segmentation, self_consistency=True, policy=policy, queue_size=size)
    world.meet()
    waiting = 1 if policy == 'latest' else size
    try:
        degraded.publish(message(3, 1))
        assert held.begun.acquire(timeout=20)
        for number in range(2, 31):
            degraded.publish(message(3, number))
            wait_for(lambda number=number: len(told) >= number - 1 - waiting)
        wait_for(lambda: len(told) == 29 - waiting)
        newest = [number * NANO for number in range(31 - waiting, 31)]
        assert list(node._clean._expected) == [1 * NANO, *newest]
    finally:
        held.open.set()


def test_a_frame_that_fails_keeps_no_clean_picture(world, monkeypatch):
    def fails(bgr):
        raise FrameError('no')

    model = SimpleNamespace(segment=fails)
    monkeypatch.setattr(segmentation_node, 'load_segmentation', lambda name, **options: model)
    told = world.listen(topics.SEGMENTATION_CONFIDENCE, DiagnosticArray)
    degraded = world.talk(topics.DEGRADED_IMAGE, Image)
    node = world.start(Segmentation, self_consistency=True, max_failures=0)
    world.meet()
    degraded.publish(message(3, 1))
    # One without a time ends nothing, either.
    bad = message(3, 2)
    bad.header.stamp.sec = -1
    degraded.publish(bad)
    degraded.publish(message(3, 3))
    wait_for(lambda: len(told) == 3)
    assert not node._clean._expected and world.error is None


def test_the_corruption_sends_what_it_degraded_where_somebody_listens(world):
    clean = world.listen(topics.DEGRADED_SOURCE, Image)
    degraded = world.listen(topics.DEGRADED_IMAGE, Image)
    told = world.listen(topics.DEGRADED_CONDITION, DiagnosticArray)
    camera = world.talk(topics.CAMERA_IMAGE, Image)
    world.start(Corruption, follow_source=False, condition='low_light:4')
    world.meet()
    camera.publish(message(120, 1))
    wait_for(lambda: clean and degraded and told)
    applied = codec.applied_from_values(codec.values_of(told[0]))
    pixels = np.frombuffer(clean[0].data, np.uint8).reshape(64, 128, 3)
    assert (pixels == 120).all() and applied.source == checksum(pixels)
    assert stamps(clean) == stamps(degraded) == [NANO]


class Deaf:
    """A node that hears nothing: pictures are handed over by the test."""

    def receive_images(self, topic, reliability, callback):
        assert (topic, reliability) == (topics.DEGRADED_SOURCE, 'reliable')


def test_what_nobody_claims_is_let_go():
    pictures = CleanPictures(Deaf(), past=2)
    for number in range(1, 101):
        pictures.came(message(number, number))
    assert len(pictures._kept) == AHEAD + 2
    assert pictures_of([pictures.claim(100 * NANO)])[0][0, 0, 0] == 100
    assert pictures_of([pictures.claim(1 * NANO)]) is None
    gc.collect()
    assert not pictures._slots


def test_a_claim_outlives_whatever_comes_after_it():
    pictures = CleanPictures(Deaf())
    slot = pictures.claim(1 * NANO)
    for number in range(1, 50):
        pictures.came(message(number, number))
    assert pictures_of([slot])[0][0, 0, 0] == 1


def test_an_expected_picture_that_is_let_go_is_not_held():
    pictures = CleanPictures(Deaf())
    pictures.expect(1 * NANO)
    pictures.let_go(1 * NANO)
    gc.collect()
    assert not pictures._slots and not pictures._expected


def test_expected_pictures_are_let_go_once_a_later_one_is_taken():
    pictures = CleanPictures(Deaf())
    for number in (1, 2, 3):
        pictures.expect(number * NANO)
        pictures.came(message(number, number))
    assert pictures.taken(2 * NANO).picture()[0, 0, 0] == 2
    assert list(pictures._expected) == [3 * NANO]
