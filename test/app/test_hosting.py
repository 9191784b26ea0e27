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

"""One node of a run on another machine: with what it is started, and how it ends."""

import signal
import sys

import pytest
import yaml

from vlm_misalign_ros.app import hosting
from vlm_misalign_ros.app.cli import main
from vlm_misalign_ros.app.graph import build_graph
from vlm_misalign_ros.core.errors import ConfigurationError, ExitCode
from vlm_misalign_ros.core.settings.configuration import parse

CONFIGURATION = parse(
    {
        'replay': {'dataset': 'd'},
        'vlms': {'clip': {'model': 'open_clip:a/b', 'threshold': 0.25}, 'rest': {'model': 'x'}},
        'namespace': 'front',
        'elsewhere': ['vlm_clip'],
    }
)
HEAD = 'import os, signal, sys\n'


@pytest.fixture
def becomes(monkeypatch):
    """Return a function that has a program of Python take the place of the node."""

    def choose(program):
        monkeypatch.setattr(
            hosting, 'command_of', lambda *given: [sys.executable, '-c', HEAD + program]
        )

    return choose


def test_it_is_started_with_what_it_would_have_in_the_run(monkeypatch, tmp_path):
    made = hosting.command_of
    found = {}

    def command_of(spec, graph, folder):
        command = made(spec, graph, folder)
        at = command[command.index('--params-file') + 1]
        found['parameters'] = yaml.safe_load(open(at, encoding='utf-8'))
        found['command'] = command
        return [sys.executable, '-c', '']

    monkeypatch.setattr(hosting, 'command_of', command_of)
    assert hosting.host(CONFIGURATION, 'vlm_clip') == 0
    (told,) = found['parameters'].values()
    (spec,) = build_graph(CONFIGURATION, tmp_path).elsewhere
    assert told['ros__parameters'] == spec.parameters and spec.parameters['threshold'] == 0.25
    assert {'__ns:=/front', '__node:=vlm_clip'} <= set(found['command'])


@pytest.mark.parametrize('name', ['vlm_rest', 'monitor', ''])
def test_what_the_run_starts_itself_is_not_started(name):
    with pytest.raises(ConfigurationError, match=r'elsewhere: \[vlm_clip\]'):
        hosting.host(CONFIGURATION, name)


@pytest.mark.parametrize(
    'words, named',
    [
        # As of a variable that is not set: no whole run is started in its place.
        (['--node', ''], "node '' is not among those of elsewhere"),
        (['--node', 'vlm_clip', '--single-process'], '--node and --single-process are given'),
        (['--node', 'vlm_clip', '--in-process'], '--node and --in-process are given'),
        (['--node', 'vlm_clip', '--overwrite'], '--node and --overwrite are given'),
    ],
)
def test_with_a_node_no_run_is_started(words, named, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / 'config.yaml'
    path.write_text(yaml.safe_dump(CONFIGURATION.raw), encoding='utf-8')
    assert main(['run', str(path), *words]) == ExitCode.ERROR
    assert named in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    'program, code',
    [
        ('sys.exit(0)', ExitCode.PASS),
        ('sys.exit(3)', 3),
        ('os.kill(os.getpid(), signal.SIGKILL)', ExitCode.ERROR),
    ],
)
def test_its_exit_code_is_that_of_the_node(becomes, program, code):
    becomes(program)
    assert hosting.host(CONFIGURATION, 'vlm_clip') == code


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_node_in_order_and_a_second_at_once(becomes, number):
    before = signal.getsignal(number)
    ask = f'os.kill(os.getppid(), {int(number)})\n'
    becomes(f'signal.signal(signal.SIGINT, lambda *_: sys.exit(0))\n{ask}signal.pause()')
    assert hosting.host(CONFIGURATION, 'vlm_clip') == ExitCode.INTERRUPTED
    # Deaf to the first.
    deaf = f'signal.signal(signal.SIGINT, lambda *_: {ask.strip()})\n'
    becomes(f'{deaf}{ask}while True: signal.pause()')
    assert hosting.host(CONFIGURATION, 'vlm_clip') == ExitCode.INTERRUPTED
    assert signal.getsignal(number) is before


def test_behind_nohup_a_hang_up_ends_nothing(becomes):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        becomes('os.kill(os.getppid(), signal.SIGHUP)\nsys.exit(5)')
        assert hosting.host(CONFIGURATION, 'vlm_clip') == 5
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
