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
"""Models of a hub: what can be had is let through, what cannot is named at once."""

import http.server
import json
import threading
import time

import pytest
from huggingface_hub import constants

from vlm_misalign_ros.core.errors import ModelError
from vlm_misalign_ros.core.models import hub
from vlm_misalign_ros.core.models.factory import parse
from vlm_misalign_ros.core.models.hub import check_there

WHOLE = ['config.json', 'model.safetensors', 'README.md']


class Hub(http.server.BaseHTTPRequestHandler):
    """A hub that answers as it is told."""

    def do_GET(self):
        answer = self.server.answer
        if answer == 'silence':
            self.server.release.wait(30)
            return
        code = answer if isinstance(answer, int) else 200
        error = 'RepoNotFound'
        if answer == 'no revision':
            code, error = 404, 'RevisionNotFound'
        self.send_response(code)
        if code == 404:
            self.send_header('X-Error-Code', error)
        body = b'{}'
        if code == 200:
            body = json.dumps(
                {'id': 'a/b', 'siblings': [{'rfilename': name} for name in answer]}
            ).encode()
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def answering(monkeypatch, tmp_path):
    """Return a function that says what the hub answers; the cache is empty."""
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Hub)
    server.release = threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(constants, 'ENDPOINT', f'http://127.0.0.1:{server.server_port}')
    monkeypatch.setattr(constants, 'HF_HUB_CACHE', str(tmp_path))
    monkeypatch.setattr(constants, 'HF_HUB_OFFLINE', False)

    def say(answer):
        server.answer = answer

    yield say
    server.release.set()
    server.shutdown()
    server.server_close()


def checked(text='transformers:a/b'):
    check_there(parse(text))


def refused(text='transformers:a/b'):
    with pytest.raises(ModelError) as caught:
        checked(text)
    return str(caught.value)


def test_a_model_that_is_there_is_let_through(answering):
    answering(WHOLE)
    checked()


def test_weights_in_parts_and_under_another_name_are_weights(answering):
    for name in ('model.safetensors.index.json', 'pytorch_model.bin', 'other.safetensors'):
        answering(['config.json', name])
        checked()


@pytest.mark.parametrize(
    'answer, words',
    [
        (404, "'a/b', which is not on the hub, or is private"),
        (['README.md', 'model.safetensors'], 'has no config.json'),
        (['config.json', 'README.md'], 'has no model.safetensors'),
        ([], 'has no config.json'),
    ],
)
def test_what_is_not_there_is_named(answering, answer, words):
    answering(answer)
    assert words in refused()


@pytest.mark.parametrize('answer', [500, 503])
def test_a_hub_that_says_neither_yes_nor_no_refuses_nothing(answering, answer):
    answering(answer)
    checked()


def test_a_hub_that_is_silent_is_not_waited_for(answering, monkeypatch):
    monkeypatch.setattr(hub, 'PATIENCE', 0.5)
    answering('silence')
    begin = time.monotonic()
    words = refused()
    assert 'cannot be reached' in words and time.monotonic() - begin < 5


def test_without_a_network_it_says_so_at_once(answering, monkeypatch):
    # A port that nobody listens on.
    monkeypatch.setattr(constants, 'ENDPOINT', 'http://127.0.0.1:9')
    begin = time.monotonic()
    words = refused()
    assert 'is not on this machine, and http://127.0.0.1:9 cannot be reached' in words
    assert time.monotonic() - begin < hub.PATIENCE + 2


def test_offline_by_choice_the_hub_is_not_asked(answering, monkeypatch):
    answering(WHOLE)
    monkeypatch.setattr(constants, 'HF_HUB_OFFLINE', True)
    assert 'HF_HUB_OFFLINE is set' in refused()


def test_a_model_in_the_cache_is_let_through_without_a_network(monkeypatch):
    monkeypatch.setattr(constants, 'HF_HUB_OFFLINE', True)
    there = {('a/b', 'config.json'), ('a/b', 'model.safetensors')}

    def look(repository, file, revision):
        return f'/cache/{file}' if (repository, file) in there and revision in kept else None

    kept = [None]

    monkeypatch.setattr('huggingface_hub.try_to_load_from_cache', look)
    checked()
    # A configuration without its weights, as an interrupted download leaves it, is not the model.
    there.discard(('a/b', 'model.safetensors'))
    assert 'is not in' in refused()
    # What was fetched at one commit is there at that one alone.
    there.add(('a/b', 'model.safetensors'))
    kept[:] = ['0123abc']
    assert 'is not in' in refused()
    check_there(parse('transformers:a/b'), {'revision': '0123abc'})


def test_a_folder_and_a_revision_of_a_repository(answering):
    answering(['v2/config.json', 'v2/model.safetensors'])
    check_there(parse('transformers:a/b'), {'subfolder': 'v2'})
    assert 'has no config.json' in refused()
    answering('no revision')
    with pytest.raises(ModelError, match="'a/b' on the hub has no revision 'v9'.*model_kwargs"):
        check_there(parse('transformers-clip:a/b'), {'revision': 'v9'})


def test_an_index_in_the_cache_is_a_model_when_all_that_it_names_is_there(monkeypatch, tmp_path):
    monkeypatch.setattr(constants, 'HF_HUB_OFFLINE', True)
    index = tmp_path / 'model.safetensors.index.json'
    shards = [f'model-{number}-of-2.safetensors' for number in (1, 2)]
    index.write_text(json.dumps({'weight_map': dict(zip('ab', shards, strict=True))}))
    there = {'config.json', index.name, *shards}

    def look(repository, file, revision):
        return str(tmp_path / file) if file in there else None

    monkeypatch.setattr('huggingface_hub.try_to_load_from_cache', look)
    checked()
    there.discard(shards[1])
    assert 'is not in' in refused()


def test_folders_and_miniatures_are_not_looked_for_on_a_hub(monkeypatch, checkpoints):
    monkeypatch.setattr(constants, 'HF_HUB_OFFLINE', True)
    checked('miniature:clip')
    checked(f'transformers:{checkpoints["segformer"]}')


@pytest.mark.parametrize(
    'text, repositories',
    [
        ('open_clip:ViT-B-32/openai', ['timm/vit_base_patch32_clip_224.openai']),
        ('open_clip:ViT-B-16-SigLIP/webli', ['timm/ViT-B-16-SigLIP', 'timm/ViT-B-16-SigLIP']),
        ('open_clip:hf-hub:a/b', ['a/b']),
        ('open_clip:hf-hub:a/b@v1', ['a/b']),
    ],
)
def test_what_an_open_clip_model_needs_of_the_hub(text, repositories):
    found, address = hub.needed(parse(text))
    assert [need.repository for need in found] == repositories and address == ''
