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

"""The truth of a view: which rows and columns of the maps lie in it."""

import numpy as np
import pytest

from vlm_misalign_ros.core.truth.read import TruthMaps, TruthSettings, read_seen

# Row by row: 0 to 7, 10 to 17, 20 to 27, 30 to 37.
LABELS = np.add.outer(np.arange(0, 40, 10), np.arange(8)).astype(np.uint8)


def cut(view):
    return TruthMaps(LABELS).part(view).labels.tolist()


@pytest.mark.parametrize(
    'view, rows, columns',
    [
        ((0.0, 0.0, 1.0, 1.0), range(4), range(8)),
        ((0.25, 0.0, 0.75, 1.0), range(4), range(2, 6)),
        ((0.0, 0.25, 1.0, 0.5), range(1, 2), range(8)),
        ((0.5, 0.5, 0.625, 1.0), range(2, 4), range(4, 5)),
        ((0.875, 0.75, 1.0, 1.0), range(3, 4), range(7, 8)),
        # To the nearest pixel: 2.4 and 5.6 columns, 0.8 and 3.2 rows.
        ((0.3, 0.2, 0.7, 0.8), range(1, 3), range(2, 6)),
    ],
)
def test_a_view_holds_these_rows_and_columns(view, rows, columns):
    assert cut(view) == [[10 * row + column for column in columns] for row in rows]


def test_every_map_is_cut_alike():
    maps = TruthMaps(
        LABELS, LABELS.astype(np.uint16) * 1000, LABELS.astype(np.uint16) * 7, LABELS % 2 == 0
    )
    part = maps.part((0.25, 0.5, 0.5, 1.0))
    assert part.labels.tolist() == [[22, 23], [32, 33]]
    assert part.instances.tolist() == [[22000, 23000], [32000, 33000]]
    assert part.depth.tolist() == [[154, 161], [224, 231]]
    assert part.visible.tolist() == [[True, False], [True, False]]
    for array in (part.labels, part.instances, part.depth, part.visible):
        assert array.flags.c_contiguous


def test_maps_that_are_not_there_stay_away():
    part = TruthMaps(LABELS).part((0.0, 0.0, 0.5, 0.5))
    assert (part.instances, part.depth, part.visible) == (None, None, None)


@pytest.mark.parametrize(
    'view, pixel',
    [
        ((0.0, 0.0, 0.01, 0.01), 0),
        ((0.5, 0.5, 0.51, 0.51), 24),
        ((0.99, 0.0, 1.0, 0.01), 7),
        ((0.0, 0.99, 0.01, 1.0), 30),
        ((0.999999, 0.999999, 1.0, 1.0), 37),
    ],
)
def test_a_view_is_one_pixel_at_least_wherever_it_is(view, pixel):
    # What a model says it saw comes with its message, and must not end the run.
    part = TruthMaps(LABELS).part(view)
    assert part.labels.tolist() == [[pixel]]
    assert read_seen(part, TruthSettings()).inventory.pixels.sum() == 1
