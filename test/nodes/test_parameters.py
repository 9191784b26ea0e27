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

"""Parameters of nodes, their names in a namespace, and quality of service."""

import pytest

rclpy = pytest.importorskip('rclpy')

from rcl_interfaces.srv import GetParameters, ListParameters, SetParameters  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from worlds import picture_message, wait_for  # noqa: E402

from vlm_misalign_ros.core.errors import MisalignError  # noqa: E402
from vlm_misalign_ros.core.stamps import NANO  # noqa: E402
from vlm_misalign_ros.nodes.corruption import Corruption  # noqa: E402
from vlm_misalign_ros.nodes.monitor import Monitor  # noqa: E402
from vlm_misalign_ros.nodes.replay import Replay  # noqa: E402
from vlm_misalign_ros.nodes.segmentation import Segmentation  # noqa: E402
from vlm_misalign_ros.nodes.vlm import Vlm  # noqa: E402
from vlm_misalign_ros.wire import topics  # noqa: E402

pytestmark = [pytest.mark.heavy, pytest.mark.usefixtures('ros')]


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
