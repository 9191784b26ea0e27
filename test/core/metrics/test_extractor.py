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

"""The correction for the text reader's error (Rogan and Gladen 1978), by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from vlm_misalign_ros.core.language.labelled import Score
from vlm_misalign_ros.core.metrics.extractor import carried
from vlm_misalign_ros.core.metrics.intervals import korn_graubard
from vlm_misalign_ros.core.metrics.rates import BY_NAME, ReaderError

# What was measured on labelled texts: of 100 classes that a text asserts 90 are found, of 100
# that it does not assert 20 are taken for asserted, and of 50 judgements 40 are read rightly.
RECALL, ALARM, RIGHT = 0.9, 0.2, 0.8
PRECISION = 90 / 110
SMALL = {
    'true_positives': 90,
    'false_negatives': 10,
    'false_positives': 20,
    'true_negatives': 80,
    'judgements_right': 40,
    'judgements': 50,
}
ABSENT = 0.55
"""Share of all classes that are not there."""


def by_scene(over, under):
    """Return the counts as scenes of one answer each, (numerators, denominators)."""
    return (np.arange(under) < over).astype(float), np.ones(under)


def corrected(rate, over, under, times=1):
    """Return the corrected rate of counts, an answer a scene."""
    quality = Score(**{name: times * count for name, count in SMALL.items()})
    return carried(BY_NAME[rate], *by_scene(over, under), ABSENT, quality)


# rate, how it suffers, true value, numerator and denominator that are read for it.
CASES = [
    # Of 1000 absent classes 250 are asserted; 225 of them are read, and 150 of the other 750.
    ('hallucination_opportunity_rate', ReaderError.OPPORTUNITY, 0.25, 375, 1000),
    # Of 1000 required classes 400 are left out; of them 320 are read so, and 60 of the other 600.
    ('critical_omission_rate', ReaderError.RECALL, 0.4, 380, 1000),
    # Of 110 assertions read 90 are right, and of those 18 are wrong about the frame; of the 20
    # that were read by mistake, 11 hit a class that is not there.
    ('hallucination_rate', ReaderError.PRECISION, 0.2, 29, 110),
    # Of 1000 judgements 300 are wrong; 240 of them are read rightly, and 140 of the 700 are not.
    ('smr', ReaderError.JUDGEMENT, 0.3, 380, 1000),
]
by_kind = pytest.mark.parametrize(
    'rate, kind, true, over, under', CASES, ids=[case[1].value for case in CASES]
)


def test_the_cases_are_read_as_their_comments_say():
    read = {rate: over / under for rate, _, _, over, under in CASES}
    assert read == pytest.approx(
        {
            'hallucination_opportunity_rate': 0.25 * RECALL + 0.75 * ALARM,
            'critical_omission_rate': 0.4 * (1 - ALARM) + 0.6 * (1 - RECALL),
            'hallucination_rate': PRECISION * 0.2 + (1 - PRECISION) * ABSENT,
            'smr': 0.3 * RIGHT + 0.7 * (1 - RIGHT),
        }
    )
    assert {kind for _, kind, *_ in CASES} == set(ReaderError)


@by_kind
def test_the_true_rate_comes_back(rate, kind, true, over, under):
    assert BY_NAME[rate].reader_error is kind
    assert corrected(rate, over, under).value == pytest.approx(true, abs=1e-12)


@by_kind
def test_the_interval_lies_around_the_true_rate_and_closes_with_the_number_of_texts(
    rate, kind, true, over, under
):
    few, many = corrected(rate, over, under), corrected(rate, over, under, times=100_000)
    assert few.low < true < few.high
    # With many texts only the rate's own limits are left, corrected like the rate.
    plain = korn_graubard(*by_scene(over, under))
    scale = {
        ReaderError.OPPORTUNITY: RECALL - ALARM,
        ReaderError.RECALL: RECALL - ALARM,
        ReaderError.PRECISION: PRECISION,
        ReaderError.JUDGEMENT: 2 * RIGHT - 1,
    }[kind]
    assert many.high - many.low == pytest.approx((plain.high - plain.low) / scale, abs=3e-3)
    assert few.high - few.low > many.high - many.low


@by_kind
def test_a_corrected_rate_stays_between_0_and_1(rate, kind, true, over, under):
    nothing, everything = corrected(rate, 0, under), corrected(rate, under, under)
    assert (nothing.value, nothing.low) == (0, 0) and 0 < nothing.high <= 1
    assert (everything.value, everything.high) == (1, 1) and 0 <= everything.low < 1
    # It is said that there was more to take off than there was.
    assert nothing.clipped and nothing.unclipped < 0
    assert everything.clipped and everything.unclipped > 1


@by_kind
def test_a_rate_within_its_limits_is_not_clipped(rate, kind, true, over, under):
    found = corrected(rate, over, under)
    assert not found.clipped and found.unclipped == found.value


def test_a_reader_that_errs_more_than_it_reads_corrects_nothing():
    hopeless = Score(**{**SMALL, 'judgements_right': 20, 'true_positives': 1})
    for name in ('smr', 'critical_omission_rate'):
        found = carried(BY_NAME[name], np.full(10, 1.0), np.full(10, 4.0), ABSENT, hopeless)
        assert np.isnan([found.value, found.low, found.high]).all() and not found.clipped


def test_draws_in_which_the_reader_tells_nothing_leave_the_rate_open():
    """Of 10 judgements 6 were read rightly: a quarter of Beta(6.5, 4.5) lies below one half."""
    poor = Score(**{**SMALL, 'judgements': 10, 'judgements_right': 6})
    assert beta(6.5, 4.5).cdf(0.5) > 0.025
    found = carried(BY_NAME['smr'], np.full(10, 50.0), np.full(10, 100.0), ABSENT, poor)
    assert (found.value, found.low, found.high) == (0.5, 0.0, 1.0)


def test_a_rate_of_nothing_or_without_a_reader_has_no_correction():
    assert corrected('smr', 0, 0) is None
    assert corrected('unparsed_rate', 1, 10) is None


# Several kinds of answers ----------------------------------------------------------------------


KINDS = {'plain': Score(980, 20, 20, 9980, 990, 1000), 'hard': Score(180, 60, 20, 1740, 160, 200)}


def read_as(kind, error, true):
    """Return the share that is read where it is `true` in truth."""
    return {
        ReaderError.OPPORTUNITY: true * kind.recall + (1 - true) * kind.false_alarm,
        ReaderError.RECALL: true * (1 - kind.false_alarm) + (1 - true) * (1 - kind.recall),
        ReaderError.PRECISION: kind.precision * true + (1 - kind.precision) * ABSENT,
        ReaderError.JUDGEMENT: true * kind.judgement_accuracy
        + (1 - true) * (1 - kind.judgement_accuracy),
    }[error]


fractions = st.floats(0.05, 0.95)


@pytest.mark.parametrize('rate, kind', [case[:2] for case in CASES])
@given(true=st.tuples(fractions, fractions), sizes=st.tuples(*[st.integers(1, 50)] * 2))
def test_each_kind_of_answer_is_corrected_for_its_own_error(rate, kind, true, sizes):
    """However the answers of two kinds are mixed, and however unlike their rates are."""
    under = np.array(sizes, float)[:, None] * np.ones((2, 20))
    shares = [read_as(q, kind, t) for q, t in zip(KINDS.values(), true, strict=True)]
    found = carried(
        BY_NAME[rate], under * np.array(shares)[:, None], under, ABSENT, list(KINDS.values())
    )
    # Of assertions that were read only the right ones are of the model.
    right = [q.precision if kind is ReaderError.PRECISION else 1.0 for q in KINDS.values()]
    weights = np.array(sizes) * right
    assert found.unclipped == pytest.approx(np.average(true, weights=weights), abs=1e-9)
    assert found.low < found.value < found.high


def test_one_error_for_two_kinds_that_are_read_unlike_would_be_wrong():
    """Half of the answers are plain and seldom wrong, half are hard to read and often wrong."""
    plain, hard = Score(1, 0, 0, 1, 100, 100), Score(1, 0, 0, 1, 80, 100)
    true = 0.1, 0.5
    under = np.full((2, 50), 10.0)
    over = under * [[true[0]], [true[1] * 0.8 + (1 - true[1]) * 0.2]]
    found = carried(BY_NAME['smr'], over, under, ABSENT, [plain, hard])
    pooled = carried(BY_NAME['smr'], over.sum(0), under.sum(0), ABSENT, plain + hard)
    assert found.value == pytest.approx(0.3)
    # (.3 - .1) / .8 by hand.
    assert pooled.value == pytest.approx(0.25)


@by_kind
def test_kinds_that_are_read_alike_are_as_one(rate, kind, true, over, under):
    quality = Score(**SMALL)
    counts = by_scene(over, under)
    (one,) = {carried(BY_NAME[rate], *counts, ABSENT, given) for given in (quality, [quality])}
    odd = np.arange(under) % 2 == 0
    parts = [np.stack([np.where(odd, a, 0), np.where(odd, 0, a)]) for a in counts]
    two = carried(BY_NAME[rate], *parts, ABSENT, [quality, quality])
    assert two.value == pytest.approx(one.value)
    # Errors that are known apart pull less than one that is common to all.
    assert one.low <= two.low < two.high <= one.high


def test_a_kind_without_answers_matters_to_nothing():
    rate, quality = BY_NAME['critical_omission_rate'], Score(**SMALL)
    over, under = by_scene(380, 1000)
    nothing = np.zeros(1000)
    found = carried(
        rate, np.stack([over, nothing]), np.stack([under, nothing]), ABSENT, [quality, Score()]
    )
    assert found == carried(rate, over, under, ABSENT, quality)


@by_kind
def test_of_a_kind_that_was_never_read_nothing_is_said(rate, kind, true, over, under):
    counts = [np.stack([a, a]) for a in by_scene(over, under)]
    found = carried(BY_NAME[rate], *counts, ABSENT, [Score(**SMALL), Score()])
    assert np.isnan([found.value, found.low, found.high]).all() and not found.clipped


def test_counts_and_errors_are_of_the_same_kinds():
    counts = [np.stack([a, a]) for a in by_scene(3, 10)]
    with pytest.raises(ValueError, match='2 and 2 kinds of counts, 1 errors'):
        carried(BY_NAME['smr'], *counts, ABSENT, Score(**SMALL))
