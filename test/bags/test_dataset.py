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

"""The pictures of a bag as a data set: which, under which names, with which truth."""

import numpy as np
import pytest
from drives import START, Drive, record

from bagged import strange_bag
from golden.replaying import image_message, info_message
from vlm_misalign_ros.bags.from_dataset import Timing, write_dataset
from vlm_misalign_ros.bags.running import over_bag
from vlm_misalign_ros.core.datasets import open_dataset
from vlm_misalign_ros.core.errors import ConfigurationError, DatasetError, RecordError
from vlm_misalign_ros.core.evaluation.evaluator import Evaluator
from vlm_misalign_ros.core.evaluation.join import Closing, Joined
from vlm_misalign_ros.core.evaluation.parts import CONDITION, LABELS, SOURCE
from vlm_misalign_ros.core.evaluation.replaying import open_replayed, protocol_of
from vlm_misalign_ros.core.settings.nodes import EvaluationParameters, ReplayParameters
from vlm_misalign_ros.core.stamps import NANO
from vlm_misalign_ros.core.types import (
    Applied,
    Camera,
    Condition,
    Hazard,
    NoCamera,
    Protocol,
    Source,
)
from vlm_misalign_ros.wire.raw import raw_stamp
from vlm_misalign_ros.wire.values import source_from_values, source_to_values


def picture(level):
    return np.full((32, 64, 3), level, np.uint8)


def test_a_bag_gives_the_pictures_and_the_truth_that_were_recorded(scenes, tmp_path):
    found = open_dataset(f'bag:{record(tmp_path / "drive", scenes)}')
    wanted = open_dataset(scenes)
    assert len(found) == len(wanted) == 6 and found.name == 'drive' and not found.has_depth
    for one, other in zip(found, wanted, strict=True):
        assert np.array_equal(one.image, other.image)
        assert np.array_equal(one.labels, other.labels)
        assert np.array_equal(one.instances, other.instances)
        assert (one.camera.fx, one.camera.width) == (other.camera.fx, other.camera.width)
    assert [entry.key for entry in found.entries[:2]] == [
        'drive@1700000000.000000000',
        'drive@1700000000.050000000',
    ]
    assert protocol_of(found) is Protocol.LABELLED and found.rate == 20.0
    # Whatever was read last, each is itself.
    assert np.array_equal(found.read(1).image, wanted.read(1).image)


def test_names_are_those_that_are_given(scenes, tmp_path):
    bag = record(tmp_path / 'drive', scenes, False, '/car/', 'front/image')
    chosen = ReplayParameters(
        dataset=f'bag:{bag}',
        topics=('camera/image_raw:=front/image',),
        recorded_namespace='car',
        camera_height=2.0,
        limit=2,
    )
    found = open_replayed(chosen)
    assert len(found) == 2 and found.read(0).camera.mount_height == 2.0
    assert found.read(0).labels is None and protocol_of(found) is Protocol.SINGLE
    with pytest.raises(DatasetError, match='--topic camera/image_raw:=/car/front/image'):
        open_dataset(f'bag:{bag}')


def test_what_a_bag_has_not_is_refused(scenes, tmp_path):
    bag = record(tmp_path / 'drive', scenes)
    with pytest.raises(DatasetError, match='no split'):
        open_dataset(f'bag:{bag}', split='val')
    with pytest.raises(DatasetError, match='does not exist'):
        open_dataset(f'bag:{tmp_path / "nothing"}')


def test_doubled_stamps_are_left_out_and_a_looped_drive_begins_anew(tmp_path):
    drive = Drive(tmp_path / 'drive')
    arrival = START
    for lap in range(2):
        for number in (0, 1, 1, 200):
            stamp = START + number * NANO // 10
            # The stamps come again, the times of arrival do not.
            message = image_message(picture(10 * lap + number % 9), stamp, 'bgr8')
            drive.put('camera/image_raw', message, arrival)
            labels = image_message(np.full((32, 64), 7 + lap, np.uint8), stamp, 'mono8')
            drive.put('ground_truth/labels', labels, arrival + 1000)
            arrival += NANO
    drive.close()
    found = open_dataset(f'bag:{tmp_path / "drive"}')
    assert [entry.sequence for entry in found.entries] == ['drive'] * 3 + ['drive#2'] * 3
    assert len({entry.key for entry in found.entries}) == 6
    assert any('2 pictures came twice' in fault for fault in found.faults)
    assert [int(frame.labels[0, 0]) for frame in found] == [7] * 3 + [8] * 3
    assert [int(frame.image[0, 0, 0]) for frame in found] == [0, 1, 2, 10, 11, 12]


def test_a_camera_that_is_not_calibrated_is_unknown_and_never_the_default_one(tmp_path):
    nobody = Camera(64, 32, 0.0, 0.0, 0.0, 0.0)
    labels = np.repeat(np.uint8([23, 11, 7, 7]), 8)[:, None].repeat(64, 1)
    drive = Drive(tmp_path / 'drive')
    drive.put('camera/camera_info', info_message(nobody, START), START)
    drive.put('ground_truth/labels', image_message(labels, START, 'mono8'), START)
    drive.put('camera/image_raw', image_message(picture(1), START, 'bgr8'), START)
    drive.close()
    found = open_dataset(f'bag:{tmp_path / "drive"}')
    frame = found.read(0)
    assert isinstance(frame.camera, NoCamera) and 'not calibrated' in frame.camera.reason
    assert any('not calibrated' in fault for fault in found.faults)
    # The same of a bag that is made of it, and of what the nodes are told.
    write_dataset(found, tmp_path / 'again', Timing())
    assert isinstance(open_dataset(f'bag:{tmp_path / "again"}').read(0).camera, NoCamera)
    source = Source('d', 's', 'k', 0, 1, 0, Condition())
    assert source_from_values(source_to_values(source, frame.camera)) == (source, frame.camera)
    told = Evaluator(EvaluationParameters(instances=False, confidence=False))
    parts = {SOURCE: (source, frame.camera), CONDITION: Applied(Condition(), 1)}
    joined = Joined(1, {**parts, LABELS: frame.labels}, (), Closing.COMPLETE)
    assert told.evaluate(joined).record.truth.hazard is Hazard.INDETERMINATE


@pytest.mark.parametrize(
    'data', [b'', b'\x00\x01\x00\x00' + b'\xff' * 8, b'\x00\x07' + b'\x00' * 30]
)
def test_what_has_no_time_has_none(data):
    with pytest.raises(RecordError):
        raw_stamp(data)


def drive_of(folder, *rows):
    """Record (part, seconds of the stamp, level, seconds of the recording)."""
    drive = Drive(folder)
    for part, second, level, when in rows:
        stamp, maps = START + round(second * NANO), part.startswith('ground_truth')
        image = picture(level)[:, :, 0] if maps else picture(level)
        message = image_message(image, stamp, 'mono8' if maps else 'bgr8')
        drive.put(part, message, START + round(when * NANO))
    drive.close()
    return open_dataset(f'bag:{folder}')


CAMERA, TRUTH = 'camera/image_raw', 'ground_truth/labels'


def test_truth_of_before_a_jump_is_never_that_of_a_picture_after_it(tmp_path):
    # A simulator that is reset: the second drive has the stamps of the first, and no labels.
    found = drive_of(
        tmp_path / 'reset',
        *((CAMERA, 0, 1, 0), (TRUTH, 0, 7, 0.1), (TRUTH, 1, 7, 1), (CAMERA, 30, 2, 30)),
        *((TRUTH, 30, 7, 30.1), (CAMERA, 0, 3, 60), (CAMERA, 1, 4, 61), (CAMERA, 30, 5, 90)),
    )
    assert [entry.labels for entry in found.entries] == [True, True, None, None, None]


def test_truth_that_comes_late_or_early_around_a_jump_is_that_of_its_picture(tmp_path):
    found = drive_of(
        tmp_path / 'looped',
        *((CAMERA, 0, 1, 0), (TRUTH, 0, 7, 0.1), (CAMERA, 30, 2, 30), (TRUTH, 0, 8, 30.1)),
        *((CAMERA, 0, 3, 30.2), (TRUTH, 30, 7, 30.3), (CAMERA, 30, 4, 60), (TRUTH, 30, 8, 61)),
    )
    assert [int(frame.labels[0, 0]) for frame in found] == [7, 7, 8, 8]


def test_what_came_twice_and_differs_is_truth_of_nothing(tmp_path):
    found = drive_of(
        tmp_path / 'doubled',
        *((CAMERA, 0, 1, 0), (TRUTH, 0, 7, 0.1), (TRUTH, 0, 11, 0.2)),
        *((CAMERA, 1, 1, 1), (TRUTH, 1, 7, 1.1), (TRUTH, 1, 7, 1.2)),
        *((CAMERA, 2, 1, 2), (CAMERA, 2, 9, 2.1), (TRUTH, 2, 7, 2.2)),
        *((CAMERA, 3, 1, 3), (CAMERA, 3, 1, 3.1), (TRUTH, 3, 7, 3.2)),
    )
    assert [entry.labels for entry in found.entries] == [None, True, None, True]
    assert any('1 times labels came twice' in fault for fault in found.faults)
    assert any('1 stamps have pictures that differ' in fault for fault in found.faults)


def test_truth_that_was_made_afterwards_is_read_without_what_lies_between(tmp_path):
    # An hour later, as labels that were put beside a recording by `bag merge`.
    found = drive_of(
        tmp_path / 'later',
        *((CAMERA, n / 10, n, n / 10) for n in range(40)),
        *((TRUTH, n / 10, n, 3600 + n / 10) for n in range(40)),
    )
    for number, frame in enumerate(found):
        assert int(frame.image[0, 0, 0]) == int(frame.labels[0, 0]) == number
        assert len(found._kept) < 15
    assert int(found.read(3).labels[0, 0]) == 3


def test_a_camera_is_that_of_its_own_stretch(tmp_path):
    drive = Drive(tmp_path / 'drive')
    for lap, focal in enumerate((50.0, 80.0)):
        for second in (0, 30):
            stamp, when = START + second * NANO, START + (second + 60 * lap) * NANO
            camera = Camera(64, 32, focal, focal, 32.0, 16.0)
            drive.put(CAMERA, image_message(picture(lap), stamp, 'bgr8'), when)
            # After the picture, as where two threads publish them.
            drive.put('camera/camera_info', info_message(camera, stamp + 1000), when + 1000)
    drive.close()
    found = open_dataset(f'bag:{tmp_path / "drive"}')
    assert [frame.camera.fx for frame in found] == [50.0, 50.0, 80.0, 80.0]


def test_a_configuration_is_fitted_to_what_a_bag_holds(scenes, tmp_path):
    with_truth = record(tmp_path / 'a', scenes, rate=5.0)
    without = record(tmp_path / 'run' / 'bag', scenes, False, '/car/', 'front/image')
    (tmp_path / 'run' / 'config.yaml').write_text(
        'namespace: car\nremap: {camera/image_raw: front/image}\n'
    )
    data = {
        'mode': 'live',
        'record': True,
        'corruption': {'condition': 'low_light:2', 'keep_lamps': True},
        'monitor': {'camera_height': 1.5},
    }
    found, said = over_bag(data, with_truth)
    assert not said and found['mode'] == 'evaluation' and 'record' not in found
    assert found['replay']['rate'] == 5.0 and found['corruption'] == {'keep_lamps': True}
    found, said = over_bag(data, without)
    assert found['monitor']['truth'] is False and found['self_consistency'] is True
    assert found['replay']['topics'] == ['camera/image_raw:=front/image']
    assert len(said) == 1 and 'no ground truth' in said[0]


def test_pictures_whose_type_has_other_fields_are_refused_in_one_line(tmp_path):
    kind = 'sensor_msgs/msg/CompressedImage'
    definition = 'builtin_interfaces/Time stamp\nstring frame_id\nstring format\nstring data\n'
    data = b'\1\0\0\0' + b'\0' * 4 + b'\1\0\0\0\0\0\0\0' * 3
    topic = '/camera/image_raw/compressed'
    found = open_dataset(f'bag:{strange_bag(tmp_path / "bag", topic, kind, definition, data)}')
    with pytest.raises(DatasetError, match='frame bag@1.000000000'):
        found.read(0)


@pytest.mark.parametrize('remap', ['[a, b]', 'text', '{1: 2}'])
def test_remappings_beside_a_bag_that_are_none_are_named(remap, tmp_path):
    drive_of(tmp_path / 'drive', (CAMERA, 0, 1, 0))
    (tmp_path / 'config.yaml').write_text(f'mode: live\nvlms: []\nremap: {remap}\n')
    with pytest.raises(ConfigurationError, match='remap'):
        over_bag({}, tmp_path / 'drive')


def test_a_bag_that_is_none_is_named(tmp_path):
    (tmp_path / 'drive.mcap').write_bytes(b'nothing')
    with pytest.raises((DatasetError, RecordError), match='drive.mcap'):
        open_dataset(f'bag:{tmp_path / "drive.mcap"}')
