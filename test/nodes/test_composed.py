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

"""Nodes in one process: what the end of one means is what it means among processes."""

import threading
from types import SimpleNamespace

import pytest

from vlm_misalign_ros.core.records.ending import told_ending
from vlm_misalign_ros.nodes import composed


class Stop:
    """Nobody asks this process to end."""

    starting = True
    abandoned = False

    def __call__(self):
        return False


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Return a function that runs a graph in which a node ends with a code, and others go on."""

    def begin(fails, code, closed=5, reason='', raises=None):
        ended, never = threading.Event(), threading.Event()
        monitor = SimpleNamespace(closed=closed, cause='', failure=None, seen='')

        def spin(node, stopped):
            if node.name == 'monitor':
                assert ended.wait(10)
                node.seen = 'asked' if wait_for(stopped) else 'finished'
                return 3
            if node.name == fails:
                if raises is not None:
                    raise raises
                return code
            while not stopped():
                never.wait(0.01)
            return 0

        def wait_for(stopped):
            # The thread of the node that failed has come to its end.
            for thread in threading.enumerate():
                if thread.name == fails:
                    thread.join(10)
            return stopped()

        specs = [
            {
                'name': name,
                'executable': name.partition('_')[0],
                'ends_run': name == 'monitor',
                'parameters': {'run_folder': str(tmp_path)} if name == 'monitor' else {},
            }
            for name in ('monitor', 'corruption', 'recorder', 'vlm_a', 'replay')
        ]

        def build(spec, *_):
            node = monitor if spec['name'] == 'monitor' else SimpleNamespace()
            node.name = spec['name']
            node.failure = reason if spec['name'] == fails else None
            node.destroy_node = ended.set
            return node

        def taken(self, spec, *given, take=composed._Losses.take):
            ends = take(self, spec, *given)
            ended.set()
            return ends

        monkeypatch.setattr(composed, 'build_node', build)
        monkeypatch.setattr(composed.runtime, 'spin', spin)
        monkeypatch.setattr(composed._Losses, 'take', taken)
        monkeypatch.setattr(composed.rclpy, 'init', lambda **_: None)
        monkeypatch.setattr(composed.rclpy, 'try_shutdown', lambda: None)
        graph = {'nodes': specs, 'namespace': '', 'remappings': []}
        return composed._run(graph, Stop()), monitor, told_ending(tmp_path)

    return begin


def test_without_a_model_the_run_goes_on(run, capsys):
    code, monitor, (failure, notes) = run('vlm_a', 2, reason='no answer on 10 frames')
    assert code == 3 and monitor.seen == 'finished' and monitor.cause == ''
    assert failure is None
    assert notes == [
        'vlm_a ended with exit code 2 while the run went on, and its answers count as missing: '
        'no answer on 10 frames'
    ]
    assert f'run: {notes[0]}' in capsys.readouterr().out


def test_whatever_a_model_dies_of(run):
    code, monitor, (_, notes) = run('vlm_a', 0, raises=MemoryError('no room'))
    assert code == 3 and monitor.seen == 'finished'
    assert 'MemoryError: no room' in notes[0]


@pytest.mark.parametrize(
    'fails, code, closed',
    [('corruption', 2, 5), ('recorder', 2, 5), ('replay', 2, 5), ('vlm_a', 2, 0)],
)
def test_without_what_a_run_cannot_do_without_it_ends(run, fails, code, closed):
    found, monitor, _ = run(fails, code, closed, reason='gone')
    assert found == code and monitor.seen == 'asked'
    assert monitor.cause.startswith(f'{fails} ended with exit code 2')
    assert monitor.cause.endswith('gone')


def test_replay_that_has_sent_all_ends_nothing(run):
    code, monitor, told = run('replay', 0)
    assert code == 3 and monitor.seen == 'finished' and told == (None, [])
