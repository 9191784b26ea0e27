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

"""A served model's client against a server that does everything wrong that a server can."""

import base64
import json
import random
import shutil
import ssl
import subprocess
import threading
from collections import Counter
from datetime import datetime, timezone

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving import (
    CANARY,
    SECONDS,
    Server,
    client_of,
    completion,
    cut_off,
    dripping,
    endless,
    hang_up,
    question,
    say,
    silent,
)
from vlm_misalign_ros.core.errors import ConfigurationError, FrameError, ModelError
from vlm_misalign_ros.core.models.served import transport as transport_module
from vlm_misalign_ros.core.models.served.address import parse_address
from vlm_misalign_ros.core.models.served.cache import Answers
from vlm_misalign_ros.core.models.served.patience import FIRST, MOST, backoff, retry_after
from vlm_misalign_ros.core.models.served.questions import Coding, Picture
from vlm_misalign_ros.core.models.served.secret import Secret
from vlm_misalign_ros.core.models.served.spending import Budget, Spent
from vlm_misalign_ros.core.models.served.transport import Transport


@pytest.fixture
def server():
    with Server() as found:
        yield found


def refused(client, what=None):
    with pytest.raises(FrameError) as caught:
        client.ask(what or question())
    assert caught.value.__cause__ is None or CANARY not in repr(caught.value.__cause__)
    return str(caught.value)


# What may pass -----------------------------------------------------------------------------------


@pytest.mark.parametrize('status', [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_what_may_pass_is_asked_again(server, status):
    server.script = [say({'error': {'message': 'busy'}}, status)] * 2
    client = client_of(server.url)
    assert client.ask(question()).text == 'There is a car. It is safe to proceed.'
    assert len(server.asked) == 3
    assert client.counts == Counter(again=2, asked=1)


@pytest.mark.parametrize('fault', [cut_off, hang_up])
def test_a_connection_that_breaks_is_asked_again(server, fault):
    server.script = [fault, fault]
    assert client_of(server.url).ask(question()).text.startswith('There is a car')
    assert len(server.asked) == 3


@pytest.mark.parametrize('status', [429, 500])
def test_it_gives_up_with_the_servers_reason(server, status):
    server.otherwise = say({'error': {'message': 'too many\nfrom you'}}, status)
    said = refused(client_of(server.url))
    assert f'the server answers {status}: too many from you (3 attempts)' in said
    assert len(server.asked) == 3


def test_a_server_that_cuts_every_answer_off_is_named_as_such(server):
    server.otherwise = cut_off
    assert 'IncompleteRead' in refused(client_of(server.url))


def test_nobody_is_there():
    with Server() as gone:
        url = gone.url
    client = client_of(url)
    said = refused(client)
    assert 'Connection refused (3 attempts)' in said
    assert len(client.clock.waits) == 2


def test_a_server_that_is_gone_and_back_answers_again():
    with Server() as first:
        client = client_of(first.url, retries=0)
        assert client.ask(question(seed=1)).text
        port = first.port
    assert 'the server does not answer' in refused(client, question(seed=2))
    with Server(port=port):
        assert client.ask(question(seed=3)).text


@pytest.mark.parametrize('status', [400, 401, 403, 404, 413, 422])
def test_what_stays_is_asked_once(server, status):
    server.otherwise = say({'error': {'message': 'no'}}, status)
    assert f'the server answers {status}: no' in refused(client_of(server.url))
    assert len(server.asked) == 1


def test_a_quota_that_is_used_up_is_not_asked_again(server):
    error = {'message': 'You exceeded your current quota', 'code': 'insufficient_quota'}
    server.otherwise = say({'error': error}, 429)
    assert 'exceeded your current quota' in refused(client_of(server.url))
    assert len(server.asked) == 1


# How long ----------------------------------------------------------------------------------------


@given(st.integers(0, 2000), st.integers(0, 2**32))
def test_backoff_is_uniform_below_a_bound_that_doubles(attempt, seed):
    bound = min(MOST, FIRST * 2 ** min(attempt, 10))
    drawn = backoff(attempt, random.Random(seed))
    assert drawn == pytest.approx(random.Random(seed).random() * bound)


def test_retry_after_is_waited_for(server):
    server.script = [say({}, 429, Retry_After='3')]
    client = client_of(server.url)
    assert client.ask(question()).text
    # At least what the server asks for, and a little apart from others that it told the same.
    assert 3.0 <= sum(client.clock.waits) <= 4.0


def test_a_server_that_asks_for_an_hour_fails_the_frame_at_once(server):
    server.script = [say({}, 503, Retry_After='3600')]
    client = client_of(server.url)
    assert 'asks not to be asked for 3600 s' in refused(client)
    assert 'asks not to be asked for 3600 s' in refused(client)
    assert len(server.asked) == 1 and client.clock.waits == []
    client.clock.time += 3600
    assert client.ask(question()).text


@pytest.mark.parametrize(
    ('header', 'seconds'),
    [
        ('5', 5.0),
        ('0.25', 0.25),
        ('-3', 0.0),
        ('Thu, 26 Nov 2026 10:00:30 GMT', 30.0),
        ('Thu, 26 Nov 2026 09:00:00 GMT', 0.0),
        ('Thu, 26 Nov 2026 10:00:30 -0000', 30.0),
        ('', None),
        ('soon', None),
        ('nan', None),
        ('inf', None),
        ('Thu, 99 Nov 2026 10:00:30 GMT', None),
        ('1' * 400, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header, seconds):
    today = datetime(2026, 11, 26, 10, tzinfo=timezone.utc)
    assert retry_after(header, lambda: today) == seconds


def test_requests_keep_to_a_rate(server):
    client = client_of(server.url, per_minute=30.0)
    begin = client.clock.time
    for seed in range(4):
        client.ask(question(seed=seed))
    # The first at once, each other one 60 / 30 s behind the one before.
    assert client.clock.time - begin == pytest.approx(6.0)


@pytest.mark.parametrize('head', [True, False])
def test_an_answer_that_drips_is_cut_off_in_time(server, head):
    # Each byte comes well within the time that urllib3 waits for one.
    server.otherwise = dripping(server, head)
    said = refused(client_of(server.url, timeout=0.5, retries=0))
    assert 'no whole answer within 0.5 s' in said


def test_silence_is_an_answer_that_did_not_come(server):
    server.otherwise = silent(server)
    said = refused(client_of(server.url, timeout=0.3, retries=1))
    assert 'no whole answer within 0.3 s (2 attempts)' in said
    assert len(server.asked) == 2


# What is no answer -------------------------------------------------------------------------------

NONE = {
    'garbage': (b'\x00\xff<html>busy</html>', 'the body is no JSON'),
    'nothing': (b'', 'the body is no JSON'),
    'half': (json.dumps(completion()).encode()[:-20], 'the body is no JSON'),
    'a list': (b'[1]', 'a JSON list, not an object'),
    'a number': (b'1' * 5000, 'the body is no JSON'),
    'deep': (b'[' * 100_000, 'the body is no JSON'),
    'error': ({'error': {'message': 'out of memory'}}, 'an error in place of an answer: out of'),
    'no choices': ({'model': 'm'}, 'it has no choices'),
    'empty choices': (completion(choices=[]), 'it has no choices'),
    'choices null': (completion(choices=None), 'it has no choices'),
    'choices text': (completion(choices='ab'), 'it has no choices'),
    'choice text': (completion(choices=['ab']), 'its first choice has no message'),
    'no message': (completion(choices=[{}]), 'its first choice has no message'),
    'message list': (completion(choices=[{'message': []}]), 'its first choice has no message'),
    'content number': (completion(7), 'its content is a int, not a text'),
    'content object': (completion({'text': 'x'}), 'its content is a dict, not a text'),
    'filtered': (completion('', finish_reason='content_filter'), 'filter held the answer back'),
}


@pytest.mark.parametrize('name', NONE)
def test_what_is_no_answer_fails_the_frame_with_a_reason(server, name):
    data, reason = NONE[name]
    server.otherwise = say(data)
    assert reason in refused(client_of(server.url))
    assert len(server.asked) == 1


STRANGE = {
    'usage': {'usage': 'much'},
    'negative usage': {'usage': {'total_tokens': -5}},
    'usage of another type': {'usage': {'total_tokens': 1e300}},
    'true usage': {'usage': {'total_tokens': True}},
    'model': {'model': ['m'], 'system_fingerprint': 5},
    'logprobs list': {'logprobs': [1]},
    'logprobs content': {'logprobs': {'content': 'abc'}},
    'logprobs entries': {'logprobs': {'content': [None, 5]}},
    'logprob text': {'logprobs': {'content': [{'token': 'a', 'logprob': 'b'}]}},
    'logprob nan': {'logprobs': {'content': [{'token': 'a', 'logprob': float('nan')}]}},
    'logprob above 0': {'logprobs': {'content': [{'token': 'a', 'logprob': 5.0}]}},
    'logprob huge': {'logprobs': {'content': [{'token': 'a', 'logprob': -(10**400)}]}},
    'token number': {'logprobs': {'content': [{'token': 5, 'logprob': -1.0}]}},
    'finish reason': {'finish_reason': {'a': 1}},
}


@pytest.mark.parametrize('name', STRANGE)
def test_an_answer_beside_which_something_is_strange_is_the_answer(server, name):
    server.otherwise = say(completion('A car.', **STRANGE[name]))
    reply = client_of(server.url).ask(question())
    assert (reply.text, reply.truncated, reply.tokens) == ('A car.', False, ())
    assert reply.used in (100, None)


def test_content_in_parts_and_the_words_of_a_refusal_are_the_text(server):
    parts = [{'type': 'text', 'text': 'A '}, {'type': 'x'}, 5, {'type': 'text', 'text': 'car.'}]
    server.script = [say(completion(parts))]
    client = client_of(server.url)
    assert client.ask(question(seed=1)).text == 'A car.'
    no = completion(choices=[{'message': {'content': None, 'refusal': 'I cannot help.'}}])
    server.script = [say(no)]
    assert client.ask(question(seed=2)).text == 'I cannot help.'


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    ['choices', 'message', 'content', 'logprobs', 'token', 'logprob', 'error']
                    + ['top_logprobs', 'usage', 'total_tokens', 'model', 'refusal', 'text']
                ),
                inner,
                max_size=5,
            )
        ),
        max_leaves=30,
    )
)
def test_any_json_is_an_answer_or_a_reason(data):
    from vlm_misalign_ros.core.models.served.replies import NotAnAnswer, read_reply

    none = Secret('A_KEY', '')
    try:
        assert isinstance(read_reply(json.dumps(data).encode(), '', none).text, str)
    except NotAnAnswer as error:
        assert str(error)


def test_a_body_without_end_is_not_read_to_its_end(server, monkeypatch):
    monkeypatch.setattr(transport_module.Transport.exchange, '__defaults__', (1 << 20,))
    server.otherwise = endless
    assert f'its body is larger than {1 << 20} bytes' in refused(client_of(server.url))
    server.otherwise = say(completion())
    # The connection that was left in the middle of it is not used for the next question.
    assert client_of(server.url).ask(question()).text


def test_an_error_with_a_body_without_end_is_cut_too(server, monkeypatch):
    monkeypatch.setattr(transport_module.Transport.exchange, '__defaults__', (1 << 20,))

    def answer(handler, asked):
        handler.send_response(400)
        handler.send_header('Content-Length', str(1 << 30))
        handler.end_headers()
        while True:
            handler.wfile.write(b'no ' * 10_000)

    server.otherwise = answer
    said = refused(client_of(server.url))
    assert 'the server answers 400: no no' in said and len(said) < 400


def test_a_compressed_body_is_refused(server):
    server.otherwise = say(completion(), Content_Encoding='gzip')
    assert 'its body is compressed' in refused(client_of(server.url))
    assert server.asked[0].headers['accept-encoding'] == 'identity'


# What is sent ------------------------------------------------------------------------------------


def test_the_request_is_a_chat_completion_with_the_pictures_first_and_oldest_first(server):
    asked = question(pictures=2, system='You drive.', length=33, logprobs=True, tops=20)
    client_of(server.url, key=CANARY).ask(asked)
    sent = server.asked[0]
    assert (sent.method, sent.path) == ('POST', '/v1/chat/completions')
    assert sent.headers['authorization'] == f'Bearer {CANARY}'
    shown = sent.json['messages'][1]['content']
    assert [part['type'] for part in shown] == ['image_url', 'image_url', 'text']
    drawn = np.random.default_rng(0)
    for part in shown[:2]:
        head, _, data = part['image_url']['url'].partition(',')
        assert head == 'data:image/png;base64'
        pixels = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        assert np.array_equal(pixels, drawn.integers(0, 256, (8, 16, 3), np.uint8))
    assert shown[2]['text'] == 'What is there?'
    del sent.json['messages'][1]['content']
    assert sent.json == {
        'model': 'street-vlm',
        'messages': [{'role': 'system', 'content': 'You drive.'}, {'role': 'user'}],
        'max_tokens': 33,
        'temperature': 0.0,
        'seed': 0,
        'logprobs': True,
        'top_logprobs': 20,
    }


def test_words_alone_are_a_plain_message_and_no_key_is_no_header(server):
    client_of(server.url).ask(question('Only words.', pictures=0))
    sent = server.asked[0]
    assert sent.json['messages'] == [{'role': 'user', 'content': 'Only words.'}]
    assert 'authorization' not in sent.headers


def test_a_jpeg_is_smaller_and_a_longest_edge_is_kept():
    bgr = np.full((100, 300, 3), 90, np.uint8)

    def sizes(coding):
        head, _, data = Picture(bgr, coding).url.partition(',')
        raw = base64.b64decode(data)
        return head, cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_COLOR).shape[:2], raw

    head, shape, raw = sizes(Coding('jpeg', 90, 150))
    assert (head, shape) == ('data:image/jpeg;base64', (50, 150))
    assert raw[:2] == b'\xff\xd8'
    assert sizes(Coding('png', 90, 1000))[1] == (100, 300)


@pytest.mark.parametrize(
    ('said', 'status', 'without', 'instead'),
    [
        ("Unsupported parameter: 'max_tokens' ...", 400, 'max_tokens', 'max_completion_tokens'),
        ("Unexpected fields in the request: {'seed'}", 422, 'seed', None),
        ("'temperature' does not support 0.0", 400, 'temperature', None),
        ('logprobs are not allowed here', 400, 'logprobs', None),
        ("Invalid 'top_logprobs': at most 5", 400, 'top_logprobs', None),
    ],
)
def test_a_parameter_that_is_refused_by_name_is_left_out(server, said, status, without, instead):
    server.script = [say({'error': {'message': said}}, status)]
    client = client_of(server.url)
    client.ask(question(logprobs=True, tops=20))
    client.ask(question(seed=2, logprobs=True, tops=20))
    assert client.left_out == (without,)
    assert len(server.asked) == 3
    for sent in server.asked[1:]:
        assert without not in sent.json
        assert instead is None or sent.json[instead] == 20
        assert ('top_logprobs' in sent.json) == ('logprob' not in without)


def test_a_request_that_is_wrong_for_another_reason_stays_so(server):
    server.otherwise = say({'error': {'message': 'max_tokens is too large'}}, 400)
    assert 'max_tokens is too large' in refused(client_of(server.url))
    assert len(server.asked) == 2


@pytest.mark.parametrize('status', [301, 302, 303, 307, 308])
def test_nothing_is_sent_to_where_an_answer_leads(server, status):
    with Server() as elsewhere:
        server.otherwise = say({}, status, Location=f'{elsewhere.url}/chat/completions')
        said = refused(client_of(server.url, key=CANARY))
        assert f'answers {status}, which leads elsewhere and is not followed' in said
        assert elsewhere.asked == []


def test_a_proxy_is_not_used_for_this_machine(server, monkeypatch):
    monkeypatch.setenv('http_proxy', 'http://127.0.0.1:9')
    assert client_of(server.url).ask(question()).text


def test_a_proxy_is_used_for_others(server, monkeypatch):
    monkeypatch.setenv('http_proxy', f'http://127.0.0.1:{server.port}')
    monkeypatch.delenv('no_proxy', raising=False)
    assert client_of('http://models.example.org/v1').ask(question()).text
    assert server.asked[0].path == 'http://models.example.org/v1/chat/completions'


def test_a_proxy_gets_its_own_password_and_nobody_else_does(server, monkeypatch):
    monkeypatch.setenv('http_proxy', f'http://me:pass%20word@127.0.0.1:{server.port}')
    monkeypatch.delenv('no_proxy', raising=False)
    client_of('http://models.example.org/v1', key=CANARY).ask(question())
    sent = server.asked[0].headers
    assert sent['proxy-authorization'] == 'Basic ' + base64.b64encode(b'me:pass word').decode()
    assert sent['authorization'] == f'Bearer {CANARY}'


@pytest.mark.parametrize(
    'proxy', ['socks5://me:secret@h:1', 'http://me:secret@h:port', '::secret']
)
def test_a_proxy_that_cannot_be_used_is_refused_without_being_shown(monkeypatch, proxy):
    monkeypatch.setenv('https_proxy', proxy)
    monkeypatch.delenv('no_proxy', raising=False)
    with pytest.raises(ConfigurationError, match='https_proxy holds no proxy') as caught:
        Transport(parse_address('https://models.example.org/v1'))
    assert 'secret' not in repr(caught.value)


# Tokens ------------------------------------------------------------------------------------------


def test_the_limit_on_tokens_is_never_exceeded_and_says_so(server):
    client = client_of(server.url, limit=350)
    for seed in range(3):
        client.ask(question(seed=seed))
    # 300 are used; each was one of 100, so that a fourth might be.
    for seed in (3, 4):
        with pytest.raises(Spent, match='the limit of 350 tokens is reached: 300 were used'):
            client.ask(question(seed=seed))
    assert len(server.asked) == 3 and client.budget.spent == 300
    assert not Spent.repeats, 'a node that ends would not give what is kept'


def test_what_is_kept_is_given_when_the_limit_is_reached(server, tmp_path):
    client = client_of(server.url, limit=150, answers=Answers(tmp_path))
    first = client.ask(question(seed=1))
    with pytest.raises(Spent):
        client.ask(question(seed=2))
    again = client.ask(question(seed=1))
    assert again.cached and again.text == first.text


def test_a_server_that_counts_no_tokens_cannot_keep_to_a_limit(server):
    server.otherwise = say(completion(usage=None))
    said = refused(client_of(server.url, limit=1000))
    assert 'does not tell how many tokens it used' in said and 'set token_budget to 0' in said
    assert client_of(server.url).ask(question()).used is None


@given(st.lists(st.tuples(st.integers(1, 200), st.none() | st.integers(0, 300)), max_size=30))
def test_what_is_set_aside_and_spent_never_exceeds_the_limit(requests):
    budget, open_requests = Budget(1000), []
    for most, used in requests:
        try:
            open_requests.append((budget.take(most), used))
        except Spent:
            break
        assert budget.spent + sum(aside for aside, _ in open_requests) <= 1000
        if len(open_requests) > 2:
            aside, told = open_requests.pop(0)
            # No request needs more than the largest before it, or than it said itself.
            budget.settle(aside, None if told is None else min(told, aside))


def test_a_server_that_is_not_there_costs_no_tokens(server):
    client = client_of(server.url, limit=10_000)
    client.ask(question(seed=1))
    with Server() as gone:
        url = gone.url
    away = client_of(url, limit=10_000, budget=client.budget)
    refused(away, question(seed=2))
    assert client.budget.spent == 100
    # One that has taken the request, and hangs up, may have worked on it.
    server.script = [hang_up]
    refused(client_of(server.url, budget=client.budget, retries=0), question(seed=3))
    assert client.budget.spent == 200


def test_attempts_that_failed_on_the_server_are_taken_to_have_cost(server):
    client = client_of(server.url, limit=10_000, retries=0)
    client.ask(question(seed=1))
    server.script = [say({}, 500), say({}, 429), say({}, 401)]
    for seed in (2, 3, 4):
        refused(client, question(seed=seed))
    assert client.budget.spent == 200


# Several at once ---------------------------------------------------------------------------------


def test_several_threads_each_get_the_answer_to_their_own_question(server):
    barrier = threading.Barrier(4, timeout=SECONDS)

    def answer(handler, asked):
        barrier.wait()
        say(completion('to ' + asked.json['messages'][0]['content']))(handler, asked)

    server.otherwise = answer
    client = client_of(server.url, transport=Transport(parse_address(server.url), 4))
    found = {}

    def ask(text):
        found[text] = client.ask(question(text, pictures=0)).text

    threads = [threading.Thread(target=ask, args=(str(number),)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert found == {str(number): f'to {number}' for number in range(4)}


def test_errors_of_a_server_are_errors_of_the_frame():
    assert not issubclass(FrameError, ModelError)


# TLS ---------------------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def certificate(tmp_path_factory):
    """Return the files of a certificate of this machine that nobody has signed, and of its key."""
    if shutil.which('openssl') is None:
        pytest.skip('no openssl to make a certificate with')
    folder = tmp_path_factory.mktemp('tls')
    subprocess.run(
        ['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2']
        + ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
        + ['-keyout', 'key.pem', '-out', 'cert.pem'],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder / 'cert.pem', folder / 'key.pem'


@pytest.fixture
def secured(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with Server(tls=context) as found:
        yield found


def test_a_certificate_that_nobody_has_signed_gets_no_request(secured):
    said = refused(client_of(secured.url, key=CANARY, retries=0))
    assert 'SSLError' in said and 'CERTIFICATE_VERIFY_FAILED' in said
    assert secured.asked == []


def test_over_tls_answers_come_and_drops_are_cut_off_as_well(secured, certificate, monkeypatch):
    monkeypatch.setenv('SSL_CERT_FILE', str(certificate[0]))
    assert client_of(secured.url, key=CANARY).ask(question()).text
    assert secured.asked[0].headers['authorization'] == f'Bearer {CANARY}'
    secured.otherwise = dripping(secured, True)
    said = refused(client_of(secured.url, timeout=1.0, retries=0))
    assert 'no whole answer within 1 s' in said
