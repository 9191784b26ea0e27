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

"""A run without ground truth tells, as it goes, how far its models agree with themselves."""

import numpy as np
import pytest

pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from worlds import picture_message, wait_for  # noqa: E402

from vlm_misalign_ros.core.evaluation.disagreement import WORDS  # noqa: E402
from vlm_misalign_ros.core.stamps import NANO  # noqa: E402
from vlm_misalign_ros.core.types import Description, Judgement, Kind, Mention  # noqa: E402
from vlm_misalign_ros.nodes import vlm as vlm_node  # noqa: E402
from vlm_misalign_ros.nodes.corruption import Corruption  # noqa: E402
from vlm_misalign_ros.nodes.monitor import Monitor  # noqa: E402
from vlm_misalign_ros.nodes.vlm import Vlm  # noqa: E402
from vlm_misalign_ros.wire import topics  # noqa: E402
from vlm_misalign_ros.wire import values as codec  # noqa: E402

pytestmark = [pytest.mark.heavy, pytest.mark.usefixtures('ros')]


class Timid:
    """A model that sees a car by day, and by night a bus, and finds the night unsafe."""

    kind = Kind.GENERATIVE

    def describe(self, query):
        day = query.pictures[-1].mean() > 100
        return Description(
            'm',
            self.kind,
            'x',
            mentions=dict.fromkeys(['road', 'car' if day else 'bus'], Mention.ASSERTED),
            judgement=Judgement.SAFE if day else Judgement.UNSAFE,
        )


def test_metrics_and_diagnostics_tell_the_disagreement_as_such(world, monkeypatch):
    monkeypatch.setattr(vlm_node, 'load_vlm', lambda name, **options: Timid())
    metrics = world.listen(topics.MONITOR_METRICS, DiagnosticArray)
    health = world.listen(topics.DIAGNOSTICS, DiagnosticArray)
    camera = world.talk(topics.CAMERA_IMAGE, Image)
    world.start(Corruption, follow_source=False, condition='low_light:5', policy='every_frame')
    world.start(Vlm, name='m', self_consistency=True, policy='every_frame')
    world.start(
        Monitor,
        models=['m'],
        segmentation=False,
        truth=False,
        lockstep=False,
        source=False,
        pictures=0,
        minimum_coverage=0.9,
    )
    world.meet()
    wait_for(lambda: world.node.count_subscribers(topics.DEGRADED_SOURCE))
    wait_for(lambda: world.node.count_subscribers(topics.vlm_description('m')))
    for second in (1, 2, 3):
        day = np.full((64, 128, 3), 140, np.uint8)
        camera.publish(picture_message(day, second * NANO))
    wait_for(lambda: len(metrics) == 3)
    found = {status.name: status for status in metrics[-1].status}
    assert found['monitor: rolling disagreement: m'].message == WORDS
    assert found['monitor: rolling: m'].message == ''
    told = {pair.key: pair.value for pair in found['monitor: rolling disagreement: m'].values}
    for name, over, under in (
        ('self_consistency', 3, 9),
        ('self_added', 3, 6),
        ('self_dropped', 3, 6),
        ('self_flip_to_safe', 0, 0),
        ('self_flip_to_unsafe', 3, 3),
    ):
        assert (told[f'{name}/numerator'], told[f'{name}/denominator']) == (str(over), str(under))
    assert float(told['self_flip_to_unsafe/min']) < 1 == float(told['self_flip_to_unsafe/max'])
    rates = {pair.key: pair.value for pair in found['monitor: rolling: m'].values}
    assert rates['hallucination_rate/metric_value'] == 'nan' and rates['unmatched'] == '3'

    def of_model(kind):
        named = [s for message in health for s in message.status if s.name.endswith(f'm {kind}')]
        return named[-1] if named else None

    wait_for(
        lambda: of_model('self-consistency') and '3 of 3' in of_model('self-consistency').message
    )
    assert of_model('self-consistency').level == of_model('coverage').level == b'\x00'
    shown = codec.values_of(DiagnosticArray(status=[of_model('self-consistency')]))
    assert shown['rolling_self_added/metric_value'] == '0.5'
