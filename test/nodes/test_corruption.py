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

"""The corruption: who says how a picture is degraded, and what cannot be degraded."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from rcl_interfaces.srv import SetParameters  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from sent import scenario, source_message, strange_source  # noqa: E402
from worlds import at, picture_message, stamps, wait_for  # noqa: E402

from vlm_misalign_ros.core.checksums import checksum  # noqa: E402
from vlm_misalign_ros.core.corruptions import Manner, degrade, measured  # noqa: E402
from vlm_misalign_ros.core.corruptions.scenario import Playing, load_scenario  # noqa: E402
from vlm_misalign_ros.core.errors import MisalignError  # noqa: E402
from vlm_misalign_ros.core.evaluation.replaying import played  # noqa: E402
from vlm_misalign_ros.core.stamps import NANO  # noqa: E402
from vlm_misalign_ros.core.types import Condition, Source  # noqa: E402
from vlm_misalign_ros.nodes import messages  # noqa: E402
from vlm_misalign_ros.nodes.corruption import Corruption  # noqa: E402
from vlm_misalign_ros.wire import pixels as images  # noqa: E402
from vlm_misalign_ros.wire import topics  # noqa: E402
from vlm_misalign_ros.wire import values as codec  # noqa: E402

pytestmark = [pytest.mark.heavy, pytest.mark.usefixtures('ros')]


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
