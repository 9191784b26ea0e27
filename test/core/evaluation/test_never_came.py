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

"""A part of everybody that was asked for and never came is unknown, and not taken as absent."""

import numpy as np
import pytest

from maps import plain
from vlm_misalign_ros.core.evaluation.session import Session
from vlm_misalign_ros.core.labels.classes import CLASSES
from vlm_misalign_ros.core.records.schema import FrameRecord, Status
from vlm_misalign_ros.core.records.store import RECORDS, read_records
from vlm_misalign_ros.core.settings.nodes import MonitorParameters
from vlm_misalign_ros.core.types import Applied, Condition, Description, Kind, Mention, Source

SECOND = 1_000_000_000
LABELS = plain()
DIRT = Condition('occlusion', 5)
PARTS = {
    'source': (Source('d', 's', 'k', 0, 0, 0, DIRT, depth=True), None),
    'condition': Applied(DIRT, 1, covers=True),
    'occluder': np.zeros_like(LABELS),
    'labels': LABELS,
    'instances': np.zeros(LABELS.shape, np.uint16),
    'depth': np.repeat(np.arange(LABELS.shape[0], dtype=np.uint16), LABELS.shape[1]).reshape(
        LABELS.shape
    ),
    'segmentation': np.zeros_like(LABELS),
    'vlm:m': Description('m', Kind.CONTRASTIVE, '', mentions={'car': Mention.ASSERTED}),
}


def closed(tmp_path, parts, lockstep=True, **chosen):
    """Return the record of the one frame that has `parts`."""
    session = Session(
        MonitorParameters(
            models=('m',),
            run_folder=str(tmp_path),
            lockstep=lockstep,
            segmentation_classes=CLASSES,
            **{'confidence': False, 'pictures': 0, **chosen},
        ),
        log=lambda text: None,
    )
    for part, value in parts.items():
        session.add(5 * SECOND, part, value, 0.0)
    session.end(9.0)
    (found,) = (r for r in read_records(tmp_path / RECORDS) if isinstance(r, FrameRecord))
    return found


def without(*names):
    return {part: value for part, value in PARTS.items() if part not in names}


def test_a_frame_that_has_everything_is_scored(tmp_path):
    record = closed(tmp_path, PARTS)
    assert record.models['m'].status is record.segmentation.status is Status.SCORED
    assert record.problem is None and record.condition.name == 'occlusion:5'


@pytest.mark.parametrize('lockstep', [True, False])
@pytest.mark.parametrize(
    ('part', 'words'),
    [
        ('condition', 'degraded/condition never came'),
        ('occluder', 'degraded/occluder never came'),
        ('source', 'camera/source never came'),
        ('instances', 'ground_truth/instances never came (monitor.instances=false'),
        ('depth', 'ground_truth/depth never came'),
    ],
)
def test_what_never_came_is_named_and_nothing_is_scored(tmp_path, part, words, lockstep):
    parts = without('condition', 'occluder') if part == 'condition' else without(part)
    record = closed(tmp_path, parts, lockstep, depth=True)
    assert record.models['m'].status is record.segmentation.status is Status.UNSCORABLE
    assert words in record.problem and part in record.missing
    assert record.truth is None and record.models['m'].answer is not None


def test_a_condition_that_was_asked_for_is_not_recorded_as_applied(tmp_path):
    record = closed(tmp_path, without('condition', 'occluder'))
    assert record.key == 'k' and record.condition.name == 'unknown'


def test_without_labels_a_frame_stays_unmatched(tmp_path):
    record = closed(tmp_path, without('labels', 'instances', 'depth', 'occluder'))
    assert record.models['m'].status is Status.UNMATCHED and record.problem is None


def test_what_was_not_asked_for_is_not_waited_for(tmp_path):
    parts = without('source', 'instances', 'depth')
    record = closed(tmp_path, parts, False, source=False, instances=False)
    assert record.models['m'].status is Status.SCORED and record.problem is None


def test_an_answer_or_a_picture_that_never_came_costs_nobody_elses_score(tmp_path):
    record = closed(tmp_path, without('segmentation'), pictures=1)
    assert 'image' in record.missing and record.segmentation.status is Status.MISSING
    assert record.models['m'].status is Status.SCORED


@pytest.mark.parametrize(
    ('shape', 'status'),
    [
        ((1, 1), Status.UNSCORABLE),
        ((16, 16), Status.UNSCORABLE),
        ((2, 4), Status.SCORED),
        ((1, 2), Status.UNSCORABLE),
        ((64, 128), Status.SCORED),
    ],
)
def test_a_mask_of_other_proportions_than_the_labels_is_not_stretched(tmp_path, shape, status):
    assert LABELS.shape == (32, 64)
    record = closed(tmp_path, {**PARTS, 'segmentation': np.zeros(shape, np.uint8)})
    assert record.segmentation.status is status
    assert record.models['m'].status is Status.SCORED
    told = record.segmentation.problem or ''
    assert (f'a mask {shape[1]} x {shape[0]} does not fit' in told) == (
        status is Status.UNSCORABLE
    )


def test_an_occluder_beside_a_condition_that_covers_nothing_is_of_another_picture(tmp_path):
    # Named once, though its checksum is another one, too.
    parts = {**PARTS, 'condition': Applied(Condition('low_light', 3), 1, occluder='00000000')}
    record = closed(tmp_path, parts)
    assert record.models['m'].status is Status.UNSCORABLE
    assert record.problem == 'occluder and condition are of different pictures'
