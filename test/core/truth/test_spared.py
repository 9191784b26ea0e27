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

"""What spares work says what the plain way says: against formulas and passes over every pixel."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from maps import ID, put, street
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.evaluation.evaluator import truth_entry
from vlm_misalign_ros.core.labels.maps import read_labels
from vlm_misalign_ros.core.labels.shares import Limits, histogram
from vlm_misalign_ros.core.labels.tables import CARLA_TAGS, LABEL_IDS, TRAIN_IDS
from vlm_misalign_ros.core.truth import recent
from vlm_misalign_ros.core.truth.camera import axis_of_rows
from vlm_misalign_ros.core.truth.corridor import Road
from vlm_misalign_ros.core.truth.inventory import take_inventory
from vlm_misalign_ros.core.truth.maps import TruthMaps, known_depth
from vlm_misalign_ros.core.truth.presence import visible_inventory
from vlm_misalign_ros.core.truth.read import TruthSettings, read_truth
from vlm_misalign_ros.core.truth.spans import starts_of_runs
from vlm_misalign_ros.core.truth.trust import assess
from vlm_misalign_ros.core.types import Camera, NoCamera
from vlm_misalign_ros.wire.channels import _train_ids

SIDES = st.tuples(st.integers(1, 12), st.integers(1, 12))
MAPS = st_numpy.arrays(np.uint8, SIDES, elements=st.sampled_from([0, 1, 4, 7, 24, 26, 255]))
NOISE = st_numpy.arrays(np.uint8, SIDES)
CAMERA = Camera(64, 32, 60.0, 60.0, 31.5, 12.0, mount_height=1.2)
SETTINGS = TruthSettings()


@given(st.one_of(MAPS, NOISE))
def test_a_histogram_counts_every_pixel(array):
    assert histogram(array).tolist() == [int((array == value).sum()) for value in range(256)]
    assert histogram(np.asfortranarray(array)).tolist() == histogram(array).tolist()


@given(MAPS, st.data())
def test_runs_begin_where_a_row_does_or_a_map_changes(one, data):
    other = data.draw(st_numpy.arrays(np.uint16, one.shape, elements=st.sampled_from([0, 24000])))
    begun = [
        y * one.shape[1] + x
        for y in range(one.shape[0])
        for x in range(one.shape[1])
        if x == 0 or one[y, x] != one[y, x - 1] or other[y, x] != other[y, x - 1]
    ]
    assert starts_of_runs(one, other).tolist() == begun
    assert starts_of_runs(np.asfortranarray(one), other).tolist() == begun


@pytest.mark.parametrize('encoding', [LABEL_IDS, TRAIN_IDS, CARLA_TAGS], ids=lambda e: e.name)
@given(array=st.one_of(MAPS, NOISE))
def test_labels_are_read_at_once_as_they_are_one_after_the_other(encoding, array):
    found = read_labels(encoding, array)
    assert np.array_equal(found.labels, encoding.table[array])
    assert found.outside == encoding.outside(array)


@given(SIDES, st.data())
def test_one_pixel_makes_depth_known(sides, data):
    depth = np.full((sides[0] * 70, sides[1]), 5, np.uint16)
    assert known_depth(depth) is None
    place = data.draw(st.tuples(*(st.integers(0, side - 1) for side in depth.shape)))
    depth[place] = 6
    assert known_depth(depth) is depth


@pytest.mark.parametrize('value', range(256))
def test_a_mask_holds_train_ids_and_ignored_alone(value):
    mask = np.zeros((2, 3), np.uint8)
    mask[1, 2] = value
    fields = {'height': 2, 'width': 3, 'step': 3, 'encoding': 'mono8', 'is_bigendian': 0}
    message = SimpleNamespace(data=mask.tobytes(), **fields)
    if value < 19 or value == 255:
        assert np.array_equal(_train_ids(message, None), mask)
    else:
        with pytest.raises(RecordError, match=f'holds {value}, which is no train id'):
            _train_ids(message, None)


def scene(seed):
    """Return label and instance ids, depth and what an occluder leaves to see, of 64 x 32."""
    rng = np.random.default_rng(seed)
    labels, instances = street(64, 32)
    for number in range(int(rng.integers(0, 5))):
        name = str(rng.choice(['car', 'person', 'bicycle']))
        top, left = int(rng.integers(8, 24)), int(rng.integers(0, 50))
        put(labels, instances, name, number, top, left, 7, 12)
    labels[28:, 10:50] = ID['ego vehicle']
    labels[rng.integers(0, 28, 20), rng.integers(0, 64, 20)] = ID['sidewalk']
    depth = rng.integers(0, 40_000, labels.shape, np.uint16)
    visible = np.ones(labels.shape, bool)
    top, left = rng.integers(0, 25), rng.integers(0, 50)
    visible[top : top + 12, left : left + 20] = False
    return labels, instances, depth, visible


@given(st.integers(0, 50), st.floats(0.5, 6.0), st.floats(2.0, 60.0))
def test_what_is_covered_of_the_road_by_every_pixel(seed, width, distance):
    labels, instances, _, visible = scene(seed)
    road = Road(take_inventory(labels, instances), CAMERA)
    covered = pixels = 0
    # The camera looks straight ahead: a metre along its axis is one along the road.
    for row, ahead in enumerate(axis_of_rows(CAMERA, np.arange(32))):
        for column in range(64):
            aside = abs(column - CAMERA.cx) / CAMERA.fx * ahead
            inside = ahead <= distance * (1 + 1e-9) and aside <= width / 2 + 1e-9 * ahead
            if inside and labels[row, column] != ID['ego vehicle']:
                pixels += 1
                covered += not visible[row, column]
    assert road.cover(visible).within(width, distance) == (covered, pixels)


@given(st.integers(0, 50))
def test_what_is_left_to_see_is_what_is_in_the_maps_without_the_rest(seed):
    labels, instances, depth, visible = scene(seed)
    left = visible_inventory(labels, instances, depth, visible)
    plain = take_inventory(np.where(visible, labels, 0), np.where(visible, instances, 0), depth)
    assert np.array_equal(left.pixels, plain.pixels)
    assert [(t.label, t.area, t.depth) for t in left.things] == [
        (t.label, t.area, t.depth) for t in plain.things
    ]


CHANGES = ('none', 'covered', 'labels', 'instances', 'depth', 'camera', 'no camera', 'hood')


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(CHANGES)), min_size=1, max_size=6))
def test_frames_one_after_the_other_have_the_truth_that_each_has_alone(steps):
    last = recent.LastScene()
    for seed, change in steps:
        labels, instances, depth, visible = scene(seed)
        camera = NoCamera('?') if change == 'no camera' else CAMERA
        if change == 'labels':
            labels[20, 40] = ID['person']
        elif change == 'instances':
            instances[20, 40] = 24_500
        elif change == 'depth':
            depth[20, 40] ^= 4096
        elif change == 'camera':
            camera = replace(CAMERA, pitch=0.1)
        shown = visible if change == 'covered' else None
        maps = TruthMaps(labels, instances, depth, shown, tells_hood=change != 'hood')
        found = last.truth(maps, camera, SETTINGS)
        assert truth_entry(found) == truth_entry(read_truth(maps, camera, SETTINGS))
        read = read_labels(LABEL_IDS, labels)
        assert last.trust(read, instances, Limits()) == assess(read, instances, Limits())


def test_of_a_frame_that_comes_again_nothing_is_derived_again(monkeypatch):
    derived = []
    for name in ('assess', 'read_scene'):
        real = getattr(recent, name)

        def counted(*given, real=real, name=name):
            derived.append(name)
            return real(*given)

        monkeypatch.setattr(recent, name, counted)
    last = recent.LastScene()
    for seed, shown in ((1, False), (1, True), (1, False), (2, True), (2, False), (1, False)):
        # Other arrays each time, as messages bring them.
        labels, instances, depth, visible = scene(seed)
        read = read_labels(LABEL_IDS, labels)
        last.trust(read, instances, Limits())
        maps = TruthMaps(read.labels, instances, depth, visible if shown else None)
        last.truth(maps, CAMERA, SETTINGS)
    assert derived == ['assess', 'read_scene'] * 3
