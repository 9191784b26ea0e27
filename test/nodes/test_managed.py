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
"""Managed model nodes over real rclpy, driven by the services that `ros2 lifecycle` calls."""

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus  # noqa: E402
from lifecycle_msgs.msg import Transition  # noqa: E402
from lifecycle_msgs.srv import ChangeState, GetState  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from std_srvs.srv import SetBool  # noqa: E402
from worlds import Held, picture_message, stamps, wait_for  # noqa: E402

from vlm_misalign_ros.core.errors import ModelError  # noqa: E402
from vlm_misalign_ros.core.types import Confidence, Description, Passed  # noqa: E402
from vlm_misalign_ros.nodes import segmentation as segmentation_node  # noqa: E402
from vlm_misalign_ros.nodes import vlm as vlm_node  # noqa: E402
from vlm_misalign_ros.nodes.managed import PAUSED  # noqa: E402
from vlm_misalign_ros.nodes.segmentation import Segmentation  # noqa: E402
from vlm_misalign_ros.nodes.vlm import Vlm  # noqa: E402
from vlm_misalign_ros.wire import topics  # noqa: E402
from vlm_misalign_ros.wire import values as codec  # noqa: E402

pytestmark = [pytest.mark.heavy, pytest.mark.usefixtures('ros')]

NANO = 1_000_000_000
PICTURE = np.zeros((64, 128, 3), np.uint8)
CASES = [
    (Vlm, {'name': 'm'}, topics.vlm_description('m'), codec.description_from_values),
    (Segmentation, {}, topics.SEGMENTATION_CONFIDENCE, codec.confidence_from_values),
]


@pytest.fixture
def shelf(monkeypatch):
    """Return where every node finds its model; None for one that cannot be loaded."""
    there = Held()
    there.open.set()
    found = {'model': there, 'there': there, 'loaded': 0}

    def load(name, **options):
        if found['model'] is None:
            raise ModelError('no such model', 'give another')
        found['loaded'] += 1
        return found['model']

    monkeypatch.setattr(vlm_node, 'load_vlm', load)
    monkeypatch.setattr(segmentation_node, 'load_segmentation', load)
    return found


class Driven:
    """A node that waits to be told, what it says, and the services that tell it."""

    def __init__(self, world, kind, topic, read, chosen):
        self.world, self.read = world, read
        self.came = world.listen(topic, DiagnosticArray)
        self.seen = world.listen(topics.DIAGNOSTICS, DiagnosticArray)
        self.sent = world.talk(topics.DEGRADED_IMAGE, Image)
        self.node = world.start(kind, autostart=False, **chosen)
        self.name = self.node.get_name()
        self.topic = topic

    def change(self, transition):
        request = ChangeState.Request(transition=Transition(id=transition))
        return self.world.call(f'/{self.name}/change_state', ChangeState, request).success

    @property
    def state(self):
        found = self.world.call(f'/{self.name}/get_state', GetState, GetState.Request())
        return found.current_state.label

    def enable(self, wanted):
        found = self.world.call(f'/{self.name}/enable', SetBool, SetBool.Request(data=wanted))
        return found.success, found.message

    def show(self, number):
        self.sent.publish(picture_message(PICTURE, number * NANO))

    def told(self):
        """Return level and text of the newest status; it comes once a second."""
        found = self.seen[-1].status[0] if self.seen else None
        return None if found is None else (found.level, found.message)

    def answers(self):
        return [self.read(codec.values_of(message)) for message in self.came]


@pytest.fixture(params=CASES, ids=['vlm', 'segmentation'])
def driven(request, world, shelf):
    kind, chosen, topic, read = request.param
    return Driven(world, kind, topic, read, chosen)


def test_a_node_is_configured_activated_paused_and_freed_as_it_is_told(driven, shelf):
    world = driven.world
    assert driven.state == 'unconfigured' and shelf['loaded'] == 0
    assert not world.node.count_publishers(driven.topic)
    assert not driven.sent.get_subscription_count()
    assert driven.change(Transition.TRANSITION_CONFIGURE)
    assert driven.state == 'inactive' and shelf['loaded'] == 1
    world.meet()
    # It says of each frame that it passes it over, so that nobody waits.
    driven.show(1)
    wait_for(lambda: len(driven.came) == 1)
    assert driven.change(Transition.TRANSITION_ACTIVATE) and driven.state == 'active'
    driven.show(2)
    wait_for(lambda: len(driven.came) == 2)
    assert driven.change(Transition.TRANSITION_DEACTIVATE) and driven.state == 'inactive'
    driven.show(3)
    wait_for(lambda: len(driven.came) == 3)
    first, second, third = driven.answers()
    assert first == third == Passed(PAUSED)
    assert isinstance(second, (Description, Confidence)) and stamps(driven.came)[1] == 2 * NANO
    assert driven.change(Transition.TRANSITION_CLEANUP) and driven.state == 'unconfigured'
    assert driven.node._model is None
    wait_for(lambda: not driven.sent.get_subscription_count())
    wait_for(lambda: not world.node.count_publishers(driven.topic))
    # And again.
    assert driven.change(Transition.TRANSITION_CONFIGURE) and shelf['loaded'] == 2
    assert driven.change(Transition.TRANSITION_ACTIVATE)
    world.meet()
    driven.show(4)
    wait_for(lambda: len(driven.came) == 4)
    assert isinstance(driven.answers()[3], (Description, Confidence))
    assert driven.change(Transition.TRANSITION_ACTIVE_SHUTDOWN)
    wait_for(lambda: driven.node.finished)
    assert driven.node._model is None


def test_pausing_finishes_the_frame_in_hand_and_passes_over_what_waits(driven, shelf):
    model = shelf['model']
    model.open.clear()
    driven.change(Transition.TRANSITION_CONFIGURE)
    assert driven.enable(True) == (True, 'active')
    driven.world.meet()
    driven.show(1)
    assert model.begun.acquire(timeout=10)
    driven.show(2)
    driven.show(3)
    wait_for(lambda: driven.node.workers[0].waiting == 2)
    assert driven.enable(False) == (True, 'paused') and driven.state == 'inactive'
    wait_for(lambda: len(driven.came) == 2)
    assert driven.answers() == [Passed(PAUSED)] * 2 and stamps(driven.came) == [2 * NANO, 3 * NANO]
    paused = (DiagnosticStatus.WARN, f'passes every frame over: {PAUSED}')
    wait_for(lambda: driven.told() == paused)
    model.open.set()
    wait_for(lambda: len(driven.came) == 3)
    assert stamps(driven.came)[2] == NANO
    assert driven.enable(False) == (True, 'paused')
    assert driven.enable(True) == (True, 'active') and driven.state == 'active'


def test_a_model_that_cannot_be_loaded_names_its_cause_and_may_be_there_later(driven, shelf):
    shelf['model'] = None
    assert driven.enable(True) == (False, 'not configured: no model is loaded')
    assert not driven.change(Transition.TRANSITION_CONFIGURE) and driven.state == 'unconfigured'
    cause = (DiagnosticStatus.ERROR, 'cannot be configured: no such model. give another')
    wait_for(lambda: driven.told() == cause)
    assert driven.enable(True) == (False, 'no such model. give another')
    assert not driven.world.node.count_publishers(driven.topic)
    shelf['model'] = shelf['there']
    assert driven.change(Transition.TRANSITION_CONFIGURE)
    assert driven.change(Transition.TRANSITION_ACTIVATE)
    driven.world.meet()
    driven.show(1)
    wait_for(lambda: driven.came)
    assert driven.world.error is None


@pytest.mark.parametrize('kind, chosen', [case[:2] for case in CASES])
def test_a_node_that_starts_itself_ends_with_what_its_model_lacks(world, shelf, kind, chosen):
    shelf['model'] = None
    with pytest.raises(ModelError, match='no such model'):
        world.start(kind, **chosen)


@pytest.mark.parametrize('error', [ValueError('a bug'), SystemError()])
def test_a_fault_while_loading_is_not_swallowed(world, monkeypatch, error):
    def load(name, **options):
        raise error

    monkeypatch.setattr(vlm_node, 'load_vlm', load)
    with pytest.raises(type(error)):
        world.start(Vlm, name='m')
