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

"""SIGINT and SIGTERM in every phase of every node, and disks that are full."""

import resource
import signal
import subprocess
import threading
from contextlib import suppress

import pytest

rclpy = pytest.importorskip('rclpy')

from livegraphs import ProcessGraph, frames_of, plain, records_of  # noqa: E402
from simulator import Drive, Simulator  # noqa: E402
from worlds import wait_for  # noqa: E402

from vlm_misalign_ros.core.datasets import open_dataset  # noqa: E402
from vlm_misalign_ros.core.errors import ExitCode  # noqa: E402
from vlm_misalign_ros.core.files import read_json  # noqa: E402
from vlm_misalign_ros.core.records.store import RECORDS, read_frames  # noqa: E402
from vlm_misalign_ros.wire import topics  # noqa: E402

pytestmark = [pytest.mark.heavy, pytest.mark.slow]

NAMES = ('monitor', 'corruption', 'segmentation', 'vlm_clip', 'recorder')
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture
def node():
    rclpy.init()
    made = rclpy.create_node('witness')
    yield made
    made.destroy_node()
    rclpy.try_shutdown()


@pytest.fixture
def graph(checkpoints, tmp_path):
    made = ProcessGraph(plain(checkpoints), tmp_path / 'run')
    yield made
    made.clear()


@pytest.fixture
def simulator(scenes):
    dataset = open_dataset(scenes)
    made = Simulator(Drive(frames=30, clock=False), [dataset.read(n) for n in range(len(dataset))])
    yield made
    made.end()


def catches(process, number):
    """Return whether a process has a handler of its own for a signal."""
    with open(f'/proc/{process.pid}/status') as stream:
        caught = next(line for line in stream if line.startswith('SigCgt'))
    return int(caught.split()[1], 16) >> (number - 1) & 1


@pytest.mark.parametrize('number', SIGNALS, ids=lambda number: number.name)
def test_a_node_that_is_told_to_end_while_it_loads_ends_with_a_line(graph, number):
    """From the moment at which it has heard of signals, and long before it has a node."""
    graph.start()
    for name, process in graph.running.items():
        wait_for(lambda process=process: catches(process, signal.SIGTERM))
        graph.tell(name, number)
    for name, process in graph.running.items():
        assert process.wait(30) == ExitCode.INTERRUPTED, graph.said(name)
        said = graph.said(name)
        assert 'interrupted while it started' in said and 'Traceback' not in said
    assert not (graph.folder / 'verdict.json').exists()


@pytest.mark.parametrize('number', SIGNALS, ids=lambda number: number.name)
def test_a_node_that_is_told_to_end_while_it_waits_and_again_while_it_closes(graph, node, number):
    graph.start()
    graph.meet(node)
    for name, process in graph.running.items():
        graph.tell(name, number)
        # Impatient: as it closes.
        for _ in range(200):
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
                break
            graph.tell(name, number)
        wanted = ExitCode.INTERRUPTED if name == 'monitor' else ExitCode.PASS
        assert process.returncode == wanted, (name, graph.said(name))
        assert 'Traceback' not in graph.said(name)
    # There was nothing to judge, and the bag is whole.
    assert not (graph.folder / 'verdict.json').exists()
    assert (graph.folder / 'bag' / 'metadata.yaml').exists()


@pytest.mark.parametrize('number', SIGNALS, ids=lambda number: number.name)
def test_nodes_that_are_told_to_end_while_frames_come_keep_what_they_have(
    graph, simulator, node, number
):
    graph.start()
    graph.meet(node)
    playing = threading.Thread(target=simulator.play)
    playing.start()
    path = graph.folder / RECORDS
    wait_for(lambda: path.exists() and path.read_bytes().count(b'\n') > 8)
    for name in graph.running:
        graph.tell(name, number)
    codes = {name: process.wait(30) for name, process in graph.running.items()}
    playing.join(30)
    assert codes.pop('monitor') == ExitCode.INTERRUPTED
    assert set(codes.values()) == {ExitCode.PASS}, codes
    for name in codes:
        assert 'Traceback' not in graph.said(name)
    records, accounting = records_of(graph.folder)
    found = frames_of(records)
    assert set(found) <= simulator.account.of(topics.CAMERA_IMAGE)
    for part in ('clip', 'segmentation'):
        assert sum(accounting.parts[part].values()) == len(found) >= 7
    # A live run without an end of its own ends in this way.
    assert read_json(graph.folder / 'verdict.json', '')['status'] == 'COMPLETE'
    assert (graph.folder / 'bag' / 'metadata.yaml').exists()


@pytest.mark.parametrize('name, code', [('monitor', 2), ('recorder', 2)])
def test_a_disk_that_runs_full_ends_who_writes_with_its_name_and_nobody_else(
    graph, simulator, node, name, code
):
    """A limit on the size of files is to a process what a full disk is."""

    graph.start()
    graph.meet(node)
    # Not before: what the middleware shares between processes is files, too.
    resource.prlimit(graph.running[name].pid, resource.RLIMIT_FSIZE, (20_000, 20_000))
    simulator.play()
    full = graph.running.pop(name)
    assert full.wait(60) == code, graph.said(name)
    said = graph.said(name)
    assert 'cannot be written: File too large' in said and 'Traceback' not in said
    if name == 'recorder':
        # The others go on: what was sent is on its way to the monitor for as long as it takes.
        pictures = simulator.account.of(topics.CAMERA_IMAGE)
        path = graph.folder / RECORDS
        wait_for(lambda: len(list(read_frames(path))) >= len(pictures), 60)
    codes = graph.end()
    monitor = codes.pop('monitor', None)
    assert set(codes.values()) == {ExitCode.PASS}, codes
    if name == 'recorder':
        # The records are whole without it.
        assert monitor == ExitCode.INTERRUPTED
        found = frames_of(records_of(graph.folder)[0])
        assert set(found) == pictures
    else:
        lines = (graph.folder / RECORDS).read_bytes()
        assert 0 < len(lines) <= 20_000 and lines.endswith(b'\n')
