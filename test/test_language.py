"""What texts say: cases, and properties over any text."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vlm_misalign_ros.errors import ConfigurationError
from vlm_misalign_ros.labels import SCORED
from vlm_misalign_ros.language.judgement import judge
from vlm_misalign_ros.language.lexicon import Lexicon
from vlm_misalign_ros.language.mentions import extract
from vlm_misalign_ros.language.text import MAX_TEXT, find_json, sentences, tidy
from vlm_misalign_ros.models.prompts import generative_prompt
from vlm_misalign_ros.types import Judgement, Mention

LEXICON = Lexicon.load()
SHORT = {'+': Mention.ASSERTED, '-': Mention.DENIED, '?': Mention.HEDGED,
         '~': Mention.HYPOTHETICAL}


def wanted(text):
    """Return the mentions in `+car -person`, the notation of the cases."""
    return {word[1:].replace('_', ' '): SHORT[word[0]] for word in text.split()}


@pytest.mark.parametrize('text, expected', [
    ('There is a car and two pedestrians.', '+car +person'),
    ('A cyclist rides beside a tram.', '+rider +bicycle +train'),
    ('I see no cars.', '-car'),
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
    ('The reflection of a bus in a window.', ''),
    ('Vehicles are parked on both sides.', '+vehicle'),
    ('Heavy traffic.', ''),
    ('VANS, SUVs and a TAXI', '+car'),
    ('There is no car. Wait, there is a car.', '+car'),
    ('- car\n- person\n- no bicycles', '+car +person -bicycle'),
    ('Cars: yes\nPedestrians: none\nBuses: 2', '+car -person +bus'),
    ('Are there any cars?', ''),
    ('', ''),
    ('<think>there is a train</think>I see a car.', '+car'),
    ('<think>there is a train', ''),
    ('{"objects": ["car", "a person"], "safe": true}', '+car +person'),
    ('```json\n{"cars": 2, "people": 0, "bus": false, "truck": "maybe"}\n```',
     '+car -person -bus ?truck'),
    ('{"absent": ["bicycle"], "objects": ["tree"]}', '-bicycle +vegetation'),
])
def test_mentions(text, expected):
    assert extract(text, LEXICON) == wanted(expected)


@pytest.mark.parametrize('text, expected', [
    ('It is safe to proceed.', 'SAFE'),
    ('It is not safe to proceed.', 'UNSAFE'),
    ("It isn't safe to go on.", 'UNSAFE'),
    ('UNSAFE', 'UNSAFE'),
    ('The road is clear; go ahead.', 'SAFE'),
    ('Keep a safe distance.', 'UNPARSED'),
    ('Is it safe to proceed?', 'UNPARSED'),
    ('Proceed only when it is safe.', 'UNPARSED'),
    ('I would say it is safe. However, the vehicle should stop.', 'UNSAFE'),
    ("I'm sorry, but I cannot help with that.", 'REFUSED'),
    ('I am unable to say, but the road is clear.', 'REFUSED'),
    ('A street with trees.', 'UNPARSED'),
    ('', 'UNPARSED'),
    ('{"safe": false}', 'UNSAFE'),
    ('{"hazard": "no"}', 'SAFE'),
    ('{"safety": "not safe"}', 'UNSAFE'),
    ('{"safe": "perhaps"}', 'UNPARSED'),
])
def test_judgements(text, expected):
    assert judge(text, LEXICON) is Judgement(expected)


@pytest.mark.parametrize('text, expected', [
    ('Yes.', 'SAFE'), ('No.', 'UNSAFE'), ('No, a car is near.', 'UNSAFE'),
    ('No cars are near.', 'UNPARSED')])
def test_a_bare_yes_or_no_answers_the_question_that_was_put(text, expected):
    assert judge(text, LEXICON, 'Is it safe to proceed?') is Judgement(expected)


@pytest.mark.parametrize('name', ['default', 'json', 'caption'])
def test_an_echo_of_the_prompt_says_nothing(name):
    prompt = generative_prompt(name)
    assert extract(prompt, LEXICON, prompt) == {}
    assert judge(prompt, LEXICON, prompt) is Judgement.UNPARSED
    assert extract(prompt + ' a bus', LEXICON, prompt) == {'bus': Mention.ASSERTED}


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.text(max_size=12) | st.sampled_from(['safe', 'cars', 'objects']), inner, max_size=4),
    max_leaves=12)
CUES = st.lists(st.sampled_from(
    ['no', 'not', 'only', 'a', 'car', 'cars', 'bus', 'stop', 'might', 'be', 'watch', 'for',
     'people', ',', '.', ':', '?', '\n', 'and', 'but', 'safe', 'unsafe', 'is', 'it', '{', '"',
     '}', '[', ']', '(', ')', '<think>', '</think>', '*', '-', '1.']), max_size=30)


@given(st.text(max_size=300) | CUES.map(' '.join) | ANY_JSON.map(json.dumps), st.text(max_size=20))
@example('?', '')
@example('[' * 5000, '')
@example('{"a":' * 3000, '')
@example('\ud800', '')
@example('. ! ? ; : , \n', '')
@example('<think>' * 50, '')
def test_no_text_is_too_strange(text, prompt):
    found = extract(text, LEXICON, prompt)
    assert set(found) <= set(SCORED)
    assert isinstance(judge(text, LEXICON, prompt), Judgement)
    # The same text says the same again.
    assert extract(text, LEXICON, prompt) == found


@given(st.lists(st.sampled_from(['car', 'bus', 'truck', 'bicycle', 'motorcycle']), min_size=1,
                unique=True))
def test_lists_and_their_denials_hold_for_every_thing_named(names):
    listed = ', '.join(f'a {name}' for name in names)
    assert extract(f'There is {listed}.', LEXICON) == dict.fromkeys(names, Mention.ASSERTED)
    assert extract('I see no ' + ' or '.join(names) + '.', LEXICON) == dict.fromkeys(
        names, Mention.DENIED)


def test_texts_are_bounded():
    assert len(tidy('a' * 10**6)) == MAX_TEXT
    assert extract('x ' * MAX_TEXT + 'a car', LEXICON) == {}


def test_sentences_keep_questions_and_drop_bullets():
    assert list(sentences('1. A car?\n* a bus')) == [('a', 'car', '?'), ('a', 'bus')]


def test_json_is_found_only_where_it_is_whole():
    assert find_json('so: {"a": 1} and more') == {'a': 1}
    assert find_json('{"a": ') is None and find_json('none') is None


@pytest.mark.parametrize('change, words', [
    ('version: [', 'is not one'), ('version: 1\nthings: 3', 'is not one'),
    ('version: 1\nthings: [{classes: [dog], phrases: [dog]}]', "'dog'"), (None, 'cannot be read')])
def test_a_wrong_lexicon_is_named(tmp_path, change, words):
    path = tmp_path / 'lexicon.yaml'
    if change is not None:
        path.write_text(change)
    with pytest.raises(ConfigurationError, match=words):
        Lexicon.load(path)
