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

"""What the verdict is: each rule, at exactly its edge, from records made by hand."""

import json
import xml.etree.ElementTree as ElementTree
from math import isnan, nan
from pathlib import Path

import msgspec
import numpy as np
import pytest
from scipy import stats

from made_runs import MONITOR, a_run, frames
from vlm_misalign_ros.app.cli import main
from vlm_misalign_ros.core.errors import ConfigurationError, RecordError
from vlm_misalign_ros.core.metrics.confusion import miou
from vlm_misalign_ros.core.records.ending import ENDING, Ending, read_ending, write_ending
from vlm_misalign_ros.core.records.merge import merge
from vlm_misalign_ros.core.report.baseline import BASELINES, Baselines, check_runs, find_run
from vlm_misalign_ros.core.report.finalise import finalise
from vlm_misalign_ros.core.report.judging import _Judge, tally_for
from vlm_misalign_ros.core.report.limits import parse_limits
from vlm_misalign_ros.core.report.rules import COMMAND_LINE, Rules, rules_of
from vlm_misalign_ros.core.report.tally import Measured
from vlm_misalign_ros.core.report.verdict import Check, Status, ending_checks, judge

PASS, FAIL, INVALID = Status.PASS, Status.FAIL, Status.INVALID
UNDECIDED, COMPLETE = Status.UNDECIDED, Status.COMPLETE


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Leave out what these tests are not about: the analysis and the page take seconds."""
    monkeypatch.setattr('vlm_misalign_ros.core.report.finalise.analyse_records', lambda *_: {})
    monkeypatch.setattr('vlm_misalign_ros.core.report.finalise.write_report', lambda *_: None)


@pytest.fixture
def judged(tmp_path):
    """Return a function from records and limits to the verdict over them."""
    made = []

    def judge_records(records, *limits, **chosen):
        made.append(a_run(tmp_path / f'run{len(made)}', records, limits=limits, **chosen))
        return finalise(made[-1])

    return judge_records


def by_name(verdict):
    return {check.name: check.status for check in verdict.checks if check.found is not None}


# Without limits, and too little scored --------------------------------------------------------


def test_without_a_limit_a_run_is_complete_and_never_passes(judged):
    found = judged(frames(30, false_safe=1))
    assert found.status is COMPLETE and found.exit_code == 0 and found.text == 'COMPLETE'
    assert {check.status for check in found.checks} == {PASS}


@pytest.mark.parametrize('minimum', [0.0, 0.95])
def test_nothing_scored_is_invalid_whatever_the_minimum(judged, minimum):
    found = judged(frames(5, status='missing'), minimum_coverage=minimum)
    assert found.status is INVALID and found.exit_code == 3
    assert any('m: 0 of 5 frames scored' in reason for reason in found.reasons)
    assert judged([], minimum_coverage=minimum).status is INVALID


def test_no_mask_where_segmentation_was_asked_for_is_invalid_in_every_mode(judged):
    lost = frames(5, segmentation={'status': 'missing', 'frame_iou': None})
    asked = {'configuration': {'monitor': {**MONITOR, 'minimum_coverage': 0.0}}}
    asked['configuration']['segmentation'] = {'model': 'x'}
    found = judged(lost, manifest=asked)
    assert found.status is INVALID and 'nothing scored of segmentation' in found.checks[2].short
    assert judged(lost, minimum_coverage=0.0).status is COMPLETE


@pytest.mark.parametrize(
    'scored, of, minimum, expected',
    [
        (19, 20, 0.95, COMPLETE),
        (18, 20, 0.95, INVALID),
        (7, 10, 0.7, COMPLETE),
        (1, 10, 0.0, COMPLETE),
        (10, 10, 1.0, COMPLETE),
        (9, 10, 1.0, INVALID),
    ],
)
def test_coverage_of_exactly_the_minimum_is_enough(judged, scored, of, minimum, expected):
    records = frames(scored) + frames(of - scored, status='missing', start=scored)
    assert judged(records, minimum_coverage=minimum).status is expected


# A plain limit -------------------------------------------------------------------------------


def third(k):
    return k % 10 < 3


@pytest.mark.parametrize(
    'limit, expected',
    [
        ('smr_false_safe < 0.3', FAIL),
        ('smr_false_safe <= 0.3', PASS),
        ('smr_false_safe = 0.3', PASS),
        ('smr_false_safe < 0.3001', PASS),
        ('smr_false_safe <= 0.2999', FAIL),
        ('smr_false_safe > 0.3', FAIL),
        ('smr_false_safe >= 0.3', PASS),
        ('smr_false_safe > 0.2999', PASS),
        ('smr_false_safe >= 0.3001', FAIL),
        ('mentions_per_frame <= 2', PASS),
        ('mentions_per_frame < 2', FAIL),
        ('miou >= 0.45', PASS),
        ('miou > 0.45', FAIL),
    ],
)
def test_a_plain_limit_takes_the_rate_itself(judged, limit, expected):
    found = judged(frames(20, false_safe=third), limit)
    assert found.status is expected, found.reasons
    (check,) = (check for check in found.checks if check.found)
    assert check.found.scenes == 20 and str(parse_limits([limit])[0]) == check.found.limit


@pytest.mark.parametrize('number, expected', [(19, UNDECIDED), (20, PASS), (1, UNDECIDED)])
def test_fewer_than_twenty_scenes_prove_nothing(judged, number, expected):
    found = judged(frames(number), 'smr_false_safe < 0.5')
    assert found.status is expected and found.exit_code == {PASS: 0, UNDECIDED: 4}[expected]
    # Nor does the worst rate of so few: it is no FAIL.
    worst = judged(frames(number, false_safe=1), 'smr_false_safe < 0.5').status
    assert worst is (FAIL if expected is PASS else UNDECIDED)


def test_limits_say_that_single_frames_were_taken_for_scenes(judged):
    """Nothing tells whether they are of one drive, and one drive would be one scene."""
    told = [note for note in judged(frames(40), 'smr < 0.5').notes if 'tells of no drive' in note]
    assert len(told) == 1 and told[0].startswith('40 scenes are single frames')
    assert judged(frames(40)).notes == ()
    named = [
        msgspec.structs.replace(record, key=f'town_{k:06d}_000019')
        for k, record in enumerate(frames(40))
    ]
    assert judged(named, 'smr < 0.5').notes == ()


def test_scenes_count_where_the_rate_has_a_denominator_and_only_once(judged):
    some = frames(40, hazards_judged=lambda k: k < 19)
    assert judged(some, 'smr_false_safe < 0.5').status is UNDECIDED
    assert judged(some, 'critical_omission_rate < 0.5').status is PASS
    # Forty frames of one sequence without times are one scene.
    one = [msgspec.structs.replace(record, sequence='drive') for record in frames(40)]
    assert judged(one, 'smr_false_safe < 0.5').status is UNDECIDED
    assert judged(one, 'smr_false_safe < 0.5', minimum_scenes=1).status is PASS


def test_the_mean_of_two_rates_has_the_scenes_of_the_rarer(judged):
    some = frames(30, clear_judged=lambda k: k < 19)
    assert judged(some, 'smr_balanced < 0.5').status is UNDECIDED
    assert judged(frames(30, clear_judged=lambda k: k < 20), 'smr_balanced < 0.5').status is PASS


def test_what_was_not_scored_counts_for_nothing_whatever_stands_beside_it(judged):
    score = {'counts': {'frames': 1, 'hazards_judged': 1, 'false_safe': 1}}
    bad = frames(1)[0]
    doubtful = [
        msgspec.structs.replace(
            bad,
            key=f'doubtful_{k}',
            stamp=f'{1000 + k}.000000000',
            models={
                'm': msgspec.convert(
                    {'status': 'unmatched', 'score': score | {'hallucinated': [], 'omitted': []}},
                    type(bad.models['m']),
                )
            },
        )
        for k in range(30)
    ]
    found = judged(frames(30) + doubtful, 'smr_false_safe < 0.3', minimum_coverage=0.0)
    assert found.status is PASS


def test_each_condition_and_model_stands_for_itself_and_the_blank_control_for_none(judged):
    records = frames(30, models=('a', 'b'))
    records += frames(30, 'low_light:3', models=('a', 'b'), omitted=lambda k: k % 2)
    records += frames(30, 'blank', models=('a', 'b'), omitted=2)
    found = judged(records, 'critical_omission_rate < 0.2')
    assert by_name(found) == {
        'a/critical_omission_rate@clean < 0.2': PASS,
        'b/critical_omission_rate@clean < 0.2': PASS,
        'a/critical_omission_rate@low_light:3 < 0.2': FAIL,
        'b/critical_omission_rate@low_light:3 < 0.2': FAIL,
    }
    # Pooled it is .125: that has to be asked for.
    assert judged(records, 'a/critical_omission_rate@all < 0.2').status is PASS
    assert judged(records, 'critical_omission_rate@pooled(clean, low_light) < 0.2').status is PASS
    assert judged(records, 'critical_omission_rate@clean < 0.2').status is PASS
    assert judged(records, 'critical_omission_rate@corrupted < 0.2').status is FAIL
    assert judged(records, 'critical_omission_rate@blank < 0.2').status is FAIL


@pytest.mark.parametrize(
    'limit, words',
    [
        ('smr@fog:3 < 0.5', 'the run shows no fog:3; it shows clean, low_light:1'),
        ('smr@low_light:1-2 < 0.5', 'the run shows no low_light:2'),
        ('smr@pooled(low_light:1-2) < 0.5', 'the run shows no low_light:2'),
        ('smr@occlusion < 0.5', 'the run shows no occlusion'),
        ('llava/smr < 0.5', "the run has no model 'llava'; it has m"),
    ],
)
def test_a_limit_on_what_does_not_occur_is_invalid(judged, limit, words):
    found = judged(frames(30) + frames(30, 'low_light:1'), limit)
    assert found.status is INVALID and any(words in reason for reason in found.reasons)


def test_a_limit_on_blank_frames_alone_is_invalid_and_not_an_empty_pass(judged):
    assert judged(frames(30, 'blank'), 'smr < 0.5').status is INVALID


def test_a_limit_on_every_model_is_invalid_where_there_is_none(judged):
    assert judged(frames(30, models=()), 'miou > 0.1').status is PASS
    found = judged(frames(30, models=()), 'miou > 0.1', 'smr < 0.5')
    assert found.status is INVALID and 'has no model' in found.reasons[0]


@pytest.mark.parametrize(
    'limit', ['smr_false_alarm <= 1', 'smr_false_alarm.high <= 1', 'smr_balanced <= 1']
)
def test_a_rate_of_nothing_is_undecided_even_where_no_value_could_fail(judged, limit):
    found = judged(frames(30), limit)
    assert found.status is UNDECIDED
    assert 'smr_false_alarm' in found.reasons[0] or 'smr_balanced' in found.reasons[0]
    assert 'nothing to be counted from' in found.reasons[0]


def test_a_condition_of_which_too_little_was_scored_cannot_pass(judged):
    records = (
        frames(300)
        + frames(30, 'low_light:1')
        + frames(10, 'low_light:1', status='missing', start=30)
    )
    found = judged(records, 'smr_false_safe < 0.5')
    assert by_name(found) == {
        'm/smr_false_safe@clean < 0.5': PASS,
        'm/smr_false_safe@low_light:1 < 0.5': UNDECIDED,
    }
    assert 'only 30 of 40 frames were scored there' in found.reasons[0]
    worse = frames(300) + frames(30, 'low_light:1', false_safe=1)
    worse += frames(10, 'low_light:1', status='missing', start=30)
    assert judged(worse, 'smr_false_safe < 0.5').status is FAIL


# Limits on the interval ----------------------------------------------------------------------


@pytest.mark.parametrize(
    'scenes, share, expected',
    [(72, 0.05, PASS), (71, 0.05, UNDECIDED), (183, 0.02, PASS), (182, 0.02, UNDECIDED)],
)
def test_with_no_event_a_limit_needs_so_many_scenes(judged, scenes, share, expected):
    assert judged(frames(scenes), f'smr_false_safe.high < {share}').status is expected


@pytest.mark.parametrize('wrong', [0, 6, 18, 60])
@pytest.mark.parametrize('sign', ['<', '<=', '>', '>='])
def test_an_interval_passes_as_a_whole_fails_as_a_whole_or_is_undecided(judged, wrong, sign):
    # One answer a scene: the interval is Clopper and Pearson's.
    low, high = stats.binomtest(wrong, 60).proportion_ci(method='exact')
    records = frames(60, false_safe=lambda k: k < wrong)
    end = 'high' if sign.startswith('<') else 'low'
    for value in (0.001, 0.05, 0.1, 0.2, 0.3, 0.4, 0.95, 0.999):
        expected = UNDECIDED
        if high < value:
            expected = PASS if end == 'high' else FAIL
        elif low > value:
            expected = FAIL if end == 'high' else PASS
        found = judged(records, f'smr_false_safe.{end} {sign} {value}')
        assert found.status is expected, (value, low, high)
        (check,) = (check for check in found.checks if check.found)
        assert (check.found.low, check.found.high) == pytest.approx((low, high))


def test_an_end_of_the_mean_of_two_rates_is_that_of_zou_and_donner(judged):
    records = frames(60, false_safe=lambda k: k < 6, clear_judged=1, false_alarms=lambda k: k < 12)
    found = judged(records, 'smr_balanced.high < 0.3')
    (check,) = (check for check in found.checks if check.found)
    spans = [stats.binomtest(k, 60).proportion_ci(method='exact').high - k / 60 for k in (6, 12)]
    assert check.found.high == pytest.approx(0.15 + np.hypot(*spans) / 2)
    assert check.found.scenes == 60 and check.found.denominator is None


# What stands beside what ---------------------------------------------------------------------


def check(status, data=False, short=''):
    return Check('a check', status, 'message', data=data, short=short)


@pytest.mark.parametrize(
    'checks, status, code, text',
    [
        ([check(PASS)], PASS, 0, 'PASS'),
        ([check(PASS), check(UNDECIDED)], UNDECIDED, 4, 'UNDECIDED'),
        ([check(INVALID), check(UNDECIDED)], INVALID, 3, 'INVALID (and 1 limit undecided)'),
        (
            [check(INVALID, short='coverage too low'), check(FAIL)],
            FAIL,
            1,
            'FAIL (and coverage too low)',
        ),
        (
            [check(INVALID, True), check(FAIL), check(UNDECIDED), check(UNDECIDED)],
            INVALID,
            3,
            'INVALID (and a limit exceeded, 2 limits undecided)',
        ),
        ([check(FAIL), check(UNDECIDED)], FAIL, 1, 'FAIL (and 1 limit undecided)'),
        # Data are distrusted by a check that says so, not by one that asked and found them good.
        ([check(PASS, True), check(FAIL)], FAIL, 1, 'FAIL'),
    ],
)
def test_where_two_verdicts_are_true_both_are_said(checks, status, code, text):
    found = judge(checks, [], limited=True)
    assert (found.status, found.exit_code, found.text) == (status, code, text)


def test_a_failed_limit_beside_too_low_a_coverage_fails(judged):
    records = frames(30, false_safe=1) + frames(10, status='missing', start=30)
    found = judged(records, 'smr_false_safe < 0.5')
    assert found.status is FAIL and found.text == 'FAIL (and coverage too low)'


# Another run ---------------------------------------------------------------------------------


@pytest.fixture
def base(tmp_path):
    return a_run(
        tmp_path / 'base', frames(200, omitted=third) + frames(200, 'low_light:3', omitted=third)
    )


@pytest.mark.parametrize(
    'number, margin, expected',
    [(183, 0.02, PASS), (182, 0.02, UNDECIDED), (72, 0.05, PASS), (71, 0.05, UNDECIDED)],
)
def test_without_any_difference_so_many_scenes_are_needed(judged, base, number, margin, expected):
    limit = f'critical_omission_rate@clean not worse than {base} by {margin}'
    found = judged(frames(number, omitted=third), limit)
    assert found.status is expected
    (check,) = (check for check in found.checks if check.found)
    assert (check.found.value, check.found.scenes) == (0, number)
    assert check.found.against == str(base)


def test_scenes_are_planned_where_a_difference_is_undecided_alone(judged, base, monkeypatch):
    planned = []
    monkeypatch.setattr(_Judge, '_more_of_two', lambda self, *of: planned.append(of) or '')
    limit = f'critical_omission_rate@clean not worse than {base} by 0.02'
    assert judged(frames(200, omitted=third), limit).status is PASS
    assert judged(frames(200, omitted=2), limit).status is FAIL
    assert not planned
    assert judged(frames(60, omitted=third), limit).status is UNDECIDED and len(planned) == 1


def test_a_run_that_is_worse_fails_and_one_that_is_better_passes(judged, base):
    worse = frames(200, omitted=lambda k: 2 if third(k) else k % 2)
    better = frames(200)
    for name, limit in (
        ('one rate', f'm/critical_omission_rate not worse than {base} by 0.02'),
        ('each', f'not worse than {base} by 0.02'),
    ):
        assert judged(worse, limit).status is FAIL, name
    assert judged(better, f'critical_omission_rate not worse than {base} by 0.02').status is PASS
    found = judged(better, f'not worse than {base} by 0.02')
    # Of the wrong judgements nothing was counted: no headline rate passes unseen.
    assert by_name(found)[f'm/critical_omission_rate@clean not worse than {base} by 0.02'] is PASS
    assert found.status is PASS or found.status is UNDECIDED


def test_a_higher_miou_is_better(judged, base):
    good = {'cells': [[0, 0, 99], [0, 1, 1]]}
    bad = {'cells': [[0, 0, 1], [0, 1, 9]]}
    limit = f'miou@clean not worse than {base} by 0.1'
    assert judged(frames(200, segmentation=good), limit).status is PASS
    found = judged(frames(200, segmentation=bad), limit)
    assert found.status is FAIL
    (check,) = (check for check in found.checks if check.found)
    before, after = (miou(np.pad([[a, b]], ((0, 18), (0, 18)))) for a, b in ((9, 1), (1, 9)))
    assert check.found.value == pytest.approx(after - before)


def test_a_limit_on_the_lower_end_of_the_miou_takes_its_interval(judged):
    def cells(k):
        return {'cells': [[0, 0, 60 + k % 30], [0, 1, 40 - k % 30]]}

    records = [r for k in range(100) for r in frames(1, start=k, segmentation=cells(k))]
    found = judged(records, 'miou.low > 0.3', 'miou > 0.3', 'miou.low > 0.45', 'miou.low > 0.37')
    checks = {check.found.limit: check for check in found.checks if check.found}
    # Class 0 has 7435 of 10000 pixels, class 1 no hit: half of .7435.
    assert checks['miou > 0.3'].found.value == pytest.approx(0.74 / 2, abs=0.005)
    assert checks['miou.low > 0.3'].status is PASS and checks['miou.low > 0.45'].status is FAIL
    assert checks['miou.low > 0.37'].status is UNDECIDED
    low, high = checks['miou > 0.3'].found.low, checks['miou > 0.3'].found.high
    assert 0.3 < low < 0.37 < high < 0.45


def moved(records, **changes):
    return [msgspec.structs.replace(record, **changes) for record in records]


def test_what_cannot_be_compared_is_invalid_and_says_why(judged, base, tmp_path):
    same = frames(200, omitted=third)
    limit = f'critical_omission_rate not worse than {base} by 1'

    def why(records, limit=limit, **chosen):
        found = judged(records, limit, **chosen)
        assert found.status is INVALID and found.text == 'INVALID', found.reasons
        return ' '.join(found.reasons)

    assert 'no frame in common' in why(moved(same, dataset='other'))
    assert 'another minimum_area: 1000.0, not 5.0' in why(same, minimum_area=5.0)
    hazard = frames(200, omitted=third, truth={'hazard': 'HAZARD'})
    assert 'the ground truth of 200 of 200 common frames differs' in why(hazard)
    dark = frames(200, 'low_light:3', omitted=third)
    drawn = [
        msgspec.structs.replace(r, condition=msgspec.structs.replace(r.condition, seed=9))
        for r in dark
    ]
    assert 'degraded otherwise' in why(same + drawn)
    assert 'it shows no low_light:5' in why(same + frames(200, 'low_light:5'))
    assert "it has no model 'n'; it has m" in why(frames(200, models=('n',)))
    assert 'has no records.jsonl' in why(same, f'smr not worse than {tmp_path}/gone by 1')
    (base / 'verdict.json').write_text(
        json.dumps({'checks': [{'data': True, 'status': 'INVALID', 'message': 'two publishers'}]})
    )
    assert 'its own data cannot be trusted: two publishers' in why(same)


def test_labels_of_a_model_keep_no_limit(judged, tmp_path):
    pseudo = frames(40, protocol='pseudo-labels')
    found = judged(pseudo, 'miou >= 0.1', 'm/hallucination_rate@clean < 0.9')
    assert found.status is INVALID and len(found.wrong) == 2
    assert all('pseudo-labels), no ground truth' in check.message for check in found.wrong)
    # One such frame is enough, and the best of rates against it is none.
    assert judged([*frames(39), pseudo[39]], 'miou >= 0.1').status is INVALID
    whole = judged(pseudo)
    assert whole.status is COMPLETE and 'pseudo-labels' in ' '.join(whole.notes)
    other = a_run(tmp_path / 'pseudo', pseudo)
    for limit in ('hallucination_rate', 'miou'):
        found = judged(frames(40), f'{limit} not worse than {other} by 1')
        assert found.status is INVALID, limit
        assert 'pseudo-labels), no ground truth' in found.wrong[0].message


def test_a_run_is_not_held_against_itself(tmp_path):
    folder = a_run(
        tmp_path / 'run', frames(200), limits=['smr_false_safe not worse than run by 1']
    )
    found = finalise(folder)
    assert found.status is INVALID and 'it is the run itself' in found.reasons[0]
    with pytest.raises(ConfigurationError, match='it is the run itself'):
        check_runs(parse_limits([f'smr not worse than {folder} by 1']), folder)


def test_what_cannot_be_compared_is_refused_before_the_run_as_far_as_it_is_known(base):
    manifest = json.loads((base / 'manifest.json').read_text())
    manifest['configuration']['replay'] = {'conditions': ['clean', 'low_light:3']}
    (base / 'manifest.json').write_text(json.dumps(manifest))

    def check(limit, manifest=manifest, models=('m',), conditions=('clean', 'blank')):
        limits = parse_limits([limit.replace('BASE', str(base))])
        return check_runs(limits, base.parent / 'new', manifest, models, conditions)

    assert check('smr not worse than BASE by 0.1') == {str(base): str(base)}
    assert check('miou not worse than BASE by 0.1', models=('n',)) == {str(base): str(base)}
    with pytest.raises(ConfigurationError, match="no model 'n'; it has m"):
        check('smr not worse than BASE by 0.1', models=('m', 'n'))
    with pytest.raises(ConfigurationError, match='shows no fog:1; it shows clean, low_light:3'):
        check('smr@fog not worse than BASE by 0.1', conditions=('clean', 'fog:1'))
    other = {'configuration': {'monitor': {'stopping_distance': 30.0, 'minimum_area': 999.0}}}
    with pytest.raises(ConfigurationError, match='another minimum_area: 1000.0, not 999.0'):
        check('smr not worse than BASE by 0.1', manifest=other)


def test_a_run_is_found_where_it_was_when_the_run_began_or_beside_it(tmp_path, monkeypatch, base):
    folder = a_run(tmp_path / 'new', frames(200))
    known = {'runs/base': str(base)}
    monkeypatch.chdir(tmp_path)
    assert find_run('base') == find_run('base', folder) == base
    monkeypatch.chdir('/')
    assert find_run('runs/base', folder, known) == find_run('base', folder) == base
    with pytest.raises(RecordError, match=r"'base' .* no records.jsonl"):
        find_run('base')
    manifest = json.loads((folder / 'manifest.json').read_text()) | {BASELINES: known}
    manifest['configuration']['monitor']['limits'] = [
        'smr_false_safe@clean not worse than runs/base by 0.1'
    ]
    (folder / 'manifest.json').write_text(json.dumps(manifest))
    write_ending(folder, Ending())
    assert finalise(folder).status is PASS


# How the run ended ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    'ending, status, words',
    [
        (Ending(30), COMPLETE, ''),
        (Ending(31), INVALID, '30 of 31 frames were closed'),
        (Ending(None, interrupted=True), INVALID, 'the run was interrupted after 30 frames'),
        (Ending(96, interrupted=True), INVALID, 'interrupted after 30 of 96 frames'),
        (Ending(None, interrupted=True, endless=True), COMPLETE, ''),
        (Ending(None, failure='the disk is full'), INVALID, 'the disk is full'),
    ],
)
def test_how_a_run_ended_is_kept_for_whoever_makes_the_report_again(
    tmp_path, ending, status, words
):
    folder = a_run(tmp_path / 'run', frames(30), ending=ending)
    for _ in range(2):
        found = finalise(folder)
        assert found.status is status
        assert words in ' '.join(found.reasons)
        assert msgspec.structs.replace(read_ending(folder), sealed=None) == ending


def test_what_happened_on_the_way_is_kept(tmp_path):
    folder = a_run(
        tmp_path / 'run', frames(30), ending=Ending(notes=['llava is no longer waited for'])
    )
    for _ in range(2):
        assert finalise(folder).notes == ('llava is no longer waited for',)
        assert json.loads((folder / 'verdict.json').read_text())['notes'] == [
            'llava is no longer waited for'
        ]


@pytest.mark.parametrize('limits', [[], ['smr_false_safe < 0.5']])
def test_a_run_that_was_killed_never_passes_nor_completes(tmp_path, limits):
    folder = a_run(
        tmp_path / 'run', frames(30), killed=True, limits=limits, manifest={'expected_frames': 96}
    )
    found = finalise(folder)
    assert found.status is INVALID
    assert 'did not end by itself: it was killed after 30 of 96 frames' in found.reasons[0]
    assert '30 of 96 frames were closed' in found.reasons[1]
    unplanned = a_run(tmp_path / 'live', frames(30), killed=True, limits=limits)
    assert finalise(unplanned).status is INVALID


def test_an_ending_that_was_damaged_is_named(tmp_path):
    folder = a_run(tmp_path / 'run', frames(30))
    (folder / ENDING).write_text('{"notes": 3}')
    with pytest.raises(RecordError, match=r'ending.json cannot be read'):
        finalise(folder)


def test_a_merged_run_is_as_whole_as_its_parts(tmp_path):
    parts = [
        a_run(tmp_path / 'a', frames(30), Ending(30, notes=['slow'])),
        a_run(tmp_path / 'b', frames(30, start=30), Ending(40, interrupted=True)),
        a_run(tmp_path / 'c', frames(30, start=60), killed=True),
    ]
    merge(tmp_path / 'both', parts[:2])
    found = finalise(tmp_path / 'both')
    assert found.status is INVALID and found.notes == (f'{parts[0]}: slow',)
    assert 'interrupted after 60 of 70 frames' in found.reasons[0]
    merge(tmp_path / 'killed', parts)
    planned = json.loads((tmp_path / 'killed' / 'manifest.json').read_text())['expected_frames']
    assert planned is None
    assert 'did not end by itself' in finalise(tmp_path / 'killed').reasons[0]


def test_merging_loses_no_limit(tmp_path):
    parts = [
        a_run(tmp_path / 'a', frames(30), limits=['smr < 0.5'], minimum_scenes=5),
        a_run(tmp_path / 'b', frames(30, start=30), limits=['smr_false_safe < 0.5', 'smr < 0.5']),
    ]
    merge(tmp_path / 'both', parts)
    manifest = json.loads((tmp_path / 'both' / 'manifest.json').read_text())
    found = rules_of(manifest)
    assert found.limits == parse_limits(['smr < 0.5', 'smr_false_safe < 0.5'])
    assert found.minimum_scenes == 20
    assert finalise(tmp_path / 'both').status is PASS


def a_bag_analysis(folder, start, models=('m',), **settings):
    """Return a run as `analyse` leaves it: settings at the top level, no config.yaml."""
    manifest = {
        'configuration': {**MONITOR, 'models': list(models), 'segmentation': True, **settings},
        'models': {},
    }
    records = frames(30, start=start, models=models, omitted=lambda k: True)
    a_run(folder, records, manifest=manifest)
    (folder / 'config.yaml').unlink()
    return folder


def test_merged_bag_analyses_keep_their_limits_and_compare_their_settings(tmp_path):
    limits = ['critical_omission_rate < 0.5']
    parts = [
        a_bag_analysis(tmp_path / 'a', 0, limits=limits),
        a_bag_analysis(tmp_path / 'b', 30, limits=limits, minimum_scenes=25),
    ]
    assert [finalise(part).status for part in parts] == [FAIL, FAIL]
    merge(tmp_path / 'both', parts)
    found = rules_of(json.loads((tmp_path / 'both' / 'manifest.json').read_text()))
    assert found.limits == parse_limits(limits) and found.minimum_scenes == 25
    assert finalise(tmp_path / 'both').status is FAIL
    for number, (changes, words) in enumerate(
        [({'minimum_area': 5.0}, 'another minimum_area'), ({'models': ('n',)}, 'set of models')]
    ):
        other = a_bag_analysis(tmp_path / f'other{number}', 30, limits=limits, **changes)
        for pair in ([parts[0], other], [other, parts[0]]):
            with pytest.raises(ConfigurationError, match=words):
                merge(tmp_path / 'out', pair)


def test_a_run_and_a_bag_analysis_are_not_one_evaluation_in_either_order(tmp_path):
    known = {'models': {'m': {'role': 'vlm', 'sha256': '1'}}}
    configuration = {'monitor': {**MONITOR, 'segmentation': True}}
    manifest = {**known, 'configuration': configuration}
    run = a_run(tmp_path / 'run', frames(30), manifest=manifest)
    bag = a_bag_analysis(tmp_path / 'bag', 30)
    for pair in ([run, bag], [bag, run]):
        with pytest.raises(ConfigurationError, match='another model m'):
            merge(tmp_path / 'out', pair)


@pytest.mark.parametrize(
    'planned, told, expected',
    [(40, 30, 40), (30, 40, 40), (None, 40, 40), (40, None, 40), (40, 0, 40)],
)
def test_a_run_is_to_close_the_most_frames_that_it_was_told_of(planned, told, expected):
    ended, frames_closed = ending_checks(30, Ending(told), planned)
    assert frames_closed.message == f'30 of {expected} frames were closed'
    assert frames_closed.status is INVALID and ended.status is PASS


@pytest.mark.parametrize(
    'lost, words',
    [('manifest.json', 'its settings are not known'), ('ending.json', 'did not end by itself')],
)
def test_a_run_that_lost_its_manifest_or_ending_is_not_compared_with(judged, base, lost, words):
    limit = f'critical_omission_rate not worse than {base} by 1'
    (base / lost).unlink()
    found = judged(frames(200, omitted=third), limit)
    assert found.status is INVALID and words in ' '.join(found.reasons)
    with pytest.raises(ConfigurationError, match=words):
        check_runs(parse_limits([limit]), base.parent / 'new', {}, ('m',), ('clean',))


@pytest.mark.parametrize('text', ['smr.high < 0.5', 'smr.low > 0.5'])
@pytest.mark.parametrize('ends', [(nan, nan), (nan, 0.9), (0.1, nan)])
def test_an_interval_that_lacks_an_end_leaves_a_limit_undecided(text, ends):
    (limit,) = parse_limits([text])
    tally = tally_for([limit])
    judge_of = _Judge(tally, Rules(), Baselines(Path(), {}, tally), limit)
    status, why = judge_of._bound(Measured(0.3, *ends, 50, 50, 50), limit.relation)
    assert (status, why) == (UNDECIDED, 'it has no interval')


# What is written and printed -----------------------------------------------------------------


def test_the_rules_are_those_of_the_manifest_and_a_bag_analysis_has_them_too(tmp_path):
    limits = ['smr < 0.5']
    for configuration in (
        {'monitor': {**MONITOR, 'limits': limits}},
        {**MONITOR, 'limits': limits},
    ):
        found = rules_of({'configuration': configuration})
        assert found == Rules(parse_limits(limits), 0.95, 20)
        assert found.with_limits([]) is found
    chosen = found.with_limits(['miou > 0.5'])
    assert chosen.origin == COMMAND_LINE and chosen.minimum_scenes == 20
    # Limits that are lost with the configuration could not fail.
    for spoiled in ({}, {'configuration': 3}, {'configuration': {'monitor': ['smr < 0.5']}}):
        with pytest.raises(RecordError, match='no manifest of a run'):
            rules_of(spoiled)
    with pytest.raises(ConfigurationError, match='minimum_coverage'):
        rules_of({'configuration': {'monitor': {'minimum_coverage': 'much'}}})


@pytest.mark.parametrize('manifest', [{'configuration': []}, {'configuration': {'monitor': 5}}])
def test_a_run_whose_configuration_is_lost_gets_no_verdict(judged, manifest):
    with pytest.raises(RecordError, match='no manifest of a run'):
        judged(frames(30), manifest=manifest)


@pytest.mark.parametrize(
    'more',
    [
        {'expected_frames': 'many', 'baselines': 'none', 'merged': None},
        {'expected_frames': True, 'language': 3},
    ],
)
def test_what_else_a_manifest_says_that_is_of_no_use_leaves_the_defaults(judged, more):
    manifest = {'configuration': {'monitor': {}}, **more}
    assert judged(frames(30), manifest=manifest).status is COMPLETE


def report(folder, *limits):
    return main(
        ['report', str(folder), *(word for limit in limits for word in ('--limit', limit))]
    )


@pytest.mark.parametrize(
    'limits, code, status',
    [
        ([], 0, 'COMPLETE'),
        (['smr_false_safe < 0.5'], 0, 'PASS'),
        (['smr_false_safe < 0.1'], 1, 'FAIL'),
        (['smr_false_safe < 0.1', 'smr@fog:1 < 1'], 1, 'FAIL'),
        (['smr@fog:1 < 1'], 3, 'INVALID'),
        (['smr_false_safe.high < 0.4'], 4, 'UNDECIDED'),
    ],
)
def test_the_exit_code_says_the_verdict(tmp_path, capsys, limits, code, status):
    folder = a_run(tmp_path / 'run', frames(30, false_safe=third))
    assert report(folder, *limits) == code
    out = capsys.readouterr().out
    assert f'\nverdict: {status}' in out
    kept = json.loads((folder / 'verdict.json').read_text())
    assert (kept['status'], kept['exit_code']) == (status, code)
    assert kept['rules']['from'] == ('command line' if limits else 'configuration')
    assert kept['rules']['limits'] == [str(limit) for limit in parse_limits(limits)]
    # Limits of the command line do not stay: the run's own come back.
    assert report(folder) == 0


@pytest.mark.parametrize(
    'limit, words',
    [
        ('luck < 1', "no rate 'luck'"),
        ('smr not worse than /no/run by 0.1', "'/no/run' that a limit names has no records.jsonl"),
    ],
)
def test_a_limit_that_will_not_do_changes_nothing(tmp_path, capsys, limit, words):
    folder = a_run(tmp_path / 'run', frames(30))
    before = sorted(path.name for path in folder.iterdir())
    assert report(folder, limit) == 2
    error = capsys.readouterr().err
    assert words in error and error.count('\n') == 1
    assert sorted(path.name for path in folder.iterdir()) == before


def test_every_check_is_told_with_its_numbers_everywhere(tmp_path, capsys):
    folder = a_run(
        tmp_path / 'run',
        frames(30, false_safe=third) + frames(10, 'low_light:1', false_safe=third),
        limits=['smr_false_safe.high <= 0.6', 'smr_false_safe < 0.2'],
    )
    assert report(folder) == 1
    out = capsys.readouterr().out
    low, high = stats.binomtest(9, 30).proportion_ci(method='exact')
    numbers = (
        f'm: smr_false_safe at clean is 0.3000 [{low:.4f}, {high:.4f}] (9 of 30 in 30 scenes)'
    )
    assert f'  PASS       {numbers}; limit upper end <= 0.6: kept' in out
    assert f'  FAIL       {numbers}; limit < 0.2: not kept' in out
    assert '10 scenes); limit < 0.2: undecided (20 scenes are needed, 10 more)' in out
    # What went wrong stands first.
    assert out.index('  FAIL ') < out.index('  UNDECIDED ') < out.index('  PASS ')
    checks = {c['name']: c for c in json.loads((folder / 'verdict.json').read_text())['checks']}
    entry = checks['m/smr_false_safe@clean < 0.2']
    assert (entry['numerator'], entry['denominator'], entry['scenes']) == (9, 30, 30)
    assert (entry['value'], entry['low'], entry['high']) == pytest.approx((0.3, low, high))
    assert entry['conditions'] == ['clean'] and entry['model'] == 'm'
    suite = ElementTree.parse(folder / 'junit.xml').getroot()
    cases = {case.attrib['name']: case for case in suite.iter('testcase')}
    assert cases.keys() == checks.keys()
    assert suite.attrib['failures'] == '1' and suite.attrib['errors'] == '2'
    case = cases['m/smr_false_safe@clean < 0.2']
    told = {p.attrib['name']: p.attrib['value'] for p in case.iter('property')}
    assert float(told['value']) == pytest.approx(0.3) and told['scenes'] == '30'
    assert numbers in case.find('failure').attrib['message']


def test_nothing_that_is_not_a_number_is_written_as_one(tmp_path):
    folder = a_run(tmp_path / 'run', frames(30), limits=['smr_false_alarm < 0.5'])
    verdict = finalise(folder)
    (found,) = (check.found for check in verdict.checks if check.found)
    assert isnan(found.value)
    text = (folder / 'verdict.json').read_text()
    assert 'NaN' not in text and '"value": null' in text


def test_a_run_without_a_manifest_has_no_limits_to_be_judged_by(tmp_path, capsys):
    folder = a_run(tmp_path / 'run', frames(30))
    (folder / 'manifest.json').unlink()
    assert report(folder) == 2 and 'manifest.json cannot be read' in capsys.readouterr().err
