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
"""A monitor that is killed with -9 and started again, as a process, over real rclpy."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from worlds import World, stamps, wait_for  # noqa: E402

from maps import plain  # noqa: E402
from vlm_misalign_ros.core.errors import ExitCode  # noqa: E402
from vlm_misalign_ros.core.files import read_json  # noqa: E402
from vlm_misalign_ros.core.records.account import GapRecord  # noqa: E402
from vlm_misalign_ros.core.records.schema import FrameRecord, Status  # noqa: E402
from vlm_misalign_ros.core.records.store import RECORDS, read_records  # noqa: E402
from vlm_misalign_ros.core.types import Applied, Condition, Description, Kind, Mention  # noqa: E402
from vlm_misalign_ros.nodes import messages  # noqa: E402
from vlm_misalign_ros.wire import topics  # noqa: E402
from vlm_misalign_ros.wire import values as codec  # noqa: E402

pytestmark = pytest.mark.heavy

NANO = 1_000_000_000
STEP = NANO // 10
PARAMETERS = {
    'models': '[m]',
    'lockstep': 'false',
    'source': 'false',
    'instances': 'false',
    'segmentation': 'false',
    'pictures': '0',
    'deadline': '30.0',
    'minimum_coverage': '0.1',
}


@pytest.fixture
def world():
    rclpy.init()
    made = World()
    yield made
    made.end()
    rclpy.try_shutdown()


@pytest.fixture
def started(world, tmp_path):
    """Return a function that starts the monitor of one run folder as a process."""
    running = []

    def start():
        arguments = ['--ros-args', '-p', f'run_folder:={tmp_path / "run"}']
        for name, value in PARAMETERS.items():
            arguments += ['-p', f'{name}:={value}']
        command = [sys.executable, '-m', 'vlm_misalign_ros.nodes.starting', 'monitor', *arguments]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ
        )
        running.append(process)
        wait_for(lambda: world.node.count_publishers(topics.MONITOR_FRAME), 60)
        world.meet()
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def test_a_monitor_that_was_killed_goes_on_with_its_run_and_the_verdict_says_so(
    world, started, tmp_path
):
    frames = world.listen(topics.MONITOR_FRAME, DiagnosticArray)
    labels = world.talk(topics.TRUTH_LABELS, Image)
    condition = world.talk(topics.DEGRADED_CONDITION, DiagnosticArray)
    answers = world.talk(topics.vlm_description('m'), DiagnosticArray)
    said = Description('m', Kind.GENERATIVE, 'a car', mentions={'car': Mention.ASSERTED})

    def show(number):
        header = messages.make_header(50 * NANO + number * STEP, 'front')
        labels.publish(messages.image_message(np.asarray(plain()), header, 'mono8'))
        applied = codec.applied_to_values(Applied(Condition(), 1))
        condition.publish(messages.values_message('condition', applied, header))
        answers.publish(messages.values_message('m', codec.description_to_values(said), header))

    first = started()
    for number in range(12):
        show(number)
        wait_for(lambda count=number + 1: len(frames) == count)
    first.kill()
    assert first.wait(20) == -signal.SIGKILL
    wait_for(lambda: not world.node.count_publishers(topics.MONITOR_FRAME), 60)
    # Nobody hears these.
    for number in range(12, 16):
        show(number)
    again = started()
    for number in range(16, 28):
        show(number)
        wait_for(lambda count=number - 3: len(frames) == count)
    assert stamps(frames)[12] == 50 * NANO + 16 * STEP
    again.send_signal(signal.SIGINT)
    output, _ = again.communicate(timeout=60)
    assert again.returncode == ExitCode.INTERRUPTED, output
    assert 'goes on: 12 frames were closed before; what came in the' in output
    records = list(read_records(tmp_path / 'run' / RECORDS))
    found = [record for record in records if isinstance(record, FrameRecord)]
    assert len(found) == 24
    assert {record.models['m'].status for record in found} == {Status.SCORED}
    assert [r.after for r in records if isinstance(r, GapRecord)] == ['51.100000000']
    verdict = read_json(tmp_path / 'run' / 'verdict.json', '')
    assert verdict['status'] == 'COMPLETE'
    assert any(
        note.startswith('the monitor was started again after ')
        and note.endswith(
            'what came between frame 51.100000000 and frame 51.600000000 is unknown: about 4 '
            'pictures in no state'
        )
        for note in verdict['notes']
    )
