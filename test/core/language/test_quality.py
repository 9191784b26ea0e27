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

"""How well answers are read, by style and visibility, and how far labellers agree."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.language import quality as module
from vlm_misalign_ros.core.language.agreement import agreement, kappa
from vlm_misalign_ros.core.language.labelled import VISIBILITIES, Score, load, score
from vlm_misalign_ros.core.language.lexicon import lexicon_hash, open_lexicon
from vlm_misalign_ros.core.language.quality import ENOUGH, QUALITY, ReaderQuality, measure
from vlm_misalign_ros.core.language.styles import STYLES

LEXICON = open_lexicon()
HELD_OUT = ('heldout.jsonl', 'models_heldout.jsonl')


@pytest.fixture(scope='module')
def descriptions(request):
    return request.config.rootpath / 'test' / 'data' / 'descriptions'


@pytest.fixture(scope='module')
def held_out(descriptions):
    return [text for name in HELD_OUT for text in load(descriptions / name)]


@pytest.fixture(scope='module')
def measured(held_out):
    return measure(held_out, LEXICON, lexicon_hash())


# Labels ----------------------------------------------------------------------------------------


def test_the_texts_of_models_have_every_style_in_clear_and_low_visibility(descriptions):
    for name in ('models_dev.jsonl', 'models_heldout.jsonl'):
        texts = load(descriptions / name)
        there = {(text.style, text.labels.visibility) for text in texts}
        assert there == {(style, seen) for style in STYLES for seen in VISIBILITIES}
        assert len(texts) >= 215
        low = sum(text.labels.visibility == 'low' for text in texts)
        assert 0.2 <= low / len(texts) <= 0.4


def test_no_text_is_in_two_files(descriptions):
    every = [text for path in sorted(descriptions.glob('*.jsonl')) for text in load(path)]
    assert len({(text.prompt, text.text) for text in every}) == len(every)
    assert len({text.name for text in every}) == len(every)


def test_the_texts_of_models_were_labelled_twice(descriptions):
    for name in ('models_dev.jsonl', 'models_heldout.jsonl'):
        assert all('second' in text.others for text in load(descriptions / name))


def test_second_labels_are_the_first_but_where_they_differ(tmp_path):
    path = tmp_path / 'texts.jsonl'
    entry = {'id': 'x', 'text': 'a', 'asserted': ['car'], 'hedged': ['bus'], 'judgement': 'SAFE'}
    path.write_text(json.dumps({**entry, 'second': {'asserted': [], 'visibility': 'low'}}))
    (text,) = load(path)
    other = text.others['second']
    assert (text.labels.asserted, other.asserted) == ({'car'}, set())
    assert (text.labels.visibility, other.visibility) == ('clear', 'low')
    assert other.mentions == {'bus': text.labels.mentions['bus']}
    assert other.judgement is text.labels.judgement


@pytest.mark.parametrize(
    'more, words',
    [
        ({'visibility': 'dim'}, "'dim'"),
        ({'second': {'verdict': 'SAFE'}}, "second has no 'verdict'"),
        ({'second': {'asserted': ['dog']}}, "'dog'"),
    ],
)
def test_a_wrong_second_label_is_named(tmp_path, more, words):
    path = tmp_path / 'texts.jsonl'
    path.write_text(json.dumps({'text': 'a', 'judgement': 'SAFE', **more}))
    with pytest.raises(ConfigurationError, match=words):
        load(path)


# Agreement -------------------------------------------------------------------------------------


def test_kappa_by_hand():
    # Cohen's own kind of table: of 100 both say yes of 45 and no of 25, one yes to 15 of the
    # other's no, and 15 the other way: .70 agree, .6 * .6 + .4 * .4 = .52 would by chance.
    first = ['y'] * 60 + ['n'] * 40
    second = ['y'] * 45 + ['n'] * 15 + ['y'] * 15 + ['n'] * 25
    assert kappa(first, second) == pytest.approx((0.70 - 0.52) / (1 - 0.52))
    assert kappa(second, first) == pytest.approx(kappa(first, second))


def test_kappa_of_chance_and_of_the_same():
    rng = np.random.default_rng(3)
    one, other = rng.integers(0, 3, (2, 20_000)).tolist()
    assert kappa(one, other) == pytest.approx(0, abs=0.02)
    assert kappa(one, one) == 1 and kappa([0, 1], [1, 0]) == -1
    assert np.isnan(kappa([], [])) and np.isnan(kappa(['a'], ['a']))
    with pytest.raises(ValueError, match='1 labels and 2'):
        kappa(['a'], ['a', 'b'])


def test_the_agreement_counts_each_class_of_each_text(tmp_path):
    lines = [
        {'asserted': ['car'], 'judgement': 'SAFE', 'second': {'asserted': ['car', 'bus']}},
        {'asserted': ['bus'], 'judgement': 'SAFE', 'second': {'judgement': 'UNSAFE'}},
        {'asserted': [], 'judgement': 'UNSAFE', 'second': {}},
        {'asserted': [], 'judgement': 'UNSAFE'},
    ]
    path = tmp_path / 'texts.jsonl'
    path.write_text(
        '\n'.join(json.dumps({'id': k, 'text': f'{k}', **v}) for k, v in enumerate(lines))
    )
    found = agreement(load(path))
    assert found['texts'] == 3
    cells = 3 * len(SCORED)
    assert found['asserted']['raw'] == round((cells - 1) / cells, 4)
    # Of three texts one says bus and the other two: 2 of 3 agree, 4/9 by chance.
    assert found['classes']['bus'] == {'raw': 0.6667, 'kappa': round((2 / 3 - 4 / 9) / (5 / 9), 4)}
    assert found['classes']['sky'] == {'raw': 1.0, 'kappa': None}
    assert found['judgement']['raw'] == 0.6667
    assert agreement(load(path), 'third') == {}


# Quality ---------------------------------------------------------------------------------------


def test_the_error_that_is_carried_into_rates_is_the_measured_one(measured):
    assert ReaderQuality.load(QUALITY) == measured, (
        'measure it again: python benchmarks/extractor.py --write'
    )


def test_the_cells_add_up_to_the_texts(measured, held_out):
    assert measured.total == score(held_out, LEXICON)
    assert measured.total.judgements == measured.texts == len(held_out)
    for style in STYLES:
        assert measured.of(style) == measured.of(style, 'clear') + measured.of(style, 'low')
    assert ReaderQuality.load(QUALITY).to_plain() == json.loads(QUALITY.read_text())


def scores(asserted, judgements):
    return Score(asserted, 0, 0, 0, judgements, judgements)


@pytest.mark.parametrize(
    'low, clear, judging, known',
    [
        ((ENOUGH, 0), (0, 0), False, 'plan/low'),
        ((ENOUGH - 1, 99), (1, 0), False, 'plan'),
        ((ENOUGH - 2, 99), (1, 99), False, 'all'),
        ((0, ENOUGH), (0, 0), True, 'plan/low'),
        ((99, ENOUGH - 1), (0, 1), True, 'plan'),
        ((99, ENOUGH - 1), (99, 0), True, 'all'),
    ],
)
def test_a_cell_of_too_few_falls_back(low, clear, judging, known):
    found = ReaderQuality(
        'x',
        9,
        {
            'plan': {'low': scores(*low), 'clear': scores(*clear)},
            'list': {'low': scores(500, 500)},
        },
    )
    assert found.known('plan', True, judging) == known
    assert found.known('caption', True, judging) == found.known('', False, judging) == 'all'
    assert found.named('all') == found.total == found.of('plan') + found.of('list')
    assert found.named('plan/low') == scores(*low) and found.named('list/clear') == Score()


def test_what_is_read_wrongly_counts_to_what_is_known_of_a_cell():
    found = ReaderQuality('x', 9, {'advice': {'low': Score(1, ENOUGH - 2, 1, 100, 9, 9)}})
    assert found.known('advice', True, judging=False) == 'advice/low'


def written(tmp_path, change):
    plain = ReaderQuality('x', 2, {'plan': {'low': scores(3, 2)}}).to_plain()
    change(plain)
    path = tmp_path / 'quality.json'
    path.write_text(json.dumps(plain))
    return path


@pytest.mark.parametrize(
    'change, words',
    [
        (lambda p: p.pop('styles'), "lacks 'styles'"),
        (lambda p: p['styles'].update(essay={}), "'essay' is none of caption"),
        (lambda p: p['styles']['plan'].update(dim={}), "'dim' is none of clear, low"),
        (lambda p: p['styles']['plan']['low'].pop('judgements'), "lacks 'judgements'"),
        (lambda p: p['styles']['plan']['low'].update(judgements=-1), 'judgements of plan/low'),
        (lambda p: p['styles']['plan']['low'].update(judgements=1.5), 'is 1.5, no count'),
        (lambda p: p['styles']['plan']['low'].update(judgements=True), 'is True, no count'),
        (lambda p: p['styles']['plan']['low'].update(judgements=1), '2 of the 1 judgements'),
        (lambda p: p['styles']['plan']['low'].update(weight=1), "plan/low has no 'weight'"),
        (lambda p: p.update(styles=[]), 'cannot be read'),
    ],
)
def test_a_file_that_is_none_is_named(tmp_path, change, words):
    with pytest.raises(ConfigurationError, match=words):
        ReaderQuality.load(written(tmp_path, change))


def test_a_file_comes_back_as_it_was_written(tmp_path):
    path = written(tmp_path, lambda plain: plain.update(weights={'more': 1}))
    assert ReaderQuality.load(path).named('plan/low') == scores(3, 2)
    with pytest.raises(ConfigurationError, match='nowhere'):
        ReaderQuality.load(tmp_path / 'nowhere.json')


def test_a_text_of_no_style_is_not_measured(tmp_path):
    path = tmp_path / 'texts.jsonl'
    path.write_text(json.dumps({'id': 'k1', 'text': 'a', 'judgement': 'SAFE', 'style': 'terse'}))
    with pytest.raises(ConfigurationError, match="k1 is 'terse'"):
        measure(load(path), LEXICON, 'x')


def test_what_was_asked_is_read_with_the_answer(tmp_path):
    path = tmp_path / 'texts.jsonl'
    entry = {'text': 'Yes.', 'prompt': 'Are there pedestrians?', 'asserted': ['person']}
    path.write_text(
        json.dumps({**entry, 'judgement': 'UNPARSED', 'style': 'answer', 'visibility': 'low'})
    )
    found = measure(load(path), LEXICON, 'x')
    assert found.of('answer', 'low') == Score(1, 0, 0, len(SCORED) - 1, 1, 1)
    assert asdict(found.of('answer', 'clear')) == asdict(Score())


def test_shares_of_nothing_are_none():
    nothing = Score()
    shares = (nothing.precision, nothing.recall, nothing.false_alarm, nothing.judgement_accuracy)
    assert np.isnan(shares).all()
    assert module.ALL not in STYLES
