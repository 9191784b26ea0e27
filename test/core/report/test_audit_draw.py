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

"""The draw of an audit: who may be drawn, how often, and for how many of the run each stands."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from audited import run_of, some_run
from made import frame_record
from vlm_misalign_ros.core.errors import ConfigurationError, RecordError
from vlm_misalign_ros.core.records.ending import changed, read_ending
from vlm_misalign_ros.core.records.store import RECORDS
from vlm_misalign_ros.core.report.audit.draw import EACH, Place, allocate, answers_of, choose
from vlm_misalign_ros.core.report.audit.sample import (
    SAMPLE,
    check_draw,
    draw_sample,
    read_sample,
    write_sample,
)

PLACES = st.lists(
    st.builds(
        Place,
        st.integers(0, 5),
        st.sampled_from(['fog', 'blur']),
        st.sampled_from(['caption', 'plan', 'answer']),
        st.sampled_from(['one', 'other']),
    ),
    min_size=1,
    max_size=120,
)


@given(PLACES, st.integers(1, 150), st.integers(0, 5))
@settings(max_examples=150, deadline=None)
def test_a_draw_is_of_different_answers_equal_by_stratum_and_adds_up_to_the_run(
    places, wanted, seed
):
    chosen, _ = choose(places, wanted, seed)
    assert len({entry.number for entry in chosen}) == len(chosen) == min(wanted, len(places))
    assert all(entry.place == places[entry.number] for entry in chosen)
    drawn = Counter(entry.stratum for entry in chosen)
    sizes = {entry.stratum: entry.size for entry in chosen}
    assert all(drawn[entry.stratum] == entry.drawn for entry in chosen)
    # Each stratum is drawn of, so that what the answers stand for is the run.
    assert sum(entry.size / entry.drawn for entry in chosen) == pytest.approx(len(places))
    short = [count for name, count in drawn.items() if count < sizes[name]]
    assert not short or max(short) - min(short) <= 1
    assert all(drawn[name] <= min(short, default=wanted) + 1 for name in drawn)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=9), st.integers(1, 80))
@settings(max_examples=100, deadline=None)
def test_what_a_small_stratum_cannot_give_goes_to_the_others(sizes, wanted):
    found = allocate(sizes, wanted, np.random.default_rng(0))
    assert sum(found) == min(wanted, sum(sizes))
    # Water in vessels of these heights: each is full or as high as any other, but for one answer.
    level = max(share for share, size in zip(found, sizes, strict=True))
    assert all(
        share == size or share >= level - 1 for share, size in zip(found, sizes, strict=True)
    )


def test_the_same_seed_draws_the_same_and_another_draws_other_answers():
    places = [Place(0, 'clean', 'caption', 'm')] * 200

    def numbers(seed):
        return [entry.number for entry in choose(places, 20, seed)[0]]

    assert numbers(3) == numbers(3) != numbers(4)
    assert numbers(3) != sorted(numbers(3))


def test_each_answer_of_a_stratum_is_drawn_as_often_as_any_other():
    """Over 600 seeds 7 of 23 answers, by the chi-squared test; the seeds are always the same."""
    places = [Place(n % 3, 'blur', 'caption', 'm') for n in range(23)]
    times = Counter(entry.number for seed in range(600) for entry in choose(places, 7, seed)[0])
    assert sum(times.values()) == 600 * 7
    assert stats.chisquare([times[number] for number in range(23)]).pvalue > 0.01


def test_answers_that_follow_each_other_in_the_records_may_be_drawn_together():
    """Steps of 2 over the order of the records would never draw both of two neighbours."""
    places = [Place(0, 'clean', 'caption', 'm')] * 10
    drawn = [{entry.number for entry in choose(places, 5, seed)[0]} for seed in range(30)]
    # Any two of ten are among five with a probability of 2/9.
    assert 1 <= sum({0, 1} <= numbers for numbers in drawn) <= 14


def test_each_beginning_of_a_draw_is_a_draw():
    """Of 40 texts of two styles the first 20 are of both, in no order of the styles."""
    places = [Place(0, 'clean', style, 'm') for style in ('caption', 'plan') for _ in range(50)]
    styles = [entry.place.style for entry in choose(places, 40, 0)[0]]
    assert 5 <= styles[:20].count('plan') <= 15


def test_the_weights_in_the_file_add_up_to_the_run(tmp_path):
    """24 answers, 6 of them structured: 6 and 18 by 4 drawn of each style."""
    sample = draw_sample(some_run(tmp_path / 'run', 24), 8, 0)
    weights = {(answer.style, answer.weight) for answer in sample.answers}
    assert weights == {('structured', 6 / 4), ('caption', 18 / 4)}
    assert sum(answer.weight for answer in sample.answers) == sample.head.answers == 24


def test_conditions_that_are_no_strata_of_their_own_are_spread_over_as_evenly_as_can_be():
    places = [
        Place(severity, f'{name}:{severity}', 'caption', 'm')
        for name in ('blur', 'fog')
        for severity in (3, 4, 5)
        for _ in range(50)
    ]
    chosen, by = choose(places, 12, 0)
    assert by == ['model', 'visibility', 'style']
    assert Counter(entry.place.condition for entry in chosen) == dict.fromkeys(
        {place.condition for place in places}, 2
    )


@pytest.mark.parametrize(
    'wanted, by',
    [
        (EACH * 8, ['model', 'condition', 'style']),
        (EACH * 8 - 1, ['visibility', 'style']),
        (EACH * 4 - 1, ['style']),
        (EACH * 2 - 1, []),
    ],
)
def test_strata_are_as_fine_as_the_draw_allows(wanted, by):
    """Two models, two conditions (one of low visibility) and two styles: 8 strata, 8, 4, 2, 1."""
    places = [
        Place(severity, f'fog:{severity}', style, model)
        for severity in (1, 3)
        for style in ('caption', 'plan')
        for model in ('one', 'other')
        for _ in range(20)
    ]
    assert choose(places, wanted, 0)[1] == by


def test_answers_are_those_in_words_that_a_corrected_rate_counts():
    def model(**answer):
        return {'status': 'scored', 'answer': {'text': 'A car.', **answer}}

    frame = frame_record(
        models={
            'b': model(),
            'a': model(),
            'contrastive': model(kind='contrastive', text=''),
            'dumb': model(text=' '),
            'lost': {'status': 'missing'},
        }
    )
    blank = frame_record(condition='blank', models={'b': model()})
    assert [(f.key, name) for f, name, _ in answers_of([frame, blank])] == [('k', 'a'), ('k', 'b')]


def test_a_draw_comes_back_from_its_file_and_leaves_the_run_as_it_is(tmp_path):
    folder = some_run(tmp_path / 'run', 24)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    sample = draw_sample(folder, 16, 7)
    write_sample(folder / 'audit', sample)
    assert read_sample(folder / 'audit', folder) == sample
    assert (sample.head.answers, sample.head.asked, sample.head.seed) == (24, 16, 7)
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
    assert changed(folder, read_ending(folder)) == []
    assert read_sample(tmp_path / 'nowhere', folder) is None


def test_the_file_tells_nothing_of_what_was_read(tmp_path):
    folder = run_of(tmp_path / 'run', [('Fine.', 'clean', 'caption', ['train'], 'REFUSED')])
    write_sample(folder / 'audit', draw_sample(folder, 5, 0))
    text = (folder / 'audit' / SAMPLE).read_text()
    assert 'train' not in text and 'REFUSED' not in text and 'mentions' not in text


def test_one_text_to_one_question_is_labelled_once_and_counted_as_often_as_it_was_drawn(tmp_path):
    folder = run_of(tmp_path / 'run', [('A car.', 'clean', 'caption', ['car'], 'UNPARSED')] * 5)
    sample = draw_sample(folder, 5, 0)
    assert (len(sample.answers), len(sample.texts)) == (5, 1)


def test_the_question_is_told_in_words_unless_its_file_has_changed(tmp_path):
    answers = [('A car.', 'clean', 'caption', ['car'], 'UNPARSED')]
    known = run_of(tmp_path / 'known', answers)
    other = run_of(tmp_path / 'other', answers, models={'m': {'prompts_sha256': '0'}})
    assert 'street scene' in draw_sample(known, 1, 0).answers[0].asked
    assert draw_sample(other, 1, 0).answers[0].asked == ''


def test_a_style_that_the_record_does_not_tell_is_found_by_the_text(tmp_path):
    folder = run_of(tmp_path / 'run', [('{"car": 1}', 'clean', '', ['car'], 'UNPARSED')])
    assert draw_sample(folder, 1, 0).answers[0].style == 'structured'


def test_a_run_without_answers_in_words_is_told_so(tmp_path):
    folder = run_of(tmp_path / 'run', [('', 'clean', '', ['car'], 'SAFE')], kind='contrastive')
    with pytest.raises(RecordError, match='no scored answer of a generative model'):
        draw_sample(folder, 10, 0)


def test_what_is_no_run_or_was_changed_is_refused(tmp_path):
    with pytest.raises(RecordError, match='give the folder of a run'):
        draw_sample(tmp_path, 10, 0)
    folder = some_run(tmp_path / 'run')
    sample = draw_sample(folder, 4, 0)
    write_sample(folder / 'audit', sample)
    text = (folder / RECORDS).read_text()
    (folder / RECORDS).write_text(text.replace('SAFE', 'UNSAFE', 1))
    for again in (
        lambda: draw_sample(folder, 4, 0),
        lambda: read_sample(folder / 'audit', folder),
    ):
        with pytest.raises(RecordError, match='not as the run left it'):
            again()


def test_a_draw_of_another_run_and_what_is_none_are_refused(tmp_path):
    one, other = some_run(tmp_path / 'one'), some_run(tmp_path / 'other', 9)
    write_sample(tmp_path / 'audit', draw_sample(one, 4, 0))
    with pytest.raises(RecordError, match='drawn from other records'):
        read_sample(tmp_path / 'audit', other)
    lines = (tmp_path / 'audit' / SAMPLE).read_bytes().splitlines(keepends=True)
    for wrong in (b'', b'{}\n', lines[1], lines[0] + lines[0], b''.join(lines)[:-9], b'\xff\n'):
        (tmp_path / 'audit' / SAMPLE).write_bytes(wrong)
        with pytest.raises(RecordError, match='is no draw'):
            read_sample(tmp_path / 'audit', one)


def test_another_draw_than_the_one_that_is_there_is_refused(tmp_path):
    sample = draw_sample(some_run(tmp_path / 'run'), 4, 0)
    check_draw(sample, None, None)
    check_draw(sample, 4, 0)
    with pytest.raises(ConfigurationError, match='--sample is 5, .* --sample 4'):
        check_draw(sample, 5, None)
    with pytest.raises(ConfigurationError, match='--seed is 1, .* --seed 0'):
        check_draw(sample, None, 1)
