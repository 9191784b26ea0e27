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

"""A served model as a vision-language model: what it is asked, and what becomes of its answers."""

import dataclasses
import json
import logging
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving import CANARY, MODEL, Clock, Server, completion, logprobs, say
from vlm_misalign_ros.core.errors import ConfigurationError, FrameError, ModelError, NothingSaid
from vlm_misalign_ros.core.language.prompts import Prompt, generative_prompt
from vlm_misalign_ros.core.models.factory import check, kind_of, load_vlm, model_facts, parse
from vlm_misalign_ros.core.models.families import VlmOptions
from vlm_misalign_ros.core.models.query import Query
from vlm_misalign_ros.core.models.served.chances import placed, probability_of_yes
from vlm_misalign_ros.core.models.served.model import ServedModel
from vlm_misalign_ros.core.models.served.replies import Token
from vlm_misalign_ros.core.settings.nodes import VlmParameters, vlm_options
from vlm_misalign_ros.core.settings.parameters import build
from vlm_misalign_ros.core.types import Judgement, Kind, Mention, Role

NAME = f'openai:{MODEL}'
PICTURE = np.random.default_rng(5).integers(0, 256, (16, 32, 3), np.uint8)


@pytest.fixture
def server():
    with Server() as found:
        yield found


def spoken(text, chance=0.5):
    """Return a completion whose words are tokens of one probability."""
    words = text.split(' ')
    pieces = [words[0], *(f' {word}' for word in words[1:])]
    return completion(text, logprobs=logprobs(*({piece: chance} for piece in pieces)))


def both(answer, probe):
    """Return what answers the safety question with `probe`, others with `answer`."""

    def choose(handler, asked):
        content = asked.json['messages'][-1]['content']
        text = content if isinstance(content, str) else content[-1]['text']
        safety = text.endswith(generative_prompt('safety'))
        say(probe if safety else answer)(handler, asked)

    return choose


# A description -----------------------------------------------------------------------------------


def test_an_answer_is_read_like_any_other(server):
    server.otherwise = say(spoken('There is a car ahead. No person. It is not safe to proceed.'))
    model = load_vlm(NAME, base_url=server.url)
    answer = model.describe(PICTURE)
    assert (model.kind, answer.kind) == (Kind.GENERATIVE, Kind.GENERATIVE)
    assert answer.mentions['car'] is Mention.ASSERTED
    assert answer.mentions['person'] is Mention.DENIED
    assert answer.judgement is Judgement.UNSAFE
    assert answer.prompt_id == 'default' and not answer.cached and answer.latency > 0
    # One token of probability one half.
    assert answer.scores == {'car': 0.5}


def test_the_probability_of_yes_is_that_of_the_safety_question(server):
    yes = completion('Yes', logprobs=logprobs({'Yes': 0.6, 'No': 0.2, 'Maybe': 0.15}))
    server.otherwise = both(spoken('A car.'), yes)
    answer = load_vlm(NAME, base_url=server.url).describe(PICTURE)
    assert answer.judgement_score == pytest.approx(0.75)
    probe = server.asked[-1].json
    assert (probe['max_tokens'], probe['logprobs'], probe['top_logprobs']) == (4, True, 20)
    # The same picture as before.
    assert probe['messages'][0]['content'][0] == server.asked[-2].json['messages'][0]['content'][0]


def test_a_server_without_probabilities_is_asked_once_a_frame(server, caplog):
    model = load_vlm(NAME, base_url=server.url)
    assert caplog.text.count('tells no probabilities') == 1
    answers = [model.describe(PICTURE), model.describe(PICTURE[::-1])]
    assert [answer.judgement_score for answer in answers] == [None, None]
    assert [answer.scores for answer in answers] == [{}, {}]
    assert len(server.asked) == 3


def test_without_uncertainty_no_probabilities_are_asked_for(server):
    load_vlm(NAME, base_url=server.url, uncertainty=False).describe(PICTURE)
    assert len(server.asked) == 2
    assert all('logprobs' not in asked.json for asked in server.asked)


def test_a_query_has_its_own_pictures_words_and_system(server):
    model = load_vlm(NAME, base_url=server.url, uncertainty=False)
    prompt = Prompt('mine', 'What is ahead?', 'list')
    older = PICTURE[::-1]
    answer = model.describe(Query((older, PICTURE), prompt, 'You drive.', 'A mask shows a car.'))
    assert answer.prompt_id == 'mine' and answer.style == 'list'
    system, user = server.asked[-1].json['messages']
    assert system == {'role': 'system', 'content': 'You drive.'}
    assert [part['type'] for part in user['content']] == ['image_url', 'image_url', 'text']
    assert user['content'][2]['text'] == 'A mask shows a car.\nWhat is ahead?'
    words = model.describe(Query((), prompt, context='A mask shows a car.'))
    assert words.text
    assert server.asked[-1].json['messages'] == [
        {'role': 'user', 'content': 'A mask shows a car.\nWhat is ahead?'}
    ]


def test_a_probe_follows_the_same_words_as_the_question(server):
    server.otherwise = both(spoken('A car.'), completion('no', logprobs=logprobs({'no': 0.9})))
    model = load_vlm(NAME, base_url=server.url)
    model.describe(Query((PICTURE,), None, 'You drive.', 'A mask shows a car.'))
    system, user = server.asked[-1].json['messages']
    assert system['content'] == 'You drive.'
    asked = user['content'][-1]['text']
    assert asked == 'A mask shows a car.\n' + generative_prompt('safety')


def test_paraphrases_share_the_probe_of_their_frame(server):
    yes = completion('Yes', logprobs=logprobs({'Yes': 0.6, 'No': 0.2}))
    server.otherwise = both(spoken('It is safe.'), yes)
    model = load_vlm(NAME, base_url=server.url)
    before = len(server.asked)
    for number in range(4):
        answer = model.describe(Query((PICTURE,), Prompt(str(number), f'Is it safe {number}?')))
        assert answer.judgement_score == pytest.approx(0.75)
    assert len(server.asked) - before == 4 + 1
    model.describe(PICTURE[::-1])
    assert len(server.asked) - before == 4 + 1 + 2


@pytest.mark.parametrize(('finish', 'truncated'), [('length', True), ('stop', False)])
def test_an_answer_that_was_cut_off_says_so(server, finish, truncated):
    server.otherwise = say(completion('A car and', finish_reason=finish))
    assert load_vlm(NAME, base_url=server.url).describe(PICTURE).truncated is truncated


def test_an_empty_answer_is_none(server):
    model = load_vlm(NAME, base_url=server.url)
    server.otherwise = say(completion('  \n'))
    with pytest.raises(NothingSaid):
        model.describe(PICTURE)


def test_a_refusal_is_read_as_one(server):
    no = [{'message': {'content': None, 'refusal': "I'm sorry, I can't help with that."}}]
    server.otherwise = say(completion(choices=no))
    answer = load_vlm(NAME, base_url=server.url).describe(PICTURE)
    assert answer.judgement is Judgement.REFUSED


def test_a_server_that_fails_costs_its_frame_and_comes_back(server):
    model = load_vlm(NAME, base_url=server.url, retries=0)
    server.script = [say({}, 500)]
    with pytest.raises(FrameError, match='the server answers 500'):
        model.describe(PICTURE)
    assert model.describe(PICTURE).text


def test_a_kept_answer_says_so(server, tmp_path):
    options = {'base_url': server.url, 'answer_cache': str(tmp_path / 'new' / 'answers')}
    yes = completion('Yes', logprobs=logprobs({'Yes': 0.6, 'No': 0.2}))
    server.otherwise = both(spoken('A car.'), yes)
    first = load_vlm(NAME, **options).describe(PICTURE)
    asked = len(server.asked)
    again = load_vlm(NAME, **options).describe(PICTURE)
    assert len(server.asked) == asked == 4
    assert again == dataclasses.replace(first, cached=True, latency=again.latency)
    # An answer without its probe is not all kept.
    for path in (tmp_path / 'new').rglob('*.json'):
        if 'safe to' in path.read_text():
            path.unlink()
    assert not load_vlm(NAME, **options).describe(PICTURE).cached


def test_what_it_cost_is_told(server, tmp_path):
    options = {'base_url': server.url, 'answer_cache': str(tmp_path), 'uncertainty': False}
    model = load_vlm(NAME, **options)
    server.script = [say({}, 429)]
    model.describe(PICTURE)
    model.describe(PICTURE)
    # The grey trial and the picture; 100 tokens each.
    assert model.account() == (
        f'{NAME}: 2 questions asked, 1 answers kept from before, 1 attempts anew, about 200 tokens'
    )


def test_a_server_that_becomes_another_is_warned_of_once(server, caplog):
    model = load_vlm(NAME, base_url=server.url, uncertainty=False)
    server.otherwise = say(completion(system_fingerprint='fp_2'))
    for _ in range(3):
        model.describe(PICTURE)
    warned = [
        record.getMessage() for record in caplog.records if 'now says' in record.getMessage()
    ]
    assert warned == [
        f'{NAME}: the server now says that it is {MODEL} fp_2, and said {MODEL} fp_1 before'
    ]


# At the start ------------------------------------------------------------------------------------


def test_a_server_that_refuses_the_key_is_named_at_the_start(server, monkeypatch):
    server.otherwise = say({'error': {'message': f'Incorrect API key provided: {CANARY}'}}, 401)
    monkeypatch.setenv('A_KEY', CANARY)
    with pytest.raises(ModelError) as caught:
        load_vlm(NAME, base_url=server.url, api_key_env='A_KEY')
    said = str(caught.value)
    assert 'answers 401: Incorrect API key provided: [key]' in said and CANARY not in said
    assert 'the environment variable A_KEY holds a key that it does not take' in said
    monkeypatch.delenv('A_KEY')
    with pytest.raises(ModelError, match='A_KEY is not set'):
        load_vlm(NAME, base_url=server.url, api_key_env='A_KEY')


def test_a_model_that_the_server_does_not_have_is_named_at_the_start(server):
    server.otherwise = say({'error': {'message': "model 'x' not found"}}, 404)
    with pytest.raises(ModelError, match="model 'x' not found.*check base_url"):
        load_vlm(NAME, base_url=server.url)


def test_the_facts_are_what_the_server_says_that_it_is(server, tmp_path, monkeypatch):
    monkeypatch.setenv('OPENAI_API_KEY', CANARY)
    options = {'base_url': server.url, 'answer_cache': str(tmp_path), 'max_new_tokens': 31}
    found = model_facts(NAME, **options)['served']
    assert len(server.asked) == 2
    assert server.asked[0].json == server.asked[1].json
    assert found['server'] == {'model': MODEL, 'system_fingerprint': 'fp_1', 'server': 'Fixture/1'}
    assert found['trial'] == {'asked': 2, 'changed': 0, 'cached': 0, 'now': 'asked'}
    assert found['key'] == 'OPENAI_API_KEY' and CANARY not in json.dumps(found)
    assert found['parameters']['max_tokens'] == 31 and found['parameters']['seed'] == 0
    assert 'null' in found['probabilities']
    # What is opened after it does not ask the first of them again.
    load_vlm(NAME, **options)
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ('answer', 'now', 'warned'),
    [
        (say(completion()), 'as it was kept', 0),
        (say(completion('A bus.')), 'another answer than was kept', 1),
        (say({}, 500), 'no answer', 0),
    ],
)
def test_a_server_whose_answers_are_kept_is_asked_whether_it_is_still_the_same(
    server, tmp_path, caplog, answer, now, warned
):
    options = {'base_url': server.url, 'answer_cache': str(tmp_path)}
    model_facts(NAME, **options)
    server.otherwise = answer
    trial = model_facts(NAME, **options)['served']['trial']
    assert trial == {'asked': 2, 'changed': 0, 'cached': 2, 'now': now}
    assert len(server.asked) == 3
    assert caplog.text.count('give another answer_cache') == warned
    # What it says now does not take the place of what is kept.
    assert model_facts(NAME, **options)['served']['trial'] == trial


def test_answers_that_change_between_equal_requests_are_counted(server):
    server.script = [say(completion('A car.')), say(completion('A bus.'))]
    assert model_facts(NAME, base_url=server.url)['served']['trial']['changed'] == 1


def test_what_an_answer_was_asked_without_is_told_also_when_it_is_kept(server, tmp_path):
    options = {'base_url': server.url, 'answer_cache': str(tmp_path)}
    server.script = [say({'error': {'message': "'temperature' is not supported"}}, 400)]
    for _ in range(2):
        found = model_facts(NAME, **options)['served']
        assert found['parameters']['left_out'] == ['temperature']
    assert found['trial']['cached'] == 2


def test_an_empty_first_answer_does_not_say_that_there_are_no_probabilities(server):
    yes = completion('Yes', logprobs=logprobs({'Yes': 0.6, 'No': 0.2}))
    server.otherwise = both(spoken('A car.'), yes)
    server.script = [say(completion(''))]
    model = load_vlm(NAME, base_url=server.url)
    assert len(server.asked) == 1
    assert model.describe(PICTURE).judgement_score == pytest.approx(0.75)


def test_probabilities_that_are_told_are_said_to_be(server):
    server.otherwise = say(spoken('A car.'))
    assert model_facts(NAME, base_url=server.url)['served']['probabilities'] == 'told'


def of_five_at_most(handler, asked):
    """Answer as a server that tells probabilities, and refuses to tell 20 alternatives."""
    if 'top_logprobs' in asked.json:
        say({'error': {'message': 'top_logprobs must be at most 5'}}, 400)(handler, asked)
    else:
        without_alternatives(handler, asked)


def without_alternatives(handler, asked):
    """Answer with probabilities and an empty list of alternatives, as some servers do."""
    told = logprobs({'Yes': 0.9})
    for entry in told['content']:
        entry['top_logprobs'] = []
    say(completion('Yes', logprobs=told))(handler, asked)


@pytest.mark.parametrize(
    ('answer', 'left_out'), [(of_five_at_most, ['top_logprobs']), (without_alternatives, [])]
)
def test_probabilities_without_alternatives_are_said_to_be(server, tmp_path, answer, left_out):
    server.otherwise = answer
    options = {'base_url': server.url, 'answer_cache': str(tmp_path)}
    found = model_facts(NAME, **options)['served']
    assert found['probabilities'].startswith('told without alternatives (top_logprobs)')
    assert found['parameters']['left_out'] == left_out
    assert found['trial']['asked'] == 2
    # The trial twice and the safety question, which a refusal costs one attempt more.
    asked = 3 + len(left_out)
    assert len(server.asked) == asked
    # The node's own trial asks for nothing that is not kept, and no frame has a probability.
    model = load_vlm(NAME, **options)
    assert len(server.asked) == asked
    assert model.describe(PICTURE).judgement_score is None
    # What was kept says the same.
    again = model_facts(NAME, **options)['served']
    told = ('probabilities', 'parameters')
    assert [again[name] for name in told] == [found[name] for name in told]


def test_a_local_model_is_asked_nothing():
    assert model_facts('miniature:llava') == {}


# Settings ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    'wrong',
    [
        {'model': NAME},
        {'model': NAME, 'base_url': f'http://u:{CANARY}@h/v1'},
        {'model': NAME, 'base_url': f'http://h/v1?key={CANARY}'},
        {'model': NAME, 'base_url': 'http://h/v1', 'api_key_env': CANARY},
        {'model': 'miniature:llava', 'base_url': 'http://h/v1'},
        {'model': 'miniature:llava', 'base_url': f'http://u:{CANARY}@h/v1'},
        {'model': 'miniature:llava', 'concurrency': 2},
    ],
)
def test_settings_that_do_not_go_together_are_refused_without_a_key(wrong):
    with pytest.raises(ConfigurationError) as caught:
        build(VlmParameters, wrong, 'vlms.x')
    assert CANARY not in str(caught.value)


def test_the_options_of_a_model_are_parameters_of_its_node():
    chosen = build(VlmParameters, {'model': NAME, 'base_url': 'http://h/v1', 'retries': 7}, 'x')
    assert VlmOptions(**vlm_options(chosen)).retries == 7


@pytest.mark.parametrize('name', ['openai:', 'openai:a b', 'openai:a\nb', 'openai:' + 'm' * 301])
def test_what_is_no_name_of_a_model_is_refused(name):
    with pytest.raises(ModelError):
        parse(name)


@pytest.mark.parametrize(
    ('option', 'words'),
    [({'field_of_view': 'native'}, 'not known'), ({'calibration': 'own'}, 'no scores')],
)
def test_what_is_known_of_local_models_alone_is_refused(option, words):
    with pytest.raises(ConfigurationError, match=words):
        load_vlm(NAME, base_url='http://127.0.0.1:9/v1', **option)


def test_it_is_generative_and_no_segmentation():
    reference = parse('openai:Qwen/Qwen3-VL:8b')
    assert kind_of(reference) is Kind.GENERATIVE
    check(reference, Role.VLM)
    with pytest.raises(ModelError, match='no segmentation models'):
        check(reference, Role.SEGMENTATION)


def test_a_key_that_travels_openly_is_warned_of(monkeypatch, caplog):
    monkeypatch.setenv('A_KEY', CANARY)
    options = VlmOptions(base_url='http://gpu.example.org/v1', api_key_env='A_KEY')
    with caplog.at_level(logging.WARNING):
        ServedModel(parse(NAME), options, Clock())
    assert 'without encryption' in caplog.text and CANARY not in caplog.text


# Yes and no --------------------------------------------------------------------------------------


def tokens_of(*places):
    """Return the tokens of a greedy answer from {text: probability} at each place."""
    found = []
    for place in places:
        tops = sorted(((t, math.log(p)) for t, p in place.items()), key=lambda e: -e[1])
        found.append(Token(*tops[0], tuple(tops)))
    return found


REST = {f'w{k}': 0.0001 for k in range(18)}


@pytest.mark.parametrize(
    ('places', 'expected'),
    [
        # Whole words, in every way of writing them.
        ([{'Yes': 0.5, 'No': 0.25, ' yes': 0.1, '\nNO': 0.1, 'Well': 0.05}], 0.6 / 0.95),
        # In pieces along the answer: 0.8 of what begins with Y goes on to yes.
        ([{'Y': 0.5, 'No': 0.4, 'A': 0.1}, {'es': 0.8, 'ou': 0.2}], 0.4 / 0.8),
        # Part of no goes on to another word.
        ([{'No': 0.6, 'Yes': 0.4}, {'.': 0.75, 'thing': 0.25}], 0.4 / (0.4 + 0.45)),
        # A line break and a quote before the word.
        ([{'\n': 0.995, 'w': 0.005}, {'"': 1.0}, {'yes': 0.7, 'no': 0.3}], 0.7),
        # Neither is said.
        ([{'The': 0.992, 'Yes': 0.004, 'No': 0.004}], None),
        # What begins like yes off the path of the answer may be a tenth of it.
        ([{'No': 0.9, 'Y': 0.1}], None),
        ([{'No': 0.95, 'Y': 0.001, 'Yes': 0.049}], 0.049 / 0.999),
        # yes is below all alternatives that were told; it has as much as these at most.
        ([{'No': 0.9, 'The': 0.05, 'A': 0.04}], None),
        ([{'No': 0.9982, **REST}], 0.0),
        # All there is was told: yes has nothing.
        ([{'No': 0.8, 'The': 0.2}], 0.0),
        # The answer ends before the word does.
        ([{'Y': 1.0}, {'e': 1.0}], None),
        ([], None),
        ([{'yes': 1.0}], 1.0),
    ],
)
def test_the_probability_of_a_word_by_hand(places, expected):
    found = probability_of_yes(tokens_of(*places))
    assert found == (None if expected is None else pytest.approx(expected, abs=1e-6))


def test_tokens_without_alternatives_tell_no_probability():
    assert probability_of_yes([Token('yes', -0.1)]) is None


@given(
    st.lists(
        st.sampled_from(['Yes', 'yes', 'No', ' no', 'y', 'n', 'The', '"', 'Nothing', 'es']),
        min_size=1,
        max_size=5,
        unique=True,
    ),
    st.data(),
)
def test_any_probabilities_give_a_share_or_none(texts, data):
    places = []
    for _ in range(data.draw(st.integers(1, 4))):
        weights = [data.draw(st.floats(0.01, 1)) for _ in texts]
        total = sum(weights) / data.draw(st.floats(0.01, 1))
        places.append(dict(zip(texts, (w / total for w in weights), strict=True)))
    found = probability_of_yes(tokens_of(*places))
    assert found is None or 0 <= found <= 1


# Places ------------------------------------------------------------------------------------------


def pieces(*texts):
    return [Token(text, -float(k)) for k, text in enumerate(texts)]


def test_tokens_have_their_places_in_the_text():
    # Space that the server left out at both ends, and the mark of the end.
    found = placed('A car.', pieces(' ', ' A', ' car', '.\n', '</s>'))
    assert found == [(0, 1, -1.0), (1, 5, -2.0), (5, 6, -3.0)]


@pytest.mark.parametrize(
    ('text', 'texts'),
    [('A bus.', ['A', ' car', '.']), ('car.', ['A', ' car', '.']), ('', ['A']), ('A', [])],
)
def test_tokens_that_do_not_spell_the_text_have_none(text, texts):
    assert placed(text, pieces(*texts)) == []


@given(st.lists(st.text(st.characters(categories=['L', 'Zs']), max_size=5), max_size=8))
def test_the_places_of_all_tokens_are_the_text(texts):
    whole = ''.join(texts)
    text = whole.strip()
    found = placed(text, pieces(*texts))
    assert ''.join(text[start:end] for start, end, _ in found) == text
    assert all(text[start:end] in texts[int(-chance)] for start, end, chance in found)
