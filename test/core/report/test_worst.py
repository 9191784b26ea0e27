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

"""Which frames count as the worst, and which of them are shown."""

import json
from itertools import permutations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from made import frame_record
from vlm_misalign_ros.core.evaluation.worst import (
    Error,
    Ranking,
    errors_of,
    kept_of_each,
    scene_of,
    spread,
)
from vlm_misalign_ros.core.records.account import AccountingRecord
from vlm_misalign_ros.core.records.pictures import Pictures
from vlm_misalign_ros.core.report.page import write_report
from vlm_misalign_ros.core.report.verdict import Status, Verdict

SECOND = 1_000_000_000
GREY = np.full((16, 32, 3), 90, np.uint8)
A, B = ('m', Error.OMISSION), ('m', Error.HALLUCINATION)


def score(hallucinated=(), omitted=(), **counts):
    told = {'hallucinated': len(hallucinated), 'omitted': len(omitted), **counts}
    # What is seen is what is there, unless a test says otherwise.
    told = {'omitted_visible': told['omitted'], **told}
    for name in ('false_safe', 'false_alarms'):
        if name in told:
            told = {f'{name}_visible': told[name], **told}
    return {'counts': told, 'hallucinated': list(hallucinated), 'omitted': list(omitted)}


def frame(second, models=None, **given):
    """Return a frame; `models` has the score of each."""
    given = {'key': f'frame_{second}', **given}
    scores = {'m': score(omitted=['car'])} if models is None else models
    return frame_record(
        stamp=f'{second}.000000000',
        models={n: {'status': 'scored', 'score': s} for n, s in scores.items()},
        **given,
    )


def ranked(each, entries):
    """Return what is left after (score, scene, stamp) came in this order, in one slot."""
    ranking = Ranking(each)
    for value, scene, stamp in entries:
        ranking.add({A: value}, scene, stamp)
    return ranking.stamps


@pytest.mark.parametrize('order', permutations(range(4)))
def test_the_highest_scores_are_kept_and_of_equal_ones_the_first_stamps(order):
    entries = [(2.0, 'a', 5), (1.0, 'b', 7), (1.0, 'c', 6), (1.0, 'd', 8)]
    assert ranked(2, [entries[place] for place in order]) == {5, 6}


@pytest.mark.parametrize('order', permutations(range(4)))
def test_a_scene_has_one_place_its_worst_frame(order):
    entries = [(9.0, 'a', 1), (8.0, 'a', 2), (7.0, 'a', 3), (1.0, 'b', 4)]
    assert ranked(2, [entries[place] for place in order]) == {1, 4}


FRAMES = st.lists(
    st.tuples(st.sampled_from('abcde'), st.integers(0, 3), st.integers(0, 3)), max_size=24
)


@given(FRAMES, st.integers(1, 3), st.randoms())
@settings(max_examples=150, deadline=None)
def test_what_is_kept_is_the_best_of_each_scene_and_does_not_depend_on_the_order(
    frames, each, random
):
    entries = [
        ({slot: float(v) for slot, v in ((A, a), (B, b)) if v}, scene, stamp)
        for stamp, (scene, a, b) in enumerate(frames)
    ]
    wanted = set()
    for slot in (A, B):
        # By hand: the best of each scene, of these the best.
        best = {}
        for errors, scene, stamp in entries:
            if slot in errors:
                best[scene] = max(best.get(scene, (0, 0)), (errors[slot], -stamp))
        wanted |= {-found[1] for found in sorted(best.values())[-each:]}
    random.shuffle(entries)
    ranking = Ranking(each)
    there = set()
    for errors, scene, stamp in entries:
        kept, gone = ranking.add(errors, scene, stamp)
        there = (there | {stamp} if kept else there) - gone
    assert ranking.stamps == wanted == there


def test_a_frame_that_is_taken_out_is_in_no_slot():
    ranking = Ranking(2)
    ranking.add({A: 1.0, B: 1.0}, 'a', 1)
    assert ranking.drop(1) and not ranking.drop(1) and ranking.stamps == set()


def test_what_is_kept_is_enough_for_one_model_and_kind_alone():
    assert kept_of_each(24, 1) == 24 and kept_of_each(24, 5) == 5 and kept_of_each(4, 9) == 2


def test_errors_are_counted_by_model_and_kind():
    record = frame(
        1,
        {
            'a': score(['bus', 'train'], ['car']),
            'b': score(false_safe=1),
            'c': score(false_alarms=1),
            'd': score(contradictions=1),
            'e': score(),
        },
        truth={
            'hazard': 'HAZARD',
            'nearest': 10.0,
            'nearest_class': 'car',
            'required': {'car': {'area': 2000.0, 'distance': 10.0}},
        },
        segmentation={'frame_iou': 0.5},
    )
    found = errors_of(record)
    # Between equal numbers: nearness 10 / (10 + 10 m), or the frame IoU, times .49.
    assert found == {
        ('a', Error.HALLUCINATION): pytest.approx(2 + 0.49 * 0.5),
        ('a', Error.OMISSION): pytest.approx(1 + 0.49 * 0.5),
        ('b', Error.FALSE_SAFE): pytest.approx(1 + 0.49 * 0.5),
        ('c', Error.FALSE_ALARM): pytest.approx(1 + 0.49 * 0.5),
        ('d', Error.CONTRADICTION): pytest.approx(1 + 0.49 * 0.5),
    }


def test_what_is_near_is_worse_and_what_is_covered_is_less():
    def omission(metres, **counts):
        required = {'car': {'area': 2000.0, 'distance': metres}}
        models = {'m': score(omitted=['car'], **counts)}
        return errors_of(frame(1, models, truth={'required': required}))[A]

    assert omission(5.0) > omission(40.0) > omission(5.0, omitted_visible=0) > 0


def test_a_blank_picture_has_no_error():
    assert errors_of(frame(1, condition='blank')) == {}
    assert errors_of(frame(1)) != {}


def test_frames_of_a_drive_are_of_one_scene_for_ten_seconds():
    def drive(second, **given):
        return scene_of(frame(second, sequence='d', protocol='labelled sequence', **given))

    assert drive(21) == drive(29) != drive(31)
    # Single frames, and what is held, are told apart by their source frame.
    assert scene_of(frame(1, key='x')) == scene_of(frame(99, key='x')) != scene_of(frame(1))


def test_models_kinds_and_scenes_take_turns():
    """Model a is wrong everywhere, b seldom: both are shown, over all scenes."""
    records = []
    for number in range(12):
        models = {'a': score(['bus', 'train', 'truck'], ['car']), 'b': score()}
        if number in (3, 7):
            models['b'] = score(false_safe=1)
        records.append(frame(number + 1, models, key=f'scene_{number % 4}'))
    chosen = spread(records, 6)
    assert len({one.record.stamp for one in chosen}) == 6
    assert [(one.model, one.error) for one in chosen] == [
        *2 * [('b', Error.FALSE_SAFE)],
        *2 * [('a', Error.OMISSION)],
        *2 * [('a', Error.HALLUCINATION)],
    ]
    assert len({one.record.key for one in chosen}) == 4
    assert spread(records[::-1], 6) == chosen


def test_each_frame_is_shown_once_the_gravest_kind_first():
    records = [frame(1, {'m': score(['bus'], ['car'], false_safe=1)}), frame(2)]
    chosen = spread(records, 9)
    assert [(one.record.stamp, one.error) for one in chosen] == [
        ('1.000000000', Error.FALSE_SAFE),
        ('2.000000000', Error.OMISSION),
    ]


def test_pictures_come_and_go_with_everything_of_their_frame(tmp_path):
    kept = Pictures(tmp_path / 'p')
    mask = np.zeros((16, 32), np.uint8)
    kept.keep(5, GREY, mask, b'{}')
    kept.add(5, '_clean.jpg', GREY)
    assert sorted(path.name[20:] for path in (tmp_path / 'p').iterdir()) == [
        '.jpg',
        '_clean.jpg',
        '_mask.png',
        '_truth.json',
    ]
    assert kept.stamps() == {5} and kept.has(5) and not kept.has(6)
    assert np.array_equal(cv2.imread(str(kept.path(5, '_mask.png')), -1), mask)
    kept.remove(5)
    assert not list((tmp_path / 'p').iterdir())


LAST = AccountingRecord({}, {}, {})


def page_of(folder, records, without=(), ended=False, configuration=None):
    kept = Pictures(folder / 'pictures')
    for record in records:
        if record is LAST:
            continue
        second = int(record.stamp.partition('.')[0])
        if second not in without:
            kept.keep(second * SECOND, GREY, None)
    (folder / 'manifest.json').write_text(json.dumps({'configuration': configuration or {}}))
    if ended:
        (folder / 'ending.json').write_text('{}')
    write_report(folder, records, [], Verdict(Status.PASS), {'models': {}})
    return (folder / 'report.html').read_text(encoding='utf-8')


def test_the_report_shows_only_frames_that_a_picture_was_kept_of(tmp_path):
    page = page_of(tmp_path, [frame(n) for n in (1, 2, 3)], without=(2,))
    assert '<b>frame_1</b>' in page and '<b>frame_3</b>' in page and 'frame_2' not in page


def test_what_was_kept_to_choose_from_goes_once_a_run_has_ended(tmp_path):
    records = [frame(number) for number in range(1, 31)]
    page_of(tmp_path, [*records, LAST])
    assert len(Pictures(tmp_path / 'pictures').stamps()) == 30
    # Of records that were cut off nobody knows which frames are the worst.
    page_of(tmp_path, records, ended=True)
    assert len(Pictures(tmp_path / 'pictures').stamps()) == 30
    page = page_of(tmp_path, [*records, LAST], ended=True)
    assert len(Pictures(tmp_path / 'pictures').stamps()) == 24 == page.count('<article')


@pytest.mark.parametrize('asked, kept, shown', [(4, 4, 4), (26, 26, 24)])
def test_as_many_are_kept_as_the_run_was_to_keep(tmp_path, asked, kept, shown):
    records = [frame(number) for number in range(1, 31)]
    configuration = {'monitor': {'pictures': asked}}
    page = page_of(tmp_path, [*records, LAST], ended=True, configuration=configuration)
    assert len(Pictures(tmp_path / 'pictures').stamps()) == kept
    assert page.count('<article') == shown and ('2 more are in pictures/' in page) is (kept > 24)


def test_a_data_set_that_is_gone_costs_the_clean_pictures_alone(tmp_path):
    configuration = {'replay': {'dataset': str(tmp_path / 'gone')}}
    page = page_of(tmp_path, [frame(1, condition='low_light:1')], configuration=configuration)
    assert page.count('<article') == 1
    assert 'could not be made again' in page and 'gone' in page


def test_a_blank_picture_stands_apart(tmp_path):
    said = {'mentions': {'car': 'ASSERTED', 'bus': 'ASSERTED'}, 'text': 'A car and a bus.'}
    blank = frame_record(
        condition='blank',
        key='grey',
        models={'m': {'status': 'scored', 'answer': said, 'score': score(['bus'])}},
    )
    page = page_of(tmp_path, [frame(5), blank], without=(1,))
    cards, control = page.split('id="worst-blank"')
    assert 'bus: not there' not in cards
    assert '<mark class="wf-made-up"' in control and 'bus: not there' in control


def test_names_and_texts_of_anybody_stay_texts(tmp_path):
    evil = '<script>alert(1)</script>"\'&'
    record = frame(
        1,
        {evil: score(['bus'])},
        key=evil,
        truth={'hazard': 'HAZARD', 'nearest': 3.0, 'nearest_class': evil},
    )
    page = page_of(tmp_path, [record])
    assert '<script>alert' not in page and '&lt;script&gt;alert(1)' in page
