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

"""Whole runs: real processes over real ROS, ended well and badly."""

import csv
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

from vlm_misalign_ros.app import cli
from vlm_misalign_ros.core.records.ending import TOLD
from vlm_misalign_ros.core.records.schema import AccountingRecord, Closing, FrameRecord, Status
from vlm_misalign_ros.core.records.store import RECORDS, difference, read_frames, read_records
from vlm_misalign_ros.wire.environment import process_environment

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(180)]
SENT = 80
CLI = [sys.executable, '-m', 'vlm_misalign_ros.app.cli']


@pytest.fixture(scope='module')
def config(scenes, checkpoints, tmp_path_factory):
    """Return the path of a small configuration with every kind of model."""
    path = tmp_path_factory.mktemp('config') / 'small.yaml'
    path.write_text(
        yaml.safe_dump(
            {
                'mode': 'evaluation',
                'seed': 7,
                'replay': {
                    'dataset': str(scenes),
                    'conditions': ['clean', 'low_light:4', 'occlusion:3'],
                    'max_in_flight': 3,
                    'startup_timeout': 120.0,
                },
                'segmentation': {
                    'model': f'transformers:{checkpoints["segformer"]}',
                    'input_height': 128,
                },
                'vlms': {
                    'clip': {'model': f'open_clip:local-dir:{checkpoints["clip"]}'},
                    'captioner': {
                        'model': f'transformers:{checkpoints["captioner"]}',
                        'max_new_tokens': 12,
                    },
                },
                'monitor': {'deadline': 20.0, 'startup_timeout': 120.0, 'pictures': 4},
            }
        )
    )
    return path


def run(*arguments):
    return subprocess.run([*CLI, *map(str, arguments)], capture_output=True, text=True)


def frames(folder):
    return list(read_frames(folder / RECORDS))


@pytest.fixture(scope='module')
def recorded(config, tmp_path_factory):
    """Return the folder of a run in separate processes, with its bag, and what it printed."""
    out = tmp_path_factory.mktemp('runs')
    done = run('run', config, 'record=true', '--out', out, '--name', 'processes')
    assert done.returncode == 0, done.stderr + done.stdout
    return out / 'processes', done


def test_a_run_scores_every_frame_and_leaves_everything(recorded):
    folder, done = recorded
    found = frames(folder)
    assert len(found) == 18 and {r.closed for r in found} == {Closing.COMPLETE}
    for record in found:
        assert record.segmentation.status is Status.SCORED
        assert {m: e.status.value for m, e in record.models.items()} == {
            'clip': 'scored',
            'captioner': 'scored',
        }
        occluded = record.condition.corruption == 'occlusion'
        assert (record.truth.visible is not None) is occluded
    names = {path.name for path in folder.iterdir()}
    assert {
        'manifest.json',
        'config.yaml',
        'records.jsonl',
        'records.parquet',
        'summary.csv',
        'report.html',
        'verdict.json',
        'junit.xml',
        'bag',
        'log',
    } <= names
    assert 'occlusion:3' in done.stdout and 'verdict: COMPLETE' in done.stdout
    assert '18/18' in done.stderr
    manifest = json.loads((folder / 'manifest.json').read_text())
    assert manifest['configuration']['seed'] == 7
    assert len(manifest['models']['clip']['sha256']) == 64


def test_one_process_gives_the_same_records(config, recorded):
    folder, _ = recorded
    done = run('run', config, '--out', folder.parent, '--name', 'single', '--single-process')
    assert done.returncode == 0, done.stderr
    assert difference(folder / 'records.jsonl', folder.parent / 'single' / 'records.jsonl') == []


def test_the_bag_gives_the_same_records_offline_and_without_ros(recorded, tmp_path):
    folder, _ = recorded
    # A finder that refuses every ROS package proves that none is needed.
    code = (
        'import sys\n'
        'class No:\n'
        '    def find_spec(self, name, path=None, target=None):\n'
        '        if name.split(".")[0] in ("rclpy", "sensor_msgs", "diagnostic_msgs",'
        ' "builtin_interfaces", "rcl_interfaces", "rpyutils"):\n'
        '            raise ImportError("no ROS here: " + name)\n'
        'sys.meta_path.insert(0, No())\n'
        'from vlm_misalign_ros.app.cli import main\n'
        'sys.exit(main(sys.argv[1:]))\n'
    )
    done = subprocess.run(
        [
            sys.executable,
            '-c',
            code,
            'analyse',
            str(folder / 'bag'),
            '--out',
            str(tmp_path / 'offline'),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert difference(folder / 'records.jsonl', tmp_path / 'offline' / 'records.jsonl') == []
    assert (tmp_path / 'offline' / 'report.html').is_file()


def test_a_bag_cut_short_is_scored_and_never_passes(recorded, tmp_path):
    folder, _ = recorded
    (bag,) = (folder / 'bag').glob('*.mcap')
    cut = tmp_path / 'cut.mcap'
    cut.write_bytes(bag.read_bytes()[:-2000])
    done = run('analyse', cut, '--out', tmp_path / 'out')
    assert done.returncode == 3 and 'INVALID' in done.stdout and 'Lost: ' in done.stdout
    assert 'Traceback' not in done.stderr


# Runs that end badly -------------------------------------------------------------------------


def left_behind(text):
    """Return the nodes of this package that still run and have `text` in their arguments."""
    found = []
    for path in Path('/proc').glob('[0-9]*'):
        try:
            line = (path / 'cmdline').read_text()
            ended = (path / 'stat').read_text().rpartition(') ')[2][0] == 'Z'
        except OSError:
            continue
        if 'vlm_misalign_ros.nodes' in line and text in line and not ended:
            found.append(line.replace('\0', ' '))
    return found


def nothing_is_left_behind(folder, seconds=15.0):
    end = time.monotonic() + seconds
    while found := left_behind(str(folder)):
        assert time.monotonic() < end, found
        time.sleep(0.05)


class Started:
    """A long run in the background."""

    def __init__(self, config, out, *overrides, environment=None):
        self.folder = out / 'long'
        self.process = subprocess.Popen(
            [
                *CLI,
                'run',
                str(config),
                '--out',
                str(out),
                '--name',
                'long',
                'segmentation=false',
                'replay.conditions=[all]',
                *overrides,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
        )

    def wait_for_node(self, name):
        """Wait until a node has been started; it imports and loads for seconds after that."""
        end = time.monotonic() + 60
        while not any(f'__node:={name} ' in line for line in left_behind(str(self.folder))):
            assert time.monotonic() < end and self.process.poll() is None
            time.sleep(0.02)

    def wait_for(self, count):
        end = time.monotonic() + 100
        while time.monotonic() < end and self.process.poll() is None:
            path = self.folder / 'records.jsonl'
            if path.is_file() and path.read_bytes().count(b'"kind":"frame"') >= count:
                return
            time.sleep(0.02)
        pytest.fail(f'no {count} frames: {self.end()}')

    def child(self, name):
        path = f'/proc/{self.process.pid}/task/{self.process.pid}/children'
        for pid in Path(path).read_text().split():
            if f'__node:={name}\0' in Path(f'/proc/{pid}/cmdline').read_text():
                return int(pid)
        raise AssertionError(f'no process {name}')

    def end(self):
        out, error = self.process.communicate(timeout=90)
        return self.process.returncode, out, error


@pytest.fixture
def start(config, tmp_path):
    begun = []

    def begin(*overrides, **options):
        begun.append(Started(config, tmp_path, *overrides, **options))
        return begun[-1]

    yield begin
    for started in begun:
        if started.process.poll() is None:
            started.process.send_signal(signal.SIGINT)
            started.process.wait(30)
        nothing_is_left_behind(started.folder)


def test_a_killed_monitor_leaves_every_closed_frame(start):
    started = start()
    started.wait_for(5)
    os.kill(started.child('monitor'), signal.SIGKILL)
    code, _, error = started.end()
    found = frames(started.folder)
    assert code == 2 and len(found) >= 5
    assert 'monitor ended with signal SIGKILL' in error and str(len(found)) in error
    # What it left can still be made into results.
    done = run('report', started.folder)
    assert done.returncode == 3 and 'INVALID' in done.stdout
    assert 'the run did not end by itself: it was killed after' in done.stdout
    assert (started.folder / 'report.html').is_file()


def test_ctrl_c_ends_a_run_with_its_results(start):
    started = start()
    started.wait_for(4)
    started.process.send_signal(signal.SIGINT)
    code, out, error = started.end()
    verdict = json.loads((started.folder / 'verdict.json').read_text())
    # 96 frames were asked for; what is there is written, and the verdict says what is missing.
    assert code == 130 and verdict['status'] == 'INVALID', (code, error)
    assert any('of 96 frames' in reason for reason in verdict['reasons'])
    assert 'the run was interrupted after' in out
    assert (started.folder / 'report.html').is_file() and 'Traceback' not in error
    assert 'results:' in out
    # Whoever makes the report again still knows, without the data set.
    again = run('report', started.folder)
    assert again.returncode == 3 and 'the run was interrupted after' in again.stdout


def test_a_vlm_that_dies_is_named_and_the_run_ends_with_a_verdict(start):
    started = start('monitor.deadline=1.0')
    started.wait_for(5)
    os.kill(started.child('vlm_captioner'), signal.SIGKILL)
    code, out, error = started.end()
    assert code == 3 and 'vlm_captioner ended with signal SIGKILL' in error
    found = frames(started.folder)
    assert len(found) == 96
    missing = [r for r in found if r.models['captioner'].status is Status.MISSING]
    assert missing and all(r.models['clip'].status is Status.SCORED for r in missing)
    assert 'vlm:captioner did not answer' in out


@pytest.mark.parametrize(
    'name, code, words',
    [
        ('vlm_captioner', 3, ', and its answers count as missing'),
        pytest.param('recorder', 2, '', marks=pytest.mark.slow),
    ],
)
def test_a_node_that_ends_with_code_0_is_named_and_no_success(start, name, code, words):
    started = start('monitor.deadline=1.0', 'record=true')
    started.wait_for(5)
    monitor = started.child('monitor')
    # The run does not come to its end before it is known that the node has ended.
    os.kill(monitor, signal.SIGSTOP)
    try:
        os.kill(started.child(name), signal.SIGTERM)
        end = time.monotonic() + 30
        while not (started.folder / TOLD).exists():
            assert time.monotonic() < end and started.process.poll() is None
            time.sleep(0.02)
    finally:
        os.kill(monitor, signal.SIGCONT)
    found, out, error = started.end()
    assert found == code, error
    assert f'{name} ended with exit code 0 while the run went on{words}' in error
    verdict = json.loads((started.folder / 'verdict.json').read_text())
    assert verdict['status'] == 'INVALID'
    assert any(f'{name} ended with exit code 0' in reason for reason in verdict['reasons'])


def test_a_vlm_that_hangs_is_named_and_not_waited_for(start):
    started = start('monitor.deadline=1.0')
    started.wait_for(5)
    hung = started.child('vlm_clip')
    os.kill(hung, signal.SIGSTOP)
    begin = time.monotonic()
    code, out, _ = started.end()
    assert code == 3 and 'vlm:clip did not answer' in out
    assert time.monotonic() - begin < 60
    assert not Path(f'/proc/{hung}').exists()
    assert len(frames(started.folder)) == 96


SABOTAGE = """
import os, sys
target, _, fault = os.environ.get('FAULT', '').partition(':')
try:
    with open('/proc/self/cmdline') as stream:
        line = stream.read()
except OSError:
    line = ''
if target and (f'__node:={target}' + chr(0) in line or 'starting' + chr(0) + target in line):
    if fault == 'import':
        class No:
            def find_spec(self, name, path=None, target=None):
                if name == 'diagnostic_msgs':
                    raise ImportError('no diagnostic_msgs in this build')
        sys.meta_path.insert(0, No())
    elif fault == 'segfault':
        import ctypes
        import faulthandler
        faulthandler.enable()
        ctypes.string_at(0)
    elif fault == 'memory':
        os.kill(os.getpid(), 9)
    elif fault:
        os._exit(int(fault))
"""
"""A sitecustomize module: Python imports it as it starts, in every process of a run."""

slow = pytest.mark.slow


@pytest.mark.parametrize(
    'fault, words',
    [
        ('monitor:1', 'monitor ended with exit code 1 before it had a verdict'),
        pytest.param('monitor:0', 'monitor ended with exit code 0 before', marks=slow),
        pytest.param('monitor:3', 'monitor ended with exit code 3 before', marks=slow),
        pytest.param('monitor:import', 'monitor: ImportError: no diagnostic', marks=slow),
        pytest.param('monitor:memory', 'monitor ended with signal SIGKILL', marks=slow),
        ('vlm_clip:segfault', 'vlm_clip ended with signal SIGSEGV: Fatal Python error'),
        pytest.param('vlm_clip:import', 'exit code 2: ImportError: no diagnostic', marks=slow),
        pytest.param('vlm_clip:0', 'vlm_clip ended with exit code 0 while', marks=slow),
        pytest.param('corruption:1', 'corruption ended with exit code 1', marks=slow),
        ('composed:1', 'composed ended with exit code 1 before it had a verdict'),
        pytest.param('composed:import', 'composed: ImportError: no diagnostic', marks=slow),
        pytest.param('composed:segfault', 'composed ended with signal SIGSEGV', marks=slow),
        pytest.param('composed:memory', 'composed ended with signal SIGKILL', marks=slow),
    ],
)
def test_a_process_that_ends_at_once_is_named_with_its_reason_and_never_a_fail(
    start, tmp_path, fault, words
):
    (tmp_path / 'sitecustomize.py').write_text(SABOTAGE)
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get('PYTHONPATH', '')]))
    single = ['--single-process'] if fault.startswith('composed') else []
    started = start(*single, environment={'FAULT': fault, 'PYTHONPATH': path})
    code, _, error = started.end()
    assert code == 2 and words in error, error
    assert 'leaves no folder' in error and not started.folder.exists()


@pytest.mark.parametrize(
    'number',
    [
        signal.SIGINT,
        pytest.param(signal.SIGTERM, marks=slow),
        pytest.param(signal.SIGHUP, marks=slow),
    ],
)
def test_a_signal_while_models_load_ends_at_once_and_leaves_nothing(start, number):
    started = start()
    started.wait_for_node('vlm_captioner')
    begin = time.monotonic()
    started.process.send_signal(number)
    # A second and a third Ctrl-C, of somebody who is in a hurry, change nothing.
    started.process.send_signal(number)
    started.process.send_signal(number)
    code, _, error = started.end()
    assert code == 130 and 'interrupted; nothing was recorded' in error, error
    assert 'Traceback' not in error and not started.folder.exists()
    assert time.monotonic() - begin < 10


def test_ctrl_c_during_the_checks_is_one_line(config, tmp_path):
    code = (
        'import os, signal, sys\n'
        'from vlm_misalign_ros.app import cli, preflight\n'
        'preflight.open_replayed = lambda *a, **k: os.kill(os.getpid(), signal.SIGINT)\n'
        'sys.exit(cli.main(sys.argv[1:]))\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', code, 'run', str(config), '--out', str(tmp_path / 'runs')],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 130 and done.stderr == 'vlm-misalign: interrupted\n'
    assert not (tmp_path / 'runs').exists()


@pytest.mark.parametrize('single', [[], pytest.param(['--single-process'], marks=slow)])
def test_no_process_outlives_a_killed_runner_and_nothing_recorded_is_lost(
    start, single, tmp_path, capsys
):
    started = start(*single)
    started.wait_for(4)
    started.process.kill()
    started.process.wait(10)
    nothing_is_left_behind(started.folder)
    assert (started.folder / RECORDS).read_bytes().endswith(b'\n')
    recorded = len(frames(started.folder))
    assert recorded >= 4
    assert cli.main(['report', str(started.folder)]) == 3
    assert f'{recorded} of 96 frames' in capsys.readouterr().out


@pytest.mark.slow
def test_a_second_ctrl_c_does_without_the_results(start):
    started = start()
    started.wait_for(4)
    monitor = started.child('monitor')
    os.kill(monitor, signal.SIGSTOP)
    started.process.send_signal(signal.SIGINT)
    end = time.monotonic() + 20
    while started.process.poll() is None:
        assert time.monotonic() < end
        started.process.send_signal(signal.SIGINT)
        time.sleep(0.2)
    code, _, error = started.end()
    assert code == 130 and 'vlm-misalign report' in error and 'Traceback' not in error
    assert len(frames(started.folder)) >= 4


# A disk that is full, and one that is read only ----------------------------------------------

MOUNT = ['unshare', '--user', '--map-root-user', '--mount', 'bash', '-c']


@pytest.fixture
def mounted(tmp_path):
    """Return a function that runs a command with a small file system in tmp_path/disk."""
    (tmp_path / 'disk').mkdir()
    try:
        probe = subprocess.run(
            [*MOUNT, f'mount -t tmpfs -o size=64k tmpfs {tmp_path}/disk'], capture_output=True
        )
    except FileNotFoundError:
        pytest.skip('no unshare here')
    if probe.returncode:
        pytest.skip('no file system can be mounted here')

    def run(script, size):
        mount = f'mount -t tmpfs -o size={size} tmpfs {tmp_path}/disk && cd {tmp_path} && '
        return subprocess.run([*MOUNT, mount + script], capture_output=True, text=True)

    return run


@pytest.mark.parametrize('single', ['', pytest.param('--single-process', marks=slow)])
def test_a_disk_that_runs_full_is_named_and_keeps_whole_records(config, mounted, tmp_path, single):
    command = ' '.join(CLI)
    done = mounted(
        f'{command} run {config} --out disk --name run {single} segmentation=false '
        "'replay.conditions=[all]'; code=$?; cp disk/run/records.jsonl kept.jsonl; exit $code",
        '150k',
    )
    assert done.returncode == 2, done.stderr
    last = [line for line in done.stderr.splitlines() if line.startswith('vlm-misalign: error')]
    assert last and 'No space left on device' in last[0], done.stderr
    assert 'Traceback' not in done.stderr
    data = (tmp_path / 'kept.jsonl').read_bytes()
    assert data.endswith(b'\n') and len(list(read_frames(tmp_path / 'kept.jsonl'))) > 0


def test_a_disk_that_is_full_from_the_start_is_named_and_gets_no_folder(config, mounted):
    done = mounted(f'{" ".join(CLI)} run {config} --out disk; code=$?; ls disk; exit $code', '4k')
    assert done.returncode == 2 and 'No space left on device' in done.stderr
    assert done.stdout == '' and done.stderr.count('\n') == 1


def test_a_run_folder_that_is_read_only_is_named(recorded, mounted, tmp_path):
    folder, _ = recorded
    command = ' '.join(CLI)
    done = mounted(
        f'cp -r {folder} disk/run && mount -o remount,ro disk; {command} report disk/run; '
        f'echo $?; {command} diff disk/run {folder}; echo $?',
        '64M',
    )
    assert done.stdout.split('\n')[0] == '2', done.stdout + done.stderr
    assert 'Read-only file system' in done.stderr and 'Traceback' not in done.stderr
    assert done.stdout.split('\n')[-2] == '0'


def test_a_run_is_reported_elsewhere_without_its_data_set(recorded, tmp_path, monkeypatch, capsys):
    folder, _ = recorded
    shutil.copytree(folder, tmp_path / 'copied', ignore=shutil.ignore_patterns('bag', 'log'))
    (tmp_path / 'copied' / 'config.yaml').unlink()
    before = json.loads((folder / 'verdict.json').read_text())
    manifest = json.loads((tmp_path / 'copied' / 'manifest.json').read_text())
    for gone in ('replay', 'vlms', 'segmentation'):
        text = json.dumps(manifest['configuration'][gone])
        manifest['configuration'][gone] = json.loads(text.replace('/', '/no/such/place/'))
    (tmp_path / 'copied' / 'manifest.json').write_text(json.dumps(manifest))
    monkeypatch.chdir(tmp_path)
    assert cli.main(['report', 'copied']) == 0
    assert json.loads((tmp_path / 'copied' / 'verdict.json').read_text()) == before
    assert 'data:image/webp' in (tmp_path / 'copied' / 'report.html').read_text()


# Live ----------------------------------------------------------------------------------------


def resume_when_described(models):
    """Let the stand-in begin once every model is loaded."""
    import rclpy
    from std_srvs.srv import Trigger

    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('director', context=context)
    executor = rclpy.executors.SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        client = node.create_client(Trigger, '/replay/resume')
        end = time.monotonic() + 100
        wanted = [f'/vlm/{name}/description' for name in models]
        while not (
            all(node.count_publishers(topic) for topic in wanted)
            and node.count_publishers('/segmentation/labels')
            and client.service_is_ready()
        ):
            assert time.monotonic() < end, 'the models do not load'
            executor.spin_once(timeout_sec=0.05)
        executor.spin_until_future_complete(client.call_async(Trigger.Request()), 20)
    finally:
        node.destroy_node()
        rclpy.try_shutdown(context=context)


def test_live_every_frame_sent_is_scored_missing_late_or_unmatched(scenes, checkpoints, tmp_path):
    """A stand-in sends the synthetic world at 10 Hz; it waits for no answer."""
    config = tmp_path / 'live.yaml'
    config.write_text(
        yaml.safe_dump(
            {
                'mode': 'live',
                'corruption': {'schedule': ['clean', 'motion_blur:3'], 'hold': 2.0},
                'segmentation': {
                    'model': f'transformers:{checkpoints["segformer"]}',
                    'input_height': 128,
                },
                'vlms': {
                    'clip': {'model': f'open_clip:local-dir:{checkpoints["clip"]}'},
                    # Too slow for 10 Hz, so that frames have to be dropped.
                    'captioner': {
                        'model': f'transformers:{checkpoints["captioner"]}',
                        'max_new_tokens': 200,
                    },
                },
                'monitor': {
                    'deadline': 1.0,
                    'frames': SENT,
                    'duration': 100.0,
                    'minimum_coverage': 0.0,
                },
            }
        )
    )
    environment = {**os.environ, **process_environment()}
    world = subprocess.Popen(
        [
            sys.executable,
            '-m',
            'vlm_misalign_ros.nodes.replay',
            '--ros-args',
            '-p',
            f'dataset:={scenes}',
            '-p',
            'mode:=real_time',
            '-p',
            'rate:=10.0',
            '-p',
            'limit:=5',
            '-p',
            'conditions:=[all]',
            '-p',
            'reliability:=best_effort',
            '-p',
            'start_paused:=true',
        ],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        started = subprocess.Popen(
            [*CLI, 'run', str(config), '--out', str(tmp_path), '--name', 'live'],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        resume_when_described(['clip', 'captioner'])
        out, error = started.communicate(timeout=150)
        _, said = world.communicate(timeout=30)
    finally:
        world.kill()
    # INVALID where the captioner is so slow that it answers no frame in time.
    assert f'{SENT} frames sent' in said and started.returncode in (0, 3), error
    records = list(read_records(tmp_path / 'live' / 'records.jsonl'))
    accounting = records[-1]
    assert isinstance(accounting, AccountingRecord) and accounting.frames['complete'] > 0
    for name in ('clip', 'captioner', 'segmentation'):
        counts = accounting.parts[name]
        assert sum(counts.values()) == SENT, counts
        assert set(counts) <= {'scored', 'dropped', 'missing', 'late', 'unmatched'}
    assert accounting.parts['clip']['scored'] > 0
    assert accounting.parts['captioner']['dropped'] > 0
    conditions = {r.condition.name for r in records if isinstance(r, FrameRecord)}
    assert {'clean', 'motion_blur:3'} <= conditions
    # The summary tells the same.
    with open(tmp_path / 'live' / 'summary.csv') as stream:
        rows = [row for row in csv.DictReader(stream) if row['condition'] == 'all']
    for row in rows:
        states = ('scored', 'dropped', 'missing', 'late', 'unmatched')
        assert sum(int(row[key]) for key in states) == SENT
    assert 'dropped' in out


@pytest.mark.slow
def test_live_what_does_not_come_is_named_with_a_name_that_may_be_meant(
    checkpoints, scenes, tmp_path
):
    config = tmp_path / 'live.yaml'
    config.write_text(
        yaml.safe_dump(
            {
                'mode': 'live',
                'vlms': {'clip': {'model': f'open_clip:local-dir:{checkpoints["clip"]}'}},
                'monitor': {'duration': 30.0},
            }
        )
    )
    arguments = ['dataset:=' + str(scenes), 'mode:=real_time', 'loop:=true']
    world = subprocess.Popen(
        [sys.executable, '-m', 'vlm_misalign_ros.nodes.replay', '--ros-args', '-r', '__ns:=/ego']
        + [word for argument in arguments for word in ('-p', argument)],
        env={**os.environ, **process_environment()},
    )
    try:
        done = run('run', config, '--out', tmp_path, '--name', 'live')
    finally:
        world.send_signal(signal.SIGINT)
        world.wait(20)
    for part, topic in (('pictures', 'camera/image_raw'), ('labels', 'ground_truth/labels')):
        line = f'no {part} on /{topic} for 5 s; nobody publishes it; similar: /ego/{topic} ('
        assert line in done.stderr, done.stderr
    assert 'ready after' in done.stderr and 'listening to /camera/image_raw' in done.stderr
    assert done.returncode == 3


# Bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    'overrides, words',
    [
        (['replay.dataset=/no/such/data'], 'data set folder /no/such/data does not exist'),
        (['replay.split=train'], "no split 'train'"),
        (['replay.cities=[atlantis]'], "no city 'atlantis'"),
        (['replay.conditions=["fog:2"]'], "'fog:2' is not a condition"),
        (['replay.limit=-2'], "'limit'"),
        (['replay.limt=2'], "'limt'"),
        (['vlms.clip.threshold=2'], "'threshold'"),
        (['vlms.clip.model=open_clip:ViT-Q/openai'], "no model 'ViT-Q'"),
        (['vlms.clip.model=transformers:/no/where'], '/no/where does not exist'),
        (['vlms.clip.calibration=/no/file'], 'calibration /no/file cannot be read'),
        (['vlms={}'], "'vlms' is empty"),
        (['monitor.limits=[smr]'], "limit 'smr', at its end: expected <"),
        (['monitor.limits=["x/smr < 1"]'], "the model 'x', which the run has not"),
        (['monitor.limits=["smr@fog < 1"]'], 'fog, which the run does not show'),
        (['monitor.limits=["not worse than /no/run by 0"]'], 'has no records.jsonl'),
        (['monitor.limits=["luck=1"]'], "'luck'"),
        (['no-equals-sign'], 'KEY=VALUE'),
        (['seed=-1'], "'seed' is -1"),
    ],
)
def test_bad_input_is_one_clear_line(config, tmp_path, capsys, overrides, words):
    code = cli.main(['run', str(config), '--out', str(tmp_path), *overrides])
    error = capsys.readouterr().err
    assert code == 2 and words in error and error.count('\n') == 1
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    'arguments, words',
    [
        (['run', 'nowhere.yaml'], 'nowhere'),
        (['analyse', '/no/bag'], '/no/bag'),
        (['report', '/no/run'], '/no/run'),
        (['compare', '/no/a', '/no/b'], '/no/a'),
        (['diff', '/no/a', '/no/b'], '/no/a'),
        (['merge', '/no/out', '/no/a', '/no/b'], '/no/a'),
        (['truth', '/no/data'], '/no/data'),
        (['scenes', '/dev/null/x', '--frames', '1'], 'cannot be written'),
    ],
)
def test_commands_name_what_is_not_there(capsys, arguments, words):
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert words in error and error.startswith('vlm-misalign: error: ')


def test_truth_is_drawn_for_every_frame(scenes, tmp_path, capsys):
    assert cli.main(['truth', str(scenes), 'stopping_distance=12', '--out', str(tmp_path)]) == 0
    assert len(list(tmp_path.glob('*.jpg'))) == 6 and '6 pictures' in capsys.readouterr().out
    assert cli.main(['truth', str(scenes), 'stopping=12', '--out', str(tmp_path)]) == 2
    assert "'stopping'" in capsys.readouterr().err
    assert cli.main(['truth', str(scenes), '--out', '/dev/null/x']) == 2
    assert 'cannot be written' in capsys.readouterr().err


def test_a_run_of_the_same_name_is_not_overwritten_by_accident(recorded, config, capsys):
    folder, _ = recorded
    before = (folder / 'records.jsonl').read_bytes()
    assert cli.main(['run', str(config), '--out', str(folder.parent), '--name', folder.name]) == 2
    assert '--overwrite' in capsys.readouterr().err
    assert (folder / 'records.jsonl').read_bytes() == before


def test_a_folder_that_is_no_run_is_left_alone(config, tmp_path, capsys):
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine' / 'thesis.txt').write_text('years of work')
    code = cli.main(['run', str(config), '--out', str(tmp_path), '--name', 'mine', '--overwrite'])
    assert code == 2 and 'left alone' in capsys.readouterr().err
    assert (tmp_path / 'mine' / 'thesis.txt').exists()
