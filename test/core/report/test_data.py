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

"""The tables of a run: rates.csv, records.parquet, load_run, several runs, and what docs tell."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import vlm_misalign_ros
from made import frame_record
from vlm_misalign_ros import load_run
from vlm_misalign_ros.app.cli import main
from vlm_misalign_ros.core.errors import ConfigurationError, RecordError
from vlm_misalign_ros.core.files import PACKAGE
from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.metrics.counts import FIELDS
from vlm_misalign_ros.core.metrics.rates import HEADLINES, RATES
from vlm_misalign_ros.core.records.account import LateRecord
from vlm_misalign_ros.core.records.store import RecordWriter
from vlm_misalign_ros.core.report import columns
from vlm_misalign_ros.core.report.asked import Asked
from vlm_misalign_ros.core.report.finalise import finalise
from vlm_misalign_ros.core.report.loading import gather
from vlm_misalign_ros.core.report.sheets import harmless, write_csv

FORMULA = '=HYPERLINK("http://example.org","x")'
VLMS = [{'name': 'm', 'asks': ['{"now": {}}', '{"past": {"frames": 1}}']}, {'name': 'NA'}]
SHOWN = [rate.name for rate in HEADLINES]


def entry(asserted, judgement, hallucinated, required, omitted, safe_in_hazard):
    return {
        'status': 'scored',
        'answer': {
            'text': FORMULA,
            'mentions': {**dict.fromkeys(asserted, 'ASSERTED'), 'bus': 'DENIED', 'sky': 'HEDGED'},
            'scores': {'car': 0.25},
            'judgement': judgement,
        },
        'score': {
            'counts': {
                'frames': 1,
                'assertions': len(asserted),
                'hallucinated': hallucinated,
                'required': required,
                'omitted': omitted,
                'hazards_judged': 1,
                'false_safe': safe_in_hazard,
            },
            'hallucinated': ['truck'] * hallucinated,
            'omitted': ['person'] * omitted,
        },
    }


def frame(number, condition, models, cells):
    return frame_record(
        stamp=f'{number}.000000000',
        index=number,
        key=f'key_{number}',
        condition=condition,
        truth={
            'presence': {**dict.fromkeys(SCORED, 'ABSENT'), 'car': 'REQUIRED', 'sky': 'TOLERATED'},
            'hazard': 'HAZARD',
        },
        segmentation={'cells': cells},
        models=models,
        timing={'model_seconds': {'m_now': 0.5, 'segmentation': 0.25}, 'cached': ['NA']},
    )


def make(folder, **manifest):
    """Two scenes clean, two in low light, one blank; m_past never answers, NA comes late once."""
    sound = entry(['car'], 'UNSAFE', 0, 1, 0, 0)
    wrong = entry(['car', 'truck'], 'SAFE', 1, 2, 1, 1)
    missing = {'status': 'missing'}
    writer = RecordWriter(folder / 'records.jsonl')
    for number, condition, now, other, cells in (
        (1, 'clean', sound, sound, [[0, 0, 8], [0, 13, 2]]),
        (2, 'clean', sound, sound, [[0, 0, 10], [13, 13, 4]]),
        (3, 'low_light:3', wrong, missing, [[0, 0, 5], [0, 13, 5]]),
        (4, 'low_light:3', sound, sound, [[0, 0, 10]]),
        (5, 'blank', wrong, sound, []),
    ):
        models = {'m_now': now, 'm_past': missing, 'NA': other}
        writer.write(frame(number, condition, models, cells))
    writer.write(LateRecord('3.000000000', 'vlm:NA'))
    writer.close()
    plain = {'configuration': {'vlms': VLMS}, **manifest}
    (folder / 'manifest.json').write_text(json.dumps(plain))
    finalise(folder)
    return folder


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    return make(tmp_path_factory.mktemp('runs'))


# rates.csv -----------------------------------------------------------------------------------


def test_rates_are_tidy_with_counts_and_no_pooled_row(run):
    rates = pd.read_csv(run / 'rates.csv', keep_default_na=False)
    assert list(rates) == [
        'condition', 'corruption', 'severity', 'model', 'ask', 'rate', 'value', 'low', 'high',
        'numerator', 'denominator', 'scenes',
    ]  # fmt: skip
    assert list(rates.condition.unique()) == ['clean', 'low_light:3', 'blank']
    asked = set(zip(rates.model, rates.ask, strict=True))
    assert asked == {
        ('segmentation', 'default'), ('m', 'now'), ('m', 'past'), ('NA', 'default'),
    }  # fmt: skip
    key = ['condition', 'model', 'ask', 'rate']
    assert not rates.duplicated(key).any()
    vlms = rates[rates.model != 'segmentation']
    assert len(vlms) == 3 * 3 * len(RATES) and set(vlms.rate) == {rate.name for rate in RATES}
    found = rates.set_index(key)
    # One of three assertions, one of three required things, one of two hazards.
    for rate, over, under in zip(SHOWN[:3], (1, 1, 1), (3, 3, 2), strict=True):
        line = found.loc['low_light:3', 'm', 'now', rate]
        assert float(line.value) == pytest.approx(over / under)
        assert (int(line.numerator), int(line.denominator), int(line.scenes)) == (over, under, 2)
        assert 0 <= float(line.low) < float(line.value) < float(line.high) <= 1
    nothing = found.loc['clean', 'm', 'past', 'hallucination_rate']
    assert nothing.value == '' and str(nothing.denominator) == '0'


def test_the_miou_of_a_condition_stands_beside_the_rates(run):
    rates = load_run(run).rates.set_index(['condition', 'rate'])
    # road 18 of 20 pixels, car 4 of 6.
    clean = rates.loc['clean', 'miou']
    assert clean.value == pytest.approx((18 / 20 + 4 / 6) / 2) and clean.scenes == 2
    assert clean.low < clean.value < clean.high
    assert rates.loc['low_light:3', 'miou'].value == pytest.approx((15 / 20 + 0) / 2)
    assert np.isnan(rates.loc['blank', 'miou'].value)


def test_a_reference_is_told_in_every_line(tmp_path):
    dataset = {'root': 'x', 'pseudo_labels': {'model': 'segformer'}}
    rates = load_run(make(tmp_path, dataset=dataset)).rates
    assert set(rates.against) == {'against reference segformer'}


@pytest.mark.parametrize(
    'manifest, name, told',
    [
        ({}, 'm', ('m', 'default')),
        ({'configuration': {'vlms': VLMS}}, 'm_past', ('m', 'past')),
        ({'configuration': {'vlms': [{'name': 'm', 'asks': ['{one: {}}']}]}}, 'm', ('m', 'one')),
        ({'configuration': {'vlms': VLMS}}, 'm_other', ('m_other', 'default')),
        ({'configuration': {'vlms': [{'name': 'm', 'asks': ['{']}, 7]}}, 'm', ('m', 'default')),
        ({'configuration': [1]}, 'm', ('m', 'default')),
    ],
)  # fmt: skip
def test_names_are_told_apart_by_the_configuration_alone(manifest, name, told):
    assert Asked(manifest).of(name) == told


# records.parquet -----------------------------------------------------------------------------


def test_a_line_has_truth_answer_and_iou_by_class(run):
    lines = load_run(run).records.set_index(['condition', 'key', 'name'])
    line = lines.loc['low_light:3', 'key_3', 'm_now']
    assert (line.corruption, line.severity, line.model, line.ask) == ('low_light', 3, 'm', 'now')
    assert list(line.truth_required) == ['car'] and list(line.truth_tolerated) == ['sky']
    assert list(line.truth_absent) == [n for n in SCORED if n not in ('car', 'sky')]
    assert list(line.asserted) == ['car', 'truck']
    assert (list(line.denied), list(line.hedged), list(line.hypothetical)) == (
        ['bus'],
        ['sky'],
        [],
    )
    assert list(line.hallucinated) == ['truck'] and list(line.omitted) == ['person']
    assert line.scores[SCORED.index('car')] == 0.25 and np.isnan(line.scores[0])
    assert line.iou_road == 0.5 and line.iou_car == 0 and np.isnan(line.iou_traffic_light)
    assert line.hits[0] == 5 and line.unions[0] == 10 and line.unions[13] == 5
    assert line.model_seconds == 0.5 and line.mask_seconds == 0.25 and not line.cached
    assert line.count_assertions == 2 and line.text == FORMULA
    assert lines.loc['clean', 'key_1', 'NA'].cached


def test_status_is_what_became_of_the_frame_in_the_end(run):
    found = load_run(run)
    states = found.read_records(['condition', 'name', 'status', 'pictures'])
    assert states.query('name == "NA" and condition == "low_light:3"').status.tolist() == [
        'late',
        'scored',
    ]
    counted = states.groupby(['condition', 'name', 'status']).pictures.sum()
    summary = found.summary.set_index(['condition', 'model'])
    for (condition, name, status), count in counted.items():
        assert summary.loc[(condition, name), status] == count


def test_a_frame_that_nobody_was_asked_about_has_a_line(tmp_path):
    writer = RecordWriter(tmp_path / 'records.jsonl')
    writer.write(frame(1, 'clean', {}, [[0, 0, 1]]))
    writer.close()
    (tmp_path / 'manifest.json').write_text('{}')
    finalise(tmp_path)
    found = load_run(tmp_path)
    (line,) = found.records.itertuples()
    assert line.key == 'key_1' and pd.isna(line.name) and line.iou_road == 1
    assert found.rates.rate.tolist() == ['miou']


# load_run ------------------------------------------------------------------------------------


def test_names_are_names_and_counts_are_whole_numbers(run):
    rates = load_run(str(run)).rates
    assert 'NA' in set(rates.model)
    assert rates.numerator.dtype == 'Int64' and rates.value.dtype == float
    mean = rates[rates.rate == 'smr_balanced']
    assert mean.numerator.isna().all()


def test_it_is_part_of_the_package_and_costs_nothing_until_it_is_used():
    assert vlm_misalign_ros.load_run is load_run
    with pytest.raises(AttributeError, match='no attribute'):
        vlm_misalign_ros.load_runs  # noqa: B018
    code = 'import sys, vlm_misalign_ros; sys.exit("pandas" in sys.modules)'
    assert subprocess.run([sys.executable, '-c', code], timeout=60).returncode == 0


def test_what_is_no_run_is_refused_with_a_remedy(tmp_path, run):
    with pytest.raises(RecordError, match='cannot be read.*') as error:
        load_run(tmp_path)
    assert 'vlm-misalign report' in str(error.value)
    old = pd.DataFrame({'stamp': ['1.0'], 'mentions': ['{}']})
    old.to_parquet(tmp_path / 'records.parquet')
    with pytest.raises(RecordError, match='another version'):
        load_run(tmp_path)
    with pytest.raises(ConfigurationError, match="no column 'nonsense'"):
        load_run(run).read_records(['nonsense'])
    with pytest.raises(RecordError, match='self_consistency.csv cannot be read'):
        load_run(run).self_consistency  # noqa: B018


# Several runs --------------------------------------------------------------------------------


def test_several_runs_are_one_data_set_by_run(tmp_path, capsys):
    names = ['007', 'a b=%c']
    for name in names:
        (tmp_path / name).mkdir()
        make(tmp_path / name)
    out = tmp_path / 'all'
    assert main(['gather', str(out), str(tmp_path / names[0])]) == 0
    # More runs come later; what is there stays.
    assert main(['gather', str(out), str(tmp_path / names[1])]) == 0
    assert names[1] in capsys.readouterr().out
    found = load_run(out)
    one = load_run(tmp_path / names[0])
    for table, own in ((found.records, one.records), (found.rates, one.rates)):
        assert sorted(table.run.unique()) == names
        part = table[table.run == '007'].drop(columns='run').reset_index(drop=True)
        pd.testing.assert_frame_equal(part, own)
    old = out / 'records' / 'run=old'
    old.mkdir()
    table = pq.read_table(next((out / 'records').rglob('*.parquet')), partitioning=None)
    pq.write_table(table.drop_columns(['mask_entropy']), old / 'part-0.parquet')
    with pytest.raises(RecordError, match='another version'):
        load_run(out).read_records()
    shutil.rmtree(old)
    with pytest.raises(RecordError, match='several runs'):
        found.verdict  # noqa: B018
    with pytest.raises(ConfigurationError, match='two runs named 007'):
        gather(out, [tmp_path / '007'])
    with pytest.raises(ConfigurationError, match='two runs'):
        gather(tmp_path / 'new', [tmp_path / '007', tmp_path / '007'])
    assert not (tmp_path / 'new').exists()


# No formulas ---------------------------------------------------------------------------------


@pytest.mark.parametrize('text', ['=1+1', '+1', '-1', '@SUM(A1)', '\t=1+1', '\r=1', ' =1'])
def test_no_text_is_a_formula_and_numbers_stay_numbers(tmp_path, text):
    frame = pd.DataFrame({text: [-0.5, 2.0], 'text': [text, 'plain'], 'whole': [-3, 4]})
    write_csv(tmp_path / 'a.csv', frame)
    head, *lines = (tmp_path / 'a.csv').read_text().splitlines()
    dangerous = ('=', '+', '-', '@', '\t', '\r', ' ')
    assert not head.lstrip('"').startswith(dangerous)
    assert lines[0].startswith('-0.5,') and lines[0].endswith(',-3')
    assert not lines[0].split(',')[1].startswith(dangerous) and lines[1] == '2.0,plain,4'


def test_what_is_missing_stays_empty():
    frame = pd.DataFrame({'text': ['=1', None], 'count': pd.array([1, None], 'Int64')})
    made = harmless(frame)
    assert made.text[0] == "'=1" and made.text.isna()[1] and made['count'].dtype == 'Int64'


def test_every_table_of_a_run_is_harmless(tmp_path):
    writer = RecordWriter(tmp_path / 'records.jsonl')
    models = {FORMULA: entry(['car'], 'SAFE', 0, 1, 0, 1)}
    writer.write(frame(1, '@low:1', models, [[0, 0, 1]]))
    writer.close()
    (tmp_path / 'manifest.json').write_text('{}')
    finalise(tmp_path)
    for path in tmp_path.glob('*.csv'):
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        texts = table[[name for name in ('condition', 'corruption', 'model') if name in table]]
        assert texts.map(lambda text: text[:1] not in ('=', '@')).all(axis=None), path
    assert load_run(tmp_path).records.text[0] == FORMULA


# Docs ----------------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def docs():
    path = PACKAGE.parent / 'docs' / 'data.md'
    if not path.is_file():
        pytest.skip('docs/data.md comes with the source tree only')
    return path.read_text()


def code_of(docs, language, words):
    """Return the block of code that holds some words."""
    (found,) = (b for b in re.findall(rf'```{language}\n(.*?)```', docs, re.S) if words in b)
    return found


def test_every_column_is_in_the_docs(docs, run):
    assert columns.tables() in docs
    assert pq.read_schema(run / 'records.parquet').names == columns.SCHEMA.names
    assert len(set(columns.SCHEMA.names)) == len(columns.SCHEMA.names)
    places = {'RATE': [rate.name for rate in RATES], 'COUNT': FIELDS}
    places['KIND'] = ['queue_seconds', 'model_seconds', 'result_seconds', 'open_seconds']
    for name in ('rates', 'summary', 'timing'):
        section = docs.partition(f'### {name}.csv')[2].partition('\n#')[0]
        told = set()
        for word in re.findall(r'`([^`]+)`', section):
            (holder,) = [k for k in places if k in word] or [None]
            told |= {word.replace(holder, by) for by in places[holder]} if holder else {word}
        assert set(pd.read_csv(run / f'{name}.csv', nrows=0)) <= told, name


def expected(run):
    summary = load_run(run).summary
    summary = summary[summary.condition != 'all'].sort_values(['condition', 'model'])
    return summary[SHOWN].astype(float).reset_index(drop=True)


def test_three_lines_of_pandas_make_the_headline_table(docs, run):
    code = code_of(docs, 'python', '.pivot(')
    assert len(code.splitlines()) == 3
    made = {'pd': pd}
    exec(code.replace('runs/NAME', str(run)), made)
    table = made['table'][SHOWN]
    # A plain reader takes the name NA for nothing; load_run does not.
    lines = [key for key in table.index if key[1] == 'm']
    summary = load_run(run).summary
    for condition, _, ask in lines:
        row = summary[(summary.condition == condition) & (summary.model == f'm_{ask}')].iloc[0]
        np.testing.assert_allclose(
            table.loc[(condition, 'm', ask)].to_numpy(float), row[SHOWN].to_numpy(float)
        )
    assert len(lines) == 6


def test_three_lines_of_duckdb_make_the_headline_table(docs, run):
    duckdb = pytest.importorskip('duckdb')
    code = code_of(docs, 'sql', 'PIVOT')
    assert len(code.splitlines()) == 3
    made = duckdb.sql(code.replace('runs/NAME', str(run))).df()
    names = [
        model if ask == 'default' else f'{model}_{ask}'
        for model, ask in zip(made.model, made.ask, strict=True)
    ]
    made = made.assign(model=names).sort_values(['condition', 'model']).reset_index(drop=True)
    np.testing.assert_allclose(made[SHOWN].to_numpy(float), expected(run).to_numpy(float))


def test_duckdb_finds_frames_to_look_at_and_reads_several_runs(docs, run, tmp_path):
    duckdb = pytest.importorskip('duckdb')
    first = duckdb.sql(code_of(docs, 'sql', 'ORDER BY len').replace('runs/NAME', str(run))).df()
    assert first.key.tolist() == ['key_5', 'key_3'] and first.text[0] == FORMULA
    for name in ('001', 'b'):
        (tmp_path / name).mkdir()
        make(tmp_path / name)
    gather(tmp_path / 'all', [tmp_path / '001', tmp_path / 'b'])
    code = code_of(docs, 'sql', 'hive_partitioning').replace('all/', f'{tmp_path}/all/')
    found = duckdb.sql(code).df().set_index(['run', 'condition', 'name']).hallucination_rate
    assert found['001', 'low_light:3', 'm_now'] == pytest.approx(1 / 3)
    assert found['b', 'clean', 'm_now'] == 0
