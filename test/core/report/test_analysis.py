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

"""What a run says beyond its table, from records made by hand."""

import itertools
import json
import math
import re
import tracemalloc

import msgspec
import numpy as np
import pytest
from msgspec import structs
from scipy import stats

from made import frame_record
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.language.labelled import Score
from vlm_misalign_ros.core.language.quality import ReaderQuality
from vlm_misalign_ros.core.metrics import confusion
from vlm_misalign_ros.core.metrics.counts import FIELDS, Counts
from vlm_misalign_ros.core.metrics.extractor import carried
from vlm_misalign_ros.core.metrics.intervals import korn_graubard
from vlm_misalign_ros.core.metrics.rates import BY_NAME as RATE
from vlm_misalign_ros.core.metrics.rates import COMPARED
from vlm_misalign_ros.core.report import flat
from vlm_misalign_ros.core.report.analysis import analyse_records, write_analysis
from vlm_misalign_ros.core.report.page import show_interval, write_report
from vlm_misalign_ros.core.report.reader import Reader
from vlm_misalign_ros.core.report.summary import show, summarise
from vlm_misalign_ros.core.report.table import tables
from vlm_misalign_ros.core.report.terminal import format_table
from vlm_misalign_ros.core.report.verdict import judge
from vlm_misalign_ros.core.types import Kind

READER = Reader(
    ReaderQuality(
        'x', 200, {'description': {'clear': Score(970, 20, 30, 9000, 195, 200), 'low': Score()}}
    )
)


def record(
    key,
    condition='clean',
    wrong=0,
    said=4,
    omitted=0,
    required=2,
    judgement='SAFE',
    hazard='CLEAR',
    right=90,
    missed=10,
    kind='generative',
    scores=None,
    safe=None,
    presence=None,
    asserted=(),
    entropy=0.2,
    objects=3,
    status='scored',
):
    corruption, _, severity = condition.partition(':')
    false_safe = int(judgement == 'SAFE' and hazard == 'HAZARD')
    alarm = int(judgement == 'UNSAFE' and hazard == 'CLEAR')
    counts = Counts(
        frames=1,
        assertions=said,
        hallucinated=wrong,
        hallucinating_frames=int(wrong > 0),
        absent=10,
        required=required,
        omitted=omitted,
        false_safe=false_safe,
        false_alarms=alarm,
        hazards_judged=int(hazard == 'HAZARD'),
        clear_judged=int(hazard == 'CLEAR'),
    )
    matrix = np.zeros(confusion.SHAPE, np.int64)
    matrix[0, 0], matrix[0, 1] = right, missed
    return frame_record(
        key=key,
        stamp=f'{key}.000000000',
        condition=condition,
        truth={
            'presence': {**dict.fromkeys(SCORED, 'TOLERATED'), **(presence or {})},
            'hazard': hazard,
            'objects': objects,
        },
        segmentation={
            'frame_iou': float(confusion.miou(matrix)),
            'confidence': {'entropy': entropy, 'confidence': 0.8},
            'cells': confusion.to_cells(matrix),
        },
        models={
            'm': {
                'status': status,
                'answer': {
                    'kind': kind,
                    'judgement': judgement,
                    'mentions': {name: 'ASSERTED' for name in asserted},
                    'scores': scores or {},
                    'judgement_score': safe,
                },
                'score': {'counts': msgspec.to_builtins(counts)},
            }
            if status == 'scored'
            else {'status': status}
        },
    )


def analysed(records, reader=None):
    return analyse_records(records, reader)['models']['m']


def test_differences_are_paired_by_source_frame():
    records = [record(f'{k}', wrong=k % 2) for k in range(30)]
    records += [record(f'{k}', 'low_light:3', wrong=k % 2 + 1) for k in range(10, 30)]
    found = analysed(records)['differences']['low_light:3']
    # Only the twenty frames that were seen both ways count; each has one more of four wrong.
    assert found['source_frames'] == 20
    entry = found['hallucination_rate']
    assert entry['value'] == pytest.approx(0.25) and 0 < entry['low'] < 0.25 < entry['high']
    assert found['scenes'] == 20
    # No judgement changed: of twenty scenes none says what one in six would do.
    alarm, none = found['smr_false_alarm'], 1 - 0.025 ** (1 / 20)
    assert (alarm['low'], alarm['value'], alarm['high']) == pytest.approx((-none, 0, none))
    assert 'smr' not in found


def test_without_clean_frames_there_are_no_differences():
    assert analysed([record('1', 'low_light:3')])['differences'] == {}


def test_correlations_over_conditions_are_those_of_the_summed_rates():
    rng = np.random.default_rng(0)
    records, quality, rate = [], [], []
    for severity in range(1, 6):
        wrong = rng.integers(0, severity + 1, 40)
        missed = 10 * severity
        records += [
            record(
                f'{k}', f'low_light:{severity}', wrong=int(w), right=100 - missed, missed=missed
            )
            for k, w in enumerate(wrong)
        ]
        quality.append(
            confusion.miou(
                np.sum([confusion.from_cells(r.segmentation.cells) for r in records[-40:]], axis=0)
            )
        )
        rate.append(wrong.sum() / (40 * 4))
    warns = analysed(records)['miou_warns']
    entry = warns['rates']['hallucination_rate']
    assert entry['pearson']['value'] == pytest.approx(stats.pearsonr(quality, rate).statistic)
    assert entry['spearman']['value'] == pytest.approx(stats.spearmanr(quality, rate).statistic)
    assert entry['p'] == pytest.approx(
        np.mean(
            [
                abs(stats.spearmanr(quality, order).statistic)
                >= abs(stats.spearmanr(quality, rate).statistic) - 1e-9
                for order in itertools.permutations(rate)
            ]
        )
    )
    assert entry['spearman']['n'] == entry['pearson']['n'] == 5
    assert entry['spearman']['low'] <= entry['spearman']['value'] < entry['spearman']['high']
    # Of the rates all others do not vary: a family of one test.
    assert entry['p_holm'] == pytest.approx(entry['p'])
    assert math.isnan(warns['rates']['smr_false_safe']['p']) and warns['conditions'] == 5
    frames = [r.segmentation.frame_iou for r in records]
    wrong = [r.models['m'].score.counts.hallucinated / 4 for r in records]
    assert entry['frames']['value'] == pytest.approx(stats.spearmanr(frames, wrong).statistic)
    assert entry['frames']['low'] <= entry['frames']['value'] <= entry['frames']['high']
    assert set(entry['within']) == {'low_light'}


def test_the_auroc_of_a_low_iou_is_that_of_scipy():
    rng = np.random.default_rng(1)
    records, iou, wrong = [], [], []
    for k in range(120):
        missed = int(rng.integers(5, 60))
        bad = bool(rng.random() < missed / 80)
        records.append(
            record(f'{k}', 'low_light:2', wrong=int(bad), right=100 - missed, missed=missed)
        )
        iou.append(records[-1].segmentation.frame_iou)
        wrong.append(bad)
    found = analysed(records)['miou_warns']['auroc']['hallucination_rate']
    iou, wrong = -np.array(iou), np.array(wrong)
    u = stats.mannwhitneyu(iou[wrong], iou[~wrong]).statistic
    assert found['value'] == pytest.approx(u / (wrong.sum() * (~wrong).sum()))
    assert (found['frames'], found['wrong']) == (120, wrong.sum())
    # Too few to tell is told.
    few = analysed(records[:15])['miou_warns']['auroc']['hallucination_rate']
    assert math.isnan(few['value'])


def test_the_blank_control_stands_apart():
    records = [record(f'{k}', wrong=0, asserted=('car',)) for k in range(5)]
    records += [
        record(f'{k}', 'blank', wrong=4, judgement='UNSAFE', asserted=('bus', 'road'))
        for k in range(5)
    ]
    found = analysed(records)
    assert found['blank']['asserted'] == ['road', 'bus'] and found['blank']['unsafe'] == 1
    assert found['blank']['hallucination_rate']['value'] == 1
    assert found['overall']['hallucination_rate']['value'] == 0
    assert found['miou_warns']['conditions'] == 1
    assert found['differences']['blank']['hallucination_rate']['value'] == 1
    assert analysed(records[:5])['blank'] == {}


def test_the_sweep_counts_by_each_verdict():
    records = [
        record('1', judgement='SAFE', hazard='HAZARD'),
        record('2', judgement='UNSAFE', hazard='HAZARD'),
        record('3', judgement='UNSAFE', hazard='CLEAR'),
        record('4', judgement='REFUSED', hazard='CLEAR'),
    ]
    found = analysed(records)['sweep']['3.00 m x 20.0 m']
    assert found['smr_false_safe']['numerator'] == 1
    assert found['smr_false_safe']['denominator'] == 2
    assert found['smr_false_alarm']['value'] == 1


def test_certainty_of_judgements_and_classes():
    records = []
    for k in range(60):
        danger = k % 2 == 0
        records.append(
            record(
                f'{k}',
                hazard='HAZARD' if danger else 'CLEAR',
                kind='contrastive',
                judgement='UNSAFE' if danger else 'SAFE',
                safe=0.1 if danger else 0.9,
                scores={'car': 0.8 if danger else 0.2},
                presence={'car': 'REQUIRED' if danger else 'ABSENT'},
            )
        )
    found = analysed(records)['certainty']
    assert found['judgement']['brier'] == pytest.approx(0.01)
    assert found['judgement']['calibration_error'] == pytest.approx(0.1)
    assert found['judgement']['risk'] == 0 and found['judgement']['auroc']['value'] == 1
    assert found['presence']['brier'] == pytest.approx(0.04)
    car = found['classes']['clean']['classes']['car']
    assert (car['auroc'], car['positives'], car['negatives']) == (1.0, 30, 30)
    assert found['classes']['clean']['mean_auroc'] == 1.0


def test_likely_words_are_told_from_unlikely_ones():
    records = []
    for k in range(60):
        there = k % 2 == 0
        records.append(
            record(
                f'{k}',
                asserted=('car',),
                scores={'car': 0.9 if there else 0.4},
                presence={'car': 'REQUIRED' if there else 'ABSENT'},
            )
        )
    found = analysed(records)['certainty']['mentions']
    assert found['auroc']['value'] == 1.0 and found['risk'] == 0.5 and found['mentions'] == 60
    # Thirty scenes of each kind, none misplaced.
    assert found['auroc']['low'] == pytest.approx(0.025 ** (1 / 30))
    # The surer half is right: the risk is 0 up to half of the coverage, then rises.
    rising = np.concatenate([np.zeros(30), np.arange(1, 31) / np.arange(31, 61)])
    assert found['risk_coverage_area'] == pytest.approx(rising.mean())


@pytest.mark.heavy
@pytest.mark.parametrize('kind', ['contrastive', 'generative'])
def test_every_part_of_the_report_is_filled_in(tmp_path, kind):
    records = []
    for number, condition in enumerate(['clean', 'low_light:1', 'motion_blur:3', 'blank'] * 30):
        there = number % 3 == 0
        entry = record(
            f'{number // 4}',
            condition,
            kind=kind,
            wrong=number % 2,
            omitted=int(there),
            hazard='HAZARD' if there else 'CLEAR',
            safe=0.2 + 0.6 * (number % 5 == 0),
            asserted=('car',),
            scores={'car': 0.9 if there else 0.4},
            presence={'car': 'REQUIRED' if there else 'ABSENT'},
            right=80 + number % 7,
        )
        records.append(entry)
    analysis = analyse_records(records, READER)
    write_report(tmp_path, records, summarise(records), judge([], [], limited=False), analysis)
    page = (tmp_path / 'report.html').read_text()
    for part in ('Does mIoU warn', 'Of a blank picture', 'How sure', 'corridor'):
        assert part in page
    assert ('>corrected<' in page) == (kind == 'generative')
    assert ('mean AUROC of the classes' in page) == (kind == 'contrastive')
    tables = re.findall(r'<table data-sort>(.*?)</table>', page, re.DOTALL)
    assert len(tables) >= 6
    for table in tables:
        head, *rows = re.findall(r'<tr.*?</tr>', table, re.DOTALL)
        widths = {row.count('<td') + row.count('<th') for row in rows}
        assert widths == {head.count('<th')}, head
    over_all = next(table for table in tables if '>by city<' in table)
    for row in COMPARED:
        assert f'<th scope="col">{row.title}</th>' in over_all


def test_missing_answers_and_truth_are_left_out():
    records = [record('1'), record('2', status='missing')]
    (table,) = tables(records)
    assert len(table) == 1 and table.kind is Kind.GENERATIVE
    assert table.counts.shape == (1, len(FIELDS))
    nothing = analysed([records[1]])
    assert nothing['frames'] == 0 and nothing['blank'] == {}
    assert analyse_records([]) == {'schema': 2, 'models': {}}


# The extractor's error -----------------------------------------------------------------------


def test_a_perfect_extractor_changes_next_to_nothing():
    perfect = Score(10**6, 0, 0, 10**7, 10**5, 10**5)
    numerators, denominators = np.full(50, 1.0), np.full(50, 4.0)
    for rate in (
        'hallucination_rate',
        'critical_omission_rate',
        'smr',
        'hallucination_opportunity_rate',
    ):
        found = carried(RATE[rate], numerators, denominators, 0.5, perfect)
        plain = korn_graubard(numerators, denominators)
        assert (found.value, found.low, found.high) == pytest.approx(
            (plain.value, plain.low, plain.high), abs=1e-3
        )
    assert carried(RATE['mentions_per_frame'], numerators, denominators, 0.5, perfect) is None
    assert carried(RATE['smr'], np.zeros(3), np.zeros(3), 0.5, perfect) is None


@pytest.mark.parametrize('true', [0.05, 0.2, 0.5])
def test_the_correction_undoes_an_error_that_was_put_in(true):
    """Answers are simulated, misread with known rates, and corrected."""
    rng = np.random.default_rng(5)
    frames, recall, alarm = 4000, 0.93, 0.01
    required = np.full(frames, 4)
    said = rng.binomial(required, 1 - true)
    read = rng.binomial(said, recall) + rng.binomial(required - said, alarm)
    quality = Score(930, 10, 70, 990, 200, 200)
    omitted = required - read
    found = carried(RATE['critical_omission_rate'], omitted, required, 0.5, quality)
    assert omitted.sum() / required.sum() > true + 0.02
    assert found.value == pytest.approx(true, abs=0.02) and found.low <= true <= found.high


def test_the_interval_is_wider_with_the_error_than_without():
    records = [record(f'{k}', 'low_light:1', omitted=int(k % 3 == 0)) for k in range(200)]
    entry = analysed(records, READER)['overall']['critical_omission_rate']
    inner = entry['with_extractor_error']
    assert inner['high'] - inner['low'] > entry['high'] - entry['low']
    assert inner['value'] < entry['value']
    contrastive = [record(f'{k}', kind='contrastive') for k in range(5)]
    assert (
        'with_extractor_error' not in analysed(contrastive, READER)['overall']['smr_false_alarm']
    )


def test_the_file_holds_null_for_what_is_not_known(tmp_path):
    write_analysis(tmp_path, analyse_records([record('1')]))
    text = (tmp_path / 'analysis.json').read_text()
    assert 'NaN' not in text and json.loads(text)['models']['m']['frames'] == 1


# Scenes --------------------------------------------------------------------------------------


def drive(copies, number=None):
    """Return a live drive of 12 scenes, seen clean and dark, each frame `copies` times."""
    rng = np.random.default_rng(4)
    found = []
    for scene in range(12):
        before = int(rng.random() < 0.3)
        after = max(before, int(rng.random() < 0.3))
        for copy in range(copies):
            for late, condition, wrong in ((0, 'clean', before), (5, 'low_light:3', after)):
                seconds = f'{60 * scene + late}.{copy + 1:09d}'
                found.append(
                    structs.replace(
                        record(f'{scene}', condition, omitted=wrong, required=1),
                        stamp=seconds,
                        key=seconds if number is None else f'{number}_{scene:06d}_{copy:06d}',
                        index=number,
                        dataset='' if number is None else 'd',
                    )
                )
    return found


def test_ten_copies_of_each_frame_make_no_rate_surer():
    """Ten frames of one second are one scene, whether live or of a snippet of a data set."""
    for number in (None, 7):
        once, often = (analysed(drive(copies, number)) for copies in (1, 10))
        assert once['scenes'] == often['scenes'] == 12
        few, many = (found['overall']['critical_omission_rate'] for found in (once, often))
        assert many['value'] == pytest.approx(few['value'])
        assert many['scenes'] == 12 and many['denominator'] == 10 * few['denominator']
        assert many['high'] - many['low'] > 0.9 * (few['high'] - few['low'])
    # Of a data set the frames are the same clean and dark: the difference, too, stays as unsure.
    few, many = (
        found['differences']['low_light:3']['critical_omission_rate'] for found in (once, often)
    )
    assert few['value'] > 0.2 and few['low'] < 0 < few['high']
    assert many['low'] < 0 < many['high'] and many['high'] - many['low'] > 0.9 * (
        few['high'] - few['low']
    )


def test_cities_are_the_unit_of_the_sensitivity():
    records = [
        structs.replace(
            record(f'{k}', omitted=int(k < 12), required=1), key=f'{city}_{k:06d}_000019'
        )
        for k, city in enumerate(['ulm'] * 15 + ['bonn'] * 15)
    ]
    entry = analysed(records)['overall']['critical_omission_rate']
    assert entry['by_city']['cities'] == 2 and entry['scenes'] == 30
    # All omissions are in one city, so that two cities say next to nothing.
    assert entry['by_city']['high'] - entry['by_city']['low'] > 0.9
    assert entry['high'] - entry['low'] < 0.5
    one = analysed(records[:15])['overall']['critical_omission_rate']['by_city']
    assert one['cities'] == 1 and math.isnan(one['low'])


@pytest.mark.parametrize('scenes, few', [(19, True), (20, False)])
def test_fewer_than_twenty_scenes_prove_nothing(tmp_path, scenes, few):
    records = [record(f'{k}') for k in range(scenes)]
    analysis = analyse_records(records)
    assert analysis['models']['m']['few_scenes'] is few
    rows = summarise(records)
    said = '* from fewer than 20 scenes, which prove nothing'
    assert (said in format_table(rows)) is few
    verdict = judge([], [], limited=False)
    write_report(tmp_path, records, rows, verdict, analysis)
    assert (said in (tmp_path / 'report.html').read_text()) is few


def test_a_rate_that_few_of_many_scenes_bear_on_is_marked():
    """Of 40 scenes 8 have a hazard: false-safe is from 8."""
    records = [
        record(f'{k}', hazard='HAZARD' if k < 8 else 'CLEAR', omitted=k % 2) for k in range(40)
    ]
    found = summarise(records)[0].rates()
    assert found['smr_false_safe'].scenes == 8 and show(found['smr_false_safe']).endswith(']*')
    assert found['critical_omission_rate'].scenes == 40
    assert show(found['critical_omission_rate']).endswith(']')
    entries = analysed(records)['overall']
    assert show_interval(entries['smr_false_safe']).endswith(']*')
    assert show_interval(entries['critical_omission_rate']).endswith(']')


def test_without_an_event_neither_table_nor_analysis_has_an_interval_of_no_width():
    records = [record(f'{k}', omitted=0) for k in range(72)]
    rate = summarise(records)[0].rates()['critical_omission_rate']
    entry = analysed(records)['overall']['critical_omission_rate']
    for low, high in ((rate.low, rate.high), (entry['low'], entry['high'])):
        assert low == 0 and high == pytest.approx(1 - 0.025 ** (1 / 72)) and high < 0.05
    assert rate.scenes == entry['scenes'] == 72


def test_what_is_said_of_miou_follows_the_intervals():
    """Omissions rise with every severity, false alarms with none of them."""
    records = []
    for severity in range(1, 6):
        for corruption in ('low_light', 'motion_blur'):
            for k in range(40):
                missed = 8 * severity + (3 if corruption == 'low_light' else 0)
                records.append(
                    record(
                        f'{k}',
                        f'{corruption}:{severity}',
                        right=100 - missed,
                        missed=missed,
                        omitted=int((7 * k) % 40 < 4 * severity),
                        required=1,
                        wrong=(5 * k + severity * (3 if corruption == 'low_light' else 4))
                        % 7
                        // 5,
                        hazard='CLEAR',
                        judgement='UNSAFE' if (11 * k + 13 * severity) % 5 == 0 else 'SAFE',
                    )
                )
    warns = analysed(records)['miou_warns']
    omission = warns['rates']['critical_omission_rate']
    assert omission['spearman']['high'] < 0 and omission['p'] < 0.01
    assert 'omission: mIoU falls as it rises' in warns['says']
    for entry in warns['apart']:
        shown = entry['low'] > 0 or entry['high'] < 0
        assert ('is not shown' in entry['says']) is not shown
        assert entry['says'] in warns['says']
    assert 'smr_false_safe' in warns['rates']
    assert math.isnan(warns['rates']['smr_false_safe']['p'])
    within = omission['within']['low_light']['by_severity']
    assert within['n'] == 5 and within['p'] == pytest.approx(2 / 120)


# A long run ---------------------------------------------------------------------------------


@pytest.mark.parametrize('use', [analyse_records, summarise])
@pytest.mark.parametrize(
    'change, words',
    [
        ({'segmentation': {'cells': [(0, 30, 5)]}}, 'no cell'),
        ({'segmentation': {'cells': [(0, 1, -5)]}}, 'no cell'),
        ({'counts': 10**30}, 'cannot be'),
    ],
)
def test_a_record_that_makes_no_sense_is_named(use, change, words):
    made = record('7')
    if 'counts' in change:
        entry = made.models['m']
        score = structs.replace(entry.score, counts=Counts(frames=change['counts']))
        made = structs.replace(made, models={'m': structs.replace(entry, score=score)})
    else:
        mask = structs.replace(made.segmentation, **change['segmentation'])
        made = structs.replace(made, segmentation=mask)
    with pytest.raises(RecordError, match=f'frame 7.000000000 .*{words}'):
        use([record('1'), made])


@pytest.mark.heavy
@pytest.mark.parametrize('use', ['analysis', 'summary', 'table'])
def test_memory_grows_by_columns_and_not_by_records(tmp_path, use, monkeypatch):
    monkeypatch.setattr(flat, '_LINES', 100)
    do = {
        'analysis': tables,
        'summary': summarise,
        'table': lambda records: flat.write_flat(tmp_path / 'a.parquet', records),
    }[use]

    def most(count):
        stream = (record(f'{k}', f'low_light:{k % 5 + 1}') for k in range(count))
        tracemalloc.start()
        do(stream)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    most(10)
    # A record alone is more than 8 KiB of dictionaries and strings.
    assert (most(900) - most(300)) / 600 < 3000
