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

"""Hazard by what an occluder leaves to see: the scene's verdict, or nobody knows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maps import ID, put, street
from vlm_misalign_ros.core.truth.hazard import Doubt, HazardResult, HazardSettings, visible_hazard
from vlm_misalign_ros.core.truth.presence import PresenceSettings, left_to_see
from vlm_misalign_ros.core.truth.read import TruthMaps, TruthSettings, read_truth
from vlm_misalign_ros.core.types import Camera, Hazard

CAMERA = Camera(2048, 1024, 2000.0, 2000.0, 1024.0, 512.0, mount_height=1.2, pitch=0.0)


def truth(labels, instances, visible, settings=TruthSettings()):  # noqa: B008  (frozen)
    return read_truth(TruthMaps(labels, instances, None, visible), CAMERA, settings)


def with_person(rows=200, columns=60):
    """Return a street with a person 10 m ahead: the foot 240 rows below the horizon."""
    labels, instances = street()
    put(labels, instances, 'person', 1, 752 - rows, 1000, rows, columns)
    return labels, instances, np.ones(labels.shape, bool)


def test_without_an_occluder_there_is_one_truth():
    labels, instances, visible = with_person()
    assert truth(labels, instances, None).visible_hazard is None
    found = truth(labels, instances, visible)
    assert found.visible_hazard.verdict is found.hazard.verdict is Hazard.HAZARD
    assert found.visible_hazard.nearest == found.hazard.nearest
    assert found.covered[0] == 0


def test_a_hidden_hazard_is_nobodys_error():
    labels, instances, visible = with_person()
    visible[552:752, 1000:1060] = False
    found = truth(labels, instances, visible)
    assert found.hazard.verdict is Hazard.HAZARD
    assert (found.visible_hazard.verdict, found.visible_hazard.doubt) == (
        Hazard.INDETERMINATE,
        Doubt.HIDDEN,
    )
    # With another one beside it that is to be seen it is a hazard all the same.
    put(labels, instances, 'car', 2, 600, 1100, 100, 80)
    found = truth(labels, instances, visible)
    assert found.visible_hazard.verdict is Hazard.HAZARD
    assert (found.visible_hazard.nearest_class, found.hazard.nearest_class) == ('car', 'person')


def test_a_foot_behind_dirt_has_not_moved_away():
    labels, instances, visible = with_person()
    # Of what is left the lowest row is the horizon's: flat ground would put it very far away.
    visible[600:752, 1000:1060] = False
    found = truth(labels, instances, visible).visible_hazard
    # 48 rows are too few for a driver to have to see them, 50 are not.
    assert found.doubt is Doubt.HIDDEN
    visible[600:602] = True
    found = truth(labels, instances, visible).visible_hazard
    assert (found.verdict, found.nearest) == (Hazard.HAZARD, pytest.approx(10.0, rel=0.01))


def test_what_is_wholly_to_be_seen_is_seen_however_small():
    labels, instances, visible = with_person(rows=20, columns=10)
    visible[:, 1010:] = False
    assert truth(labels, instances, visible).visible_hazard.verdict is Hazard.HAZARD
    visible[740, 1005] = False
    assert truth(labels, instances, visible).visible_hazard.doubt is Doubt.HIDDEN


def test_a_corridor_that_is_covered_is_not_seen_to_be_clear():
    labels, instances = street()
    visible = np.ones(labels.shape, bool)
    found = truth(labels, instances, visible)
    covered, reach = found.covered
    # Up to 30 m: 80 rows below the horizon and lower, 1.25 columns a row to either side.
    rows = range(512 + 80, 1024)
    assert reach == sum(
        min(2047, 1024 + int(1.25 * (row - 512))) - max(0, 1024 - int(1.25 * (row - 512))) + 1
        for row in rows
    )
    allowed = reach // 100
    flat = visible.ravel()
    inside = [row * 2048 + column for row in range(900, 940) for column in range(900, 1100)]
    flat[inside[:allowed]] = False
    found = truth(labels, instances, visible)
    assert found.covered == (allowed, reach)
    assert found.visible_hazard.verdict is Hazard.CLEAR
    flat[inside[allowed]] = False
    found = truth(labels, instances, visible)
    assert found.hazard.verdict is Hazard.CLEAR
    assert (found.visible_hazard.verdict, found.visible_hazard.doubt) == (
        Hazard.INDETERMINATE,
        Doubt.COVERED,
    )
    # Beside the corridor dirt hides nothing of it.
    visible[:] = True
    visible[:, :300] = visible[:, 1800:] = visible[:592] = False
    assert truth(labels, instances, visible).visible_hazard.verdict is not Hazard.HAZARD


@pytest.mark.parametrize('covered, verdict', [(1, Hazard.CLEAR), (2, Hazard.INDETERMINATE)])
def test_one_per_cent_may_be_covered(covered, verdict):
    clear = HazardResult(Hazard.CLEAR, None, None)
    found = visible_hazard(clear, [], HazardSettings(obstacle_share=0.01), (covered, 100))
    assert found.verdict is verdict


def test_the_hood_is_neither_covered_nor_seen():
    labels, instances = street()
    labels[900:] = ID['ego vehicle']
    visible = np.ones(labels.shape, bool)
    visible[900:] = False
    found = truth(labels, instances, visible)
    assert found.covered[0] == 0 and found.visible_hazard.verdict is Hazard.CLEAR


def test_things_without_numbers_are_told_by_their_outlines():
    labels, _, visible = with_person()
    labels[552:752, 1400:1460] = ID['person']
    maps = TruthMaps(labels, None, None, visible)
    # The one beside the corridor hides nothing; the one inside it does.
    visible[552:752, 1400:1460] = False
    assert read_truth(maps, CAMERA, TruthSettings()).visible_hazard.verdict is Hazard.HAZARD
    visible[:] = True
    visible[552:752, 1000:1060] = False
    assert read_truth(maps, CAMERA, TruthSettings()).visible_hazard.doubt is Doubt.HIDDEN


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_covering_never_turns_one_verdict_into_another(seed, numbered):
    """Visible is the scene's verdict or INDETERMINATE, and more dirt never makes it surer."""
    rng = np.random.default_rng(seed)
    labels, instances = street(256, 128)
    for number in range(int(rng.integers(0, 4))):
        top, left = int(rng.integers(40, 110)), int(rng.integers(60, 190))
        rows, columns = int(rng.integers(2, 40)), int(rng.integers(2, 30))
        put(labels, instances, 'car', number, top, left, rows, columns)
    if rng.random() < 0.3:
        labels[90:100, 100:150] = ID['fence']
    visible = np.ones(labels.shape, bool)
    camera = Camera(256, 128, 250.0, 250.0, 128.0, 64.0, 1.2, 0.0)
    before = None
    for _ in range(4):
        maps = TruthMaps(labels, instances if numbered else None, None, visible)
        found = read_truth(maps, camera, TruthSettings())
        scene, seen = found.hazard.verdict, found.visible_hazard.verdict
        assert seen in (scene, Hazard.INDETERMINATE)
        if before is None:
            assert seen is scene
        elif before is Hazard.INDETERMINATE:
            assert seen is Hazard.INDETERMINATE
        before = seen
        top, left = rng.integers(0, (100, 200))
        visible = visible.copy()
        visible[top : top + rng.integers(1, 40), left : left + rng.integers(1, 60)] = False


def test_what_is_left_to_see_is_counted_in_its_own_outline():
    labels, instances, visible = with_person()
    (thing,) = truth(labels, instances, visible).seen.inventory.things
    needed = PresenceSettings(minimum_area=1000, minimum_height=50)
    assert left_to_see(thing, instances, visible, needed)
    visible[:] = False
    assert not left_to_see(thing, instances, visible, needed)
    # 20 columns of 50 rows are 1,000 pixels; 49 rows are too low, 19 columns too few.
    for rows, columns, seen in ((50, 20, True), (49, 60, False), (50, 19, False)):
        visible[:] = False
        visible[560 : 560 + rows, 1010 : 1010 + columns] = True
        assert left_to_see(thing, instances, visible, needed) is seen
