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

"""The hazard truth by another corridor of the sweep, against reading the labels by that."""

import dataclasses

import numpy as np
import pytest

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.evaluation.evaluator import truth_entry
from vlm_misalign_ros.core.evaluation.retruth import Corridors
from vlm_misalign_ros.core.labels.classes import BY_NAME
from vlm_misalign_ros.core.truth.hazard import HazardSettings, swept
from vlm_misalign_ros.core.truth.read import TruthMaps, TruthSettings, read_truth
from vlm_misalign_ros.core.types import Camera, Hazard, NoCamera

HEIGHT, WIDTH = 128, 256
CAMERA = Camera(WIDTH, HEIGHT, 282.0, 282.0, 128.0, 50.0, 1.22, 0.0)
BASE = HazardSettings()


def streets(count):
    """Yield maps with road users, walls and unlabelled spots; every second has an occluder."""
    rng = np.random.default_rng(11)
    names = ('person', 'car', 'bicycle', 'wall', 'sidewalk', 'unlabeled')
    for number in range(count):
        labels = np.full((HEIGHT, WIDTH), BY_NAME['road'].id, np.uint8)
        labels[:48] = BY_NAME['building'].id
        instances = labels.astype(np.uint16)
        for k in range(int(rng.integers(1, 6))):
            name = names[rng.integers(0, len(names))]
            bottom = int(rng.integers(53, 126))
            top, left = max(bottom - int(rng.integers(4, 30)), 40), int(rng.integers(70, 180))
            box = np.s_[top:bottom, left : left + int(rng.integers(3, 25))]
            labels[box] = BY_NAME[name].id
            instances[box] = BY_NAME[name].id
            if name in ('person', 'car', 'bicycle'):
                instances[box] = BY_NAME[name].id * 1000 + k
        visible = None
        if number % 2:
            visible = np.ones((HEIGHT, WIDTH), bool)
            top, left = rng.integers(40, 110), rng.integers(60, 160)
            visible[top : top + 60, left : left + 50] = False
        yield TruthMaps(labels, instances, None, visible)


def read(maps, chosen):
    return truth_entry(read_truth(maps, CAMERA, TruthSettings(hazard=chosen)))


@pytest.mark.parametrize('share', [0.01, 0.2])
@pytest.mark.parametrize('name', list(swept(BASE)))
def test_it_is_what_the_labels_give_by_that_corridor(name, share):
    after = dataclasses.replace(swept(BASE)[name], obstacle_share=share)
    way = Corridors.between(BASE, after)
    told = ('hazard', 'nearest', 'nearest_class', 'distance_source', 'doubt', 'corridor')
    told += ('hazard_visible', 'doubt_visible', 'presence', 'visible', 'required')
    turned = 0
    for maps in streets(60):
        before, wanted = read(maps, BASE), read(maps, after)
        assert way.lacking(before) == ''
        found = way.retold(before)
        for field in told:
            assert getattr(found, field) == getattr(wanted, field), field
        turned += before.hazard is not found.hazard
    assert turned or after == BASE


def test_the_sweep_stays_that_of_the_run_by_the_share_of_obstacles():
    after = dataclasses.replace(BASE, corridor_width=4.0, obstacle_share=0.3)
    way = Corridors.between(BASE, after)
    for maps in streets(20):
        found = way.retold(read(maps, BASE))
        assert found.sweep == read(maps, dataclasses.replace(BASE, obstacle_share=0.3)).sweep


def test_without_a_camera_every_corridor_is_as_unknown():
    maps = next(streets(1))
    before = truth_entry(read_truth(maps, NoCamera('a fisheye'), TruthSettings()))
    way = Corridors.between(BASE, dataclasses.replace(BASE, corridor_width=4.0))
    assert way.lacking(before) == '' and way.retold(before) == before
    assert before.hazard is Hazard.INDETERMINATE


def test_a_corridor_between_those_of_the_sweep_is_refused():
    with pytest.raises(ConfigurationError, match='2, 3, 4 with a .* of 15, 20, 30'):
        Corridors.between(BASE, dataclasses.replace(BASE, corridor_width=2.5))


def test_what_was_scored_again_has_the_sweep_of_the_first_corridor_for_ever():
    wide = dataclasses.replace(BASE, corridor_width=4.0)
    once = Corridors.between(BASE, wide).retold(read(next(streets(1)), BASE))
    assert Corridors.between(wide, wide).retold(once) == once
    another = Corridors.between(wide, dataclasses.replace(wide, obstacle_share=0.5))
    assert 'score the first run again' in another.lacking(once)
