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

"""From class scores to masks, against torch's own interpolation."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vlm_misalign_ros.core.errors import FrameError, ModelError
from vlm_misalign_ros.core.labels.classes import IGNORE
from vlm_misalign_ros.core.models.label_maps import ClassMap
from vlm_misalign_ros.core.models.masks import Masker, best_of, rivals

SIZES = [(16, 32), (33, 47), (5, 9), (8, 8)]


def scores_of(seed, classes, size=(8, 12), sharpness=1.0):
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.normal(0, sharpness, (1, classes, 3, 4)).astype(np.float32))
    return torch.nn.functional.interpolate(coarse, size, mode='bicubic')[0]


def large(scores, size):
    return torch.nn.functional.interpolate(scores[None], size, mode='bilinear')[0]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(SIZES), st.integers(2, 40))
def test_a_mask_is_the_best_class_at_the_size_of_the_picture(seed, size, classes):
    scores = scores_of(seed, classes)
    to = tuple(np.random.default_rng(seed).choice([*range(19), IGNORE], classes).tolist())
    found = Masker('m', ClassMap(to, 'names')).mask(scores, size, weights=False)
    full = large(scores, size)
    wanted = np.array(to)[full.argmax(0).numpy()]
    top = full.topk(2, 0).values
    clear = (top[0] - top[1] > 1e-4).numpy()
    assert found.labels.shape == size
    assert (found.labels == wanted)[clear].all()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(SIZES), st.integers(1, 300))
def test_on_a_gpu_the_best_plane_is_told_where_the_planes_are(seed, size, classes):
    scores = scores_of(seed, classes)
    scores[-1] = scores[0]  # As high as the first: the first is told.
    found = best_of(scores, size)
    assert found.dtype == torch.int16
    each = [large(plane[None], size)[0].numpy() for plane in scores]
    assert found.tolist() == np.argmax(each, 0).tolist()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(SIZES), st.integers(2, 150))
def test_who_is_left_out_would_have_won_nowhere(seed, size, classes):
    scores = scores_of(seed, classes, sharpness=3.0)
    assert set(large(scores, size).argmax(0).unique().tolist()) <= set(rivals(scores).tolist())


def test_a_class_that_is_nowhere_near_the_best_is_left_out():
    scores = torch.zeros(3, 4, 4)
    scores[0, :, :2], scores[1, :, 2:], scores[2] = 1, 1, -0.5
    assert rivals(scores).tolist() == [0, 1]
    # Never the best of a pixel, and between two of them perhaps.
    scores[2] = 0.9
    assert rivals(scores).tolist() == [0, 1, 2]
    assert rivals(scores[:, :1]).tolist() == [0, 1, 2]


def test_entropy_is_that_of_what_is_told_apart():
    # Two names for cars and two that Cityscapes lacks: car, road and none of them, evenly.
    logits = torch.log(torch.tensor([1 / 6, 1 / 6, 1 / 3, 1 / 6, 1 / 6])).reshape(5, 1, 1)
    found = Masker('m', ClassMap((13, 13, 0, IGNORE, IGNORE), 'names')).mask(
        logits.expand(5, 4, 4), (4, 4), weights=False
    )
    assert found.entropy == 1.0 and found.confidence == pytest.approx(1 / 3, abs=1e-6)
    assert len(found.lacking) == 17


@pytest.mark.parametrize(
    'scores, error, words',
    [
        (torch.full((2, 4, 4), float('nan')), FrameError, 'not finite or all the same'),
        (torch.full((2, 4, 4), float('inf')), FrameError, 'not finite or all the same'),
        (torch.ones(2, 4, 4), FrameError, 'all the same'),
        (torch.rand(3, 4, 4), ModelError, 'gives 3 class scores and names 2 classes'),
    ],
)
def test_scores_that_tell_nothing_are_refused(scores, error, words):
    with pytest.raises(error, match=words):
        Masker('m', ClassMap((0, 1), 'names')).mask(scores, (8, 8), weights=False)
