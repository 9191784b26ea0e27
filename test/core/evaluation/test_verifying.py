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

"""Whether the parts of a frame are of one picture, by their checksums."""

from dataclasses import replace

import numpy as np
import pytest

from maps import plain
from vlm_misalign_ros.core.checksums import checksum
from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.evaluation.session import Session
from vlm_misalign_ros.core.labels.classes import CLASSES
from vlm_misalign_ros.core.records.account import DoubledRecord
from vlm_misalign_ros.core.records.schema import FrameRecord, Status
from vlm_misalign_ros.core.records.store import RECORDS, read_records
from vlm_misalign_ros.core.report.evidence import Evidence
from vlm_misalign_ros.core.report.finalise import finalise
from vlm_misalign_ros.core.report.rules import Rules
from vlm_misalign_ros.core.report.summary import summarise
from vlm_misalign_ros.core.report.verdict import Status as Outcome
from vlm_misalign_ros.core.settings.nodes import MonitorParameters
from vlm_misalign_ros.core.types import (
    Applied,
    Condition,
    Confidence,
    Description,
    Kind,
    Mention,
    Source,
)

SECOND = 1_000_000_000
PICTURE = np.full((32, 64, 3), 9, np.uint8)
IMAGE = checksum(PICTURE)
OTHER = checksum(PICTURE + 1)
MASK = np.zeros((32, 64), np.uint8)
COVER = np.zeros((32, 64), np.uint8)
GOOD = {
    'source': (Source('d', 's', 'k', 0, 0, 0, Condition('occlusion', 5), image='src'), None),
    'condition': Applied(
        Condition('occlusion', 5), 1, {}, True, IMAGE, checksum(COVER), source='src'
    ),
    'image': PICTURE,
    'occluder': COVER,
    'labels': plain(),
    'confidence': Confidence(0.1, 0.9, IMAGE, checksum(MASK)),
    'segmentation': MASK,
    'vlm:m': Description('m', Kind.CONTRASTIVE, '', {'car': Mention.ASSERTED}, image=IMAGE),
    'vlm:n': Description('n', Kind.CONTRASTIVE, '', scores={'car': 0.2}, image=IMAGE),
}


def evaluate(folder, changes=None, log=print, **chosen):
    """Return the records of one frame whose parts are GOOD but for `changes`."""
    session = Session(
        MonitorParameters(
            models=('m', 'n'),
            run_folder=str(folder),
            **{'instances': False, 'pictures': 1, **chosen},
        ),
        log=log,
    )
    for part, value in {**GOOD, **(changes or {})}.items():
        if value is not None:
            session.add(5 * SECOND, part, value, 0.0, f'/node_of_{part}')
    session.end(0.0)
    return list(read_records(folder / RECORDS))


def frame(records):
    (found,) = (record for record in records if isinstance(record, FrameRecord))
    return found


def told(records):
    return [
        (record.part, record.publishers)
        for record in records
        if isinstance(record, DoubledRecord) and record.mismatch
    ]


def test_what_is_of_one_picture_is_scored_and_verified(tmp_path):
    records = evaluate(tmp_path)
    found = frame(records)
    assert found.image == IMAGE and found.problem is None and told(records) == []
    for entry in (*found.models.values(), found.segmentation):
        assert (entry.status, entry.verified, entry.problem) == (Status.SCORED, True, None)
    assert Evidence.of(records).notes() == []
    assert [row.verified for row in summarise(records)] == [1, 1, 1, 1]


def test_truth_that_the_segmentation_cannot_tell_is_in_no_cell(tmp_path):
    labels = GOOD['labels'].copy()
    labels[:, 32:] = 26
    cover = np.zeros((32, 64), np.uint8)
    cover[:16] = 255
    applied = replace(GOOD['condition'], occluder=checksum(cover))
    parts = {'labels': labels, 'occluder': cover, 'condition': applied}
    (tmp_path / 'plain').mkdir()
    (tmp_path / 'lacking').mkdir()
    plain_one = frame(evaluate(tmp_path / 'plain', parts)).segmentation
    rows = {row for row, _, _ in plain_one.cells}
    assert len(rows) > 1 and plain_one.lacking == ()
    lost = CLASSES[max(rows)]
    told_so = replace(GOOD['confidence'], entropies={'road': 0.25}, lacking=(lost,))
    found = frame(evaluate(tmp_path / 'lacking', {**parts, 'confidence': told_so})).segmentation
    assert found.lacking == (lost,) and found.confidence.entropies == {'road': 0.25}
    assert found.cells == [cell for cell in plain_one.cells if cell[0] != max(rows)]
    assert found.cells_visible == [c for c in plain_one.cells_visible if c[0] != max(rows)]
    assert found.frame_iou > plain_one.frame_iou


def test_a_mask_without_its_confidence_is_scored_by_what_its_model_is_known_to_tell(tmp_path):
    """The lost confidence of one frame makes no other measure of it."""
    labels = GOOD['labels'].copy()
    labels[:, 32:] = 26  # cars, which the model does not know
    parts = {'labels': labels, 'confidence': replace(GOOD['confidence'], lacking=('car',))}
    known = [name for name in CLASSES if name != 'car']
    cases = {
        'told': (parts, {}),
        'lost': ({**parts, 'confidence': None}, {'segmentation_classes': known}),
        'never': (
            {**parts, 'confidence': None},
            {'segmentation_classes': known, 'confidence': False},
        ),
    }
    records = {}
    for name, (changes, chosen) in cases.items():
        (tmp_path / name).mkdir()
        records[name] = frame(evaluate(tmp_path / name, changes, **chosen))
    told = records['told'].segmentation
    assert (
        told.lacking == ('car',) and told.cells and 13 not in {true for true, _, _ in told.cells}
    )
    for name in ('lost', 'never'):
        found = records[name].segmentation
        assert (found.status, found.lacking) == (Status.SCORED, ('car',)), name
        assert (found.cells, found.frame_iou) == (told.cells, told.frame_iou)
    one, *_ = summarise([records['told'], records['lost']])
    assert not one.known.mixed and one.known.miou == 'miou_of_18'


@pytest.mark.parametrize('expected', [True, False])
def test_a_mask_of_which_nothing_told_the_classes_is_not_scored(tmp_path, expected):
    found = frame(evaluate(tmp_path, {'confidence': None}, confidence=expected))
    assert found.segmentation.status is Status.UNSCORABLE and found.segmentation.cells == []
    assert 'nothing told which classes the mask can hold' in found.segmentation.problem
    # The frame itself is sound.
    assert {entry.status for entry in found.models.values()} == {Status.SCORED}
    assert all(row.known.miou == 'miou' and not row.segmented for row in summarise([found]))


def test_classes_that_do_not_exist_are_refused(tmp_path):
    with pytest.raises(ConfigurationError, match='segmentation_classes.*unicorn'):
        evaluate(tmp_path, segmentation_classes=('road', 'unicorn'))


def test_an_answer_about_another_picture_is_never_scored(tmp_path):
    records = evaluate(tmp_path, {'vlm:m': replace(GOOD['vlm:m'], image=OTHER)})
    found = frame(records)
    entry = found.models['m']
    assert (entry.status, entry.score, entry.verified) == (Status.UNSCORABLE, None, False)
    assert OTHER in entry.problem
    assert found.models['n'].status is found.segmentation.status is Status.SCORED
    assert told(records) == [('vlm:m', ['/node_of_vlm:m', '/node_of_condition'])]


def test_a_clean_answer_under_occlusion_makes_the_run_invalid_with_both_publishers(tmp_path):
    log = []
    evaluate(tmp_path, {'vlm:m': replace(GOOD['vlm:m'], image=OTHER)}, log.append)
    verdict = finalise(tmp_path, Rules(minimum_coverage=0.0))
    assert verdict.status is Outcome.INVALID and verdict.exit_code == 3
    (check,) = [entry for entry in verdict.wrong if entry.data]
    assert 'from /node_of_vlm:m and /node_of_condition' in check.message
    assert len(log) == 1 and '/node_of_vlm:m' in log[0] and '/node_of_condition' in log[0]


@pytest.mark.parametrize(
    'changes, parts',
    [
        ({'image': PICTURE + 1}, ['image']),
        ({'occluder': COVER + 255}, ['occluder']),
        ({'source': (replace(GOOD['source'][0], image='other'), None)}, ['source']),
        ({'image': PICTURE + 1, 'occluder': COVER + 255}, ['image', 'occluder']),
    ],
)
def test_a_condition_that_is_not_of_its_picture_makes_the_whole_frame_unscorable(
    tmp_path, changes, parts
):
    records = evaluate(tmp_path, changes)
    found = frame(records)
    for entry in (*found.models.values(), found.segmentation):
        assert entry.status is Status.UNSCORABLE
    assert found.truth is None and 'different pictures' in found.problem
    assert [part for part, _ in told(records)] == parts


@pytest.mark.parametrize(
    'changes',
    [{'confidence': replace(GOOD['confidence'], image=OTHER)}, {'segmentation': MASK + 1}],
)
def test_a_mask_of_another_picture_is_not_scored(tmp_path, changes):
    found = frame(evaluate(tmp_path, changes))
    assert found.segmentation.status is Status.UNSCORABLE and found.segmentation.cells == []
    assert found.segmentation.problem and not found.segmentation.verified
    assert all(entry.status is Status.SCORED for entry in found.models.values())


def test_models_outside_the_package_are_scored_and_called_unverified(tmp_path):
    records = evaluate(
        tmp_path,
        {
            'vlm:m': replace(GOOD['vlm:m'], image=''),
            'confidence': replace(GOOD['confidence'], image='', mask=''),
        },
    )
    found = frame(records)
    assert found.models['m'].status is found.segmentation.status is Status.SCORED
    assert (found.models['m'].verified, found.segmentation.verified) == (False, False)
    assert found.models['n'].verified
    notes = Evidence.of(records).notes()
    assert [note.partition(':')[0] for note in notes] == ['m', 'segmentation']
    assert all('1 of 1 scored' in note and 'unverified' in note for note in notes)
    verdict = finalise(tmp_path, Rules())
    assert any('unverified' in note for note in verdict.notes)
    assert not [check for check in verdict.wrong if check.data]


def test_a_mask_that_says_its_picture_but_not_itself_is_unverified(tmp_path):
    found = frame(evaluate(tmp_path, {'confidence': replace(GOOD['confidence'], mask='')}))
    assert found.segmentation.status is Status.SCORED and not found.segmentation.verified


def plain(image=''):
    return replace(GOOD['condition'], image=image, occluder='', source='')


def test_without_a_condition_that_says_it_the_picture_itself_is_what_counts(tmp_path):
    records = evaluate(
        tmp_path, {'condition': plain(), 'vlm:m': replace(GOOD['vlm:m'], image=OTHER)}
    )
    found = frame(records)
    assert found.image == IMAGE
    assert found.models['m'].status is Status.UNSCORABLE and found.models['n'].verified
    assert told(records) == [('vlm:m', ['/node_of_vlm:m', '/node_of_image'])]


def test_where_nothing_names_the_picture_answers_about_two_are_none_of_them_scored(tmp_path):
    chosen = {'pictures': 0}
    changes = {'condition': plain(), 'image': None}
    agreeing = frame(evaluate(tmp_path / 'one', changes, **chosen))
    assert [entry.status for entry in agreeing.models.values()] == [Status.SCORED] * 2
    assert agreeing.image is None and not agreeing.models['m'].verified
    changes['vlm:m'] = replace(GOOD['vlm:m'], image=OTHER)
    found = frame(evaluate(tmp_path / 'two', changes, **chosen))
    assert [entry.status for entry in found.models.values()] == [Status.UNSCORABLE] * 2
    assert found.segmentation.status is Status.UNSCORABLE


def test_a_doubled_frame_is_doubled_whatever_its_checksums_say(tmp_path):
    session = Session(
        MonitorParameters(models=('m',), run_folder=str(tmp_path), instances=False),
        log=lambda text: None,
    )
    session.add(5 * SECOND, 'condition', replace(GOOD['condition'], image=OTHER), 0.0)
    for part, value in GOOD.items():
        session.add(5 * SECOND, part, value, 0.0)
    session.end(0.0)
    assert {state: n for state, n in session.accounting['m'].items() if n} == {'doubled': 2}
