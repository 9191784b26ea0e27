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

"""Which encoding a map has: the true one always fits, and `auto` never takes another."""

import cv2
import numpy as np
import pytest
import recoded

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.labels.encodings import open_encoding
from vlm_misalign_ros.core.labels.fitting import candidates, fit, fitting
from vlm_misalign_ros.core.labels.inspecting import describe, inspect
from vlm_misalign_ros.core.labels.maps import read_labels, spread
from vlm_misalign_ros.core.labels.shares import Limits

NAMES = tuple(recoded.every(np.zeros((1, 1), np.uint8)))


def label_maps(folder):
    return [
        cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        for path in sorted((folder / 'gtFine').rglob('*_labelIds.png'))
    ]


@pytest.fixture(scope='module')
def streets(scenes):
    return label_maps(scenes)


def test_every_encoding_but_auto_is_a_candidate():
    assert [entry.name for entry in candidates()] == list(NAMES)


@pytest.mark.parametrize('name', NAMES)
def test_the_true_encoding_fits_every_street(streets, name):
    for labels in streets:
        assert name in fitting(spread(recoded.every(labels)[name]))


@pytest.mark.parametrize('name', NAMES)
def test_the_true_encoding_fits_real_frames_and_of_values_alone(sample, name):
    for labels in label_maps(sample):
        found = fitting(spread(recoded.every(labels)[name]))
        assert name in found
        if 'palette' not in name and 'colors' not in name:
            assert found == [name]


@pytest.mark.parametrize('name', NAMES)
def test_auto_decides_for_the_true_encoding_or_not_at_all(streets, name):
    auto = open_encoding('auto')
    for labels in streets:
        pixels = recoded.every(labels)[name]
        found = read_labels(auto, pixels)
        if found.problem:
            assert found.encoding == 'auto' and 'set monitor.label_encoding=' in found.problem
            assert name in found.problem and not found.labels.any()
        else:
            assert found.encoding == name
            assert np.array_equal(found.labels, open_encoding(name).decode(pixels))


def test_auto_keeps_to_its_decision(streets):
    auto = open_encoding('auto')
    read_labels(auto, streets[0])
    assert auto.name == 'cityscapes_label_ids'
    # Tags fit another encoding, but the run has one.
    found = read_labels(auto, recoded.tags(streets[1], old=True))
    assert found.encoding == 'cityscapes_label_ids' and not found.problem
    assert open_encoding('auto').name == 'auto', 'what was learnt must not outlive the run'


def test_auto_refuses_where_two_fit_and_says_how_to_choose():
    """7 and 8 are road and sidewalk of Cityscapes and of CARLA to 0.9.13 alike."""
    labels = np.full((64, 128), 7, np.uint8)
    labels[:, :20] = 8
    labels[:30] = 22
    auto = open_encoding('auto')
    for _ in range(3):
        found = read_labels(auto, labels)
        assert 'cityscapes_label_ids and carla_tags_0_9_13 fit' in found.problem
        assert 'set monitor.label_encoding=cityscapes_label_ids' in found.problem
    # One more map with a value that only one of them has, and it is clear.
    labels[:10] = 23
    assert read_labels(auto, labels).encoding == 'cityscapes_label_ids'


def test_a_map_that_nothing_fits_decides_nothing(streets):
    auto = open_encoding('auto')
    for nothing in (np.zeros((64, 128), np.uint8), streets[0][::-1] + 100):
        assert 'no encoding fits' in read_labels(auto, nothing).problem
    # One value throughout fits something, and tells nothing.
    found = read_labels(auto, np.full((64, 128), 26, np.uint8))
    assert 'a map of so few values does not tell; cityscapes_label_ids fit it' in found.problem
    assert auto.name == 'auto'
    assert read_labels(auto, streets[0]).encoding == 'cityscapes_label_ids'


def test_colours_that_were_blended_fit_nothing_and_are_counted(streets):
    drawn = recoded.palette(recoded.tags(streets[0]))
    quality = [cv2.IMWRITE_JPEG_QUALITY, 90]
    blended = cv2.imdecode(cv2.imencode('.jpg', drawn, quality)[1], cv2.IMREAD_COLOR)
    smaller = cv2.resize(drawn, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_LINEAR)
    for spoilt in (blended, smaller):
        assert fitting(spoilt) == []
        outside = open_encoding('carla_palette').outside(spoilt)
        assert outside.total > 0.01 * spoilt.shape[0] * spoilt.shape[1] and outside.others
    nearest = cv2.resize(drawn, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_NEAREST)
    assert 'carla_palette' in fitting(nearest)


def test_what_speaks_against_an_encoding_is_named(streets):
    old = recoded.tags(streets[0], old=True)
    found = fit(open_encoding('carla_tags'), old)
    assert found.contrary and 'the road ahead would be traffic light' in found.reasons[0]
    found = fit(open_encoding('cityscapes_train_ids'), streets[0])
    assert not found.contrary and 'it does not have value' in found.reasons[0]


def test_an_inspection_tells_what_is_in_the_maps(streets):
    found = inspect([recoded.tags(labels, old=True) for labels in streets])
    assert found.fitting == ('carla_tags_0_9_13',)
    plain = found.of('carla_tags_0_9_13').to_plain()
    tags = np.concatenate([recoded.tags(labels, old=True) for labels in streets])
    assert plain['classes']['sky'] == pytest.approx(float((tags == 13).mean()))
    assert plain['classes']['car'] == pytest.approx(float((tags == 10).mean()))
    assert sum(plain['classes'].values()) == pytest.approx(1)
    assert (plain['fitted'], plain['scorable']) == (len(streets), len(streets))
    text = '\n'.join(describe(found))
    assert text.endswith('monitor.label_encoding=carla_tags_0_9_13')
    assert f'fits {len(streets)} of {len(streets)}' in text


def test_an_inspection_of_nothing_readable_says_so():
    found = inspect([np.full((64, 128), 137, np.uint8)])
    assert found.fitting == ()
    text = '\n'.join(describe(found))
    assert 'as they came: value 137 (100 %)' in text and 'no encoding fits' in text
    with pytest.raises(RecordError, match='no label map'):
        inspect([])


def test_auto_takes_the_limits_of_the_run(streets):
    spoilt = recoded.every(streets[0])['carla_palette_0_9_13'].copy()
    spoilt[: spoilt.shape[0] * 2 // 5] = 0
    with pytest.raises(RecordError, match='no encoding fits'):
        open_encoding('auto').decode(spoilt)
    auto = open_encoding('auto', Limits(0.7, 0.7))
    auto.decode(spoilt)
    assert auto.name == 'carla_palette_0_9_13'
