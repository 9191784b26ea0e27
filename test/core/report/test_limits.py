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

"""The language of limits: what is read, what is printed, and what is refused, and where."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.metrics.rates import BY_NAME, RATES, Better, Interval
from vlm_misalign_ros.core.report.limit import (
    EACH,
    Bound,
    End,
    Limit,
    NotWorse,
    Place,
    Where,
    check_conditions,
    check_corruptions,
    check_models,
)
from vlm_misalign_ros.core.report.limits import parse_limit, parse_limits


@pytest.mark.parametrize(
    'text, expected',
    [
        (
            'critical_omission_rate@low_light:1-3 < 0.2',
            Limit(
                '',
                'critical_omission_rate',
                End.POINT,
                Where((Place('low_light', (1, 2, 3)),)),
                Bound('<', 0.2),
            ),
        ),
        (
            'smr_false_safe.high < 0.05',
            Limit('', 'smr_false_safe', End.HIGH, EACH, Bound('<', 0.05)),
        ),
        (
            'miou@clean > 0.6',
            Limit('', 'miou', End.POINT, Where((Place('clean'),)), Bound('>', 0.6)),
        ),
        ('  smr=0.2 ', Limit('', 'smr', End.POINT, EACH, Bound('<=', 0.2))),
        (
            'clip/smr@all ≤ 2e-1',
            Limit('clip', 'smr', End.POINT, Where((), True), Bound('<=', 0.2)),
        ),
        (
            'smr@low_light:1,4-5, clean ;occlusion>=.1',
            Limit(
                '',
                'smr',
                End.POINT,
                Where((Place('low_light', (1, 4, 5)), Place('clean'), Place('occlusion'))),
                Bound('>=', 0.1),
            ),
        ),
        (
            'smr@pooled(corrupted)<1',
            Limit('', 'smr', End.POINT, Where((Place('corrupted'),), True), Bound('<', 1.0)),
        ),
        (
            'clip/critical_omission_rate@low_light:3 not worse than /a b/run by 3 by 0.02',
            Limit(
                'clip',
                'critical_omission_rate',
                End.POINT,
                Where((Place('low_light', (3,)),)),
                NotWorse('/a b/run by 3', 0.02),
            ),
        ),
        ('not worse than base by 0', Limit('', '', End.POINT, EACH, NotWorse('base', 0.0))),
        (
            'm/@clean not  worse than b by 1',
            Limit('m', '', End.POINT, Where((Place('clean'),)), NotWorse('b', 1.0)),
        ),
    ],
)
def test_what_is_written_is_read(text, expected):
    assert parse_limit(text) == expected
    assert parse_limit(str(expected)) == expected


def test_an_open_limit_on_nothing_named_is_on_every_headline_rate():
    rates = parse_limit('not worse than base by 0.1').rates
    assert rates == tuple(row.name for row in RATES if row.headline)


@pytest.mark.parametrize(
    'text, place, words',
    [
        ('', 'at its end', 'expected <'),
        ('smr', 'at its end', 'expected <'),
        ('luck < 1', "at character 1 ('luck < 1')", "no rate 'luck'"),
        ('clip/luck < 1', "at character 6 ('luck < 1')", "no rate 'luck'"),
        ('smr ! 0.2', "('! 0.2')", 'expected <'),
        ('smr < ', 'at its end', 'expected a number'),
        ('smr < x', 'at character', 'expected a number'),
        ('smr < nan', 'at character', 'expected a number'),
        ('smr < 1e400', 'at character', 'expected a number'),
        ('smr < 0.2 0.3', "('0.3')", 'nothing may follow'),
        ('smr < 20', 'at character 1', '20 is no value of smr'),
        ('smr > -0.1', 'at character 1', '-0.1 is no value of smr'),
        ('smr < 20%', "('%')", 'nothing may follow'),
        ('smr == 0.2', 'at character', 'expected a number'),
        ('miou = 0.6', "('= 0.6')", 'write >='),
        ('clip/miou > 0.6', 'at character 1', 'of no VLM'),
        ('clip/ < 0.6', 'at character 1', 'expected the name of a rate'),
        ('smr.middle < 0.1', "('middle", 'allowed: .high, .low'),
        ('smr.low < 0.1', 'at character 1', 'with < write .high'),
        ('smr.high >= 0.1', 'at character 1', 'with >= write .low'),
        ('mentions_per_frame.high < 3', 'at character 1', 'leave .high out'),
        ('smr@ < 0.1', "('< 0.1')", 'expected a condition'),
        ('smr@clean, < 0.1', "('< 0.1')", 'expected a condition'),
        ('smr@low_light:0 < 0.1', "('0 < 0.1')", '1 to 5'),
        ('smr@low_light:3-1 < 0.1', "('3-1 < 0.1')", '1 to 5'),
        ('smr@low_light:' + '9' * 5000 + ' < 0.1', 'at character 15', '1 to 5'),
        ('smr@all, clean < 0.1', "('clean < 0.1')", 'stands alone'),
        ('smr@clean, all < 0.1', "('< 0.1')", 'expected a condition'),
        ('smr@pooled(clean < 0.1', "('< 0.1')", "expected ')'"),
        ('smr not worse than base', "('base')", 'a run folder'),
        ('smr not worse than by 0.1', "('by 0.1')", 'a run folder'),
        ('smr not worse than base by much', "('much')", 'from 0 to 1'),
        ('smr not worse than base by -0.1', "('-0.1')", 'from 0 to 1'),
        ('smr.high not worse than base by 0.1', 'at character 1', 'leave .high out'),
        (
            'mentions_per_frame not worse than base by 0.1',
            'at character 1',
            'neither more nor less',
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place_and_what_is_allowed(text, place, words):
    with pytest.raises(ConfigurationError) as caught:
        parse_limit(text)
    told = str(caught.value)
    assert place in told and words in told and text.strip()[:40] in told
    assert caught.value.remedy


severities = st.sets(st.integers(1, 5), max_size=5).map(lambda found: tuple(sorted(found)))
corruptions = st.from_regex(r'[a-z][a-z0-9_]{0,11}', fullmatch=True).filter(
    lambda name: name not in ('all', 'pooled', 'clean', 'blank', 'corrupted', 'unknown')
)
places = st.one_of(
    st.sampled_from(['clean', 'blank', 'corrupted', 'unknown']).map(Place),
    st.builds(Place, corruptions, severities),
)
wheres = st.one_of(
    st.just(EACH),
    st.just(Where((), True)),
    st.builds(
        Where, st.lists(places, min_size=1, max_size=4, unique=True).map(tuple), st.booleans()
    ),
)
models = st.from_regex(r'[A-Za-z][A-Za-z0-9_]{0,9}', fullmatch=True).filter(lambda n: n != 'not')
numbers = st.floats(0, 1, allow_nan=False)
runs = st.from_regex(r'[A-Za-z0-9/._~@<>:,-]{1,12}( [A-Za-z0-9/._-]{1,5}){0,2}', fullmatch=True)
BARE = [row.name for row in RATES if row.better is not Better.NEITHER]
WITH_INTERVAL = [row.name for row in RATES if row.interval is not Interval.NONE]


@st.composite
def limits(draw):
    model, where = draw(st.one_of(st.just(''), models)), draw(wheres)
    if draw(st.booleans()):
        rate = draw(st.sampled_from(['', *BARE]))
        return Limit(model, rate, End.POINT, where, NotWorse(draw(runs), draw(numbers)))
    bound = Bound(draw(st.sampled_from(['<', '<=', '>', '>='])), draw(numbers))
    end = draw(st.sampled_from([End.POINT, End.HIGH if bound.upper else End.LOW]))
    rate = draw(st.sampled_from(list(BY_NAME) if end is End.POINT else WITH_INTERVAL))
    return Limit(model, rate, end, where, bound)


@given(limits())
def test_a_limit_that_is_printed_reads_back(limit):
    assert parse_limit(str(limit)) == limit


WORDS = st.lists(
    st.sampled_from(
        [
            *('smr', 'miou', 'clip', '/', '.', 'high', 'low', '@', ':', '1-3', ',', ';', 'all'),
            *('pooled', '(', ')', 'clean', '<', '<=', '=', '>', '0.2', '1e999', 'nan', '-', ' '),
            *('not worse than', 'by', 'runs/a', '≤', '\n', '\x00', '٣', '%', 'corrupted', '5'),
        ]
    ),
    max_size=12,
).map(''.join)


@given(st.one_of(st.text(max_size=60), WORDS))
@example('smr < ٣')
@example('smr@low_light:١ < 0.1')
def test_garbage_is_read_or_refused_and_never_a_traceback(text):
    try:
        limit = parse_limit(text)
    except ConfigurationError as error:
        assert error.what and '\n' not in str(error)
    else:
        assert parse_limit(str(limit)) == limit


@given(st.sets(st.integers(1, 5), min_size=1))
def test_severities_in_a_row_are_printed_as_a_range(chosen):
    printed = str(Place('fog', tuple(sorted(chosen))))
    assert '1,2' not in printed and '4,5' not in printed
    assert {1, 2, 3, 5} != chosen or printed == 'fog:1-3,5'


def test_the_same_limit_counts_once():
    assert len(parse_limits(['smr < 0.2', 'smr<.2', 'smr <= 0.2'])) == 2
    with pytest.raises(ConfigurationError, match='luck'):
        parse_limits(['smr < 0.2', 'luck < 1'])


SHOWN = ['clean', 'blank', 'low_light:1', 'low_light:3', 'occlusion:2', 'unknown']


@pytest.mark.parametrize(
    'where, holds, lacks',
    [
        ('', ['clean', 'low_light:1', 'low_light:3', 'occlusion:2', 'unknown'], ()),
        ('@all', ['clean', 'low_light:1', 'low_light:3', 'occlusion:2', 'unknown'], ()),
        ('@corrupted', ['low_light:1', 'low_light:3', 'occlusion:2'], ()),
        ('@low_light', ['low_light:1', 'low_light:3'], ()),
        ('@low_light:1-3', ['low_light:1', 'low_light:3'], ('low_light:2',)),
        ('@blank', ['blank'], ()),
        ('@low', [], ('low',)),
        ('@clean, fog:2', ['clean'], ('fog:2',)),
    ],
)
def test_conditions_are_chosen_by_name_corruption_and_class(where, holds, lacks):
    chosen = parse_limit(f'smr{where} < 0.1').where
    assert [name for name in SHOWN if chosen.holds(name)] == holds
    assert chosen.lacking(SHOWN) == lacks


def test_what_a_run_will_not_have_is_refused_before_it_starts():
    check_models(parse_limits(['clip/smr < 0.1', 'miou > 0.5']), ['clip'], True)
    with pytest.raises(ConfigurationError, match="'llava', which the run has not.*clip"):
        check_models(parse_limits(['llava/smr < 0.1']), ['clip'], True)
    with pytest.raises(ConfigurationError, match='needs a segmentation'):
        check_models(parse_limits(['miou > 0.5']), ['clip'], False)
    check_conditions(parse_limits(['smr@low_light < 0.1']), SHOWN)
    with pytest.raises(ConfigurationError, match='low_light:2, which the run does not show'):
        check_conditions(parse_limits(['smr@low_light:1-3 < 0.1']), SHOWN)
    with pytest.raises(ConfigurationError, match='other than blank'):
        check_conditions(parse_limits(['smr < 0.1']), ['blank'])
    check_corruptions(parse_limits(['smr@fog:5, clean, corrupted < 0.1']), ['fog'])
    with pytest.raises(ConfigurationError, match="names the corruption 'frog'.*known: .*fog"):
        check_corruptions(parse_limits(['smr@frog:5 < 0.1']), ['fog'])
