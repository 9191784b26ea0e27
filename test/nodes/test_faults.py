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

"""What befalls a node of a live graph of processes: killed, stopped, told to end; full disks."""

import signal
from collections import Counter
from contextlib import suppress

import pytest

rclpy = pytest.importorskip('rclpy')

from livegraphs import DEADLINE, ProcessGraph, counted, frames_of, plain, records_of  # noqa: E402
from simulator import Drive, Simulator  # noqa: E402
from worlds import wait_for  # noqa: E402

from vlm_misalign_ros.core.datasets import open_dataset  # noqa: E402
from vlm_misalign_ros.core.errors import ExitCode  # noqa: E402
from vlm_misalign_ros.core.records.schema import FrameRecord  # noqa: E402
from vlm_misalign_ros.core.records.store import RECORDS, read_records  # noqa: E402
from vlm_misalign_ros.wire import topics  # noqa: E402

pytestmark = [pytest.mark.heavy, pytest.mark.slow]

PARTS = ('clip', 'segmentation')


@pytest.fixture(scope='module')
def street(scenes):
    dataset = open_dataset(scenes)
    return [dataset.read(number) for number in range(len(dataset))]


class Stage:
    """One live graph through which the tests of this module go, a fault each, and a simulator."""

    def __init__(self, folder, street, checkpoints):
        rclpy.init()
        self.node = rclpy.create_node('witness')
        self.simulator = Simulator(Drive(clock=False), street)
        self.graph = ProcessGraph(plain(checkpoints), folder)
        self.lost = set()
        """Frames whose pictures reached nobody."""
        self._seconds = 0

    def start(self, *names):
        """Start nodes, and show pictures until one is scored by all: then all know each other."""
        self.graph.start(*names)
        self.graph.meet(self.node)
        for _ in range(20):
            shown = self.drive(frames=1)
            with suppress(AssertionError):
                wait_for(lambda shown=shown: shown <= set(self.written()), DEADLINE + 1)
            found = self.written()
            self.lost |= shown - set(found)
            if shown <= set(found) and all_scored(found, shown):
                return
        raise AssertionError('no picture is scored')

    def written(self):
        """Return the frames that are written down."""
        path = self.graph.folder / RECORDS
        return frames_of([r for r in read_records(path) if isinstance(r, FrameRecord)])

    def drive(self, frames=8, rate=10.0, lost=False, listeners=1):
        """Send pictures until all are written down; return their (epoch, stamp)."""
        before = set(self.sent)
        self.simulator.listeners = listeners
        self._seconds += 5
        self.simulator.play(
            Drive(frames=frames, rate=rate, start=100.0 + self._seconds, clock=False)
        )
        new = self.sent - before
        if lost:
            self.lost |= new
        return new

    def settle(self):
        """Wait until every picture that came is written down; return the records."""
        with suppress(AssertionError):
            wait_for(lambda: len(self.written()) >= len(self.sent) - len(self.lost), 30)
        found = self.written()
        assert set(found) == self.sent - self.lost
        return found

    @property
    def sent(self):
        return self.simulator.account.of(topics.CAMERA_IMAGE)

    def end(self):
        self.graph.clear()
        self.simulator.end()
        self.node.destroy_node()
        rclpy.try_shutdown()


@pytest.fixture(scope='module')
def stage(tmp_path_factory, street, checkpoints):
    made = Stage(tmp_path_factory.mktemp('faults') / 'run', street, checkpoints)
    try:
        made.start()
        yield made
    finally:
        made.end()


def states(found, frames, part):
    of = [
        record.segmentation if part == 'segmentation' else record.models[part]
        for frame, record in found.items()
        if frame in frames
    ]
    return Counter(entry.status.value for entry in of)


def all_scored(found, frames):
    return all(states(found, frames, part) == {'scored': len(frames)} for part in PARTS)


@pytest.mark.parametrize('name', ['monitor', 'corruption', 'segmentation', 'vlm_clip', 'recorder'])
def test_a_node_that_stands_still_and_goes_on_leaves_every_picture_in_one_state(stage, name):
    """SIGSTOP for longer than the deadline, then SIGCONT."""
    before = stage.drive()
    stage.settle()
    stage.graph.tell(name, signal.SIGSTOP)
    stage.drive(frames=6, rate=2.0)
    stage.graph.tell(name, signal.SIGCONT)
    stage.settle()
    after = stage.drive()
    assert all_scored(stage.settle(), before | after)


@pytest.mark.parametrize('name', ['corruption', 'segmentation', 'vlm_clip', 'recorder'])
def test_a_node_that_was_killed_costs_its_frames_until_it_is_back(stage, name):
    before = stage.drive()
    stage.settle()
    stage.graph.kill(name, stage.node)
    during = stage.drive(lost=name == 'corruption', listeners=0)
    stage.settle()
    if name == 'recorder':
        # Its bag is kept, and none is written over it.
        stage.graph.start(name)
        assert stage.graph.running.pop(name).wait(60) == ExitCode.ERROR
        assert 'exists' in stage.graph.said(name)
        assert list((stage.graph.folder / 'bag').glob('*.mcap'))
    else:
        stage.start(name)
    after = stage.drive()
    found = stage.settle()
    assert all_scored(found, before | after)
    hurt = {'segmentation': 'segmentation', 'vlm_clip': 'clip'}.get(name)
    for part in PARTS if name != 'corruption' else ():
        expected = 'missing' if part == hurt else 'scored'
        assert states(found, during, part) == {expected: len(during)}


def test_after_all_of_it_the_sums_are_those_of_what_was_sent(stage):
    """Whatever has befallen the graph before."""
    stage.drive()
    found = stage.settle()
    codes = stage.graph.end()
    assert codes.pop('monitor') == ExitCode.INTERRUPTED
    assert set(codes.values()) == {ExitCode.PASS}, codes
    records, accounting = records_of(stage.graph.folder)
    assert frames_of(records).keys() == found.keys()
    for part in PARTS:
        counts = {state: count for state, count in accounting.parts[part].items() if count}
        assert counts == counted(stage.graph.folder, part)
        assert sum(counts.values()) == len(stage.sent - stage.lost)
    # Nobody saw the pictures of a killed corruption: truth without a picture, nobody's miss.
    # Behind one that stood still pictures came after their truth had been given up: without truth.
    alone = accounting.frames.get('truth_without_picture', 0)
    without = accounting.frames.get('without_truth', 0)
    assert len(stage.lost) <= alone <= len(stage.lost) + without
