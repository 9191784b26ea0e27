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
"""Processes of a run end with whoever started them, and say why they end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vlm_misalign_ros.core.errors import ConfigurationError, ExitCode
from vlm_misalign_ros.nodes import lifeline
from vlm_misalign_ros.wire.environment import PARENT, child_environment

# A parent that starts a child, says its pid, and then waits to be killed.
PARENT_CODE = """
import os, subprocess, sys
from vlm_misalign_ros.wire.environment import child_environment
child = subprocess.Popen(
    [sys.executable, '-c', sys.argv[1]], env={**os.environ, **child_environment()},
    start_new_session=True,
)
print(child.pid, flush=True)
child.wait()
"""
CHILD_CODE = """
import os, sys, time
from pathlib import Path
from vlm_misalign_ros.nodes import lifeline
stop = lifeline.catch_signals()
stop.starting = False
assert lifeline.hold(stop.on_lost, {keeps}, 2)
Path({up!r}).touch()
while {hang} or not stop():
    time.sleep(0.05)
Path({kept!r}).write_text(str(stop.abandoned))
"""


def alive(pid):
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(') ')[2][0] != 'Z'
    except OSError:
        return False


def wait_until(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, 'it does not come true'
        time.sleep(0.02)


@pytest.fixture
def family(tmp_path):
    """Start a parent with a child; return both and the file that the child leaves."""
    begun = []

    def begin(keeps, hang=False):
        up, kept = tmp_path / 'up', tmp_path / 'kept'
        code = CHILD_CODE.format(keeps=keeps, hang=hang, up=str(up), kept=str(kept))
        parent = subprocess.Popen(
            [sys.executable, '-c', PARENT_CODE, code],
            stdout=subprocess.PIPE,
            text=True,
            # Under nohup it would be ignored, as whoever runs the tests may have it.
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        )
        child = int(parent.stdout.readline())
        begun.extend((parent.pid, child))
        wait_until(up.exists)
        return parent, child, kept

    yield begin
    for pid in begun:
        if alive(pid):
            os.kill(pid, signal.SIGKILL)


needs_proc = pytest.mark.skipif(not Path('/proc/self/stat').exists(), reason='no /proc here')


@needs_proc
@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_child_with_something_to_keep_keeps_it_and_ends_with_its_parent(family, number):
    parent, child, kept = family(keeps=True)
    parent.send_signal(number)
    parent.wait(10)
    wait_until(lambda: not alive(child))
    assert kept.read_text() == 'True'


@needs_proc
@pytest.mark.skipif(sys.platform != 'linux', reason='the kernel does it on Linux')
@pytest.mark.parametrize('stopped', [False, True])
def test_one_that_hangs_ends_too_and_one_that_is_stopped(family, stopped):
    parent, child, kept = family(keeps=False, hang=True)
    if stopped:
        os.kill(child, signal.SIGSTOP)
    parent.kill()
    parent.wait(10)
    wait_until(lambda: not alive(child), 3.0)
    assert not kept.exists()


@needs_proc
@pytest.mark.skipif(sys.platform != 'linux', reason='the kernel does it on Linux')
def test_one_that_was_stopped_and_has_something_to_keep_is_woken(family):
    parent, child, kept = family(keeps=True)
    os.kill(child, signal.SIGSTOP)
    parent.kill()
    parent.wait(10)
    wait_until(lambda: not alive(child))
    assert kept.read_text() == 'True'


@needs_proc
@pytest.mark.heavy
def test_one_that_hangs_with_something_to_keep_is_given_a_few_seconds(family):
    parent, child, kept = family(keeps=True, hang=True)
    begin = time.monotonic()
    parent.kill()
    parent.wait(10)
    wait_until(lambda: not alive(child))
    assert lifeline.GRACE - 1 < time.monotonic() - begin < lifeline.GRACE + 10


def test_a_node_that_was_started_by_hand_belongs_to_nobody():
    assert lifeline.parent_of_run({}) == 0
    assert lifeline.parent_of_run({PARENT: 'x'}) == 0
    assert lifeline.parent_of_run(child_environment({})) == os.getpid()


def started(kind, *arguments, **environment):
    return subprocess.run(
        [sys.executable, '-m', 'vlm_misalign_ros.nodes.starting', kind, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
    )


def test_a_module_that_does_not_import_ends_with_error_and_not_with_fail():
    done = started('nothing')
    assert done.returncode == ExitCode.ERROR
    assert 'nothing: error: ModuleNotFoundError' in done.stderr.splitlines()[-1]


def test_a_process_whose_parent_has_gone_before_it_began_does_not_begin():
    done = started('monitor', **{PARENT: '1'})
    assert done.returncode == ExitCode.ERROR and done.stdout == ''


def test_a_second_signal_does_not_break_into_the_end_of_one_that_starts():
    stop = lifeline.Stopping()
    with pytest.raises(KeyboardInterrupt):
        stop.on_signal()
    stop.on_signal()
    assert stop() and stop.interrupted


def test_what_a_library_makes_of_a_signal_that_broke_into_its_import_is_no_fault(capsys):
    error = ImportError('initialization failed')
    assert lifeline.report_failure('x', error, interrupted=True) == ExitCode.INTERRUPTED
    assert capsys.readouterr().err == 'x: error: interrupted while it started\n'


def test_one_that_has_started_is_asked_and_not_interrupted():
    stop = lifeline.Stopping()
    stop.starting = False
    stop.on_signal()
    assert stop() and not stop.abandoned and not stop.interrupted


@pytest.mark.parametrize(
    'error, code, line',
    [
        (ConfigurationError('no', 'do'), 2, 'x: error: no. do'),
        (KeyError('k'), 2, "x: error: KeyError: 'k'"),
        (MemoryError(), 2, 'x: error: MemoryError'),
        (SystemExit(1), 2, 'x: error: SystemExit: 1'),
    ],
)
def test_whatever_ends_a_node_is_one_line_and_never_exit_code_one(capsys, error, code, line):
    assert lifeline.report_failure('x', error) == code
    assert capsys.readouterr().err.splitlines()[-1] == line


@pytest.mark.skipif(not Path('/dev/full').exists(), reason='no /dev/full here')
def test_a_reason_that_cannot_be_printed_changes_no_exit_code(monkeypatch):
    with open('/dev/full', 'w') as full:
        monkeypatch.setattr(sys, 'stderr', full)
        assert lifeline.report_failure('x', MemoryError()) == 2
        monkeypatch.undo()
        # What is left in the buffer would be tried again as the file closes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())
