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

"""A launched live run, asked and told by the real `ros2`; only where that is installed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from vlm_misalign_ros.core.records.schema import FrameRecord, encode
from vlm_misalign_ros.core.records.store import read_records

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.timeout(400),
    pytest.mark.skipif(shutil.which('ros2') is None, reason='no ros2 command here'),
]


def ros2(*words, seconds=60):
    """Return what a command of `ros2` prints."""
    done = subprocess.run(['ros2', *words], capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


def echoed(topic, *more):
    """Return one message of a topic as `ros2 topic echo` shows it."""
    kind = 'diagnostic_msgs/DiagnosticArray'
    said = ros2('topic', 'echo', '--once', '--full-length', topic, kind, *more)
    return next(iter(yaml.safe_load_all(said)))


def pairs(status):
    return {entry['key']: entry['value'] for entry in status['values']}


def stamp_of(message):
    stamp = message['header']['stamp']
    return f'{stamp["sec"]}.{stamp["nanosec"]:09d}'


def wait_until(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, 'it does not come true'
        time.sleep(0.05)


class Run:
    """A camera of 4 Hz, and what is launched behind it."""

    def __init__(self, config, scenes, folder):
        self.folder, self._processes = folder, []
        environment = {**os.environ, 'ROS_LOG_DIR': str(folder / 'log')}
        camera = [sys.executable, '-m', 'vlm_misalign_ros.nodes.replay', '--ros-args']
        for value in (f'dataset:={scenes}', 'mode:=real_time', 'rate:=4.0', 'loop:=true'):
            camera += ['-p', value]
        command = ['ros2', 'launch', 'vlm_misalign_ros', 'live.launch.py', f'config:={config}']
        command += [f'out:={folder}', 'name:=run', 'annotate:=false']
        with open(folder / 'said.txt', 'wb') as out:
            for words in (command, camera):
                self._processes.append(
                    subprocess.Popen(words, env=environment, stdout=out, stderr=out)
                )

    def meet(self):
        """Wait for the first frame that the model has answered."""
        wait_until(lambda: any(frame.models['clip'].scored for frame in self.frames()), 240)

    def frames(self):
        """Return the records of frames so far."""
        path = self.folder / 'run' / 'records.jsonl'
        if not path.is_file():
            return []
        whole = path.read_bytes().rpartition(b'\n')[0]
        copy = path.with_name('copy.jsonl')
        copy.write_bytes(whole + b'\n' if whole else b'')
        return [found for found in read_records(copy) if isinstance(found, FrameRecord)]

    def end(self):
        """End it as Ctrl-C in the terminal of the launch does."""
        for process in self._processes:
            process.send_signal(signal.SIGINT)
        return [process.wait(60) for process in self._processes]

    def clear(self):
        for process in self._processes:
            if process.poll() is None:
                process.kill()


@pytest.fixture(scope='module')
def run(checkpoints, scenes, tmp_path_factory):
    folder = Path(tmp_path_factory.mktemp('launched'))
    config = folder / 'live.yaml'
    config.write_text(
        yaml.safe_dump(
            {
                'mode': 'live',
                'segmentation': {
                    'model': f'transformers:{checkpoints["segformer"]}',
                    'input_height': 64,
                },
                'vlms': {'clip': {'model': f'open_clip:local-dir:{checkpoints["clip"]}'}},
                'monitor': {'pictures': 0},
            }
        )
    )
    found = Run(config, scenes, folder)
    try:
        found.meet()
        yield found
    finally:
        found.clear()
        ros2('daemon', 'stop')


def test_nodes_and_topics_are_listed_under_their_names_and_types(run):
    nodes = {'/monitor', '/corruption', '/segmentation', '/vlm_clip'}
    # The daemon that answers may have begun just now.
    wait_until(lambda: nodes <= set(ros2('node', 'list').split()), 60)
    listed = set(ros2('topic', 'list', '-t').splitlines())
    values = '[diagnostic_msgs/msg/DiagnosticArray]'
    assert {
        f'/monitor/frame {values}',
        f'/vlm/clip/description {values}',
        '/segmentation/labels [sensor_msgs/msg/Image]',
        '/degraded/image_raw [sensor_msgs/msg/Image]',
    } <= listed


def test_an_echoed_frame_is_the_line_of_the_records(run):
    message = echoed('/monitor/frame')
    stamp = stamp_of(message)
    wait_until(lambda: any(frame.stamp == stamp for frame in run.frames()), 20)
    (written,) = [frame for frame in run.frames() if frame.stamp == stamp]
    (status,) = message['status']
    assert json.loads(pairs(status)['record']) == json.loads(encode(written))


def test_an_echoed_answer_has_the_stamp_of_its_picture(run):
    message = echoed('/vlm/clip/description')
    stamp = stamp_of(message)
    wait_until(lambda: any(frame.stamp == stamp for frame in run.frames()), 20)
    (written,) = [frame for frame in run.frames() if frame.stamp == stamp]
    told = pairs(message['status'][0])
    assert written.models['clip'].answer.text == told['text']


def test_echoed_diagnostics_have_a_status_for_each_topic_and_model(run):
    of_monitor = "any(status.name == 'monitor: join' for status in m.status)"
    told = echoed('/diagnostics', '--filter', of_monitor)['status']
    found = {status['name']: status for status in told}
    assert int(pairs(found['monitor: join'])['closed']) > 0
    named = {name.removeprefix('monitor: ') for name in found}
    models = {'clip coverage', 'segmentation coverage'}
    assert models | {'/ground_truth/labels', '/vlm/clip/description'} <= named
    assert pairs(found['monitor: /ground_truth/labels'])['alive'] == '1'


def test_a_picture_is_echoed_without_its_pixels(run):
    said = ros2('topic', 'echo', '--once', '--no-arr', '/degraded/image_raw')
    picture = next(iter(yaml.safe_load_all(said)))
    assert (picture['width'], picture['height'], picture['encoding']) == (256, 128, 'bgr8')


def test_a_parameter_that_is_set_is_met_by_the_frames_that_follow(run):
    assert 'clean' in ros2('param', 'get', '/corruption', 'condition')
    assert 'successful' in ros2('param', 'set', '/corruption', 'condition', 'low_light:2')
    assert 'low_light:2' in ros2('param', 'get', '/corruption', 'condition')
    wait_until(lambda: run.frames()[-1].condition.name == 'low_light:2', 20)
    refused = subprocess.run(
        ['ros2', 'param', 'set', '/corruption', 'condition', 'fog:9'],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert 'fog' in refused.stdout + refused.stderr
    assert 'low_light:2' in ros2('param', 'get', '/corruption', 'condition')


def test_dumped_parameters_are_those_of_the_configuration(run):
    (dumped,) = yaml.safe_load(ros2('param', 'dump', '/monitor')).values()
    found = dumped['ros__parameters']
    assert (found['lockstep'], found['models'], found['pictures']) == (False, ['clip'], 0)


def test_a_model_that_is_deactivated_answers_nothing_until_it_is_active_again(run):
    assert {'/segmentation', '/vlm_clip'} <= set(ros2('lifecycle', 'nodes').split())
    assert ros2('lifecycle', 'get', '/vlm_clip').split() == ['active', '[3]']
    assert 'successful' in ros2('lifecycle', 'set', '/vlm_clip', 'deactivate')
    assert ros2('lifecycle', 'get', '/vlm_clip').split() == ['inactive', '[2]']
    wait_until(lambda: run.frames()[-1].models['clip'].status.value == 'dropped', 20)
    assert 'successful' in ros2('lifecycle', 'set', '/vlm_clip', 'activate')
    since = len(run.frames())
    wait_until(lambda: any(f.models['clip'].scored for f in run.frames()[since:]), 20)


def test_ctrl_c_of_the_launch_leaves_a_verdict(run):
    launched, _ = run.end()
    assert (run.folder / 'run' / 'verdict.json').is_file(), launched
    folder = run.folder / 'run'
    assert json.loads((folder / 'verdict.json').read_text())['status'] in ('COMPLETE', 'INVALID')
