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

"""How sure a segmentation is, against entropies computed by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy as shannon

from vlm_misalign_ros.core.labels.classes import CLASSES
from vlm_misalign_ros.core.models.certainty import certainty, entropies


def test_entropy_is_a_part_of_what_c_classes_can_have():
    even = certainty(torch.zeros(4, 2, 3), weights=False)
    assert (even.entropy, even.confidence) == (1.0, 0.25)
    sure = certainty(torch.tensor([100.0, 0, 0]).reshape(3, 1, 1), weights=False)
    assert (sure.entropy, sure.confidence) == (0.0, 1.0)
    assert sure.plane.shape == (1, 1) and sure.plane.dtype == np.float32


def test_logits_become_probabilities_by_softmax_and_weights_are_normalised():
    chances = np.array([0.5, 0.25, 0.125, 0.125])
    wanted = shannon(chances, base=4)
    logits = torch.tensor(np.log(chances), dtype=torch.float32).reshape(4, 1, 1)
    weights = torch.tensor(chances * 3, dtype=torch.float32).reshape(4, 1, 1)
    for found in (certainty(logits, weights=False), certainty(weights, weights=True)):
        assert found.entropy == pytest.approx(wanted, abs=1e-6)
        assert found.confidence == 0.5


def test_one_class_alone_is_certain():
    found = certainty(torch.ones(1, 2, 2), weights=False)
    assert (found.entropy, found.confidence) == (0.0, 1.0)


def test_the_entropy_of_a_class_is_the_mean_where_it_is_predicted():
    labels = np.array([[0, 0, 13], [255, 13, 13]], np.uint8)
    plane = np.array([[0.25, 0.5, 0.125], [1, 0.5, 0.25]], np.float32)
    found = entropies(labels, plane)
    assert found == {'road': 0.375, 'car': pytest.approx(0.875 / 3, abs=1e-6)}


def test_a_smaller_plane_is_brought_to_the_size_of_the_labels():
    labels = np.zeros((64, 128), np.uint8)
    labels[:, 64:] = 10
    plane = np.zeros((16, 32), np.float32)
    plane[:, 16:] = 0.5
    found = entropies(labels, plane)
    # Linear interpolation between centres carries a column of each half across the border.
    assert found['road'] == pytest.approx(0, abs=0.01)
    assert found['sky'] == pytest.approx(0.5, abs=0.01)
    assert found['road'] + found['sky'] == pytest.approx(0.5, abs=1e-6)


@given(st.integers(0, 2**32 - 1))
def test_the_mean_over_the_pixels_is_that_of_the_classes_by_their_pixels(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(CLASSES), (8, 16)).astype(np.uint8)
    found = certainty(torch.from_numpy(rng.normal(0, 3, (5, 8, 16))), weights=False)
    by_class = entropies(labels, found.plane)
    shares = {CLASSES[value]: (labels == value).mean() for value in np.unique(labels)}
    assert set(by_class) == set(shares)
    total = sum(by_class[name] * shares[name] for name in shares)
    assert total == pytest.approx(found.entropy, abs=2e-6)
    assert all(0 <= value <= 1 for value in by_class.values())
