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

"""What is told of a run whose labels are a model's: against which, and no more than that."""

import pandas as pd
import pytest

from made import frame_record
from vlm_misalign_ros.app.cli.results import print_results
from vlm_misalign_ros.core.files import read_json, write_json
from vlm_misalign_ros.core.metrics.rates import RATES
from vlm_misalign_ros.core.records.ending import Ending, write_ending
from vlm_misalign_ros.core.records.reference import reference_of
from vlm_misalign_ros.core.records.schema import SCHEMA, RunRecord
from vlm_misalign_ros.core.records.store import RECORDS, RecordWriter
from vlm_misalign_ros.core.report.finalise import finalise
from vlm_misalign_ros.nodes.headlines import line_of_rates

AGAINST = 'against reference transformers:another'
LIVE = {'configuration': {'monitor': {'reference': 'transformers:another'}}}
BAG = {'configuration': {'reference': 'transformers:another'}}
LABELLED = {
    'configuration': {'monitor': {}},
    'dataset': {'root': 'x', 'pseudo_labels': {'model': 'transformers:another'}},
}
TRUE = {'configuration': {'monitor': {'reference': ''}}, 'dataset': {'root': 'x'}}
ANSWER = {'a': {'status': 'scored', 'answer': {'judgement': 'SAFE'}, 'score': {}}}


@pytest.fixture
def told(tmp_path):
    """Return a function that finalises a run with a manifest."""

    def run(manifest, **more):
        writer = RecordWriter(tmp_path / RECORDS)
        writer.write(RunRecord(SCHEMA, 'run', ['a'], ''))
        for number in range(1, 4):
            writer.write(frame_record(stamp=f'{20 * number}.000000000', models=ANSWER, **more))
        writer.close()
        write_json(tmp_path / 'manifest.json', manifest)
        write_ending(tmp_path, Ending(None))
        return finalise(tmp_path)

    return run


@pytest.mark.parametrize('manifest', [LIVE, BAG, LABELLED])
def test_every_table_names_the_reference(told, manifest, tmp_path, capsys):
    verdict = told(manifest, protocol='pseudo-labels')
    assert any(f'every figure is {AGAINST}' in note for note in verdict.notes)
    for name in ('summary.csv', 'temporal.csv'):
        table = pd.read_csv(tmp_path / name)
        assert list(table.columns)[-1] == 'against' and set(table['against']) <= {AGAINST}
    assert len(pd.read_csv(tmp_path / 'summary.csv'))
    for name in ('analysis.json', 'temporal.json'):
        assert read_json(tmp_path / name, '')['against'] == AGAINST
    print_results(tmp_path)
    first = capsys.readouterr().out.splitlines()[0]
    assert first == f'{AGAINST} (how far two models disagree, not what is right):'
    page = (tmp_path / 'report.html').read_text(encoding='utf-8')
    assert f'How sure, how much alike, {AGAINST}' in page and 'how right' not in page


@pytest.mark.parametrize('manifest', [TRUE, {'configuration': 3}, {'configuration': {}}])
def test_where_there_is_ground_truth_nothing_is_said(manifest):
    assert reference_of(manifest) == ''


def test_with_ground_truth_no_table_has_a_word_of_it(told, tmp_path, capsys):
    told(TRUE)
    for name in ('summary.csv', 'temporal.csv'):
        assert 'against' not in pd.read_csv(tmp_path / name).columns
    for name in ('analysis.json', 'temporal.json'):
        assert 'against' not in read_json(tmp_path / name, '')
    print_results(tmp_path)
    page = (tmp_path / 'report.html').read_text(encoding='utf-8')
    assert 'against reference' not in capsys.readouterr().out + page
    assert '>How sure, how right</a></h2>' in page


def test_the_name_of_a_model_is_text_and_no_markup(told, tmp_path):
    named = {'configuration': {'monitor': {'reference': 'onnx:<script>alert(1)</script>'}}}
    told(named, protocol='pseudo-labels')
    page = (tmp_path / 'report.html').read_text(encoding='utf-8')
    assert '<script>alert' not in page and 'onnx:&lt;script&gt;' in page


def test_a_line_of_rates_at_the_terminal_names_it():
    row = next(row for row in RATES if row.headline)
    values = {f'{row.name}/metric_value': '0.5', 'scored': '4'}
    assert line_of_rates(values, [row.name]) == f'4 scored; {row.title} 0.500'
    values['against'] = AGAINST
    assert line_of_rates(values, [row.name]) == f'4 scored; {AGAINST}: {row.title} 0.500'
