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

"""Synthetic scenes: the same from the same seed, and truth that is true."""

import hashlib
import os
import subprocess
import sys
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from vlm_misalign_ros.core.datasets import open_dataset
from vlm_misalign_ros.core.errors import ConfigurationError, DatasetError
from vlm_misalign_ros.core.labels.classes import BY_NAME, CLASSES, LABELS
from vlm_misalign_ros.core.truth.camera import ground_distance
from vlm_misalign_ros.core.truth.hazard import HazardSettings, approaches, hazard
from vlm_misalign_ros.core.truth.inventory import take_inventory
from vlm_misalign_ros.core.truth.read import TruthMaps, TruthSettings, read_truth
from vlm_misalign_ros.core.types import Camera, Hazard
from vlm_misalign_ros.core.world import BASELINE, CITIES, SPLITS, cities_of, generate, render_scene
from vlm_misalign_ros.core.world.actors import SIZES
from vlm_misalign_ros.core.world.canvas import Canvas, Light
from vlm_misalign_ros.core.world.depth import depth_map
from vlm_misalign_ros.core.world.ground import between
from vlm_misalign_ros.core.world.solids import Body
from vlm_misalign_ros.core.world.street import make_street
from vlm_misalign_ros.core.world.vehicles import paint_vehicle

ID = {label.name: label.id for label in LABELS}
SIZE = {'width': 256, 'height': 128}


def digest(frame):
    total = hashlib.sha256()
    for array in (frame.image, frame.labels, frame.instances):
        total.update(array.tobytes())
    return total.hexdigest()


@pytest.fixture(scope='module')
def frames():
    return [render_scene(5, index, **SIZE) for index in range(40)]


@pytest.mark.heavy
def test_a_frame_is_the_same_alone_and_in_another_process(frames):
    assert digest(render_scene(5, 17, **SIZE)) == digest(frames[17])
    code = (
        'import sys; sys.path.insert(0, sys.argv[1]); import test_scenes as t;'
        'print(t.digest(t.render_scene(5, 17, **t.SIZE)))'
    )
    done = subprocess.run(
        [sys.executable, '-c', code, os.path.dirname(__file__)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == digest(frames[17])


def test_seeds_and_frames_differ(frames):
    assert len({digest(frame) for frame in frames}) == len(frames)
    assert digest(render_scene(6, 17, **SIZE)) != digest(frames[17])


def test_labels_and_instances_agree(frames):
    things = {label.id for label in LABELS if label.has_instances}
    for frame in frames:
        numbered = frame.instances >= 1000
        assert (frame.instances[numbered] // 1000 == frame.labels[numbered]).all()
        assert (frame.instances[~numbered] == frame.labels[~numbered]).all()
        assert set(np.unique(frame.labels[numbered])) <= things


def test_all_kinds_of_things_come_up(frames):
    """Every class is seen in some frames, and all but the always present missing in others."""
    present = {
        name: sum(bool((frame.labels == ID[name]).any()) for frame in frames) for name in CLASSES
    }
    assert all(present.values()), present
    assert {name for name, count in present.items() if count == len(frames)} <= {
        'road',
        'sky',
        'pole',
        'vegetation',
        'terrain',
    }


def test_sequences_move_and_keep_their_instances():
    first, second, last = (
        render_scene(5, index, sequence_length=30, **SIZE) for index in (30, 31, 59)
    )
    assert first.sequence == second.sequence == last.sequence
    assert first.key.endswith('_000000') and last.key.endswith('_000029')
    near, far = ((first.labels != other.labels).mean() for other in (second, last))
    assert 0.001 < near < far < 0.8
    same = np.intersect1d(first.instances, second.instances)
    assert (same >= 1000).sum() >= 5


def test_somebody_walks_across_the_street():
    """A pedestrian's lowest pixels move sideways while the car drives straight on."""
    street = make_street(3, 0, CITIES, 512, 256, 3.0)
    walker = next(
        actor
        for k in range(40)
        for actor in make_street(k, 0, CITIES, 512, 256, 3.0).actors
        if actor.label == 'person' and actor.speed_x
    )
    assert 0.25 < abs(walker.speed_x) < 2.0
    assert any(actor.speed_z < 0 or street.one_way for actor in street.actors)


def test_the_cities_of_the_splits_differ():
    names = [{city.name for city in cities} for cities in SPLITS.values()]
    assert set(SPLITS) == {'train', 'val', 'test'}
    assert sum(map(len, names)) == len(set.union(*names)) == len(CITIES)
    assert render_scene(0, 0, cities=SPLITS['test'], **SIZE).sequence.startswith('fohrenstadt')


@pytest.mark.heavy
def test_about_half_of_the_scenes_are_hazards():
    verdicts = []
    for index in range(80):
        frame = render_scene(1, index, **SIZE)
        verdicts.append(
            hazard(
                approaches(take_inventory(frame.labels, frame.instances), frame.camera),
                HazardSettings(),
            ).verdict
        )
    share = verdicts.count(Hazard.HAZARD) / len(verdicts)
    assert 0.3 < share < 0.7


@given(seed=st.integers(0, 10**6), sequence=st.integers(0, 50))
def test_what_happens_comes_into_the_lane_and_leaves_it(seed, sequence):
    street = make_street(seed, sequence, CITIES, 256, 128, 12.0, eventful=True)
    calm = make_street(seed, sequence, CITIES, 256, 128, 12.0)
    count = sum(one == other for one, other in zip(street.actors, calm.actors, strict=False))
    happening = street.actors[count:]
    # Everything else is as it is on the street without events, but for whom was in the way.
    assert len(calm.actors) - count <= 1
    assert (street.fixtures, street.speed, street.camera) == (
        calm.fixtures,
        calm.speed,
        calm.camera,
    )
    times = np.arange(0, 40, 0.05)
    for actor in happening:
        length, wide, _ = SIZES.get(actor.label, (0.0, 0.0, 0.0))
        x = np.array([actor.across(time) for time in times])
        # From the camera to its rear.
        away = actor.z + (actor.speed_z - street.speed) * times - length / 2
        in_the_way = (abs(x) - wide / 2 < 1.5) & (away > 0) & (away < 20)
        # Not from the beginning, for some seconds, and never run into.
        assert not in_the_way[0]
        assert 1.0 < in_the_way.sum() * 0.05 < 8.0
        assert away[in_the_way].min() > 2.0


@pytest.mark.heavy
def test_on_an_eventful_street_hazards_come_and_go():
    verdicts = []
    for index in range(0, 60, 2):
        frame = render_scene(3, 60 * 4 + index, sequence_length=60, eventful=True, **SIZE)
        things = approaches(take_inventory(frame.labels, frame.instances), frame.camera)
        verdicts.append(hazard(things, HazardSettings()).verdict)
    changes = [one for one, other in pairwise(verdicts) if one != other]
    assert Hazard.HAZARD in changes and Hazard.CLEAR in changes


@pytest.mark.parametrize('index', [26, 249, 255])
def test_the_shadow_of_a_tree_on_the_road_is_road(index):
    # Trees beside these streets throw their shadow across the ego lane.
    frame = render_scene(31, index, 512, 256, cities=cities_of('val'))
    truth = read_truth(TruthMaps.of(frame), frame.camera, TruthSettings())
    assert truth.corridor.obstacles == {} and truth.corridor.pixels > 10_000


@given(
    st.lists(st.tuples(st.floats(-9, 9), st.floats(0, 9)), min_size=3, max_size=12),
    st.floats(-9, 9),
    st.floats(-9, 9),
)
def test_an_outline_is_cut_into_parts_that_make_up_the_whole(points, one, other):
    outline = np.array(points, np.float32)
    assume(len(np.unique(outline, axis=0)) > 1)
    hull = cv2.convexHull(outline)[:, 0]
    low, high = sorted((one, other))
    parts = [between(hull, *limits) for limits in ((-np.inf, low), (low, high), (high, np.inf))]
    for part, limits in zip(parts, ((-np.inf, low), (low, high), (high, np.inf)), strict=True):
        assert ((part[:, 0] >= limits[0] - 1e-4) & (part[:, 0] <= limits[1] + 1e-4)).all()
    areas = [cv2.contourArea(part) if len(part) > 2 else 0.0 for part in parts]
    assert sum(areas) == pytest.approx(cv2.contourArea(hull), abs=1e-3)


def test_the_disparity_is_that_of_a_flat_road_under_the_camera(tmp_path):
    generate(tmp_path, 2, seed=8, **SIZE)
    dataset = open_dataset(tmp_path)
    frame, disparity = dataset.read(0), dataset.disparity(0)
    camera = frame.camera
    row = 120
    road = frame.labels[row] == BY_NAME['road'].id
    assert road.sum() > 20
    distance = ground_distance(camera, row + 0.5)
    depth = distance * np.cos(camera.pitch) + camera.mount_height * np.sin(camera.pitch)
    measured = np.median(BASELINE * camera.fx / disparity[row][road])
    assert measured == pytest.approx(depth, rel=0.08)


@pytest.mark.parametrize('x, z', [(3.2, 8.0), (-3.0, 9.0), (4.5, 12.0), (1.2, 20.0)])
def test_a_car_is_as_far_to_the_side_as_it_stands(x, z):
    camera = Camera(1024, 512, 1131.0, 1132.0, 512.0, 256.0, mount_height=1.3, pitch=0.03)
    canvas = Canvas(camera, Light((0.0, 1.0), 0.0, (200.0, 200.0, 200.0), 1e6))
    body = Body(x, z, 0.0, 4.4, 1.8, 1.5)
    canvas.begin('road', 10.0)
    canvas.polygon([(-9, 0, 1), (9, 0, 1), (9, 0, 90), (-9, 0, 90)], (90, 90, 90))
    canvas.begin('car', z - 2.2, 0, faces=True)
    paint_vehicle(canvas, 'car', body, (90, 60, 40), (40, 40, 40), 1.0)
    labels, instances = canvas.labels(), canvas.instances()
    millimetres = np.rint(1000 * np.minimum(depth_map(canvas, labels), 60)).astype(np.uint16)
    (found,) = approaches(take_inventory(labels, instances, millimetres), camera)
    assert found.offset == pytest.approx(max(abs(x) - 0.9, 0.0), abs=0.15)
    assert found.distance == pytest.approx(z - 2.2, abs=0.6)


@pytest.mark.heavy
def test_a_sequence_is_written_as_cityscapes_writes_it(tmp_path):
    made = generate(tmp_path, 25, seed=5, split='test', sequence_length=22, width=64, height=32)
    assert len(made) == 25 and all('leftImg8bit_sequence' in str(path) for path in made)
    whole, part = open_dataset(tmp_path, sequences=True), open_dataset(tmp_path)
    assert len(whole) == 25
    # The twentieth frame of the whole sequence, and the last of the one cut short.
    assert [entry.key[-13:] for entry in part.entries] == ['000000_000019', '000001_000002']
    for frame in whole:
        assert frame.labels is not None and frame.instances is not None and frame.camera
    assert whole.disparity(7) is not None
    assert digest(part.read(0)) == digest(whole.read(19))


def test_the_files_are_the_frames(tmp_path, frames):
    generate(tmp_path / 'a', 3, seed=5, split='all', **SIZE)
    for frame, expected in zip(open_dataset(tmp_path / 'a'), frames, strict=False):
        assert frame.key == expected.key and digest(frame) == digest(expected)
        assert frame.camera == expected.camera


@pytest.mark.parametrize(
    'chosen, words',
    [
        ({'frames': 0}, '0 frames'),
        ({'frames': 1, 'width': 10}, '10 x 512'),
        ({'frames': 1, 'height': 100000}, '1024 x 100000'),
        ({'frames': 1, 'cities': ['atlantis']}, "no city 'atlantis'"),
        ({'frames': 1, 'seed': -3}, 'seed -3'),
    ],
)
def test_sizes_that_cannot_be_are_refused(tmp_path, chosen, words):
    with pytest.raises(ConfigurationError, match=words):
        generate(tmp_path, **{'seed': 0, **chosen})


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(DatasetError, match='cannot be written'):
        generate(tmp_path / 'file' / 'scenes', 1, seed=0, **SIZE)
