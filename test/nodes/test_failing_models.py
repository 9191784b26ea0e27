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

"""Models that fail: on one frame, and on many in a row."""

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from worlds import picture_message, stamps, wait_for  # noqa: E402

from vlm_misalign_ros.core.errors import FrameError  # noqa: E402
from vlm_misalign_ros.core.stamps import NANO  # noqa: E402
from vlm_misalign_ros.core.types import Description, Failed, Kind, Segmented  # noqa: E402
from vlm_misalign_ros.nodes import segmentation as segmentation_node  # noqa: E402
from vlm_misalign_ros.nodes import vlm as vlm_node  # noqa: E402
from vlm_misalign_ros.nodes.segmentation import Segmentation  # noqa: E402
from vlm_misalign_ros.nodes.vlm import Vlm  # noqa: E402
from vlm_misalign_ros.wire import topics  # noqa: E402
from vlm_misalign_ros.wire import values as codec  # noqa: E402

pytestmark = [pytest.mark.heavy, pytest.mark.usefixtures('ros')]


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
