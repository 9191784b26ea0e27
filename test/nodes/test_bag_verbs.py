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

"""A bag is played into a graph and recorded from it, by processes of the command line."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from worlds import wait_for

from golden import replaying
from vlm_misalign_ros.app.cli import main
from vlm_misalign_ros.bags.reading import open_bag
from vlm_misalign_ros.core.datasets import open_dataset
from vlm_misalign_ros.core.evaluation.replaying import open_replayed
from vlm_misalign_ros.core.settings.nodes import ReplayParameters

pytest.importorskip('rclpy')
pytestmark = [pytest.mark.heavy, pytest.mark.timeout(180)]
SPACE = f'bag_{os.getpid()}'
COMMAND = (sys.executable, '-m', 'vlm_misalign_ros.app.cli', 'bag')


def start(*words):
    return subprocess.Popen(
        [*COMMAND, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A child of a background shell would ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    """Return the four scenes as a bag."""
    out = tmp_path_factory.mktemp('source') / 'source'
    assert main(['bag', 'from-cityscapes', str(replaying.SCENES), str(out), '--rate', '4']) == 0
    return out


def recorded(source, folder, ending):
    """Play a bag and record what comes; end the recorder by a signal; return its exit code."""
    recorder = start('record', folder / 'rec', '--namespace', SPACE)
    try:
        wait_for(lambda: (folder / 'rec').is_dir(), 60)
        player = start('play', source, '--namespace', SPACE)
        told = player.communicate(timeout=90)[0]
        assert player.returncode == 0, told
        recorder.send_signal(ending)
        told = recorder.communicate(timeout=60)[0]
    finally:
        recorder.kill()
    return recorder.returncode, told


def check(bag, least):
    """Compare the frames of a bag with those that were played; the last may be on its way."""
    known = list(open_dataset(replaying.SCENES))
    chosen = ReplayParameters(dataset=f'bag:{bag}', recorded_namespace=SPACE)
    found = list(open_replayed(chosen))
    assert least <= len(found) <= len(known)
    for one in found:
        (other,) = (frame for frame in known if np.array_equal(frame.image, one.image))
        assert one.labels is None or np.array_equal(one.labels, other.labels)
    assert sum(frame.labels is not None for frame in found) >= least


def test_what_is_played_is_recorded_to_the_last_bit(source, tmp_path):
    code, told = recorded(source, tmp_path, signal.SIGINT)
    assert code == 0, told
    assert 'camera/image_raw' in told
    check(tmp_path / 'rec', 3)
    with open_bag(tmp_path / 'rec') as bag:
        assert list(bag.messages()) and bag.told() == '' and bag.faults == []


def test_a_recording_whose_recorder_was_killed_is_read_and_recovered(source, tmp_path, capsys):
    """What was in the last chunk, a megabyte, is lost with it."""
    code, told = recorded(source, tmp_path, signal.SIGKILL)
    assert code == -signal.SIGKILL, told
    check(tmp_path / 'rec', 2)
    assert main(['bag', 'recover', str(tmp_path / 'rec'), str(tmp_path / 'sound')]) == 0
    assert 'lost: ' in capsys.readouterr().out
    check(tmp_path / 'sound', 2)
    with open_bag(tmp_path / 'sound') as bag:
        assert list(bag.messages()) and bag.told() == ''


def test_what_the_verbs_refuse_is_one_line(source, tmp_path, capsys):
    for words in (
        ['record', str(source)],
        ['record', str(tmp_path / 'out'), 'path=x'],
        ['record', str(tmp_path / 'out'), 'compression=rar'],
        ['record', str(tmp_path / 'out'), '--topic', 'x'],
        ['play', str(tmp_path / 'none')],
        ['play', str(source), 'mode=lockstep'],
        ['play', str(source), '--rate', '-1'],
    ):
        assert main(['bag', *words]) == 2, words
        assert capsys.readouterr().err.strip().count('\n') == 0
    assert list(tmp_path.iterdir()) == []
