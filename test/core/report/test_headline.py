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

"""A run in words: what is claimed, what is not, and what is said to be unknown."""

import json
from math import inf, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from made_runs import a_run, frames
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.report.analysis import analyse_records
from vlm_misalign_ros.core.report.finalise import finalise
from vlm_misalign_ros.core.report.found import Found, Line
from vlm_misalign_ros.core.report.headline import headline, headline_of
from vlm_misalign_ros.core.report.summary import summarise
from vlm_misalign_ros.core.report.tidy import Masks
from vlm_misalign_ros.core.report.wording import listed, named, percent, points

GOOD, DIM, DARK = (
    {'cells': [[0, 0, hits], [0, 1, 100 - hits]]} for hits in (90, 80, 30)
)  # mIoU .45, .40 and .15: class 1 is predicted and never true, an IoU of 0.


def found_of(records):
    masks = Masks()
    for record in records:
        masks.add(record)
    analysis = {**analyse_records(records), 'segmentation': masks.analysis()}
    return Found([Line.of(row) for row in summarise(records)], analysis)


def run(scenes=40, omitted=lambda k: k % 2, condition='low_light:3', mask=DIM, **more):
    return [
        *frames(scenes, segmentation=GOOD),
        *frames(scenes, condition, omitted=omitted, segmentation=mask, **more),
    ]


def said(records, topic='rates'):
    return [one for one in headline(found_of(records)) if one.topic == topic]


def test_a_rise_that_its_interval_bears_out_is_told_with_what_segmentation_keeps():
    everything = headline(found_of(run()))
    masks = next(one for one in everything if one.topic == 'segmentation')
    # 0.40 of 0.45 in every scene alike: nothing varies.
    assert 'At low_light:3' in masks.text and 'keeps 89 % [89, 89] of its mIoU' in masks.text
    assert '.40 of .45, 40 scenes' in masks.text and masks.shown
    rise = next(one for one in everything if one.text.startswith('Omission'))
    # 20 of 80 required classes, 2 in each of 40 scenes.
    assert 'm leaves out 25 %' in rise.text and '0 % clean' in rise.text
    assert '+25 points' in rise.text and '20/80 in 40 scenes' in rise.text and rise.shown


def test_a_loss_of_segmentation_is_claimed_of_enough_scenes_of_its_own():
    # Models answered in 40 scenes; masks of both conditions are there in 12 of them.
    records = run(mask=DARK)
    for k, record in enumerate(records):
        if k % 40 >= 12:
            unmasked = structs.replace(record.segmentation, status='missing', cells=[])
            records[k] = structs.replace(record, segmentation=unmasked)
    (masks,) = said(records, 'segmentation')
    assert masks.text.endswith('12 scenes.') and not masks.shown
    (whole,) = said(run(mask=DARK), 'segmentation')
    assert whole.text.endswith('40 scenes.') and whole.shown


def test_too_few_scenes_claim_nothing():
    everything = headline(found_of(run(scenes=12, omitted=2)))
    assert 'prove nothing' in everything[0].text
    assert not any(one.shown for one in everything)
    assert any('No change is claimed' in one.text for one in everything)


def test_what_does_not_separate_is_not_claimed():
    rates = said(run(omitted=lambda k: k < 1))
    assert not any(one.shown for one in rates)
    assert any(one.text.startswith('No change is shown of: omission, m leaves') for one in rates)


def test_a_rise_in_few_scenes_is_not_said_to_be_none():
    """Ten hazards of 40 scenes are all called safe: it excludes 0, and is not enough to claim."""
    few = {'hazards_judged': lambda k: k < 10}
    rates = said(
        [
            *frames(40, segmentation=GOOD, unsafe=lambda k: k < 10, **few),
            *frames(40, 'low_light:3', segmentation=DIM, unsafe=0, safe=lambda k: k < 10,
                    false_safe=lambda k: k < 10, **few),
        ]
    )  # fmt: skip
    (shown,) = [one.text for one in rates if one.text.startswith('No change is shown of')]
    assert 'omission, m' in shown and 'false safe' not in shown
    (claimed,) = [one.text for one in rates if one.text.startswith('No change is claimed')]
    assert claimed.startswith('No change is claimed from fewer than 20 scenes; the largest are: ')
    assert 'false safe, m calls 100 %' in claimed and '10/10 in 10 scenes' in claimed


def test_a_rate_that_falls_is_no_rise():
    records = [
        *frames(40, segmentation=GOOD, omitted=2),
        *frames(40, 'low_light:3', segmentation=DIM),
    ]
    (rise,) = [one for one in said(records) if one.text.startswith('Omission')]
    assert '−100 points' in rise.text and rise.shown


def test_conditions_are_chosen_by_the_mask_whatever_the_rates():
    def chosen(bad):
        records = run()
        for condition, mask in (('low_light:5', DARK), ('motion_blur:1', GOOD)):
            omitted = 2 if condition == bad else 0
            records += frames(40, condition, omitted=omitted, segmentation=mask)
        return [one.text for one in said(records, 'segmentation')]

    (first, second) = chosen('motion_blur:1')
    assert first.startswith('At low_light:3 (the hardest that leaves 80 % or more)')
    assert second.startswith('At low_light:5 (the hardest of all)') and '33 %' in second
    assert chosen('low_light:5') == [first, second]


def test_what_nobody_measured_is_unknown():
    records = run(mask={'status': 'missing', 'frame_iou': None})[40:]
    (told,) = said(records, 'segmentation')
    assert told.text == 'What segmentation keeps is not known: no mask was scored.'
    (told,) = said(frames(30), 'segmentation')
    assert told.text.endswith('nothing was degraded.')
    (told,) = said(frames(30, hazards_judged=0), 'safety')
    assert 'not known for m' in told.text
    assert headline(Found([], {}))[0].text.startswith('No model was asked')


def test_without_ground_truth_no_rate_is_called_accuracy():
    found = found_of(run())
    told = headline(Found(found.lines, {**found.analysis, 'against': 'against reference x'}))
    assert 'There is no ground truth: every rate is against reference x' in told[0].text


def test_a_folder_says_what_its_rows_say(tmp_path):
    records = run() + frames(40, 'blank:0', omitted=2)
    finalise(a_run(tmp_path / 'run', records))
    assert headline_of(tmp_path / 'run') == headline(found_of(records))


@pytest.mark.parametrize('damage', ['summary.csv', 'analysis.json'])
def test_a_folder_that_is_no_finished_run_is_named(tmp_path, damage):
    finalise(a_run(tmp_path, run(scenes=3)))
    (tmp_path / damage).write_text('condition,model\nclean,m\n')
    with pytest.raises(RecordError, match=damage):
        headline_of(tmp_path)
    (tmp_path / damage).unlink()
    with pytest.raises(RecordError, match=f'{damage} cannot be read'):
        headline_of(tmp_path)


def test_names_from_outside_are_bounded_and_printable():
    bad = '\x1b[31m' + 'x' * 500
    texts = [one.text for one in headline(found_of(frames(25, models=(bad,))))]
    assert all(text.isprintable() and 'x' * 61 not in text for text in texts)
    assert len(named(bad)) == 60 and named('clip') == 'clip'


@settings(max_examples=25, deadline=None)
@given(
    st.integers(5, 45),
    st.lists(st.integers(0, 2), min_size=45, max_size=45),
    st.lists(st.integers(0, 2), min_size=45, max_size=45),
)
def test_nothing_is_claimed_that_the_paired_interval_does_not_bear_out(scenes, clean, dark):
    records = [
        *frames(scenes, segmentation=GOOD, omitted=lambda k: clean[k]),
        *frames(scenes, 'low_light:3', segmentation=DIM, omitted=lambda k: dark[k]),
    ]
    found = found_of(records)
    entry = found.analysis['models']['m']['differences']['low_light:3']['critical_omission_rate']
    separate = scenes >= 20 and (entry['low'] > 0 or entry['high'] < 0)
    rises = [one for one in headline(found) if one.text.startswith('Omission')]
    assert [one.shown for one in rises] == [True] * separate


def test_numbers_in_words():
    assert [percent(v) for v in (0, 0.004, 0.25, 0.996, 1)] == [
        f'{text} %' for text in ('0', '0.4', '25', '99.6', '100')
    ]
    assert points({'value': 0.112, 'low': -0.003, 'high': 0.2}) == '+11 points [−0.3, +20]'
    assert points({'value': -0.1, 'low': nan, 'high': inf}) == '−10 points'
    assert listed(['a']) == 'a' and listed(['a', 'b', 'c', 'd']) == 'a, b, c and d'
    assert listed(list('abcde')) == 'a, b, c and 2 more'


def test_classes_of_the_users_own_are_no_road_users(tmp_path):
    manifest = {'configuration': {'monitor': {'critical': ['person', 'traffic sign']}}}
    folder = a_run(tmp_path / 'run', run())
    plain = json.loads((folder / 'manifest.json').read_text())
    plain['configuration']['monitor'] |= manifest['configuration']['monitor']
    (folder / 'manifest.json').write_text(json.dumps(plain))
    finalise(folder)
    texts = ' '.join(one.text for one in headline_of(folder))
    assert 'of the critical classes' in texts and 'road users' not in texts
