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
"""The processes of a run: their last words are kept, whatever becomes of the disk."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from vlm_misalign_ros.app import children
from vlm_misalign_ros.app.children import LINE, LINES, Child, Output
from vlm_misalign_ros.app.graph import NodeSpec
from vlm_misalign_ros.wire.ended import how_it_ended

SPEC = NodeSpec('clip', 'vlm', 'vlm_misalign_ros.nodes.vlm', 'Vlm', {})


def output(path, said=None):
    return Output(path, [].append if said is None else said.append)


def test_what_a_process_writes_is_in_its_log_and_in_memory(tmp_path):
    found = output(tmp_path / 'x.log')
    found.add(b'one\ntw')
    found.add(b'o\nthree')
    found.end()
    assert (tmp_path / 'x.log').read_bytes() == b'one\ntwo\nthree'
    assert found.tail(2) == ['two', 'three'] and found.log_error == ''


@pytest.mark.skipif(not Path('/dev/full').exists(), reason='no /dev/full here')
def test_a_full_disk_takes_the_log_and_not_the_reason():
    found = output(Path('/dev/full'))
    found.add(b'clip: error: there are no weights. Save them again\n')
    found.add(b'and more\n')
    found.end()
    assert found.log_error == os.strerror(28)
    assert found.reason() == 'clip: error: there are no weights. Save them again'


def test_a_log_that_cannot_be_made_takes_nothing_from_the_reason(tmp_path):
    found = output(tmp_path / 'gone' / 'x.log')
    found.add(b'MemoryError\n')
    assert found.reason() == 'MemoryError' and found.log_error


@pytest.mark.parametrize(
    'lines, reason',
    [
        (['a', 'clip: error: the first', 'clip: error: the second', 'b'], 'the first'),
        (['Traceback ...', '  File "x"', "KeyError: 'x'", 'note'], "KeyError: 'x'"),
        (
            ['ValueError: 1', 'During ...', 'torch.OutOfMemoryError: 2'],
            'torch.OutOfMemoryError: 2',
        ),
        (['ValueError: 1', 'clip: error: ValueError: 1'], 'ValueError: 1'),
        (['Fatal Python error: Segmentation fault', 'x'], 'Fatal Python error: Segmentation'),
        (['just words'], 'just words'),
        (['words', '[INFO] [1.0] [replay]: 24 frames', 'run: first frame: 1.0'], 'words'),
        (['[INFO] [1.0] [replay]: 24 frames'], ''),
        (['run: vlm_a: error: lost', 'composed: error: the cause'], 'the cause'),
        (['run: vlm_a: error: lost'], ''),
        ([], ''),
    ],
)
def test_the_reason_is_the_line_that_names_the_cause(tmp_path, lines, reason):
    found = output(tmp_path / 'x.log')
    found.add('\n'.join(lines).encode())
    found.end()
    assert reason in found.reason() and bool(reason) == bool(found.reason())


def test_a_process_that_talks_for_ever_fills_no_memory(tmp_path):
    found = output(tmp_path / 'x.log')
    found.add(b'x' * 1_000_000)
    found.add(b'\n' * 5000)
    for number in range(5000):
        found.add(b'%d\n' % number)
    assert len(found.tail(10**6)) == LINES and found.tail(1) == ['4999']
    found.add(b'y' * 1_000_000)
    assert len(found._rest) <= LINE
    assert (tmp_path / 'x.log').stat().st_size > 2_000_000


def test_lines_for_the_terminal_are_passed_on_and_no_others(tmp_path):
    said = []
    found = output(tmp_path / 'x.log', said)
    found.add(b'run: ready after 3 s\nrunning\n[INFO] run: no\n')
    assert said == ['ready after 3 s']


@pytest.fixture
def start(tmp_path):
    begun = []

    def begin(code, environment=None):
        given = {**os.environ, **(environment or {})}
        begun.append(
            Child(SPEC, [sys.executable, '-c', code], given, tmp_path / 'x.log', [].append)
        )
        return begun[-1]

    yield begin
    for child in begun:
        child.signal(signal.SIGKILL)
        child.wait(5)
        child.sweep()


def test_a_crash_in_native_code_says_so(start):
    child = start('import ctypes; ctypes.string_at(0)', {'PYTHONFAULTHANDLER': '1'})
    assert child.wait(20)
    assert child.code == -signal.SIGSEGV
    assert child.reason() == 'Fatal Python error: Segmentation fault'


@pytest.mark.heavy
def test_what_it_left_behind_neither_blocks_its_end_nor_stays(start):
    child = start(
        'import subprocess, sys\n'
        'left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])\n'
        'print(left.pid, flush=True)\n'
    )
    assert child.wait(20)
    begin = time.monotonic()
    assert child.code == 0 and time.monotonic() - begin < 5
    left = int(child.output.tail(1)[0])
    child.sweep()
    end = time.monotonic() + 10
    while _runs(left):
        assert time.monotonic() < end


def _runs(pid):
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(') ')[2][0] != 'Z'
    except OSError:
        return False


def test_how_a_process_ended_is_said_in_words():
    assert how_it_ended(7) == 'exit code 7'
    assert how_it_ended(-11) == 'signal SIGSEGV'
    assert how_it_ended(-999) == 'signal 999'
    assert 'memory' in how_it_ended(-9, out_of_memory=True)
    assert 'memory' not in how_it_ended(-9) and 'memory' not in how_it_ended(-15, True)


def test_the_kernels_count_of_kills_is_read(monkeypatch):
    monkeypatch.setattr(children.Path, 'read_text', lambda *a, **k: 'nr_free 5\noom_kill 3\n')
    assert children.out_of_memory_kills() == 3


def test_a_machine_without_that_count_has_none(monkeypatch):
    def refuse(*arguments, **options):
        raise FileNotFoundError

    monkeypatch.setattr(children.Path, 'read_text', refuse)
    assert children.out_of_memory_kills() == 0


def test_an_interpreter_that_does_not_start_is_an_error_of_the_system(tmp_path):
    with pytest.raises(OSError):
        Child(SPEC, ['/no/such/python'], {}, tmp_path / 'x.log', [].append)


def test_the_child_is_out_of_reach_of_the_terminals_signals(start):
    child = start('import time; print("up", flush=True); time.sleep(600)')
    end = time.monotonic() + 20
    while not child.output.tail(1):
        assert time.monotonic() < end
    assert os.getpgid(child._popen.pid) == child._popen.pid != os.getpgid(0)


@pytest.mark.heavy
def test_lines_are_read_while_others_come(tmp_path):
    output = Output(tmp_path / 'log', lambda line: None)
    stop = threading.Event()

    def write():
        while not stop.is_set():
            output.add(b'a line\n')

    writer = threading.Thread(target=write)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    writer.start()
    try:
        for _ in range(20_000):
            assert set(output.tail(5)) <= {'a line'} and output.reason() in ('', 'a line')
    finally:
        sys.setswitchinterval(interval)
        stop.set()
        writer.join()
