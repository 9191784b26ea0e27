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

"""Confusion matrices and IoU against cityscapesScripts."""

import math
from copy import copy
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import pytest
from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as official
from cityscapesscripts.helpers import labels as official_labels
from hypothesis import given, settings
from hypothesis import strategies as st

from vlm_misalign_ros.core.datasets import open_dataset
from vlm_misalign_ros.core.labels.classes import BY_NAME, CLASSES, LABELS, train_id_table
from vlm_misalign_ros.core.metrics import confusion
from vlm_misalign_ros.core.truth.inventory import take_inventory
from vlm_misalign_ros.core.truth.spans import lengths_of_runs, starts_of_runs

ID = {label.name: label.id for label in LABELS}
TRAIN_TO_ID = {label.train_id: label.id for label in LABELS if label.train_id != 255}
ARGUMENTS = copy(official.args)
ARGUMENTS.evalInstLevelScore = ARGUMENTS.evalPixelAccuracy = False


def official_counts(truth, predicted):
    """Return the confusion matrix of cityscapesScripts' own evaluatePair, by label ids."""
    as_ids = np.zeros(predicted.shape, np.uint8)
    for train_id, label in TRAIN_TO_ID.items():
        as_ids[predicted == train_id] = label
    with TemporaryDirectory() as folder:
        paths = [str(Path(folder) / name) for name in ('predicted.png', 'truth.png')]
        for path, pixels in zip(paths, (as_ids, truth), strict=True):
            cv2.imwrite(path, pixels)
        matrix = official.generateMatrix(ARGUMENTS)
        official.evaluatePair(*paths, matrix, {}, {}, ARGUMENTS)
    return matrix


def official_miou(matrix):
    scores = {
        name: official.getIouScoreForLabel(official_labels.name2label[name].id, matrix, ARGUMENTS)
        for name in CLASSES
    }
    return scores, official.getScoreAverage(scores, ARGUMENTS)


def test_the_label_table_is_the_official_one():
    for ours, theirs in zip(LABELS, (x for x in official_labels.labels if x.id >= 0), strict=True):
        assert (ours.name, ours.id, ours.train_id, ours.has_instances, ours.color) == (
            theirs.name,
            theirs.id,
            theirs.trainId,
            theirs.hasInstances,
            theirs.color,
        )


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 40))
def test_confusion_and_iou_equal_cityscapesscripts(seed, height, width):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 34, (height, width)).astype(np.uint8)
    predicted = rng.choice(np.array([*range(19), 19, 200, 255], np.uint8), (height, width))
    compare_with_official(truth, predicted)


def compare_with_official(truth, predicted):
    ours = confusion.confusion(truth, predicted)
    theirs = official_counts(truth, predicted)
    for row, name in enumerate(CLASSES):
        for column, other in enumerate(CLASSES):
            assert ours[row, column] == theirs[ID[name], ID[other]]
        assert ours[row, 19] == theirs[ID[name], 0]
    scores, mean = official_miou(theirs)
    np.testing.assert_allclose(
        confusion.ious(ours), [scores[name] for name in CLASSES], rtol=1e-12
    )
    np.testing.assert_allclose(confusion.miou(ours), mean, rtol=1e-12)


def test_confusion_of_real_frames_equals_cityscapesscripts(sample):
    for frame in open_dataset(sample):
        # A shifted and holed copy of the truth: right, wrong and void pixels at full size.
        predicted = np.roll(train_id_table()[frame.labels], (9, 17), (0, 1))
        predicted[::50] = 255
        compare_with_official(frame.labels, predicted)


def test_a_large_frame_is_counted_to_the_last_pixel():
    # float32 counts alone would stick at 2 ** 24.
    truth = np.full((4400, 4000), ID['road'], np.uint8)
    assert confusion.confusion(truth, np.zeros_like(truth))[0, 0] == truth.size


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 60), st.integers(1, 12))
def test_counting_runs_equals_counting_pixels(seed, height, width, patch):
    rng = np.random.default_rng(seed)
    small = (2, (height - 1) // patch + 1, (width - 1) // patch + 1)
    truth, predicted = (
        np.kron(values, np.ones((patch, patch), np.uint8))[:height, :width]
        for values in rng.integers(0, 256, small, np.uint8)
    )
    expected = np.zeros((256, 256), np.int64)
    np.add.at(expected, (truth, predicted), 1)
    rows = [BY_NAME[name].id for name in CLASSES]
    found = confusion.confusion(truth, predicted)
    assert np.array_equal(found[:, :19], expected[rows, :19])
    assert np.array_equal(found[:, 19], expected[rows, 19:].sum(axis=1))
    starts = starts_of_runs(truth, predicted)
    lengths = lengths_of_runs(starts, truth.size)
    assert np.array_equal(np.repeat(truth.ravel()[starts], lengths), truth.ravel())
    assert np.array_equal(np.repeat(predicted.ravel()[starts], lengths), predicted.ravel())


def test_noise_has_as_many_things_as_parts():
    # More parts than sixteen bits can number.
    labels = np.full((1100, 600), ID['sky'], np.uint8)
    labels[::3, ::3] = ID['traffic sign']
    assert len(take_inventory(labels, None).things) == 367 * 200


def test_confusion_refuses_what_does_not_match():
    a = np.zeros((4, 4), np.uint8)
    with pytest.raises(ValueError, match='do not match'):
        confusion.confusion(a, a[:2])
    with pytest.raises(ValueError, match='uint8'):
        confusion.confusion(a, a.astype(np.int32))
    assert math.isnan(confusion.miou(confusion.confusion(a, a)))


@given(
    st.lists(
        st.tuples(st.integers(0, 18), st.integers(0, 19), st.integers(1, 10**12)),
        unique_by=lambda cell: cell[:2],
    )
)
def test_cells_hold_the_whole_matrix(cells):
    matrix = confusion.from_cells(cells)
    assert sorted(map(tuple, confusion.to_cells(matrix))) == sorted(cells)


@pytest.mark.parametrize('cell', [[19, 0, 1], [0, 20, 1], [-1, 0, 1], [0, 0, -1], [0, 0]])
def test_cells_that_are_none_are_refused(cell):
    with pytest.raises(ValueError):
        confusion.from_cells([cell])
