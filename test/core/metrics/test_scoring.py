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

"""Where the distance bands of omissions begin and end."""

import math

import pytest

from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.metrics.scoring import Expected, score
from vlm_misalign_ros.core.types import Description, Kind, Mention, Presence

BANDS = ('near', 'middle', 'far')
JUST_BELOW_15 = math.nextafter(15.0, 0.0)
JUST_BELOW_30 = math.nextafter(30.0, 0.0)


def counted(distances, required=('car',), said=()):
    """Return {band: (required, omitted)} of the bands in which anything is counted."""
    scene = {name: Presence.REQUIRED if name in required else Presence.ABSENT for name in SCORED}
    answer = Description('m', Kind.GENERATIVE, '', mentions=dict.fromkeys(said, Mention.ASSERTED))
    counts = score(answer, Expected(scene, distances=distances))
    found = {
        band: (getattr(counts, f'required_{band}'), getattr(counts, f'omitted_{band}'))
        for band in BANDS
    }
    return {band: pair for band, pair in found.items() if pair != (0, 0)}


@pytest.mark.parametrize(
    'metres, band',
    [
        (0.0, 'near'),
        (JUST_BELOW_15, 'near'),
        (15.0, 'middle'),
        (JUST_BELOW_30, 'middle'),
        (30.0, 'far'),
        (1e6, 'far'),
    ],
)
def test_a_band_holds_its_lower_edge_and_not_its_upper_one(metres, band):
    assert counted({'car': metres}) == {band: (1, 1)}
    assert counted({'car': metres}, said=('car',)) == {band: (1, 0)}


def test_what_is_at_no_known_distance_is_in_no_band():
    assert counted({}) == {}
    # Flat ground at or above the horizon has no distance either.
    assert counted({'car': math.inf}) == {}


def test_every_class_is_counted_in_the_band_of_its_own_distance():
    distances = {'car': 14.0, 'person': 15.0, 'rider': 29.0, 'bus': 30.0, 'truck': 31.0}
    found = counted(distances, required=tuple(distances), said=('rider', 'bus'))
    assert found == {'near': (1, 1), 'middle': (2, 1), 'far': (2, 1)}


def test_what_is_near_and_need_not_be_mentioned_is_in_no_band():
    assert counted({'car': 3.0, 'sky': 3.0}, required=('sky',)) == {}
