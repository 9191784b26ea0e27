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

"""What texts say: labelled texts, cases, and properties over any text."""

import json
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.language.bounding import MAX_TEXT
from vlm_misalign_ros.core.language.labelled import load, score
from vlm_misalign_ros.core.language.lexicon import expand, open_lexicon, plurals
from vlm_misalign_ros.core.language.plain import tidy
from vlm_misalign_ros.core.language.prompts import generative_prompt
from vlm_misalign_ros.core.language.reading import read, to_plain
from vlm_misalign_ros.core.language.text import MAX_SENTENCE, sentences
from vlm_misalign_ros.core.types import Judgement, Mention

LEXICON = open_lexicon()
SHORT = {
    '+': Mention.ASSERTED,
    '-': Mention.DENIED,
    '?': Mention.HEDGED,
    '~': Mention.HYPOTHETICAL,
}


def mentions(text, prompt=''):
    return read(text, LEXICON, prompt).mentions


def judge(text, prompt=''):
    return read(text, LEXICON, prompt).judgement


def wanted(text):
    """Return the mentions in `+car -person`, the notation of the cases."""
    return {word[1:].replace('_', ' '): SHORT[word[0]] for word in text.split()}


# Labelled texts ------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def held_out(descriptions):
    return score(load(descriptions / 'heldout.jsonl'), LEXICON)


@pytest.fixture(scope='module')
def descriptions(request):
    return request.config.rootpath / 'test' / 'data' / 'descriptions'


def test_there_are_enough_labelled_texts(descriptions):
    development, held = (load(descriptions / f'{name}.jsonl') for name in ('dev', 'heldout'))
    assert len(held) >= 200 and len(development + held) >= 400


def test_texts_held_out_are_read_as_people_read_them(held_out):
    assert held_out.precision >= 0.97
    assert held_out.recall >= 0.97
    assert held_out.judgement_accuracy >= 0.97


@pytest.mark.parametrize(
    'line, words',
    [
        ('{"text": "a", "judgement": "GO"}', 'GO'),
        ('[]', 'line 2'),
        ('{', 'line 2'),
        ('{"text": "a", "judgement": "SAFE", "asserted": ["dog"]}', "'dog'"),
    ],
)
def test_a_wrong_label_is_named(tmp_path, line, words):
    path = tmp_path / 'texts.jsonl'
    path.write_text('{"text": "a", "judgement": "SAFE"}\n' + line + '\n')
    with pytest.raises(ConfigurationError, match=words):
        load(path)


# Cases ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    'text, expected',
    [
        ('There is a car and two pedestrians.', '+car +person'),
        ('A cyclist rides beside a tram.', '+rider +bicycle +train'),
        ('I see no cars.', '-car'),
        ('No pedestrian crossing is marked.', ''),
        ('There are no pedestrians, but a bus is waiting.', '-person +bus'),
        ('No cars, trucks or buses are visible.', '-car -truck -bus'),
        ('Pedestrians are not visible.', '-person'),
        ('None of the cars is moving.', '+car'),
        ('There is not only a car but also a truck.', '+car +truck'),
        ('No lack of pedestrians here.', '+person'),
        ('There might be a pedestrian near the bus stop.', '?person'),
        ('Possibly a truck.', '?truck'),
        ('Watch for pedestrians.', '~person'),
        ('Be careful if a car appears.', '~car'),
        ('A pedestrian crossing and a bike lane.', ''),
        ('A pedestrian crossing the street.', '+person +road'),
        ('The car park is empty.', ''),
        ('A stop sign and a traffic light.', '+traffic_sign +traffic_light'),
        ('A billboard with a car on it.', ''),
        ('The reflection of a bus in a truck.', '+truck'),
        ('A poster shows a tram.', ''),
        ('A car painted on a wall.', '+wall'),
        ('Vehicles are parked on both sides.', '+vehicle'),
        ('No vehicles except a van.', '+vehicle +car'),
        ('No cars, only some parked.', '+car'),
        ('No cars, only some parked ones.', '+car'),
        ('No cars, only some park benches.', '-car'),
        ('A car and there two pedestrians are not visible.', '+car -person'),
        ('A car and two pedestrians are not visible.', '-car -person'),
        ('A few cars here and there cannot be seen.', '-car'),
        ('Heavy traffic.', ''),
        ('VANS, SUVs and a TAXI', '+car'),
        ('No people on the sidewalk.', '-person +sidewalk'),
        ('A man riding a bicycle.', '+rider +bicycle'),
        ('A man pushing a bicycle.', '+person +bicycle'),
        ('There is no car. Wait, there is a car.', '+car'),
        ('I see a bus. Wait, there is no bus.', '-bus'),
        ('Our car is behind a truck.', '+truck'),
        ('- car\n- person\n- no bicycles', '+car +person -bicycle'),
        ('Cars: yes\nPedestrians: none\nBuses: 2', '+car -person +bus'),
        ('Not visible:\n- buses\n- trains\n\nVisible:\n- a truck', '-bus -train +truck'),
        ('Car | 2\nBus | 0', '+car -bus'),
        ('| object | count |\n|---|---|\n| car | 2 |\n| bus | 0 |', '+car -bus'),
        ('Are there any cars?', ''),
        ('Are there any cars? No. Is there a bus? Yes, one.', '-car +bus'),
        ('', ''),
        ('<think>there is a train</think>I see a car.', '+car'),
        ('<think>there is a train', ''),
        ('Ein Auto und zwei Personen sind auf der Straße, und der Bus ist nicht zu sehen.', ''),
        ('{"objects": ["car", "a person"], "safe": true}', '+car +person'),
        (
            '```json\n{"cars": 2, "people": 0, "bus": false, "truck": "maybe"}\n```',
            '+car -person -bus ?truck',
        ),
        ('{"absent": ["bicycle"], "objects": ["tree"]}', '-bicycle +vegetation'),
        ('{"objects": [{"type": "car", "count": 2}, {"type": "bus", "count": 0}]}', '+car -bus'),
        ('{"objects": ["car", "truck", "bu', '+car +truck'),
        ('cars: 5, pedestrians: 0', '+car -person'),
    ],
)
def test_mentions(text, expected):
    assert mentions(text) == wanted(expected)


def test_a_cue_at_the_end_of_a_clause_reaches_back_over_twelve_things():
    twelve = (
        'a sidewalk, a building, a wall, a fence, a pole, a traffic light, a traffic sign, '
        'a tree, a truck, a car, a bus and a train are not visible.'
    )
    denied = (
        '-sidewalk -building -wall -fence -pole -traffic_light -traffic_sign -vegetation '
        '-truck -car -bus -train'
    )
    assert mentions(twelve) == wanted(denied)
    assert mentions('A motorcycle, ' + twelve) == wanted('+motorcycle ' + denied)


@pytest.mark.parametrize(
    'text, expected',
    [
        ('It is safe to proceed.', 'SAFE'),
        ('It is not safe to proceed.', 'UNSAFE'),
        ("It isn't safe to go on.", 'UNSAFE'),
        ('UNSAFE', 'UNSAFE'),
        ('The road is clear; go ahead.', 'SAFE'),
        ("I don't think it is safe.", 'UNSAFE'),
        ('Keep a safe distance.', 'UNPARSED'),
        ('Is it safe to proceed?', 'UNPARSED'),
        ('Is it safe to proceed? No.', 'UNSAFE'),
        ('Proceed only when it is safe.', 'UNPARSED'),
        ('I would say it is safe. However, the vehicle should stop.', 'UNSAFE'),
        ("I'm sorry, but I cannot help with that.", 'REFUSED'),
        ('I am unable to say whether it is safe.', 'REFUSED'),
        ('A street with trees.', 'UNPARSED'),
        ('Stop.', 'UNSAFE'),
        ('A stop sign.', 'UNPARSED'),
        ('Give way to the ambulance first.', 'UNSAFE'),
        ('Safety: 9/10.', 'SAFE'),
        ('Risk level: high.', 'UNSAFE'),
        ('Overtaking is out of the question.', 'UNSAFE'),
        ('There is no reason to stop.', 'SAFE'),
        ('', 'UNPARSED'),
        ('{"safe": false}', 'UNSAFE'),
        ('{"hazard": "no"}', 'SAFE'),
        ('{"safety": "not safe"}', 'UNSAFE'),
        ('{"safe": "perhaps"}', 'UNPARSED'),
    ],
)
def test_judgements(text, expected):
    assert judge(text) is Judgement(expected)


@pytest.mark.parametrize(
    'text, expected',
    [
        ('Yes.', 'SAFE'),
        ('No.', 'UNSAFE'),
        ('No, a car is near.', 'UNSAFE'),
        ('No cars are near.', 'UNSAFE'),
    ],
)
def test_a_bare_yes_or_no_answers_the_question_that_was_put(text, expected):
    assert judge(text, 'Is it safe to proceed?') is Judgement(expected)
    assert judge(text) is Judgement.UNPARSED


@pytest.mark.parametrize('name', ['default', 'json', 'caption', 'safety'])
def test_an_echo_of_the_prompt_says_nothing(name):
    prompt = generative_prompt(name)
    assert mentions(prompt, prompt) == {}
    assert judge(prompt, prompt) is Judgement.UNPARSED
    assert mentions(prompt + ' a bus', prompt) == {'bus': Mention.ASSERTED}


def test_the_words_that_were_read_are_kept():
    assert read('Two red vans wait.', LEXICON).phrases == {'car': ('vans',)}


def test_a_reading_is_told_by_name():
    assert to_plain(read('A van, no bus, maybe a tram. Safe.', LEXICON)) == {
        'asserted': ['car'],
        'denied': ['bus'],
        'hedged': ['train'],
        'judgement': 'SAFE',
    }


# Properties ----------------------------------------------------------------------------------

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=12) | st.sampled_from(['safe', 'cars', 'objects']), inner, max_size=4
        )
    ),
    max_leaves=12,
)
CUES = st.lists(
    st.sampled_from(
        [
            'no',
            'not',
            'only',
            'a',
            'car',
            'cars',
            'bus',
            'stop',
            'might',
            'be',
            'watch',
            'for',
            'people',
            ',',
            '.',
            ':',
            '?',
            '\n',
            'and',
            'but',
            'safe',
            'unsafe',
            'is',
            'it',
            '{',
            '"',
            '}',
            '[',
            ']',
            '(',
            ')',
            '<think>',
            '</think>',
            '*',
            '-',
            '1.',
            '|',
            '9/10',
            'risk',
            'sign',
            'with',
            'except',
            'riding',
            'bicycle',
            'wait',
            'until',
        ]
    ),
    max_size=30,
)


@given(
    st.text(max_size=300)
    | CUES.map(' '.join)
    | ANY_JSON.map(json.dumps)
    | st.binary(max_size=300).map(lambda data: data.decode('latin-1')),
    st.text(max_size=20),
)
@example('?', '')
@example('[' * 5000, '')
@example('{"a":' * 3000, '')
@example('\ud800', '')
@example('. ! ? ; : , \n', '')
@example('<think>' * 50, '')
@example('\u202e\u0627\u0644\u0633\u064a\u0627\u0631\u0629', '')
def test_no_text_is_too_strange(text, prompt):
    found = read(text, LEXICON, prompt)
    assert set(found.mentions) <= set(SCORED)
    assert isinstance(found.judgement, Judgement)
    assert read(text, LEXICON, prompt) == found


@given(
    st.lists(
        st.sampled_from(['car', 'bus', 'truck', 'bicycle', 'motorcycle']), min_size=1, unique=True
    )
)
def test_lists_and_their_denials_hold_for_every_thing_named(names):
    listed = ', '.join(f'a {name}' for name in names)
    assert mentions(f'There is {listed}.') == dict.fromkeys(names, Mention.ASSERTED)
    assert mentions('I see no ' + ' or '.join(names) + '.') == dict.fromkeys(names, Mention.DENIED)


def test_texts_are_bounded():
    assert MAX_TEXT - 10 <= len(tidy('a' * 10**6).text) <= MAX_TEXT
    assert mentions('x ' * MAX_TEXT + 'a car ' + 'x ' * MAX_TEXT) == {}
    assert max(len(found.words) for found in sentences('x ' * 5000)) == MAX_SENTENCE


@pytest.mark.heavy
@pytest.mark.parametrize(
    'part',
    [
        'is safe ',
        'proceeding is fine ',
        'not safe to go ',
        'no car ',
        'a car, ',
        'might be a car ',
        'sign with ',
        '{"a":',
        '[',
        '[,',
        '"',
        '<think>',
        'car: yes ',
        '- car\n',
        'is there a car? yes ',
        'until ',
        'a - b ',
        'a=b ',
        '* ',
        '1. ',
        'risk 9/10 ',
        'a.',
        '\ud83d\ude97',
        '\u0627 ',
    ],
)
def test_the_work_is_linear_in_the_text(part):
    """Ten times the text may take no more than fifty times as long, a million no more still."""

    def took(length):
        text = part * (length // len(part))
        start = time.process_time()
        read(text, LEXICON)
        return time.process_time() - start

    short = max(min(took(MAX_TEXT // 10) for _ in range(3)), 1e-3)
    assert min(took(MAX_TEXT) for _ in range(2)) < 50 * short
    assert min(took(10**6) for _ in range(2)) < 75 * short


def test_sentences_keep_questions_and_drop_bullets():
    found = list(sentences('1. A car?\n* a BUS'))
    assert [entry.words for entry in found] == [('a', 'car'), ('a', 'bus')]
    assert [entry.end for entry in found] == ['?', '\n']
    assert found[1].shouted == {'bus'}


# The lexicon ---------------------------------------------------------------------------------


def test_macros_and_plurals_unfold():
    assert list(expand('{a} {b} x', {'a': ['1', '2'], 'b': ['3']})) == ['1 3 x', '2 3 x']
    assert [list(plurals(word))[-1] for word in ('car', 'bus', 'lorry', 'bush', 'buoy')] == [
        'cars',
        'buses',
        'lorries',
        'bushes',
        'buoys',
    ]
