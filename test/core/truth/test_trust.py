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

"""Whether labels say enough to score anything against them (docs/metrics.md)."""

from dataclasses import replace

import numpy as np
import pytest
import recoded
from hypothesis import given
from hypothesis import strategies as st

from maps import ID, put, street
from vlm_misalign_ros.core.datasets import open_dataset
from vlm_misalign_ros.core.labels.encodings import ENCODINGS, open_encoding
from vlm_misalign_ros.core.labels.maps import LabelMap, read_labels
from vlm_misalign_ros.core.labels.shares import Limits, nothing_said
from vlm_misalign_ros.core.truth.read import TruthMaps, TruthSettings, known_depth, trust_of
from vlm_misalign_ros.core.truth.trust import REMEDIES, WRONG, Fault, assess


def read(name, pixels):
    return read_labels(open_encoding(name), pixels)


@given(
    st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.booleans()
)
def test_the_share_is_that_of_the_scene(nothing, roi, hood, border, tells):
    """By counting: (unlabeled + out of roi) / (all - hood - border), against either limit."""
    line = np.full((1, 300), ID['road'], np.uint8)
    line[0, 250:] = ID['building']
    counts = (
        ('unlabeled', nothing),
        ('out of roi', roi),
        ('ego vehicle', hood),
        ('rectification border', border),
    )
    start = 0
    for name, count in counts:
        line[0, start : start + count] = ID[name]
        start += count
    said = nothing_said(line)
    assert said.share == pytest.approx((nothing + roi) / (300 - hood - border))
    assert said.hood == pytest.approx((hood + border) / 300)
    trust = assess(LabelMap(line, tells_hood=tells))
    assert trust.scorable == (said.share <= (0.2 if tells else 0.3))


@pytest.mark.parametrize(
    'name', ['static', 'dynamic', 'ground', 'parking', 'bridge', 'rail track', 'tunnel']
)
def test_what_is_no_class_is_known_all_the_same(name):
    labels, _ = street(128, 64)
    labels[16:] = ID[name]
    assert nothing_said(labels).share == 0
    assert assess(LabelMap.of(labels)).scorable


def test_a_picture_of_no_scene_says_nothing():
    trust = assess(LabelMap.of(np.full((8, 8), ID['ego vehicle'], np.uint8)))
    assert (trust.said.share, trust.scorable) == (1.0, False)


def test_black_labels_are_unlabelled_and_no_wrong_encoding():
    for name in ENCODINGS.builtin()[:4]:
        pixels = np.zeros((64, 128, 3) if name == 'cityscapes_colors' else (64, 128), np.uint8)
        if name == 'cityscapes_train_ids':
            pixels[:] = 255
        trust = assess(read(name, pixels))
        assert (trust.fault, trust.said.share) == (Fault.UNLABELLED, 1.0)
        assert 'every pixel is 0' in trust.reason or '100 % of the scene' in trust.reason
        assert trust.fault not in WRONG


def test_a_buffer_that_nobody_filled_is_no_road():
    """0 is road in train ids."""
    trust = assess(read('cityscapes_train_ids', np.zeros((64, 128), np.uint8)))
    assert trust.fault is Fault.UNLABELLED and 'every pixel is 0' in trust.reason


def test_the_placeholders_of_the_test_split_are_unlabelled():
    labels = np.full((64, 128), ID['out of roi'], np.uint8)
    labels[56:] = ID['ego vehicle']
    assert assess(LabelMap.of(labels)).fault is Fault.UNLABELLED


def test_the_limits_are_settings():
    labels = np.full((10, 10), ID['road'], np.uint8)
    labels[:3] = 0
    labels[3] = ID['bicycle']
    assert assess(LabelMap.of(labels)).fault is Fault.UNLABELLED
    assert assess(LabelMap.of(labels), limits=Limits(0.3, 0.3)).scorable
    assert assess(LabelMap.of(labels, tells_hood=False)).scorable
    assert not assess(LabelMap.of(labels, tells_hood=False), limits=Limits(0.3, 0.2)).scorable


def test_values_outside_the_table_are_named_with_their_share():
    labels = np.full((100, 100), ID['road'], np.uint8)
    labels[:31] = 137
    labels[31:33] = 0
    trust = assess(read('cityscapes_label_ids', labels))
    assert trust.fault is Fault.OUTSIDE
    assert 'cityscapes_label_ids does not have value 137 (31 %)' in trust.reason
    assert trust.said.share == pytest.approx(0.33)


def test_few_values_outside_the_table_are_counted_and_the_frame_scored():
    labels, _ = street(128, 64)
    labels[:2] = 200
    found = read('cityscapes_label_ids', labels)
    assert found.outside.values == {'200': 256}
    assert assess(found).scorable


PALETTES = {'cityscapes_colors', 'carla_palette', 'carla_palette_0_9_13'}
PAIRS = [
    (given_as, read_as)
    for given_as in recoded.every(np.zeros((1, 1), np.uint8))
    for read_as in recoded.every(np.zeros((1, 1), np.uint8))
]


@pytest.mark.parametrize('given_as, read_as', PAIRS)
def test_a_map_read_by_another_encodings_table_is_never_scored(scenes, given_as, read_as):
    """Unless the two give the same: palettes share the colours of what is in the picture."""
    for frame in open_dataset(scenes):
        pixels = recoded.every(frame.labels)[given_as]
        found = read(read_as, pixels)
        right = read(given_as, pixels)
        trust = assess(found)
        if given_as == read_as:
            assert trust.scorable, trust.reason
        elif trust.scorable:
            # Palettes have the same colour for the same class; nothing else is let through.
            assert {given_as, read_as} <= PALETTES
            alike = found.labels == right.labels
            assert (alike | (found.labels == 0) | (right.labels == 0)).all()


def test_tags_of_carla_to_0_9_13_are_told_from_those_after(scenes):
    """Each value is in both tables."""
    for frame in open_dataset(scenes):
        old = read('carla_tags', recoded.tags(frame.labels, old=True))
        assert old.outside.total == 0
        trust = assess(old)
        assert trust.fault is Fault.CONTRARY
        assert 'fit carla_tags_0_9_13' in trust.reason


def test_a_palette_read_as_tags_names_its_values(scenes):
    frame = open_dataset(scenes).read(0)
    trust = assess(read('carla_tags', recoded.palette(recoded.tags(frame.labels))))
    assert trust.fault is Fault.CONTRARY
    assert 'carla_tags does not have values 128 (43 %), 70 (41 %)' in trust.reason
    assert 'the labels fit cityscapes_colors and carla_palette' in trust.reason


def test_a_map_that_cannot_be_read_is_no_empty_one():
    trust = assess(read('carla_palette', np.full((4, 4), 7, np.uint8)))
    assert trust.fault is Fault.UNREADABLE and 'is not carla_palette' in trust.reason


@pytest.mark.parametrize('name', ['road', 'building', 'sky', 'car', 'ground'])
@pytest.mark.parametrize('hood', [0, 6])
@pytest.mark.parametrize('border', ['ego vehicle', 'unlabeled'])
def test_one_class_alone_is_no_scene(name, hood, border):
    """Whatever fills it: it fits no other encoding, and says nothing all the same."""
    labels = np.full((32, 64), ID[name], np.uint8)
    labels[32 - hood :] = ID[border]
    trust = assess(LabelMap.of(labels))
    assert trust.fault is Fault.UNLABELLED and f'the whole scene is {name}' in trust.reason
    labels[4, 5] = ID['vegetation']
    assert assess(LabelMap.of(labels)).scorable


# Instances -----------------------------------------------------------------------------------


def with_cars():
    labels, instances = street(256, 128)
    put(labels, instances, 'car', 1, 70, 20, 20, 40)
    put(labels, instances, 'person', 2, 70, 100, 20, 10)
    return labels, instances


def test_an_instance_map_that_agrees_is_no_fault():
    labels, instances = with_cars()
    assert assess(LabelMap.of(labels), instances).scorable


def test_things_without_a_class_of_their_own_contradict_nothing():
    """Train ids have no caravan: the label is void where the instance has one."""
    labels, instances = with_cars()
    instances[labels == ID['car']] = ID['caravan'] * 1000
    labels[labels == ID['car']] = 0
    assert assess(LabelMap.of(labels, tells_hood=False), instances).scorable


@pytest.mark.parametrize(
    'spoil, words',
    [
        (lambda ids: np.zeros_like(ids), 'car where it has unlabeled'),
        (lambda ids: np.roll(ids, 120, axis=1), 'contradicts the labels'),
        (lambda ids: np.where(ids == 26001, 24007, ids).astype(np.uint16), 'where it has person'),
        (lambda ids: (ids // 1000 * 256).astype(np.uint16), 'contradicts the labels'),
    ],
)
def test_an_instance_map_of_other_classes_is_named(spoil, words):
    labels, instances = with_cars()
    trust = assess(LabelMap.of(labels), spoil(instances))
    assert trust.fault is Fault.INSTANCES and words in trust.reason


def test_one_wrong_instance_of_many_is_tolerated():
    labels, instances = with_cars()
    put(labels, instances, 'person', 3, 70, 120, 10, 8)
    instances[70:80, 120:128] = 26009
    assert assess(LabelMap.of(labels), instances).scorable


# Depth ---------------------------------------------------------------------------------------


@pytest.mark.parametrize('value', [0, 65535, 7000])
def test_depth_of_one_value_says_nothing(value):
    depth = np.full((4, 6), value, np.uint16)
    assert known_depth(depth) is None
    depth[3, 5] = 9000
    assert known_depth(depth) is depth


# Data sets -----------------------------------------------------------------------------------


def test_real_frames_say_nearly_everything(sample):
    """Measured: 1.6 % of the scene say nothing, all of it out of roi."""
    for frame in open_dataset(sample):
        trust = trust_of(frame, TruthSettings())
        assert trust.scorable and trust.said.share == pytest.approx(0.0157, abs=0.0005)


def test_synthetic_frames_say_everything(scenes):
    for frame in open_dataset(scenes):
        trust = trust_of(frame, TruthSettings())
        assert trust.scorable and trust.said.share == 0


def test_a_frame_of_train_ids_has_the_limit_of_those_that_do_not_tell_the_hood(scenes):
    frame = open_dataset(scenes).read(0)
    labels = frame.labels.copy()
    labels[: round(0.26 * len(labels))] = 0
    spoilt = replace(frame, labels=labels)
    assert not trust_of(spoilt, TruthSettings()).scorable
    assert trust_of(replace(spoilt, tells_hood=False), TruthSettings()).scorable


def test_limits_do_not_decide_what_is_true():
    """Calibrations made before keep their meaning."""
    assert TruthSettings(limits=Limits(0.5, 0.5)).to_plain() == TruthSettings().to_plain()


def test_every_fault_has_a_remedy():
    assert set(REMEDIES) == set(Fault)


def test_flat_depth_of_a_data_set_is_not_used(scenes):
    frame = replace(open_dataset(scenes).read(0))
    empty = replace(frame, depth=np.zeros(frame.labels.shape, np.uint16))
    assert TruthMaps.of(empty).depth is None


@pytest.mark.parametrize('values', [2, 5, 26])
@pytest.mark.parametrize('shape', [(16, 16), (31, 65), (128, 256)])
def test_noise_of_values_that_are_in_the_table_is_no_scene(values, shape):
    """Of k values as likely as each other, 1 - 1/k of neighbours differ: one half at least."""
    chosen = np.random.default_rng(values).integers(7, 7 + values, shape).astype(np.uint8)
    chosen[chosen == 29] = 33
    found = assess(read('cityscapes_label_ids', chosen))
    assert not found.scorable
    if found.fault is Fault.NOISE:
        assert 'of neighbouring pixels are of different classes' in found.reason
        assert Fault.NOISE in WRONG and REMEDIES[Fault.NOISE]
    if values == 26:
        assert found.fault is Fault.NOISE


def test_real_scenes_of_any_size_are_no_noise(sample, scenes):
    import cv2

    for folder in (sample, scenes):
        dataset = open_dataset(folder)
        for position in range(len(dataset.entries)):
            labels = dataset.read(position).labels
            for width in (labels.shape[1], 256, 64, 32):
                size = (width, width // 2)
                small = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)
                assert assess(LabelMap.of(small)).fault is not Fault.NOISE, (folder, size)
