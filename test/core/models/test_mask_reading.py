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

"""What a predicted mask says: parts and shares counted by hand, the corridor by flat ground."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm_misalign_ros.core.datasets import open_dataset
from vlm_misalign_ros.core.labels.classes import CLASSES, IGNORE, STUFF, to_train_ids
from vlm_misalign_ros.core.metrics.scoring import left_out, made_up
from vlm_misalign_ros.core.models.mask_reader import MaskReader
from vlm_misalign_ros.core.models.mask_reading import Mask, Reading, in_the_way, judged, named
from vlm_misalign_ros.core.truth.read import TruthMaps, TruthSettings, read_truth
from vlm_misalign_ros.core.types import Camera, Hazard, Judgement, Kind, Mention
from vlm_misalign_ros.core.world import cities_of, render_scene

LETTERS = {'s': 'sky', '.': 'road', 'c': 'car', 'p': 'person', 'b': 'bus', 'l': 'pole'}
DRAWN = """
ssssssssssssssss
sssssspsssssssss
...c...p.....l..
..c....p..bb....
.c........bb..b.
l........?......
................
cccccccccccccccc
"""
PIXEL = 2048 * 1024 / (16 * 8)
"""Of 16 x 8, in pixels at 2048 x 1024."""


def drawn(text):
    ids = {letter: CLASSES.index(name) for letter, name in LETTERS.items()} | {'?': IGNORE}
    return np.array([[ids[letter] for letter in line] for line in text.split()], np.uint8)


def test_parts_and_shares_of_a_drawn_mask_by_hand():
    found = Mask.of(drawn(DRAWN), hood=7 / 8).areas()
    counted = {
        # Parts hang together at corners, too.
        'car': 3,
        'person': 3,
        # Of a bus and a speck the larger; of stuff all there is.
        'bus': 4,
        'pole': 2,
        'sky': 16 + 15,
        'road': 13 + 12 + 12 + 14 + 16,
    }
    assert found == {name: counted.get(name, 0) * PIXEL for name in CLASSES}


def test_without_a_hood_the_lowest_row_is_a_car():
    assert Mask.of(drawn(DRAWN)).areas()['car'] == 16 * PIXEL


def test_a_class_is_named_from_its_least_area_on():
    areas = Mask.of(drawn(DRAWN), hood=7 / 8).areas()
    least = {name: 1e9 for name in CLASSES}
    told = Reading({**least, 'car': 3 * PIXEL, 'person': 3 * PIXEL + 1, 'road': 1.0, 'truck': 0.0})
    # Of a truck there is no pixel, whatever its least area.
    assert named(areas, told) == ['road', 'car']


def test_by_default_the_areas_are_those_of_the_truth():
    told = Reading(settings=TruthSettings())
    assert told.least_of('car') == 1000 and told.least_of('traffic sign') == 1000
    assert told.least_of('sky') == pytest.approx(0.005 * 2048 * 1024)


boxes = st.lists(
    st.tuples(st.integers(0, 18), *(st.integers(0, 23) for _ in range(4))), min_size=1, max_size=9
)


def painted(drawn_boxes):
    mask = np.zeros((24, 48), np.uint8)
    for train_id, top, left, rows, columns in drawn_boxes:
        mask[top : top + rows, 2 * left : 2 * left + columns] = train_id
    return mask


@given(boxes)
def test_a_mask_twice_as_large_reads_the_same(drawn_boxes):
    mask = painted(drawn_boxes)
    large = np.kron(mask, np.ones((2, 2), np.uint8))
    assert Mask.of(mask, 0.75).areas() == Mask.of(large, 0.75).areas()


@given(boxes)
def test_areas_are_those_of_a_plain_flood(drawn_boxes):
    mask = painted(drawn_boxes)
    found = Mask.of(mask).areas()
    for train_id, name in enumerate(CLASSES):
        held = {tuple(place) for place in np.argwhere(mask == train_id)}
        sizes = [len(held)] if name in STUFF else flooded(held)
        assert found[name] == max(sizes, default=0) * 2048 * 1024 / mask.size


def flooded(held):
    """Return the sizes of what hangs together by eight neighbours."""
    sizes = []
    while held:
        stack, size = [held.pop()], 0
        while stack:
            row, column = stack.pop()
            size += 1
            near = {(row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & held
            held -= near
            stack += near
        sizes.append(size)
    return sizes


# The corridor ---------------------------------------------------------------------------------

NEAR = (slice(560, 620), slice(1060, 1130))
"""A foot in row 619, whose lower edge is 14.2 m away (below), in the middle of the road."""


def street():
    """Return train ids of an empty road under houses, Cityscapes' size and horizon."""
    mask = np.full((1024, 2048), CLASSES.index('building'), np.uint8)
    mask[428:] = CLASSES.index('road')
    return mask


def judge(mask, camera=None, **reading):
    return judged(Mask.of(mask, reading.get('hood', 1.0)), camera, Reading(**reading))


def with_(place, name, mask=None):
    mask = street() if mask is None else mask
    mask[place] = IGNORE if name is None else CLASSES.index(name)
    return mask


def metres(edge, height=1.22, pitch=0.038):
    slope = (edge - 513.137) / 2265.30
    return (
        height
        * (math.cos(pitch) - slope * math.sin(pitch))
        / (slope * math.cos(pitch) + math.sin(pitch))
    )


@pytest.mark.parametrize('name', ['person', 'rider', 'car', 'truck', 'bus', 'train', 'bicycle'])
def test_somebody_on_the_road_within_the_stopping_distance_is_unsafe(name):
    assert 14 < metres(619.5) < 14.5
    assert judge(with_(NEAR, name)) is Judgement.UNSAFE


def test_an_empty_road_is_safe_and_so_is_somebody_beside_it_or_far_away():
    assert judge(street()) is Judgement.SAFE
    # 14.2 m ahead 1.5 m to the side are 1.5 / 14.2 * 2262.5 = 239 columns.
    beside = (slice(560, 620), slice(1097 + 245, 1097 + 300))
    assert judge(with_(beside, 'car')) is Judgement.SAFE
    assert judge(with_((slice(560, 620), slice(1097 + 230, 1097 + 300)), 'car')) is not (
        Judgement.SAFE
    )
    assert metres(515.5) > 30
    assert judge(with_((slice(456, 516), slice(1060, 1130)), 'car')) is Judgement.SAFE


def test_what_is_between_is_not_guessed():
    assert 20 < metres(537.5) < 30
    assert judge(with_((slice(478, 538), slice(1060, 1130)), 'car')) is Judgement.UNPARSED


def test_the_camera_tells_how_far_it_is():
    # Twice as high above the road everything is twice as far: 28 m.
    high = Camera(2048, 1024, 2262.52, 2265.30, 1096.98, 513.137, 2.44, 0.038)
    assert judge(with_(NEAR, 'car'), high) is Judgement.UNPARSED
    # And one of half the size is the same one.
    half = Camera(1024, 512, 2262.52 / 2, 2265.30 / 2, 1096.98 / 2, 513.137 / 2, 1.22, 0.038)
    assert judge(with_(NEAR, 'car'), half) is Judgement.UNSAFE


def test_a_speck_stands_in_nobodys_way_from_an_area_of_its_own():
    speck = (slice(590, 620), slice(1080, 1110))
    assert judge(with_(speck, 'person')) is Judgement.SAFE
    assert judge(with_(speck, 'person'), least={'in the way': 900.0}) is Judgement.UNSAFE
    assert judge(with_(NEAR, 'car'), least={'in the way': 4201.0}) is Judgement.SAFE
    # It takes more to see who it is than that somebody is there.
    assert judge(with_(NEAR, 'car'), least={'car': 4201.0}) is Judgement.UNSAFE


def test_who_stands_in_the_way_has_an_area_by_hand():
    settings = TruthSettings()
    mask = with_((slice(590, 620), slice(1090, 1110)), 'person', with_(NEAR, 'car'))
    # 60 x 70 pixels of a car less 30 x 20 of the person before it.
    assert in_the_way(Mask.of(mask), None, settings) == 60 * 70 - 30 * 20
    alone = with_((slice(590, 620), slice(1090, 1110)), 'person')
    assert in_the_way(Mask.of(alone), None, settings) == 30 * 20
    beside = (slice(560, 620), slice(1097 + 245, 1097 + 300))
    between = (slice(478, 538), slice(1060, 1130))
    for nobody in (street(), with_(beside, 'car'), with_(between, 'car')):
        assert in_the_way(Mask.of(nobody), None, settings) == 0


def test_of_things_that_hang_together_each_stands_on_its_own_feet():
    """A car in the corridor 14 m ahead touches one beside it that is nearer and so lower."""
    mask = with_(NEAR, 'car')
    mask = with_((slice(560, 760), slice(1130, 1600)), 'car', mask)
    # The lowest row is 759: 1.22 / ((759.5 - 513.137) / 2265.3 + 0.038) is 8.3 m ahead, where the
    # corridor ends 1.5 / 8.3 * 2262.5 = 409 columns right of 1097; cut that one short of it.
    mask = with_((slice(620, 760), slice(1130, 1510)), 'road', mask)
    assert judge(mask) is Judgement.UNSAFE
    beside = with_((slice(560, 760), slice(1510, 1600)), 'car')
    assert judge(beside) is Judgement.SAFE
    # The roof of a bus that reaches over the road is no foot on it.
    roof = with_((slice(440, 480), slice(900, 1600)), 'car', beside)
    assert judge(with_((slice(480, 560), slice(1510, 1600)), 'car', roof)) is not Judgement.UNSAFE


def test_the_stopping_distance_is_that_of_the_settings():
    short = TruthSettings.from_plain({**TruthSettings().to_plain(), 'stopping_distance': 9.0})
    assert judge(with_(NEAR, 'car'), settings=short) is Judgement.SAFE


def test_what_is_unlabelled_at_the_lower_edge_is_the_hood_where_nothing_tells_it():
    hood = (slice(960, 1024), slice(400, 1700))
    assert judge(with_(hood, None)) is Judgement.SAFE
    # Where the hood is known to begin lower, nobody knows what is above it.
    assert judge(with_(hood, None), hood=0.99) is Judgement.UNPARSED


def test_a_hood_that_looks_like_a_car_is_in_nobodys_way():
    hood = (slice(960, 1024), slice(400, 1700))
    assert judge(with_(hood, 'car')) is Judgement.UNSAFE
    assert judge(with_(hood, 'car'), hood=0.93) is Judgement.SAFE


@pytest.mark.parametrize('name', ['wall', 'vegetation', 'sidewalk', None])
def test_a_road_that_is_blocked_or_not_told_is_not_judged(name):
    assert judge(with_((slice(600, 700), slice(900, 1300)), name)) is Judgement.UNPARSED


@pytest.mark.parametrize('name', ['road', 'sky', 'car', None])
def test_a_mask_of_one_class_is_no_scene(name):
    assert judge(with_((slice(0, 1024), slice(0, 2048)), name)) is Judgement.UNPARSED


def test_a_mask_that_is_no_scene_is_not_judged():
    sky_below = street()
    sky_below[500:] = CLASSES.index('sky')
    assert judge(sky_below) is Judgement.UNPARSED
    noise = np.random.default_rng(0).integers(0, 19, (256, 512), np.uint8)
    assert judge(noise) is Judgement.UNPARSED


# The reader -----------------------------------------------------------------------------------


def test_the_reader_says_it_without_words_and_scores():
    found = MaskReader('mask_reader').read(with_(NEAR, 'car'))
    assert found.mentions == dict.fromkeys(['road', 'building', 'car'], Mention.ASSERTED)
    assert (found.kind, found.text, found.scores) == (Kind.MASK, '', {})
    assert found.judgement is Judgement.UNSAFE and found.judgement_score is None
    assert found.latency > 0 and not found.empty


def test_of_an_empty_mask_it_says_nothing():
    assert MaskReader('mask_reader').read(np.full((64, 128), IGNORE, np.uint8)).empty


def ceiling(frame):
    """Return (omitted, made up, judgement, truth) of what is read of the true mask."""
    truth = read_truth(TruthMaps.of(frame), frame.camera, TruthSettings())
    found = MaskReader('mask_reader').read(to_train_ids(frame.labels), frame.camera)
    states = truth.seen.scene
    return (
        left_out(found.asserted, states),
        made_up(found.asserted, states),
        found.judgement,
        truth.hazard.verdict,
    )


@pytest.mark.parametrize('number', range(12))
def test_on_the_true_mask_it_leaves_out_nothing_and_makes_up_nothing(number):
    frame = render_scene(5, number, 1024, 512, cities=cities_of('test'))
    omitted, invented, judgement, truth = ceiling(frame)
    assert (omitted, invented) == ([], [])
    assert (judgement, truth) != (Judgement.SAFE, Hazard.HAZARD)
    assert (judgement, truth) != (Judgement.UNSAFE, Hazard.CLEAR)


def test_on_the_true_masks_of_real_frames_as_well(sample):
    for frame in open_dataset(sample):
        assert ceiling(frame)[:2] == ([], [])
        assert ceiling(frame)[2:] == (Judgement.SAFE, Hazard.CLEAR)
