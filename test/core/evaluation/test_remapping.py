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

"""Confusion matrices by another label map, against masks that were mapped pixel by pixel."""

import numpy as np
import pytest
from msgspec import UNSET

from vlm_misalign_ros.core.evaluation.remapping import Remapper
from vlm_misalign_ros.core.labels.classes import CLASSES, IGNORE, LABELS
from vlm_misalign_ros.core.metrics import confusion
from vlm_misalign_ros.core.metrics.known import told_alone
from vlm_misalign_ros.core.records.clean import CleanMaskEntry
from vlm_misalign_ros.core.records.confidence import ConfidenceEntry
from vlm_misalign_ros.core.records.schema import SegmentationEntry, Status

PERSON, RIDER, WALL, TRUCK = (CLASSES.index(n) for n in ('person', 'rider', 'wall', 'truck'))


def mapping(**changes):
    """Return train ids by old train id, some of them another by name."""
    found = list(range(len(CLASSES)))
    for name, to in changes.items():
        found[CLASSES.index(name)] = IGNORE if to == 'ignore' else CLASSES.index(to)
    return tuple(found)


def entry(cells, **told):
    confidence = ConfidenceEntry(0.1, 0.9, {'person': 0.2, 'rider': 0.3, 'wall': 0.4}, **told)
    return SegmentationEntry(Status.SCORED, 0.5, confidence, cells)


@pytest.mark.parametrize(
    'train_ids',
    [mapping(), mapping(rider='person'), mapping(wall='ignore', truck='car'), mapping(car='bus')],
)
def test_it_is_the_matrix_of_the_mapped_mask(train_ids):
    rng = np.random.default_rng(5)
    labels = rng.choice([label.id for label in LABELS if label.id >= 0], (40, 60)).astype(np.uint8)
    mask = rng.choice([*range(len(CLASSES)), IGNORE], (40, 60)).astype(np.uint8)
    remapper = Remapper(train_ids)
    table = np.full(256, IGNORE, np.uint8)
    table[: len(CLASSES)] = train_ids
    wanted = told_alone(confusion.confusion(labels, table[mask]), remapper.lacking)
    made = remapper.remapped(entry(confusion.to_cells(confusion.confusion(labels, mask))))
    assert made.cells == confusion.to_cells(wanted)
    assert made.frame_iou == pytest.approx(confusion.miou(wanted), abs=0)
    assert set(remapper.lacking) == set(CLASSES) - {CLASSES[k] for k in train_ids if k != IGNORE}


def test_how_sure_it_was_is_kept_where_every_class_is_one_still():
    made = Remapper(mapping(wall='rider', rider='wall')).remapped(entry([(PERSON, WALL, 3)]))
    assert made.confidence.entropies == {'person': 0.2, 'rider': 0.4, 'wall': 0.3}
    assert made.confidence.lacking == [] and made.lacks is UNSET
    assert made.cells == [(PERSON, RIDER, 3)]


def test_of_classes_that_came_together_nobody_knows_how_sure_it_was():
    told = entry([(RIDER, RIDER, 3), (PERSON, RIDER, 2)])
    made = Remapper(mapping(rider='person')).remapped(told)
    assert made.confidence is None and made.lacks == ['rider']
    assert made.cells == [(PERSON, PERSON, 2)]
    assert Remapper(mapping(wall='ignore')).remapped(told).confidence is None


def test_the_clean_mask_goes_with_it():
    told = entry([], clean=CleanMaskEntry([(PERSON, WALL, 4), (WALL, PERSON, 5)]))
    made = Remapper(mapping(wall='rider', rider='wall')).remapped(told)
    assert made.confidence.clean.cells == [(PERSON, RIDER, 4), (RIDER, PERSON, 5)]
    assert 'clean picture' in Remapper(mapping(rider='person')).lacking_of(told)


def test_a_class_that_the_model_could_not_tell_is_none_that_went():
    names = tuple(name for name in CLASSES if name != 'wall')
    made = Remapper(mapping(wall='ignore'), names).remapped(entry([], lacking=['wall']))
    assert made.confidence.lacking == ['wall']


def test_a_mask_that_was_not_scored_stays_as_it_is():
    lost = SegmentationEntry(Status.MISSING, None, None, [])
    assert Remapper(mapping(wall='ignore')).remapped(lost) is lost
