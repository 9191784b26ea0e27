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

"""Which answers failed while the segmentation held, and what is written of them."""

import json
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from made import frame_record
from vlm_misalign_ros.core.corruptions import Manner
from vlm_misalign_ros.core.datasets import open_dataset
from vlm_misalign_ros.core.errors import ConfigurationError, DatasetError, RecordError
from vlm_misalign_ros.core.evaluation.again import Again
from vlm_misalign_ros.core.evaluation.degraded import degrade_frame
from vlm_misalign_ros.core.evaluation.worst import Error
from vlm_misalign_ros.core.labels.classes import CLASSES, CRITICAL
from vlm_misalign_ros.core.language.lexicon import open_lexicon
from vlm_misalign_ros.core.language.reading import read
from vlm_misalign_ros.core.report.mined import Layout, write_mined
from vlm_misalign_ros.core.report.mined_right import Right
from vlm_misalign_ros.core.report.mined_rows import target
from vlm_misalign_ros.core.report.mining import Miner, Rule, kinds_of, scene_name
from vlm_misalign_ros.core.types import Condition, Judgement, Mention

CAR, ROAD, PERSON = (CLASSES.index(name) for name in ('car', 'road', 'person'))
GOOD = [[ROAD, ROAD, 800], [CAR, CAR, 190], [CAR, ROAD, 10]]
"""IoU: road 800 / 810, car 190 / 200."""
BLIND = [[ROAD, ROAD, 800], [CAR, ROAD, 200]]
"""The car is taken for road: 0; road 800 / 1000."""


def frame(number, cells=GOOD, condition='low_light:3', iou=0.9, **given):
    """Return a frame whose model m leaves the car out."""
    score = given.pop('score', {'omitted': ['car']})
    answer = given.pop('answer', {})
    truth = {'presence': {'car': 'REQUIRED'}, **given.pop('truth', {})}
    return frame_record(
        stamp=f'{number}.000000000',
        condition=condition,
        key=given.pop('key', 'k'),
        truth=truth,
        segmentation={'cells': cells, 'frame_iou': iou, **given.pop('segmentation', {})},
        models={'m': {'status': 'scored', 'answer': answer, 'score': score}},
        **given,
    )


def mined(records, **rule):
    return [found.record.stamp[0] for found in Miner(records, Rule(**rule))]


def test_an_answer_counts_where_the_mask_held_and_was_right_on_what_it_left_out():
    miner = Miner([frame(1), frame(2, BLIND)], Rule(kept=0.0, frame_iou=0.3))
    (found,) = miner
    assert found.record.stamp[0] == '1'
    assert [(one.kind, one.name, one.mask_right) for one in found.mistakes] == [
        (Error.OMISSION, 'car', True)
    ]
    funnel = miner.funnel
    assert (funnel.scored, funnel.failed, funnel.held, funnel.found) == (2, 2, 2, 1)
    # The frame alone decides where nobody asks for the class.
    assert mined([frame(1), frame(2, BLIND)], frame_iou=0.3, class_iou=0.0) == ['1', '2']


def test_the_mask_is_held_against_that_of_the_clean_picture_where_there_is_one():
    # (800 / 810 + 190 / 200) / 2
    iou = (800 / 810 + 0.95) / 2
    clean = frame(1, condition='clean', iou=0.99, score={})
    assert mined([clean, frame(2)], kept=iou / 0.99 - 0.001) == ['2']
    assert mined([clean, frame(2)], kept=iou / 0.99 + 0.001) == []
    # The clean one may come later, and that of another frame tells nothing.
    assert mined([frame(2), clean], kept=iou / 0.99 + 0.001) == []
    other = frame(1, condition='clean', iou=0.99, score={}, key='other')
    assert mined([other, frame(2)], kept=0.999, frame_iou=iou - 0.001) == ['2']
    assert mined([other, frame(2)], kept=0.0, frame_iou=iou + 0.001) == []


def test_a_class_made_up_counts_where_the_mask_does_not_make_it_up_too():
    person = [*GOOD, [ROAD, PERSON, 5]]
    made_up = {'hallucinated': ['person']}
    records = [frame(1, score=made_up), frame(2, person, score=made_up)]
    assert mined(records, frame_iou=0.1) == ['1']
    assert mined(records, frame_iou=0.1, made_up_share=0.01) == ['1', '2']


@pytest.mark.parametrize(
    'counts, hazard, kind, found',
    [
        ({'false_safe': 1}, 'HAZARD', 'false-safe', True),
        ({'false_alarms': 1}, 'CLEAR', 'false-alarm', True),
        ({'false_safe': 1}, 'HAZARD', 'false-alarm', False),
    ],
)
def test_judgements_count_by_their_kind(counts, hazard, kind, found):
    record = frame(1, score={'counts': counts}, truth={'hazard': hazard, 'nearest_class': 'car'})
    assert bool(mined([record], kinds=kinds_of([kind]))) is found


def test_what_nobody_could_see_is_nobodys_mistake():
    hidden = {
        'visible': {**dict.fromkeys(CLASSES, 'ABSENT'), 'car': 'TOLERATED'},
        'hazard': 'CLEAR',
        'hazard_visible': 'INDETERMINATE',
    }
    score = {'omitted': ['car'], 'counts': {'false_alarms': 1}}
    assert mined([frame(1, truth=hidden, score=score)]) == []
    assert mined([frame(1, truth=hidden, score=score)], covered=True) == ['1']


def test_blank_pictures_and_what_was_not_scored_are_no_failures():
    lost = frame_record(models={'m': {'status': 'missing'}})
    unmasked = frame(3, segmentation={'status': 'missing', 'cells': [], 'frame_iou': None})
    miner = Miner([frame(1, condition='blank'), lost, unmasked], Rule())
    assert list(miner) == [] and miner.funnel.scored == miner.funnel.unsegmented == 1


@pytest.mark.parametrize('wrong', [{'kept': 1.2}, {'class_iou': -0.1}, {'kinds': ()}])
def test_a_rule_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ConfigurationError):
        Rule(**wrong)
    with pytest.raises(ConfigurationError, match='false-safe, omission'):
        kinds_of(['smr'])


# Right answers beside them --------------------------------------------------------------------


def run_of(failures, right, model_of=lambda n: 'm', group=lambda n: ''):
    """Return records, first some that left the car out, then some that were right."""
    return [
        frame(n, score={} if n > failures else {'omitted': ['car']}, sequence=group(n))
        for n in range(1, failures + right + 1)
    ]


def numbers(records, share, **given):
    """Return (failures, right ones) by the seconds of their stamps, in the order they came."""
    miner = Miner(records, Rule(frame_iou=0.1), Right(share, **given))
    found = [(one.failed, int(one.record.stamp.partition('.')[0])) for one in miner]
    return [n for failed, n in found if failed], [n for failed, n in found if not failed], miner


@pytest.mark.parametrize(
    'share, drawn', [(0.0, 0), (0.5, 2), (1.0, 4), (1.1, 4), (1.2, 5), (100.0, 20)]
)
def test_as_many_right_answers_are_drawn_as_asked_for_or_all_that_there_are(share, drawn):
    failures, right, miner = numbers(run_of(4, 20), share)
    assert failures == [1, 2, 3, 4] and len(right) == drawn
    assert right == sorted(set(right)) and set(right) <= set(range(5, 25))
    funnel = miner.funnel
    assert (funnel.scored, funnel.failed, funnel.found, funnel.right) == (24, 4, 4, 20)
    assert funnel.drawn == drawn and (f'{drawn} of them were drawn' in funnel.told()) == bool(
        share
    )


def test_who_is_drawn_depends_on_the_seed_and_not_on_the_order_of_records():
    records = run_of(5, 40)
    _, right, _ = numbers(records, 2.0, seed=3)
    _, turned, _ = numbers(records[::-1], 2.0, seed=3)
    _, other, _ = numbers(records, 2.0, seed=4)
    assert right == turned[::-1] and len(other) == len(right) == 10 and other != right


def test_every_model_and_split_has_its_own_share():
    def split(record):
        return record.sequence

    # Failures 1 to 3 are of a, 4 of b; right ones of both.
    def groups(n):
        return 'a' if n <= 3 or n % 2 else 'b'

    _, right, _ = numbers(run_of(4, 20, group=groups), 2.0, group=split)
    assert sorted(map(groups, right)) == ['a'] * 6 + ['b'] * 2
    two = frame_record(
        stamp='9.000000000',
        condition='low_light:3',
        truth={'presence': {'car': 'REQUIRED'}},
        segmentation={'cells': GOOD, 'frame_iou': 0.9},
        models={
            'bad': {'status': 'scored', 'answer': {}, 'score': {'omitted': ['car']}},
            'good': {'status': 'scored', 'answer': {}, 'score': {}},
        },
    )
    # Nobody of `bad` was right, and `good` did not fail.
    assert numbers([two], 1.0)[:2] == ([9], [])


def test_right_is_without_a_mistake_of_any_kind_in_a_picture_whose_mask_held():
    made_up = frame(2, score={'hallucinated': ['person']})
    lost = frame(3, score={}, segmentation={'status': 'missing', 'cells': [], 'frame_iou': None})
    blind = frame(4, BLIND, score={})
    blank = frame(5, condition='blank', score={})
    hidden = {'visible': {**dict.fromkeys(CLASSES, 'ABSENT'), 'car': 'TOLERATED'}}
    covered = frame(6, truth=hidden)
    records = [frame(1), made_up, lost, blind, blank, covered]
    kinds = kinds_of(['omission'])
    miner = Miner(records, Rule(kinds, frame_iou=0.9), Right(10.0))
    assert [(one.failed, one.record.stamp[0]) for one in miner] == [(True, '1'), (False, '6')]
    # The whole car is asked for: its omission is one more failure.
    strict = Miner(records, Rule(kinds, frame_iou=0.9, covered=True), Right(10.0))
    assert [(one.failed, one.record.stamp[0]) for one in strict] == [(True, '1'), (True, '6')]


@pytest.mark.parametrize('share', [-0.1, float('nan'), float('inf'), 101.0])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ConfigurationError, match='share of right answers'):
        Right(share)


# What is true, in words -----------------------------------------------------------------------

COUNTED = (*CRITICAL, 'traffic light', 'traffic sign')
"""Classes of which a thing can be required."""
OF_COUNTED = [
    [name for place, name in enumerate(COUNTED) if number >> place & 1]
    for number in range(2 ** len(CRITICAL))
] + [[*CRITICAL[:count], *COUNTED[8:]] for count in range(9)]


@pytest.mark.parametrize('judged', [None, Judgement.SAFE, Judgement.UNSAFE])
def test_the_target_says_what_is_true_and_nothing_else_to_the_reader_of_this_package(judged):
    lexicon = open_lexicon()
    for names in OF_COUNTED:
        text = target([*names, 'vehicle'] if names else [], judged)
        found = read(text, lexicon)
        told = {name: state for name, state in found.mentions.items() if name != 'vehicle'}
        assert told == dict.fromkeys(names, Mention.ASSERTED), text
        assert found.judgement is (judged or Judgement.UNPARSED), text


# What is written -----------------------------------------------------------------------------


@pytest.fixture(scope='module')
def streets(tmp_path_factory):
    """Return a folder in Cityscapes layout with one frame, and its picture."""
    root = tmp_path_factory.mktemp('streets')
    picture = np.random.default_rng(0).integers(0, 256, (64, 128, 3), np.uint8)
    for kind, end, pixels in (
        ('leftImg8bit', 'leftImg8bit', picture),
        ('gtFine', 'gtFine_labelIds', np.full((64, 128), 7, np.uint8)),
        ('gtFine', 'gtFine_instanceIds', np.full((64, 128), 7, np.uint16)),
    ):
        folder = root / kind / 'val' / 'town'
        folder.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(folder / f'town_000000_000001_{end}.png'), pixels)
    return root, picture


KEY = 'town_000000_000001'


def manifest(root):
    return {
        'configuration': {
            'name': 'run',
            'replay': {'dataset': str(root), 'conditions': ['low_light:3']},
            'corruption': {'seed': 5},
        },
        'dataset': {'name': 'streets', 'root': str(root)},
    }


def degraded_record(picture, number=1, **given):
    """Return the record of the frame, degraded by hand, and its picture."""
    done = degrade_frame(picture, Condition('low_light', 3), 5, KEY, Manner())
    record = frame(number, key=KEY, **{'image': done.applied.image, **given})
    plain = {'seed': done.applied.seed, 'corruption': 'low_light', 'severity': 3}
    return replaced(record, plain), done.image


def replaced(record, condition):
    from msgspec import structs

    return structs.replace(record, condition=structs.replace(record.condition, **condition))


def written(out, records, root, right=0.0, **given):
    layout, rule = Layout(**{'test': 0.0, **given}), Rule(frame_iou=0.1)
    beside = Right(right, layout.seed, lambda record: layout.split_of(scene_name(record)))
    miner = Miner(records, rule, beside)
    return write_mined(
        out,
        iter(miner),
        layout,
        manifest(root),
        lambda: (rule.told() + beside.told(), miner.funnel),
        lambda: Again.open(manifest(root), out),
    )


def test_pictures_are_made_again_as_the_model_was_shown_them(tmp_path, streets):
    root, picture = streets
    record, shown = degraded_record(picture)
    done = written(tmp_path / 'out', [record], root)
    assert done.pictures == 1 and done.lacking == 0
    (row,) = pq.read_table(tmp_path / 'out' / 'answers' / 'train.parquet').to_pylist()
    assert np.array_equal(cv2.imread(str(tmp_path / 'out' / row['file_name'])), shown)
    assert np.array_equal(cv2.imread(str(tmp_path / 'out' / row['clean_file_name'])), picture)
    assert row['picture_verified'] and row['mistakes'] == [
        {'kind': 'omission', 'name': 'car', 'mask_right': True}
    ]
    assert row['target'] == 'There is a car. It is safe to drive on.'
    lines = (tmp_path / 'out' / 'pictures' / 'train' / 'metadata.jsonl').read_text().splitlines()
    (line,) = map(json.loads, lines)
    assert (tmp_path / 'out' / 'pictures' / 'train' / line['file_name']).is_file()
    assert not list(tmp_path.glob('*.part'))


def test_right_answers_lie_beside_the_failures_with_their_pictures_and_in_the_card(
    tmp_path, streets
):
    root, picture = streets
    failed, _ = degraded_record(picture)
    right = [degraded_record(picture, number, score={})[0] for number in (2, 3, 4)]
    done = written(tmp_path / 'out', [failed, *right], root, right=2.0)
    assert (done.answers, done.right) == ({'train': 3, 'test': 0}, {'train': 2, 'test': 0})
    rows = pq.read_table(tmp_path / 'out' / 'answers' / 'train.parquet').to_pylist()
    assert [row['failed'] for row in rows] == [True, False, False]
    assert [len(row['mistakes']) for row in rows] == [1, 0, 0]
    assert all((tmp_path / 'out' / row['file_name']).is_file() for row in rows)
    assert {row['target'] for row in rows} == {'There is a car. It is safe to drive on.'}
    card = (tmp_path / 'out' / 'README.md').read_text()
    assert '3 answers (train 3 (2 right), test 0)' in card
    assert '2 times as many as failures' in card and '`failed`' in card
    lines = (tmp_path / 'out' / 'pictures' / 'train' / 'metadata.jsonl').read_text().splitlines()
    told = [answer['failed'] for line in map(json.loads, lines) for answer in line['answers']]
    assert told == [True, False, False]


def test_right_answers_are_in_the_split_of_their_scene_each_with_its_share(tmp_path):
    def key(n):
        return f'scene {n // 10}'

    records = [
        frame(n, key=key(n), score={'omitted': ['car']} if n % 10 < 3 else {})
        for n in range(1, 201)
    ]
    done = written(tmp_path / 'out', records, tmp_path, right=1.0, test=0.4, picture='none')
    scenes = {}
    for split in ('train', 'test'):
        rows = pq.read_table(tmp_path / 'out' / 'answers' / f'{split}.parquet').to_pylist()
        scenes[split] = {row['scene'] for row in rows}
        assert sum(row['failed'] for row in rows) == done.right[split] > 0
        assert done.answers[split] == 2 * done.right[split]
    assert not scenes['train'] & scenes['test']


def test_another_picture_than_the_runs_is_not_given_out_for_it(tmp_path, streets):
    root, picture = streets
    record, _ = degraded_record(picture, image='0' * 32)
    done = written(tmp_path / 'out', [record], root)
    assert done.pictures == 0 and done.lacking == 1 and 'another picture' in done.why
    (row,) = pq.read_table(tmp_path / 'out' / 'answers' / 'train.parquet').to_pylist()
    assert row['file_name'] is None and row['key'] == KEY
    assert 'another picture' in (tmp_path / 'out' / 'README.md').read_text()


def test_a_data_set_that_fails_in_whatever_way_costs_its_pictures(tmp_path, streets, monkeypatch):
    root, picture = streets
    record, _ = degraded_record(picture)

    def read(self, position):
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr(type(open_dataset(root)), 'read', read)
    done = written(tmp_path / 'out', [record], root)
    assert done.answers == {'train': 1, 'test': 0} and done.lacking == 1
    assert 'PermissionError' in done.why


def test_without_the_data_set_there_are_the_texts_alone(tmp_path, streets):
    record, _ = degraded_record(streets[1])
    done = written(tmp_path / 'out', [record], tmp_path / 'gone')
    assert done.answers == {'train': 1, 'test': 0} and done.lacking == 1
    card = (tmp_path / 'out' / 'README.md').read_text()
    assert 'licence of the pictures' in card and 'imagefolder' not in card


def test_a_data_set_is_found_beside_the_run_that_named_it_from_elsewhere(streets, tmp_path):
    root, picture = streets
    told = manifest(root)
    told['configuration']['replay']['dataset'] = root.name
    record, shown = degraded_record(picture)
    made = Again.open(told, root.parent / 'runs' / 'one').make(record)
    assert np.array_equal(made.degraded, shown) and made.verified
    with pytest.raises(DatasetError, match='no frame'):
        Again.open(manifest(root), root).make(frame(1, key='unknown'))
    with pytest.raises(DatasetError, match='replayed no data set'):
        Again.open({'configuration': {'replay': None}}, root)
    assert len(open_dataset(root)) == 1


def test_a_scene_is_in_one_split_whatever_comes_beside_it():
    layout = Layout(test=0.3)
    splits = {f'd|{n}': layout.split_of(f'd|{n}') for n in range(2000)}
    share = sum(split == 'test' for split in splits.values()) / 2000
    # Four standard deviations of a binomial of 2000 and .3.
    assert abs(share - 0.3) < 4 * (0.3 * 0.7 / 2000) ** 0.5
    assert {Layout(test=0.0).split_of(scene) for scene in splits} == {'train'}


def test_nothing_found_and_a_folder_that_is_there_are_refused_and_leave_nothing(tmp_path):
    right = frame(1, score={})
    with pytest.raises(RecordError, match='nothing was found: of 1 scored answers 0 failed'):
        written(tmp_path / 'out', [right], tmp_path)
    assert not list(tmp_path.iterdir())
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / 'mine').write_text('')
    with pytest.raises(RecordError, match='exists'):
        written(tmp_path / 'out', [frame(1)], tmp_path)
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['mine']


def test_what_lies_beside_the_folder_stays(tmp_path, monkeypatch):
    (tmp_path / 'out.part').mkdir()
    (tmp_path / 'out.part' / 'mine').write_text('')
    written(tmp_path / 'out', [frame(1)], tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {'out', 'out.part'}
    assert (tmp_path / 'out.part' / 'mine').exists()
    (tmp_path / 'empty').mkdir()
    monkeypatch.chdir(tmp_path / 'empty')
    with pytest.raises(RecordError, match='is no name of a folder'):
        written(Path('.'), [frame(1)], tmp_path)


def test_names_of_anybody_are_no_markup_in_the_card(tmp_path):
    told = manifest(tmp_path)
    evil = '`](javascript:x)\n---\n# <script>|'
    told['configuration']['name'] = told['dataset']['name'] = evil
    miner = Miner([frame(1)], Rule(frame_iou=0.1))
    write_mined(
        tmp_path / 'out',
        iter(miner),
        Layout('none', 0.0),
        told,
        lambda: ('it is so', miner.funnel),
        lambda: pytest.fail('no picture was asked for'),
    )
    card = (tmp_path / 'out' / 'README.md').read_text()
    assert '<script>' not in card and '\n# <' not in card and card.count('---\n') == 2
