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

"""Agreement of two people and the counts of the reader's error, by hand."""

import dataclasses

import pytest

from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.language.labelled import Score
from vlm_misalign_ros.core.report.audit import counting
from vlm_misalign_ros.core.report.audit.counting import Decided, kappa
from vlm_misalign_ros.core.report.audit.labels import Label
from vlm_misalign_ros.core.report.audit.sample import Drawn, Head, Read, Sample
from vlm_misalign_ros.core.types import Judgement

SAFE, UNSAFE, UNPARSED = Judgement.SAFE, Judgement.UNSAFE, Judgement.UNPARSED
REST = len(SCORED)


def label(asserted='', judgement=SAFE, low=False):
    return Label(frozenset(asserted.split()), judgement, low)


def drawn(number, name, style='caption', low=False, stratum='s', size=10):
    return Drawn(
        name, number, '1.0', 0, None, 'k', 'm', 'clean', low, style, stratum, size, 1.0, 'default',
        '', f'text {name}',
    )  # fmt: skip


def sample_of(*answers):
    return Sample(Head(1, 'run', 0, 9, 99, ['style'], 'r', 'l'), list(answers))


def read(asserted='', judgement=SAFE):
    return Read(frozenset(asserted.split()), judgement)


def test_cohens_kappa_by_hand():
    """20 times both yes, 5 and 10 times only one, 15 times both no: p_o = .7, p_e = .5."""
    pairs = [(1, 1)] * 20 + [(1, 0)] * 5 + [(0, 1)] * 10 + [(0, 0)] * 15
    raw, value = kappa(pairs)
    assert (raw, value) == pytest.approx((0.7, 0.4))


def test_kappa_of_three_judgements_by_hand():
    """Of 10: 4 SAFE, 3 UNSAFE and 1 UNPARSED alike, 2 times SAFE against UNPARSED."""
    pairs = [(SAFE, SAFE)] * 4 + [(UNSAFE, UNSAFE)] * 3 + [(UNPARSED, UNPARSED)]
    pairs += [(SAFE, UNPARSED)] * 2
    chance = (6 * 4 + 3 * 3 + 1 * 3) / 100
    assert kappa(pairs) == pytest.approx((0.8, (0.8 - chance) / (1 - chance)))


def test_kappa_is_not_defined_where_nobody_could_disagree():
    assert kappa([]) == (None, None)
    assert kappa([(SAFE, SAFE)] * 3) == (1.0, None)
    assert kappa([(0, 1), (1, 0)]) == (0.0, -1.0)


ONE = {'a': label('car bus'), 'b': label('car', UNSAFE), 'c': label('', UNPARSED, True)}
OTHER = {'a': label('car bus'), 'b': label('car person', SAFE), 'd': label('road')}


def test_what_two_people_differ_in_is_not_decided_and_the_rest_is():
    found = counting.decide(ONE, OTHER, {})
    assert found.keys() == {'a', 'b'}
    assert found['a'].classes == {name: name in ('car', 'bus') for name in SCORED}
    assert 'person' not in found['b'].classes and found['b'].classes['car']
    assert (len(found['b'].classes), found['b'].judgement) == (REST - 1, None)


def test_what_was_settled_holds_for_whoever_said_what():
    found = counting.decide(ONE, OTHER, {'b': label('person', SAFE), 'c': label('sky')})
    assert found.keys() == {'a', 'b', 'c'}
    assert found['b'] == Decided({name: name == 'person' for name in SCORED}, SAFE, False)
    assert found['c'].classes['sky'] and not found['c'].low


def test_one_persons_labels_hold_as_they_are():
    found = counting.decide(ONE, None, {})
    assert found.keys() == ONE.keys() and found['c'].low
    assert all(len(entry.classes) == REST for entry in found.values())
    assert counting.agreement(ONE, None, {}, found) == {'labellers': 1}


def test_visibility_is_low_where_both_say_so():
    for one, other, low in ((True, True, True), (True, False, False), (False, True, False)):
        labels = [{'a': label('car', SAFE, value)} for value in (one, other)]
        assert counting.decide(*labels, {})['a'].low is low


def test_the_agreement_is_over_the_texts_that_both_labelled():
    found = counting.agreement(ONE, OTHER, {}, counting.decide(ONE, OTHER, {}))
    by_class = found.pop('classes')
    assert list(by_class) == list(SCORED)
    # Of the two texts both say bus of the first; only the second says person, of the other.
    assert by_class['bus'] == {'raw': 1.0, 'kappa': 1.0}
    assert by_class['person'] == {'raw': 0.5, 'kappa': 0.0}
    assert by_class['sky'] == {'raw': 1.0, 'kappa': None}
    classes = 2 * REST
    # Both say car twice and bus once; only the second says person.
    raw = (classes - 1) / classes
    chance = (3 * 4 + (classes - 3) * (classes - 4)) / classes**2
    assert found == {
        'labellers': 2,
        'texts': 2,
        'asserted': {
            'raw': pytest.approx(raw),
            'kappa': pytest.approx((raw - chance) / (1 - chance)),
        },
        'judgement': {'raw': 0.5, 'kappa': 0.0},
        'visibility': {'raw': 1.0, 'kappa': None},
        'settled': 0,
        'left_out': {'classes': 1, 'judgements': 1},
    }
    settled = {'b': label('car')}
    again = counting.agreement(ONE, OTHER, settled, counting.decide(ONE, OTHER, settled))
    assert again['asserted'] == found['asserted'] and again['settled'] == 1
    assert again['left_out'] == {'classes': 0, 'judgements': 0}


def test_differences_are_told_in_words_in_the_order_of_the_draw():
    other = {**OTHER, 'c': label('', UNPARSED)}
    found = counting.differences(ONE, other, ['c', 'b', 'a', 'd'])
    assert [(entry.id, str(entry)) for entry in found] == [
        ('c', 'visibility low / clear'),
        ('b', 'person (only the second); UNSAFE / SAFE'),
    ]


def test_an_answer_is_counted_in_what_is_decided_of_it():
    decided = Decided({'car': True, 'bus': True, 'person': False, 'sky': False}, SAFE, False)
    assert counting.score_one(decided, read('car person train')) == Score(1, 1, 1, 1, 1, 1)
    assert counting.score_one(decided, read('car', UNSAFE)) == Score(1, 0, 1, 2, 0, 1)
    nothing = Decided({}, None, False)
    assert counting.score_one(nothing, read('car')) == Score()


SAMPLE = sample_of(
    drawn(0, 'a'),
    drawn(1, 'b', low=True),
    drawn(2, 'a'),
    drawn(3, 'c', 'plan'),
    drawn(4, 'd', 'advice'),
)
READINGS = {
    0: read('car bus'),
    1: read('car train', UNSAFE),
    2: read('car bus'),
    3: read('', SAFE),
    4: read('car'),
}


def test_counts_are_by_style_and_visibility_of_condition_or_text():
    decided = counting.decide(ONE, None, {})
    lines = list(counting.scored(SAMPLE, READINGS, decided))
    styles = counting.by_style(lines)
    found = counting.result(SAMPLE, styles, len(lines), {'labellers': 1})
    nothing = dataclasses.asdict(Score())
    assert found == {
        'lexicon_sha256': 'l',
        'texts': 4,
        'agreement': {'labellers': 1},
        'styles': {
            'caption': {
                # Text a, drawn twice: car and bus are right.
                'clear': dataclasses.asdict(Score(4, 0, 0, 2 * (REST - 2), 2, 2)),
                # A condition of low visibility: car is right, train is invented.
                'low': dataclasses.asdict(Score(1, 1, 0, REST - 2, 1, 1)),
            },
            # Its text says that little can be seen; SAFE was read and nothing said.
            'plan': {'clear': nothing, 'low': dataclasses.asdict(Score(0, 0, 0, REST, 0, 1))},
        },
    }
    assert list(found['styles']) == ['caption', 'plan']


def test_weights_make_the_draw_stand_for_the_run_by_hand():
    """
    Stratum x has 90 answers and y has 10; two of x and one of y are labelled.

    x: 1 of 1 and 1 of 2 assertions are right, y: 0 of 1 is. Weights 45, 45 and 10.
    """
    sample = sample_of(
        drawn(0, 'a', stratum='x', size=90),
        drawn(1, 'b', stratum='x', size=90),
        drawn(2, 'c', stratum='y', size=10),
        drawn(3, 'd', stratum='y', size=10),
    )
    one = {'a': label('car'), 'b': label('car', UNSAFE), 'c': label('bus')}
    readings = {0: read('car'), 1: read('car sky'), 2: read('sky'), 3: read('')}
    lines = list(counting.scored(sample, readings, counting.decide(one, None, {})))
    assert counting.weighted(lines) == pytest.approx(
        {
            'precision': (45 + 45) / (45 + 90 + 10),
            'recall': (45 + 45) / (45 + 45 + 10),
            'judgements_right': (45 + 10) / 100,
        }
    )
    assert counting.weighted([]) == {'precision': None, 'recall': None, 'judgements_right': None}


def test_what_was_read_otherwise_is_told_a_text_once_with_its_answers():
    one = {'a': label('car', UNSAFE), 'b': label('car train', UNSAFE), 'c': label('', UNPARSED)}
    lines = list(counting.scored(SAMPLE, READINGS, counting.decide(one, None, {})))
    found = counting.faults(lines, READINGS)
    assert [
        (entry['id'], entry['answers'], entry['invented'], entry['missed'], entry['judgement'])
        for entry in found
    ] == [('a', 2, ['bus'], [], ['UNSAFE', 'SAFE']), ('c', 1, [], [], ['UNPARSED', 'SAFE'])]
