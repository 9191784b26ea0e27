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

"""Answers on disk: found again, never another's, never half a file."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving import CANARY, CODING, MODEL, Server, client_of, completion, logprobs, question, say
from vlm_misalign_ros.core.errors import ConfigurationError, FrameError
from vlm_misalign_ros.core.models.served import cache as cache_module
from vlm_misalign_ros.core.models.served.cache import Answers
from vlm_misalign_ros.core.models.served.questions import Coding, Picture
from vlm_misalign_ros.core.models.served.replies import Reply, Token, Told

URL = 'http://127.0.0.1:8000/v1'


def files(folder):
    return sorted(path for path in folder.rglob('*') if path.is_file())


def test_a_run_that_is_repeated_asks_nothing(tmp_path):
    probed = completion('yes', logprobs=logprobs({'yes': 0.75, 'no': 0.25}))
    with Server(say(probed)) as server:
        url = server.url
        first = client_of(url, answers=Answers(tmp_path))
        told = [first.ask(question(seed=seed, logprobs=True, tops=20)) for seed in range(3)]
        assert len(server.asked) == 3
    # Nobody is there any more.
    again = client_of(url, answers=Answers(tmp_path), retries=0)
    kept = [again.ask(question(seed=seed, logprobs=True, tops=20)) for seed in range(3)]
    assert [replace(reply, cached=False) for reply in kept] == told
    assert all(reply.cached for reply in kept) and again.counts == {'cached': 3}
    assert told[0].tokens[0].top == (('yes', np.log(0.75)), ('no', np.log(0.25)))
    with pytest.raises(FrameError):
        again.ask(question(seed=4))


BASE = question()
OTHER = {
    'model': replace(BASE, model='other'),
    'words': replace(BASE, text='What is there ?'),
    'system': replace(BASE, system='You drive.'),
    'length': replace(BASE, length=21),
    'logprobs': replace(BASE, logprobs=True),
    'alternatives': replace(BASE, logprobs=True, tops=20),
    'repeat': replace(BASE, repeat=1),
    'no picture': replace(BASE, pictures=()),
    'another picture': question(seed=1),
    'picture twice': replace(BASE, pictures=BASE.pictures * 2),
    'one value of one pixel': replace(
        BASE,
        pictures=(
            Picture(
                np.random.default_rng(0).integers(0, 256, (8, 16, 3), np.uint8)
                + (np.arange(8 * 16 * 3).reshape(8, 16, 3) == 77).astype(np.uint8),
                CODING,
            ),
        ),
    ),
    'the same values in another shape': replace(
        BASE,
        pictures=(
            Picture(
                np.random.default_rng(0).integers(0, 256, (8, 16, 3), np.uint8).reshape(16, 8, 3),
                CODING,
            ),
        ),
    ),
}


@pytest.mark.parametrize('name', OTHER)
def test_what_was_asked_otherwise_is_another_question(tmp_path, name):
    answers, reply = Answers(tmp_path), Reply('A car.', False)
    answers.put(BASE.asked(URL, CODING), reply)
    assert answers.get(BASE.asked(URL, CODING)) == replace(reply, cached=True)
    assert answers.get(OTHER[name].asked(URL, CODING)) is None


@pytest.mark.parametrize(
    ('url', 'coding'),
    [
        ('http://127.0.0.1:8001/v1', CODING),
        (URL, Coding('jpeg', 90)),
        (URL, Coding('png', 90, 512)),
    ],
)
def test_another_server_or_another_coding_is_another_question(tmp_path, url, coding):
    answers = Answers(tmp_path)
    answers.put(BASE.asked(URL, CODING), Reply('A car.', False))
    assert answers.get(BASE.asked(url, coding)) is None


def test_the_quality_of_jpeg_counts_only_for_jpeg():
    assert BASE.asked(URL, Coding('png', 90)) == BASE.asked(URL, Coding('png', 80))
    assert BASE.asked(URL, Coding('jpeg', 90)) != BASE.asked(URL, Coding('jpeg', 80))


CHANCES = st.floats(-100, 0)
TOKENS = st.builds(
    Token, st.text(max_size=8), CHANCES, st.tuples(st.tuples(st.text(max_size=4), CHANCES))
)
REPLIES = st.builds(
    Reply,
    st.text(max_size=50),
    st.booleans(),
    st.lists(TOKENS, max_size=4).map(tuple),
    st.none() | st.integers(0, 10**6),
    st.builds(Told, st.text(max_size=9), st.text(max_size=9), st.text(max_size=9)),
    st.lists(st.sampled_from(['seed', 'logprobs']), max_size=2).map(tuple),
    st.just(True),
)


@given(REPLIES)
def test_any_answer_is_read_as_it_was_kept(tmp_path_factory, reply):
    answers = Answers(tmp_path_factory.mktemp('answers'))
    answers.put(BASE.asked(URL, CODING), reply)
    assert answers.get(BASE.asked(URL, CODING)) == reply


SPOILED = {
    'empty': b'',
    'half': None,
    'text': b'hello',
    'list': b'[]',
    'deep': b'[' * 100_000,
    'large': b' ' * (cache_module.MOST_BYTES + 1),
    'version': {'version': 99},
    'question': {'asked': {'model': MODEL}},
    'no answer': {'answer': None},
    'answer of another type': {'answer': {'text': 5}},
    'left out': {'answer': {'left_out': [5]}},
    'tokens': {'answer': {'text': 'x', 'tokens': [[1, 2, 3]]}},
}


@pytest.mark.parametrize('name', SPOILED)
def test_a_file_that_is_spoiled_is_asked_anew_and_mended(tmp_path, name):
    with Server() as server:
        client = client_of(server.url, answers=Answers(tmp_path))
        client.ask(question())
        (path,) = files(tmp_path)
        whole = path.read_bytes()
        spoiled = SPOILED[name]
        if spoiled is None:
            spoiled = whole[: len(whole) // 2]
        elif isinstance(spoiled, dict):
            data = json.loads(whole)
            for key, value in spoiled.items():
                data[key] = {**data[key], **value} if isinstance(value, dict) else value
                data[key] = value if key == 'asked' else data[key]
            spoiled = json.dumps(data).encode()
        path.write_bytes(spoiled)
        assert not client.ask(question()).cached
        assert len(server.asked) == 2
        assert path.read_bytes() == whole


def test_what_a_server_cannot_answer_is_not_kept(tmp_path):
    with Server(say({'error': 'no'}, 500)) as server:
        client = client_of(server.url, answers=Answers(tmp_path))
        with pytest.raises(FrameError):
            client.ask(question())
    assert files(tmp_path) == []


def test_no_file_is_larger_than_it_may_be(tmp_path):
    with Server(say(completion('ä' * 400_000))) as server:
        client = client_of(server.url, answers=Answers(tmp_path))
        text = client.ask(question()).text
        assert len(text) == 200_000
        assert all(path.stat().st_size <= cache_module.MOST_BYTES for path in files(tmp_path))


def test_the_key_is_in_no_file(tmp_path):
    body = completion(f'The key is {CANARY}.', system_fingerprint=CANARY, model=CANARY)
    with Server(say(body)) as server:
        client_of(server.url, key=CANARY, answers=Answers(tmp_path)).ask(question())
    (path,) = files(tmp_path)
    assert CANARY[:12] not in path.read_text() and '[key]' in path.read_text()


def test_a_folder_that_cannot_be_written_is_refused_at_the_start(tmp_path):
    (tmp_path / 'file').write_text('')
    for folder in (tmp_path / 'file', tmp_path / 'file' / 'below'):
        with pytest.raises(ConfigurationError, match='answer_cache'):
            Answers(folder)


def test_a_disk_that_refuses_later_costs_no_answer(tmp_path, monkeypatch, caplog):
    def full(*unused):
        raise OSError(28, 'No space left on device')

    with Server() as server:
        client = client_of(server.url, answers=Answers(tmp_path))
        monkeypatch.setattr(os, 'replace', full)
        for seed in (1, 2):
            assert client.ask(question(seed=seed)).text
    assert caplog.text.count('No space left on device') == 1
    assert files(tmp_path) == []


WRITER = """
import sys
from pathlib import Path
from serving import CODING, question
from vlm_misalign_ros.core.models.served.cache import Answers
from vlm_misalign_ros.core.models.served.replies import Reply
answers = Answers(Path(sys.argv[1]))
asked = question().asked(sys.argv[2], CODING)
print('ready', flush=True)
sys.stdin.readline()
for _ in range(60):
    answers.put(asked, Reply(sys.argv[3] * 20_000, False))
"""


@pytest.mark.heavy
def test_several_processes_use_one_folder(tmp_path):
    root = Path(__file__).resolve().parents[4]
    environment = {**os.environ, 'PYTHONPATH': f'{root}:{root / "test"}'}
    writers = [
        subprocess.Popen(
            [sys.executable, '-c', WRITER, str(tmp_path), URL, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for number in range(3)
    ]
    answers, asked, seen = Answers(tmp_path), BASE.asked(URL, CODING), set()
    answers.put(asked, Reply('9' * 20_000, False))
    for writer in writers:
        assert writer.stdout.readline() == 'ready\n'
    for writer in writers:
        writer.stdin.write('go\n')
        writer.stdin.flush()
    while any(writer.poll() is None for writer in writers):
        found = answers.get(asked)
        # Always one that somebody wrote, whole.
        assert found is not None and len(set(found.text)) == 1 and len(found.text) == 20_000
        seen.add(found.text[0])
    for writer in writers:
        writer.communicate(timeout=20)
        assert writer.returncode == 0
    assert len(files(tmp_path)) == 1 and seen
