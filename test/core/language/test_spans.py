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

"""Where in an answer it says what is read in it: the words of each class, and those that judge."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vlm_misalign_ros.core.language.bounding import MAX_TEXT
from vlm_misalign_ros.core.language.deciding import RULES
from vlm_misalign_ros.core.language.lexicon import open_lexicon
from vlm_misalign_ros.core.language.plain import normal_form
from vlm_misalign_ros.core.language.reading import read
from vlm_misalign_ros.core.language.text import words
from vlm_misalign_ros.core.types import Judgement

LEXICON = open_lexicon()
DATA = Path(__file__).resolve().parents[2] / 'data'
RIDING = {'rider', 'bicycle', 'motorcycle', 'person'}
"""One word may name any of these, by what is said around it: `the man` who turns out to ride."""


def labelled():
    for path in sorted([*(DATA / 'descriptions').glob('*.jsonl'), DATA / 'styles.jsonl']):
        for line in path.read_text(encoding='utf-8').splitlines():
            yield json.loads(line)['text']


TEXTS = list(labelled())


def named(text):
    """Return the classes that any words of a text name."""
    # Keys such as `car1`.
    tokens = words(re.sub(r'(?<=[a-z])\d+|_', ' ', normal_form(text)))
    found = set()
    for place in range(len(tokens)):
        _, meanings = LEXICON.things.longest(tokens, place)
        found.update(*meanings)
    return found | RIDING if found & RIDING else found


def check(text, prompt=''):
    reading = read(text, LEXICON, prompt)
    assert set(reading.spans) <= set(reading.mentions) | set(reading.further)
    for start, end in [*reading.spans.values(), *filter(None, [reading.judged_span])]:
        assert 0 <= start < end <= len(text)
    judged = reading.judgement is not Judgement.UNPARSED
    assert (reading.judged_span is not None) is judged and (reading.rule in RULES) is judged
    return reading


def wrong(text):
    reading = check(text)
    cut = {name: text[start:end] for name, (start, end) in reading.spans.items()}
    return [
        (name, state.value, cut.get(name))
        for name, state in (reading.mentions | reading.further).items()
        if name not in cut or name not in named(cut[name])
    ]


def shown(text, prompt='', lexicon=LEXICON):
    """Return the words of each class, and those that judge with what told them."""
    reading = read(text, lexicon, prompt)
    cut = {name: text[start:end] for name, (start, end) in reading.spans.items()}
    judged = reading.judged_span and text[slice(*reading.judged_span)]
    return cut, judged, reading.rule


@pytest.mark.parametrize('half', range(4))
def test_the_words_of_a_class_name_it_in_every_labelled_text(half):
    found = [(text, entry) for text in TEXTS[half::4] for entry in wrong(text)]
    assert len(TEXTS) > 1300 and found == []


PIECES = st.sampled_from(
    [
        'Two cars wait.',
        'No pedestrians are here, only “ﬁne” trees.',
        'Maybe a bus — or a tram…',
        'Watch for cyclists!',
        'a man on a motorcycle, parked vans',
        'Trees? Yes.',
        'Is there a truck? No, none.',
        '**Pedestrians:**\n- none\n',
        'Cars: 3, buses: 0',
        '\n| bicycle | 2 |\n| train | none |\n',
        'Not visible: a fence, walls',
        'Wait, there is no bus.',
        '{"cars": 2, "people": [], "note": "A \\u0042us is parked.", "safe": false}',
        'objects:\n - car\n - truck\n',
        '<person>1</person>',
        '<think>A car. It is safe.</think>',
        'ASSISTANT: ',
        'It is safe to go on.',
        'Stop!',
        'Risk: 8 out of 10.',
        'I cannot judge whether it is safe.',
        'Proceed with caution.',
        'İstanbul １２ ca\u0301rs ﷺ',
        'x ' * 12_000,
    ]
)


@given(st.lists(PIECES | st.text(max_size=10), max_size=12).map(' '.join))
@example('A bus. ' + 'x ' * 12_000 + 'No cars. It is safe.')
@example('ﷺ ' * 12_000 + 'A car. It is unsafe.')
def test_whatever_is_read_is_found_again_in_the_answer(text):
    escaped = '\\u0042us'
    assert [entry for entry in wrong(text) if escaped not in (entry[2] or '')] == []


@given(st.text(max_size=60), st.sampled_from(['Is it safe?', 'Are there buses?', 'Describe.']))
@example('Yes.', 'Are there buses?')
@example('No', 'Is it safe?')
@example('0', 'How many cars are there?')
def test_answers_to_a_prompt_have_their_place(text, prompt):
    check(text, prompt)


@pytest.mark.parametrize(
    'text, classes',
    [
        # The first that asserts.
        ('A van waits. Cars pass. No cars.', {'car': 'van'}),
        ('No cars ahead. A taxi, though, and a sedan.', {'car': 'taxi'}),
        # The last of the others.
        ('No cars. There are no vans.', {'car': 'vans'}),
        ('Maybe a van, possibly taxis.', {'car': 'taxis'}),
        ('Watch for people. Look out for children.', {'person': 'children'}),
        # What corrects counts.
        ('A bus is here. Wait, there is no coach.', {'bus': 'coach'}),
        # A thing of two classes, and places.
        ('No cyclists on the road.', dict.fromkeys(('rider', 'bicycle'), 'cyclists')),
        # Headings, keys, rows, questions, genitives.
        ('## Parked cars\nnone', {'car': 'Parked cars'}),
        ('Cars / trucks: several', dict.fromkeys(('car', 'truck'), 'Cars / trucks')),
        ('- Buses - none', {'bus': 'Buses'}),
        ('Any trees? None.', {'vegetation': 'trees'}),
        ("A car's door", {'car': 'car'}),
        ('**A  *red* street   light**', {'pole': 'street   light'}),
        ('<think>a car</think>A “ﬁre engine”', {'truck': 'ﬁre engine'}),
        ('{"num_cars": 0, "list": ["A bus waits."]}', {'car': 'num_cars', 'bus': 'bus'}),
        ('{"type": "tram", "count": 2}', {'train': 'tram'}),
        ('{"a": "a c\\u0061r"}', {'car': '"a c\\u0061r"'}),
    ],
)
def test_the_words_that_tell_of_a_class(text, classes):
    found = shown(text)[0]
    assert {name: found[name] for name in classes} == classes


@pytest.mark.parametrize(
    'text, prompt, words, rule',
    [
        ('A car. It is safe to go on.', '', 'safe to go on', 'phrase'),
        ('Go. No, stop!', '', 'stop', 'order'),
        ('Risk level: 8 out of 10', '', 'Risk level: 8 out of 10', 'scale'),
        ('Risk level:\n**high**', '', 'high', 'scale'),
        ('Overtaking is out of the question.', '', 'is out of the question', 'subject'),
        ('Well, no. A car.', 'Is it safe to proceed?', 'Well, no', 'answer'),
        ('Is it safe? No.', '', 'No', 'answer'),
        ('{"a": 1, "safe": false}', '', '"safe": false', 'field'),
        ('Cars wait.\nSafe to proceed: no', '', 'Safe to proceed: no', 'field'),
        ('{"note": "A bus. It is unsafe.", "car": 1}', '', 'unsafe', 'phrase'),
        ('I cannot determine whether it is safe.', '', 'cannot determine', 'phrase'),
        ('A car.', '', None, ''),
    ],
)
def test_the_words_that_judge(text, prompt, words, rule):
    assert shown(text, prompt)[1:] == (words, rule)


def test_an_answer_to_the_prompt_stands_for_what_was_asked():
    assert shown('Well: yes.', 'Are there pedestrians?')[0] == {}
    assert shown('Yes, several.', 'Are there pedestrians?')[0] == {'person': 'Yes'}
    assert shown('0', 'How many buses are there?')[0] == {'bus': '0'}
    # Where it names the thing itself, too, that counts.
    assert shown('Yes, a coach.', 'Is there a bus?')[0] == {'bus': 'coach'}
    assert shown('No. There is no bus.', 'Is there a bus?')[0] == {'bus': 'bus'}
    assert shown('No.\n\nA coach!', 'Is there a bus?')[0] == {'bus': 'coach'}


def test_places_in_what_was_cut_are_those_of_the_whole_answer():
    text = 'A bus. ' + 'x ' * MAX_TEXT + 'No cars. It is unsafe.'
    assert shown(text) == ({'bus': 'bus', 'car': 'cars'}, 'unsafe', 'phrase')
