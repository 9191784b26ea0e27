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

"""The key of a server is found nowhere but in its requests."""

import base64
import copy
import json
import logging
import pickle
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving import CANARY, Server, client_of, completion, question, say
from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.models.served.address import parse_address
from vlm_misalign_ros.core.models.served.replies import error_text, read_reply
from vlm_misalign_ros.core.models.served.secret import HIDDEN, SHORTEST, Secret

FORMS = {
    'plain': CANARY,
    'quoted': quote(CANARY),
    'quoted whole': quote(CANARY, safe=''),
    'json': CANARY.replace('/', '\\/'),
    'base64': base64.b64encode(CANARY.encode()).decode(),
}
PIECE = CANARY[:12]


def leaks(text):
    return any(form.rstrip('=') in text for form in FORMS.values()) or PIECE in text


@pytest.mark.parametrize('form', FORMS)
def test_it_is_taken_out_of_a_text_in_any_form(form):
    text = Secret('A_KEY', CANARY).scrub(f'the key {FORMS[form]} is wrong')
    assert text.rstrip('=') and HIDDEN in text and not leaks(text)


def test_it_has_no_representation_and_no_copy_in_a_file():
    secret = Secret('A_KEY', CANARY)
    assert not leaks(f'{secret!r} {secret} {dir(secret)}')
    for way in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError):
            way(secret)
    with pytest.raises(TypeError):
        json.dumps({'secret': secret})
    assert not leaks(json.dumps({'secret': secret}, default=str))


@pytest.mark.parametrize(
    'key', [f'{CANARY} {CANARY}', f'{CANARY}\r\nX: y', 'ключ' + CANARY, 'k' * 9000]
)
def test_a_key_that_cannot_be_sent_is_refused_without_showing_it(key):
    with pytest.raises(ConfigurationError, match='the key in A_KEY') as caught:
        Secret('A_KEY', key)
    assert not leaks(str(caught.value)) and 'kkkk' not in str(caught.value)


def test_space_around_it_is_none_of_it():
    assert Secret('A_KEY', f' {CANARY}\n').headers() == {'Authorization': f'Bearer {CANARY}'}


def test_it_comes_from_the_environment_alone(monkeypatch):
    monkeypatch.setenv('A_KEY', CANARY)
    assert Secret.of_environment('A_KEY') and not Secret.of_environment('ANOTHER_KEY')
    assert not Secret.of_environment('')


@pytest.mark.parametrize('name', [CANARY, 'gsk_7f3Aqz', 'one key', 'A-KEY', 'K' * 65, '1KEY'])
def test_a_key_given_in_place_of_its_name_is_refused_without_showing_it(name):
    with pytest.raises(ConfigurationError, match='no name of an environment variable') as caught:
        Secret.of_environment(name)
    assert name not in str(caught.value)


def test_a_placeholder_is_a_word_like_any_other():
    assert Secret('A_KEY', 'car').scrub('A car.') == 'A car.'
    assert SHORTEST == 8


@pytest.mark.parametrize(
    'url',
    [
        f'http://user:{quote(CANARY, safe="")}@127.0.0.1/v1',
        f'http://user:{CANARY}@127.0.0.1/v1',
        f'http://{quote(CANARY, safe="")}@127.0.0.1/v1',
        f'http://127.0.0.1/v1?key={CANARY}',
        f'http://127.0.0.1/v1#{CANARY}',
        f'http://u:{CANARY}@127.0.0.1:port/v1',
        f'http://[u:{CANARY}@/v1',
    ],
)
def test_a_key_in_an_address_is_refused_without_showing_it(url):
    with pytest.raises(ConfigurationError, match='base_url') as caught:
        parse_address(url)
    assert not leaks(repr(caught.value) + repr(caught.value.__cause__))


@pytest.mark.parametrize(
    'url',
    [
        '',
        'localhost:8000/v1',
        'ftp://host/v1',
        'file:///etc/passwd',
        'http://',
        'http:///v1',
        'http://host/v 1',
        'http://host:99999/v1',
        'http://höst/v1',
        'http://a\\b/v1',
        'http://host/v1\r\nX: y',
    ],
)
def test_what_is_no_address_is_refused(url):
    with pytest.raises(ConfigurationError, match='base_url'):
        parse_address(url)


@pytest.mark.parametrize(
    ('url', 'local', 'safe'),
    [
        ('http://127.0.0.1:8000/v1/', True, True),
        ('http://[::1]:8000/v1', True, True),
        ('http://localhost/v1', True, True),
        ('https://api.example.org/v1', False, True),
        ('http://gpu.example.org:8000/v1', False, False),
        ('http://127.0.0.1.example.org/v1', False, False),
    ],
)
def test_where_a_key_travels_openly_is_known(url, local, safe):
    address = parse_address(url)
    assert (address.local, address.safe) == (local, safe)
    assert not address.url.endswith('/')


# What a server says ------------------------------------------------------------------------------

BODIES = {
    'openai': lambda key: json.dumps({'error': {'message': f'Incorrect API key: {key}'}}),
    'fastapi': lambda key: json.dumps({'detail': f'no {key}'}),
    'validation': lambda key: json.dumps({'detail': [{'input': key, 'msg': 'wrong'}]}),
    'header': lambda key: json.dumps({'request': {'headers': {'authorization': f'Bearer {key}'}}}),
    'plain': lambda key: f'<html>Bearer {key}</html>',
    'unicode': lambda key: json.dumps({'error': key}).replace('s', '\\u0073'),
    'hidden letters': lambda key: json.dumps({'error': '\u202e'.join(key)}),
    'bytes': lambda key: '\x01'.join(key),
    'long': lambda key: 'x' * 190 + key * 5000,
}


@pytest.mark.parametrize('whole', [True, False])
@pytest.mark.parametrize('form', FORMS)
@pytest.mark.parametrize('name', BODIES)
def test_an_error_that_repeats_the_key_shows_the_error_without_it(name, form, whole):
    body = BODIES[name](FORMS[form]).encode()
    said = error_text(body, whole, Secret('A_KEY', CANARY))
    assert len(said) <= 200 and not leaks(said)


@given(st.integers(0, 300), st.integers(0, len(CANARY) - 1))
def test_a_body_that_ends_within_the_key_shows_nothing_of_it(before, cut):
    body = b'x' * before + CANARY[:cut].encode()
    said = error_text(body, False, Secret('A_KEY', CANARY))
    assert not set(said) - {'x'}


def test_an_answer_that_repeats_the_key_is_an_answer_without_it():
    secret = Secret('A_KEY', CANARY)
    pieces = [{'token': CANARY[:9], 'logprob': -1.0}, {'token': CANARY[9:], 'logprob': -1.0}]
    body = completion(
        f'A car. {CANARY} \x00'.join(['', CANARY[:5] + '\x00' + CANARY[5:]]),
        model=f'm {CANARY}',
        system_fingerprint=CANARY * 100,
        logprobs={'content': pieces},
    )
    reply = read_reply(json.dumps(body).encode(), f'nginx {CANARY}', secret)
    assert not leaks(repr(reply)) and reply.text.startswith('A car.')
    assert reply.tokens == ()


def test_no_request_is_logged_with_it(caplog):
    with Server(say({'error': {'message': f'bad key {CANARY}'}}, 401)) as server:
        client = client_of(server.url, key=CANARY)
        with caplog.at_level(logging.DEBUG):
            with pytest.raises(Exception) as caught:
                client.ask(question())
    assert server.asked[0].headers['authorization'].endswith(CANARY)
    seen = [caplog.text, repr(caught.value), str(caught.value), repr(client)]
    assert not leaks(' '.join(seen)) and 'the environment variable A_KEY holds' in seen[2]
