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

"""What the runner says of processes that cannot be started."""

import errno
import io
import os

import pytest

from vlm_misalign_ros.app import children, processes
from vlm_misalign_ros.app.graph import Graph, NodeSpec
from vlm_misalign_ros.app.processes import Runner
from vlm_misalign_ros.core.errors import ExitCode, MisalignError, RecordError

GRAPH = Graph((NodeSpec('monitor', 'monitor', 'x.nodes.monitor', '', {}, True),), '', ())


@pytest.fixture
def runner(tmp_path):
    (tmp_path / 'log').mkdir()
    return Runner(GRAPH, tmp_path, 1)


@pytest.mark.parametrize('number', [errno.EAGAIN, errno.ENOMEM])
def test_a_process_that_cannot_be_started_is_not_taken_for_a_folder(runner, monkeypatch, number):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(children.subprocess, 'Popen', refuse)
    with pytest.raises(MisalignError) as caught:
        runner.run(io.StringIO())
    assert f'process monitor cannot be started: {os.strerror(number)}' in str(caught.value)
    assert not isinstance(caught.value, RecordError) and caught.value.exit_code == ExitCode.ERROR


def test_an_interpreter_that_is_not_there_is_named(runner, monkeypatch):
    monkeypatch.setattr(processes.sys, 'executable', '/no/such/python')
    with pytest.raises(MisalignError, match='process monitor cannot be .* /no/such/python is'):
        runner.run(io.StringIO())


def test_without_a_thread_to_listen_no_process_stays(runner, monkeypatch):
    begun = []
    start = children.subprocess.Popen

    def keep(*given, **options):
        begun.append(start(*given, **options))
        return begun[-1]

    class Refusing(children.threading.Thread):
        def start(self):
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(children.subprocess, 'Popen', keep)
    monkeypatch.setattr(children.threading, 'Thread', Refusing)
    with pytest.raises(MisalignError, match='process monitor cannot be started: .*thread'):
        runner.run(io.StringIO())
    assert begun[0].returncode is not None


def test_a_folder_that_cannot_be_written_is_still_named(tmp_path):
    with pytest.raises(RecordError, match='cannot be written'):
        Runner(GRAPH, tmp_path, 1).run(io.StringIO())
