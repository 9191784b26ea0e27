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

"""What `bag inspect` tells of a bag."""

import json

import numpy as np
import pytest

from bagged import (
    FRONT,
    INFO,
    NANO,
    SEMANTIC,
    bag_of,
    camera_bag,
    image_message,
    info_message,
    packed_message,
    picture,
    strange_bag,
    text_message,
    time_of,
)
from golden import replaying
from vlm_misalign_ros.app.cli import main
from vlm_misalign_ros.bags.inspecting import inspect_bag
from vlm_misalign_ros.bags.pacing import Intervals
from vlm_misalign_ros.core.datasets import open_dataset


def entry(report, name):
    return next(e for e in report.to_plain()['topics'] if e['name'] == name)


@pytest.fixture(scope='module')
def street():
    """Return a labelled frame."""
    return open_dataset(replaying.SCENES).read(0)


def test_rate_and_gap_of_a_camera_that_lost_three_frames(tmp_path):
    report = inspect_bag(camera_bag(tmp_path / 'bag', 20, (7, 8, 9)))
    found = entry(report, FRONT)
    assert (found['messages'], found['promised']) == (17, 17)
    assert found['rate'] == pytest.approx(16 / 1.9)
    assert found['interval'] == pytest.approx(0.1, rel=0.03)
    assert found['gaps'] == 1
    assert found['longest_gaps'] == [pytest.approx({'seconds': 0.4, 'at': 0.6})]
    assert found['pictures'] == {'bgr8 96x48': 17}
    assert any('1 gaps' in note and '0.400 s at 0.600 s' in note for note in report.notes)
    assert report.seconds == pytest.approx(1.9) and report.lost == ''


def test_a_bag_with_one_camera_topic_says_how_models_run_over_it(tmp_path):
    path = camera_bag(tmp_path / 'bag')
    uses = inspect_bag(path).uses
    assert any(
        f'bag run {path} CONFIG' in line and f'--topic camera/image_raw:={FRONT}' in line
        for line in uses
    )
    assert any('no topic has labels' in line for line in uses)
    assert any('no camera_info' in line for line in uses)


def test_stamps_that_go_back_come_twice_or_are_none(tmp_path):
    numbers = [0, 1, 2, 2, 1, 3]
    pictures = [0, 1, 2, 2, 9, 3]
    rows = [
        (FRONT, image_message(picture(p), time_of(n), 'bgr8'), time_of(k))
        for k, (n, p) in enumerate(zip(numbers, pictures, strict=True))
    ]
    broken = image_message(picture(0), 0, 'bgr8')
    broken.header.stamp.nanosec = NANO
    told = entry(
        inspect_bag(bag_of(tmp_path / 'bag', [*rows, (FRONT, broken, time_of(6))])), FRONT
    )
    stamps = told['stamps']
    assert (stamps['back'], stamps['doubled_alike'], stamps['doubled_other']) == (1, 1, 1)
    assert stamps['back_seconds'] == pytest.approx(0.1) and stamps['unread'] == 1
    assert stamps['delay'] == pytest.approx([0.0, 0.3])


def test_labels_are_found_by_what_they_hold(tmp_path, street):
    rows = [
        (FRONT, packed_message(street.image, time_of(0), 'jpeg'), time_of(0)),
        (INFO, info_message(street.camera, time_of(0)), time_of(0)),
        (SEMANTIC, image_message(street.labels, time_of(0), 'mono8'), time_of(0)),
        ('/chatter', text_message('hello'), time_of(0)),
    ]
    report = inspect_bag(bag_of(tmp_path / 'bag', rows))
    height, width = street.labels.shape
    assert entry(report, FRONT)['pictures'] == {f'jpeg {width}x{height}': 1}
    assert entry(report, SEMANTIC)['label_encodings'] == ['cityscapes_label_ids']
    assert entry(report, '/chatter')['stamps'] is None
    (line,) = (line for line in report.uses if line.startswith('models over'))
    for rule in (
        f'camera/image_raw:={FRONT}',
        f'ground_truth/labels:={SEMANTIC}',
        f'camera/camera_info:={INFO}',
    ):
        assert f'--topic {rule}' in line
    assert 'monitor.truth=false' not in line


def test_recorded_answers_can_be_scored(tmp_path):
    path = replaying.write_bag(tmp_path / 'bag', True, ('clean',))
    (line,) = (line for line in inspect_bag(path).uses if 'bag analyse' in line)
    assert 'clip, llava, paligemma, siglip against the labels' in line


def test_the_verb_tells_it_as_text_and_json(tmp_path, capsys):
    path = camera_bag(tmp_path / 'bag', 3)
    assert main(['bag', 'inspect', str(path)]) == 0
    text = capsys.readouterr().out
    assert f'{FRONT}        3  sensor_msgs/msg/Image  10 Hz' in text
    assert main(['bag', 'inspect', str(path), '--json']) == 0
    assert json.loads(capsys.readouterr().out) == inspect_bag(path).to_plain()


def test_a_topic_with_a_hostile_name_stays_text(tmp_path, capsys):
    path = bag_of(tmp_path / 'bag', [('/a\x1b[2J', text_message('x'), time_of(0))])
    assert main(['bag', 'inspect', str(path)]) == 0
    assert '\x1b' not in capsys.readouterr().out


def test_a_type_with_other_fields_is_said_of_its_topic(tmp_path):
    kind, data = 'sensor_msgs/msg/CompressedImage', b'\3\0\0\0ab\0'
    bag = strange_bag(tmp_path / 'bag', '/strange', kind, 'string data', data)
    assert 'TypeError' in entry(inspect_bag(bag), '/strange')['problem']


def test_what_is_no_bag_is_one_line(tmp_path, capsys):
    assert main(['bag', 'inspect', str(tmp_path / 'nothing')]) == 2
    assert capsys.readouterr().err.count('\n') == 1


def test_a_loop_has_the_rate_and_the_gaps_of_what_is_looped(tmp_path):
    # 20 s at 10 Hz with one frame lost, three times over: 3 x 199 intervals in 3 x 20 s.
    numbers = [n for n in range(201) if n != 100]
    bag = bag_of(
        tmp_path / 'bag',
        [
            (FRONT, image_message(picture(0), time_of(n), 'bgr8'), time_of(n + 201 * lap))
            for lap in range(3)
            for n in numbers
        ],
    )
    found = entry(inspect_bag(bag), FRONT)['stamps']
    assert found['rate'] == pytest.approx(199 / 20)
    assert (found['back'], found['doubled_alike'], found['gaps']) == (2, 400, 0)


def test_the_median_interval_is_within_two_percent_of_numpys():
    steps = np.random.default_rng(0).lognormal(-2, 1, 9999)
    intervals = Intervals()
    for time in np.cumsum(np.r_[0.0, steps]):
        intervals.add(round(time * NANO))
    assert intervals.median == pytest.approx(np.median(steps), rel=0.02)
    beyond = (steps > 2.5 * np.median(steps)).sum()
    assert intervals.gaps == pytest.approx(beyond, rel=0.05)
