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

"""How well answers are read, as benchmarks/extractor.py measures, shows and publishes it."""

import json
import sys
from pathlib import Path

import pytest

from vlm_misalign_ros.core.language.labelled import Score
from vlm_misalign_ros.core.language.quality import QUALITY, ReaderQuality

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def benchmark(load):
    """Return benchmarks/extractor.py."""
    return load('extractor')


def test_what_is_published_is_what_the_package_carries(benchmark):
    for path, text in benchmark.pages(ReaderQuality.load(QUALITY)).items():
        page = path.read_text(encoding='utf-8')
        assert benchmark.between(page, text) == page, (
            f'{path.name} is old: python benchmarks/extractor.py --write'
        )


def test_the_table_has_shares_of_each_style_and_of_low_visibility(benchmark):
    quality = ReaderQuality(
        'x', 12, {'plan': {'clear': Score(8, 2, 0, 9, 3, 4), 'low': Score(0, 0, 1, 9, 1, 1)}}
    )
    head, _, plan, every = benchmark.rows(quality)
    assert len({line.count('|') for line in (head, plan, every)}) == 1
    cells = [cell.strip() for cell in plan.strip('|').split('|')]
    # By hand: 8 of 10 found are right, 8 of 9 there are found; of low visibility nothing is.
    assert cells[:2] == ['plan', '5']
    assert [cell.split()[0] for cell in cells[2:5]] == ['0.800', '0.889', '0.800']
    assert cells[5:] == ['1', '\u2013', '0.000', '1.000']
    assert every.split('|')[3:] == plan.split('|')[3:]


def run(benchmark, monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, 'argv', ['extractor.py', *map(str, words)])
    benchmark.main()
    return capsys.readouterr().out


def test_further_texts_are_measured(benchmark, monkeypatch, capsys, tmp_path):
    first, second = tmp_path / 'one.jsonl', tmp_path / 'two.jsonl'
    entry = {'id': 'k', 'judgement': 'UNPARSED', 'style': 'caption', 'visibility': 'low'}
    first.write_text(json.dumps({**entry, 'text': 'A car and a bus.', 'asserted': ['car']}))
    second.write_text(
        json.dumps({**entry, 'text': 'Safe.', 'style': 'answer', 'judgement': 'UNSAFE'})
    )
    before = QUALITY.read_bytes()
    shown = run(benchmark, monkeypatch, capsys, '--texts', first, second)
    lines = {line[:22].strip(): line[22:].split() for line in shown.splitlines()}
    assert lines['caption'][:2] == ['1', '0.500'] and lines['caption'][-1] == '100.0'
    assert lines['answer'][:3] == ['1', '\u2013', '\u2013'] and '0.000' in lines['answer']
    assert lines['all, low'][0] == lines['all'][0] == '2' and lines['all, clear'][0] == '0'
    assert QUALITY.read_bytes() == before


def test_another_checkout_is_timed_and_one_that_is_none_is_named(benchmark, tmp_path):
    assert 0 < benchmark.of_checkout(ROOT, ['A car waits.'] * 5) < 1e6
    (tmp_path / 'vlm_misalign_ros').mkdir()
    (tmp_path / 'vlm_misalign_ros' / '__init__.py').write_text('raise RuntimeError("none")')
    with pytest.raises(SystemExit, match='cannot read the texts'):
        benchmark.of_checkout(tmp_path, ['A car waits.'])
