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

"""Whole runs with a model behind a server: nothing leaks, and a run is repeated without asking."""

import json
import os
import subprocess
import sys
from urllib.parse import quote

import pytest
import yaml

from serving import CANARY, MODEL, Server, completion, say
from vlm_misalign_ros.core.records.schema import Status
from vlm_misalign_ros.core.records.store import RECORDS, difference, read_frames

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(180)]
CLI = [sys.executable, '-m', 'vlm_misalign_ros.app.cli']
TEXTS = ('There is a car ahead. It is safe to proceed.', 'A person. It is not safe to proceed.')


def run(*arguments, key=CANARY):
    return subprocess.run(
        [*CLI, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, 'A_KEY': key},
    )


@pytest.fixture
def config(scenes, tmp_path):
    """Return a function that writes a configuration with a model behind a server."""

    def write(**served):
        path = tmp_path / 'served.yaml'
        data = {
            'replay': {
                'dataset': str(scenes),
                'conditions': ['clean', 'low_light:4'],
                'max_in_flight': 3,
            },
            'vlms': {'served': {'model': f'openai:{MODEL}', 'api_key_env': 'A_KEY', **served}},
            'monitor': {'deadline': 20.0, 'pictures': 4},
        }
        path.write_text(yaml.safe_dump(data))
        return path

    return write


def leaks_of(folder):
    """Return the files below a folder in which the key stands, in any form."""
    forms = [form.encode() for form in (CANARY, quote(CANARY, safe=''), CANARY[:12])]
    files = [path for path in folder.rglob('*') if path.is_file()]
    assert files
    return [path.name for path in files if any(form in path.read_bytes() for form in forms)]


def frames(folder):
    return list(read_frames(folder / RECORDS))


def by_picture(handler, asked):
    """Answer by the picture that was sent, as a model without chance would."""
    url = asked.json['messages'][-1]['content'][0]['image_url']['url']
    say(completion(TEXTS[len(url) % 2]))(handler, asked)


def test_a_run_is_repeated_without_asking_and_gives_the_same_records(config, tmp_path):
    with Server(by_picture) as server:
        path = config(
            base_url=server.url,
            answer_cache=str(tmp_path / 'kept'),
            concurrency=3,
            asks={'plain': {}, 'short': {'text': 'What is ahead?'}},
        )
        first = run('run', path, '--out', tmp_path, '--name', 'first')
        assert first.returncode == 0, first.stderr
        asked = len(server.asked)
        assert asked >= 2 * 12 + 2, 'each ask about each frame, and the trial twice'
        again = run('run', path, '--out', tmp_path, '--name', 'again')
        assert again.returncode == 0, again.stderr
        # Only whether it is still the same.
        assert len(server.asked) == asked + 1
    gone = run('run', path, '--out', tmp_path, '--name', 'gone')
    assert gone.returncode == 0, gone.stderr
    names = ['served_plain', 'served_short']
    for name, cached in (('first', []), ('again', names), ('gone', names)):
        found = frames(tmp_path / name)
        assert len(found) == 12
        states = {record.models[ask].status for record in found for ask in names}
        assert states == {Status.SCORED}
        assert all(sorted(record.timing.cached) == cached for record in found)
        assert difference(tmp_path / 'first' / RECORDS, tmp_path / name / RECORDS) == []
        manifest = json.loads((tmp_path / name / 'manifest.json').read_text())
        told = manifest['models']['served_plain']['served']
        assert manifest['models']['served_short']['served'] == told, 'one model, asked once'
        assert told['server']['model'] == MODEL
        assert told['server']['system_fingerprint'] == 'fp_1'
        notes = json.loads((tmp_path / name / 'verdict.json').read_text())['notes']
        kept = [note for note in notes if 'answer_cache' in note]
        assert sorted(note.partition(' answers')[0] for note in kept) == [
            f'{ask}: 12 of 12' for ask in cached
        ]
        log = (tmp_path / name / 'log' / 'vlm_served.log').read_text()
        assert (' 0 questions asked' in log) is bool(cached)
        now = {'first': 'asked', 'again': 'as it was kept', 'gone': 'no answer'}[name]
        wanted = {'asked': 2, 'changed': 0, 'cached': 2 if cached else 0, 'now': now}
        assert told['trial'] == wanted
    assert leaks_of(tmp_path) == []


def test_frames_that_a_server_fails_on_are_missing_with_its_reason(config, tmp_path):
    def moody(handler, asked):
        url = asked.json['messages'][-1]['content'][0]['image_url']['url']
        if len(server.asked) > 4 and len(url) % 3 == 0:
            said = {'error': {'message': f'cannot work on this with {CANARY}'}}
            return say(said, 400, Server=f'x {CANARY}')(handler, asked)
        text = f'There is a car. {CANARY} It is safe to proceed.'
        whole = completion(text, system_fingerprint=CANARY, model=f'{MODEL} {CANARY}')
        say(whole, Server=f'x {CANARY}')(handler, asked)

    with Server(moody) as server:
        path = config(base_url=server.url, answer_cache=str(tmp_path / 'kept'), max_failures=0)
        done = run('run', path, 'record=true', '--out', tmp_path, '--name', 'moody')
        assert all(asked.headers['authorization'] == f'Bearer {CANARY}' for asked in server.asked)
    found = [record.models['served'] for record in frames(tmp_path / 'moody')]
    states = [entry.status for entry in found]
    assert len(states) == 12
    assert Status.SCORED in states and Status.MISSING in states
    for entry in found:
        if entry.status is Status.MISSING:
            assert entry.error.endswith('the server answers 400: cannot work on this with [key]')
        else:
            assert entry.answer.text == 'There is a car. [key] It is safe to proceed.'
    assert leaks_of(tmp_path) == []
    assert CANARY[:12] not in done.stdout + done.stderr
    assert 'Traceback' not in done.stdout + done.stderr


@pytest.mark.parametrize(
    'served',
    [
        {'base_url': f'http://user:{quote(CANARY, safe="")}@127.0.0.1:9/v1'},
        {'base_url': f'http://127.0.0.1:9/v1?key={CANARY}'},
        {'base_url': 'http://127.0.0.1:9/v1', 'api_key_env': CANARY},
        {'base_url': ''},
    ],
)
def test_settings_with_a_key_in_them_do_not_begin(config, tmp_path, served):
    done = run('run', config(**served), '--out', tmp_path / 'runs', '--name', 'none')
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert CANARY[:12] not in done.stdout + done.stderr
    assert not (tmp_path / 'runs').exists()


def test_a_server_that_is_not_there_ends_the_run_before_it_begins(config, tmp_path):
    with Server() as gone:
        url = gone.url
    path = config(base_url=url, retries=0)
    done = run('run', path, '--out', tmp_path / 'runs', '--name', 'none')
    assert done.returncode == 2
    assert 'the server does not answer' in done.stderr and 'Connection refused' in done.stderr
    assert not (tmp_path / 'runs').exists()


def test_a_key_that_the_server_refuses_ends_the_run_before_it_begins(config, tmp_path):
    refusal = say({'error': {'message': f'Incorrect API key provided: {CANARY}'}}, 401)
    with Server(refusal) as server:
        path = config(base_url=server.url)
        done = run('run', path, '--out', tmp_path / 'runs', '--name', 'none')
    assert done.returncode == 2
    assert 'Incorrect API key provided: [key]' in done.stderr
    assert 'the environment variable A_KEY holds a key that it does not take' in done.stderr
    assert CANARY[:12] not in done.stderr


def test_ask_asks_a_server(tmp_path):
    with Server() as server:
        model = f'openai:{MODEL}'
        done = run('ask', model, '--base-url', server.url, key='')
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)['mentions'] == {'car': 'ASSERTED'}
        assert 'authorization' not in server.asked[0].headers
    assert run('ask', model).returncode == 2
