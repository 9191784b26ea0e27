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

"""`compare`: runs over the same pictures, held against the first of them."""

import csv
import json
from math import isnan, nan

import msgspec
import numpy as np
import pytest
from scipy import stats

from made_runs import a_run, frames
from vlm_misalign_ros.app.cli import main
from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.metrics.paired import difference
from vlm_misalign_ros.core.metrics.statistics import holm
from vlm_misalign_ros.core.report.changes import Comparison, Difference
from vlm_misalign_ros.core.report.comparing import compare, model_pairs
from vlm_misalign_ros.core.report.comparison import format_comparison, render, write_comparison
from vlm_misalign_ros.core.report.verdict import Status, Verdict

CONDITIONS = ('clean', 'low_light:3')


def records(wrong, model='m', conditions=CONDITIONS, **more):
    """Even scenes are hazards, odd ones clear; of those in `wrong` the judgement is wrong."""
    counts = {
        'hazards_judged': lambda k: k % 2 == 0,
        'clear_judged': lambda k: k % 2,
        'false_safe': lambda k: k % 2 == 0 and k in wrong,
        'false_alarms': lambda k: k % 2 and k in wrong,
        'omitted': lambda k: k in wrong,
        'absent': 3,
    }
    return [
        record
        for name in conditions
        for record in frames(60, name, models=(model,), **{**counts, **more})
    ]


BEFORE = {0, 2, 4, 1}
AFTER = {0, 6, 8, 10, 12, 14, 16, 18, 20, 1, 3}


@pytest.fixture
def base(tmp_path):
    return a_run(tmp_path / 'base', records(BEFORE))


@pytest.fixture
def new(tmp_path):
    return a_run(tmp_path / 'new', records(AFTER))


def test_differences_are_of_the_same_frames_with_their_interval(base, new):
    found = compare([base, new])
    assert found.first == str(base) and found.runs == (str(new),)
    line = {(d.condition, d.rate): d for d in found.differences}['clean', 'critical_omission_rate']
    # Of 60 scenes two classes each are required.
    assert (line.first, line.second, line.scenes, line.scored) == (4 / 120, 11 / 120, 60, 60)
    one, other = (np.isin(np.arange(60), list(wrong)).astype(float) for wrong in (BEFORE, AFTER))
    two = np.full(60, 2.0)
    wanted = difference((one, two), (other, two))
    assert (line.value, line.low, line.high) == (wanted.value, wanted.low, wanted.high)
    masks = [d for d in found.differences if d.rate == 'miou']
    assert len(masks) == 2 and {(d.first, d.second, d.value) for d in masks} == {(0.45, 0.45, 0)}
    assert found.verdict.status is Status.COMPLETE


def test_harm_and_repair_stand_apart_by_direction_and_are_one_family(base, new):
    found = compare([base, new])
    by_place = {(f.condition, f.direction): f for f in found.flips}
    safe, alarm = (by_place['clean', f'smr_false_{way}'] for way in ('safe', 'alarm'))
    # 6, 8, ... 20 turned wrong, 2 and 4 right; of the clear scenes 3 turned wrong.
    assert (safe.turned.harm, safe.turned.repair, safe.turned.pairs) == (8, 2, 30)
    assert safe.turned.p == pytest.approx(stats.binomtest(8, 10).pvalue)
    assert (alarm.turned.harm, alarm.turned.repair, alarm.turned.p) == (1, 0, 1.0)
    assert found.tests == 4
    # By hand: the two smallest of four times 4, and the second not below the first.
    assert safe.adjusted == pytest.approx(min(1, 4 * safe.turned.p))
    assert [f.adjusted for f in found.flips] == holm([f.turned.p for f in found.flips])


def test_what_was_not_judged_by_both_is_counted_beside(tmp_path, base):
    silent = records(
        AFTER,
        hazards_judged=lambda k: k % 2 == 0 and k >= 20,
        hazards_unjudged=lambda k: k % 2 == 0 and k < 20,
        false_safe=0,
    )
    found = compare([base, a_run(tmp_path / 'silent', silent)])
    safe = next(f for f in found.flips if f.direction == 'smr_false_safe')
    assert (safe.turned.pairs, safe.unjudged) == (20, 10)


def test_a_model_under_another_name(tmp_path, base, capsys):
    other = a_run(tmp_path / 'other', records(AFTER, 'large'))
    with pytest.raises(ConfigurationError, match='has no model of .*--model m=large'):
        compare([base, other])
    found = compare([base, other], ['m=large'])
    assert {(d.model, d.against) for d in found.differences if d.rate != 'miou'} == {
        ('large', 'm')
    }
    twin = compare([base, a_run(tmp_path / 'twin', records(AFTER))])
    for one, same in zip(found.differences, twin.differences, strict=True):
        assert (one.value, one.low, one.high) == (same.value, same.low, same.high) or isnan(
            one.value
        )
    with pytest.raises(ConfigurationError, match="no model 'gone'; it has m"):
        compare([base, other], ['gone=large'])


@pytest.mark.parametrize('entries', [['=a'], ['a='], [''], ['a=b=c'], ['a=b', 'c=b']])
def test_models_that_are_no_pair_are_refused(entries):
    with pytest.raises(ConfigurationError, match=r'is no name|named twice'):
        model_pairs(entries)


def _seed(record):
    return msgspec.structs.replace(
        record, condition=msgspec.structs.replace(record.condition, seed=9)
    )


@pytest.mark.parametrize(
    'changed, manifest, why',
    [
        (lambda r: msgspec.structs.replace(r, dataset='x'), {}, r'\(other data\)'),
        (_seed, {}, 'degraded otherwise'),
        (lambda r: r, {'language': {'lexicon_sha256': 'b'}}, 'another lexicon'),
        (
            lambda r: msgspec.structs.replace(r, protocol=PSEUDO),
            {},
            r"labels are a segmentation model's \(pseudo-labels\)",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused_and_says_why(tmp_path, changed, manifest, why):
    lexicon = {'language': {'lexicon_sha256': 'a'}}
    base = a_run(tmp_path / 'base', records(BEFORE), manifest=lexicon)
    other = a_run(tmp_path / 'new', list(map(changed, records(AFTER))), manifest=manifest)
    for pair in ([base, other], [other, base]):
        with pytest.raises(ConfigurationError, match=f'cannot be compared with .*{why}'):
            compare(pair)


PSEUDO = frames(1, protocol='pseudo-labels')[0].protocol


def test_other_conditions_other_truth_and_a_killed_run_are_refused(tmp_path, base):
    dark = a_run(tmp_path / 'dark', records(AFTER, conditions=('occlusion:2',)))
    with pytest.raises(ConfigurationError, match='other conditions: it shows clean, low_light:3'):
        compare([base, dark])
    truth = a_run(tmp_path / 'truth', records(AFTER, truth={'hazard': 'HAZARD'}))
    with pytest.raises(ConfigurationError, match='ground truth of 120 of 120 common frames'):
        compare([base, truth])
    killed = a_run(tmp_path / 'killed', records(AFTER), killed=True)
    with pytest.raises(ConfigurationError, match='did not end by itself'):
        compare([base, killed])
    with pytest.raises(ConfigurationError, match='it is the run itself'):
        compare([base, base])
    with pytest.raises(ConfigurationError, match='only one run'):
        compare([base])


def test_what_only_one_run_has_is_told_and_passes_no_limit(tmp_path, base):
    part = a_run(tmp_path / 'part', records(BEFORE, conditions=('clean',))[:50])
    found = compare([base, part])
    assert {line.condition for line in found.differences} == {'clean'}
    notes = ' '.join(found.verdict.notes)
    assert 'shows low_light:3: not compared' in notes
    assert '10 frames of common conditions are only in' in notes
    limited = compare([base, part], limits=['m/smr not worse by 0.5'])
    assert limited.verdict.status is Status.INVALID
    assert 'shows no low_light:3, which the first run does' in limited.verdict.reasons[0]
    clean = compare([base, part], limits=['m/smr@clean not worse by 0.5'])
    assert clean.verdict.status is Status.PASS


def test_a_model_that_was_left_out_passes_no_limit(tmp_path, new):
    both = frames(60, models=('m', 'n'), absent=3)
    one = a_run(tmp_path / 'one', frames(60, absent=3))
    found = compare([a_run(tmp_path / 'both', both), one], limits=['smr not worse by 0.5'])
    assert found.verdict.status is Status.INVALID
    assert "the run has no model 'n'" in ' '.join(found.verdict.reasons)
    alone = compare([tmp_path / 'both', one], ['m'], ['smr not worse by 0.5'])
    assert alone.verdict.status is Status.PASS


@pytest.mark.parametrize(
    'limit, code',
    [
        ('m/critical_omission_rate not worse by 0.2', 0),
        ('critical_omission_rate not worse than .2', 0),
        ('m/critical_omission_rate@clean not worse by 0.005', 4),
        ('smr_false_safe@low_light not worse by 0', 4),
        ('m/smr < 0.5', 2),
        ('m/smr not worse than runs/else by 0.5', 2),
        ('m/smr not worse by much', 2),
        ('gone/smr not worse by 1', 3),
    ],
)
def test_a_limit_decides_the_exit_code(base, new, limit, code, capsys):
    assert main(['compare', str(base), str(new), '--limit', limit]) == code


def test_a_change_that_is_too_large_fails(tmp_path, base, capsys):
    worse = a_run(tmp_path / 'worse', records(set(range(60))))
    limit = 'smr not worse by 0.2'
    assert main(['compare', str(base), str(worse), '--limit', limit]) == 1
    assert main(['compare', str(worse), str(base), '--limit', limit]) == 0
    assert 'verdict: FAIL' in capsys.readouterr().out


def test_runs_without_any_model_keep_no_limit_of_models(tmp_path):
    runs = [a_run(tmp_path / name, frames(60, models=())) for name in 'ab']
    # All that they have in common are masks.
    assert compare(runs, limits=['miou not worse by 0.2']).verdict.status is Status.PASS
    for limit in ('smr_false_safe not worse by 0.9', 'not worse by 0.9'):
        found = compare(runs, limits=[limit]).verdict
        assert found.status is Status.INVALID and 'has no model' in found.checks[0].message


def test_several_runs_are_each_held_against_the_first(tmp_path, base, new):
    third = a_run(tmp_path / 'third', records(BEFORE))
    found = compare([base, new, third], limits=['smr@clean not worse by 0.3'])
    assert found.tests == 8 and {line.run for line in found.flips} == {str(new), str(third)}
    same = [line for line in found.differences if line.run == str(third)]
    assert {line.value for line in same if not isnan(line.value)} == {0.0}
    assert {check.name.partition(': ')[0] for check in found.verdict.checks} == {
        str(new),
        str(third),
    }


def test_names_of_models_steer_no_terminal_whatever_is_asked(tmp_path, capsys):
    """A name with a command to the terminal and a line of its own, as of a strange run."""
    hostile = 'm\n  PASS       all is well\x1b[2J'
    one, other = (
        a_run(tmp_path / name, frames(60, models=(hostile,), false_safe=lambda k: k < 30))
        for name in 'ab'
    )
    third = a_run(tmp_path / 'c', frames(60, models=('m',)))
    limits = ['--limit', 'smr_false_safe < 0.4'], ['--limit', 'smr_false_safe not worse by 0.02']
    for words in (
        ['report', one, *limits[0]],
        ['compare', one, other, *limits[1]],
        # A verdict by limits of the command line is none to check.
        ['report', one],
        ['check', one, '--baseline', other],
        ['plan', one, 'smr_false_safe.high < 0.9'],
        ['diff', one, third],
    ):
        assert main([str(word) for word in words]) in (0, 1, 4)
        said = capsys.readouterr().out
        assert 'all is well' in said and '\x1b' not in said
        assert not any(line.startswith('  PASS       all') for line in said.splitlines())


def test_the_blank_control_is_in_no_comparison(tmp_path):
    runs = [
        a_run(tmp_path / name, records(wrong, conditions=('clean', 'blank')))
        for name, wrong in (('a', BEFORE), ('b', AFTER))
    ]
    assert {line.condition for line in compare(runs).differences} == {'clean'}


def test_what_is_written_says_the_same_and_no_text_becomes_anything_else(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    hostile = '=<script>alert(1)</script>\x1b[2J'
    names = [hostile.replace('/', '|'), '@b']
    a_run(tmp_path / names[0], records(BEFORE))
    a_run(tmp_path / names[1], records(AFTER))
    assert main(['compare', *names, '--out', 'out']) == 0
    printed = capsys.readouterr().out
    assert '\x1b' not in printed and '+.100 ' not in printed.partition('\n')[0]
    page = (tmp_path / 'out/compare.html').read_text()
    assert '<script' not in page and '&lt;script' in page and 'http' not in page
    plain = json.loads((tmp_path / 'out/compare.json').read_text())
    with open(tmp_path / 'out/compare.csv', newline='') as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(plain['differences']) > 0
    for row, line in zip(rows, plain['differences'], strict=True):
        assert row['run'] == "'@b" and row['first_run'].startswith("'=")
        assert (row['difference'] == '') is (line['value'] is None)
        assert line['value'] is None or float(row['difference']) == line['value']
    with open(tmp_path / 'out/compare_turned.csv', newline='') as stream:
        turned = list(csv.DictReader(stream))
    assert [float(row['p_holm']) for row in turned] == [t['p_holm'] for t in plain['turned']]


def test_no_name_is_a_formula_to_a_spreadsheet_and_numbers_stay_numbers(tmp_path):
    """Behind blanks, in full width, and with what steers a terminal, too."""
    names = ('=1', '+1', '-1', '@x', '\t=1', ' =1', '\uff1d1', 'x=1', '\x1b[2J')
    lines = [
        Difference('r', name, name, 'c', 'smr_false_safe', 0.5, 0.25, -0.25, nan, nan, 3, 3, 3)
        for name in names
    ]
    write_comparison(tmp_path, Comparison('a', ('r',), tuple(lines), (), Verdict(Status.PASS)))
    with open(tmp_path / 'compare.csv', newline='') as stream:
        rows = list(csv.DictReader(stream))
    assert [row['model'] for row in rows] == [
        *("'=1", "'+1", "'-1", "'@x", "'    =1", "' =1", "'\uff1d1", 'x=1', '\\x1b[2J')
    ]
    assert {(row['difference'], row['low'], row['scenes']) for row in rows} == {('-0.25', '', '3')}


def test_a_comparison_of_nothing_is_shown(tmp_path):
    empty = Comparison('a', ('b',), (), (), Verdict(Status.COMPLETE))
    assert 'nothing in common' in format_comparison(empty)
    assert 'No limit was set' in render(empty)
    write_comparison(tmp_path / 'new' / 'out', empty)
    assert json.loads((tmp_path / 'new/out/compare.json').read_text())['tests'] == 0


def test_the_words_are_those_of_the_interval():
    def told(rate, low, high):
        line = Difference('r', 'm', 'm', 'c', rate, 0, 0, (low + high) / 2, low, high, 30, 30, 30)
        return line.told

    assert told('smr_false_safe', 0.01, 0.2) == 'worse' == told('miou', -0.2, -0.01)
    assert told('smr_false_safe', -0.2, -0.01) == 'better' == told('miou', 0.01, 0.2)
    assert told('smr_false_safe', -0.01, 0.2) == '' == told('miou', float('nan'), 0.2)
