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

"""A run that was killed and gone on with leaves what one leaves that nobody stopped."""

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import killing
import numpy as np
import pytest
import yaml

from vlm_misalign_ros.app.cli import main
from vlm_misalign_ros.core.evaluation.engine import Models
from vlm_misalign_ros.core.records.account import AccountingRecord
from vlm_misalign_ros.core.records.ending import Ending, write_ending
from vlm_misalign_ros.core.records.schema import SCHEMA, FrameRecord, RunRecord
from vlm_misalign_ros.core.records.store import (
    RECORDS,
    RecordWriter,
    comparable,
    difference,
    read_records,
)

KILLING = Path(__file__).parents[1] / 'killing.py'
CLI = [sys.executable, '-m', 'vlm_misalign_ros.app.cli']
LLAVA = 'miniature:llava'
PATIENCE = 200.0
"""Seconds within which a graph has to come as far as it is waited for, on a busy machine."""


def configured(folder, dataset, **replay):
    path = folder / 'grid.yaml'
    path.write_text(
        yaml.safe_dump(
            {
                'seed': 5,
                'replay': {
                    'dataset': str(dataset),
                    'conditions': ['clean', 'low_light:4', 'occlusion:3'],
                    **replay,
                },
                'segmentation': {'model': 'miniature:segformer'},
                'vlms': {
                    'talker': {'model': LLAVA, 'asks': {'plain': {}, 'past': {'frames': 2}}},
                    'moody': {'model': LLAVA, 'max_failures': 4},
                    'lost': {'model': LLAVA, 'max_failures': 3},
                    'reader': {'model': 'mask_reader'},
                },
                'monitor': {'pictures': 4, 'minimum_coverage': 0.0},
            }
        )
    )
    return path


def killed(verb, config, out, seed, kills):
    done = subprocess.run(
        [sys.executable, str(KILLING), verb, str(config), str(out), str(seed), str(kills)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout.splitlines()[-1])


def lines(folder):
    """Return the frames of a run without times, and of which kinds its other lines are."""
    frames, others = [], []
    for record in read_records(folder / RECORDS):
        if isinstance(record, FrameRecord):
            plain = comparable(record)
            # Of several runs in one: where they lie is no part of what they measured.
            frames.append({**plain, 'run': Path(plain.get('run') or '').name})
        else:
            others.append(type(record).__name__)
    return frames, others


def same(whole, cut):
    one, other = lines(whole), lines(cut)
    assert one[0] == other[0] and one[1] == other[1]
    # What several runs are as one has no last line of its own.
    accounts = [
        [
            record
            for record in read_records(folder / RECORDS)
            if isinstance(record, AccountingRecord)
        ]
        for folder in (whole, cut)
    ]
    for first, second in zip(*accounts, strict=True):
        for name in ('parts', 'frames', 'period', 'estimated_lost'):
            assert getattr(first, name) == getattr(second, name)
    for name in ('summary.csv', 'rates.csv', 'analysis.json'):
        assert (whole / name).read_text() == (cut / name).read_text()
    # Of several runs it says in which of them what was.
    verdicts = [(folder / 'verdict.json').read_text() for folder in (whole, cut)]
    assert json.loads(verdicts[0].replace('/whole/', '/cut/')) == json.loads(verdicts[1])
    pictures = [
        {path.name: path.read_bytes() for path in (folder / 'pictures').iterdir()}
        for folder in (whole, cut)
    ]
    assert pictures[0] == pictures[1] and pictures[0]
    names = [{path.name for path in folder.iterdir()} for folder in (whole, cut)]
    assert names[0] == names[1]


@pytest.mark.slow
@pytest.mark.heavy
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    'seed, replay',
    [(1, {}), (2, {'hold': 2, 'limit': 4}), (3, {'scenario': True})],
    ids=['past', 'held', 'scenario'],
)
def test_killed_ten_times_at_random_it_gives_the_same(drive, tmp_path, seed, replay):
    if 'scenario' in replay:
        path = tmp_path / 'scenario.yaml'
        path.write_text(
            yaml.safe_dump(
                [
                    {'condition': 'clean', 'seconds': 0.2},
                    {'condition': 'low_light', 'ramp': [1, 5], 'seconds': 0.3},
                    {'condition': 'occlusion:2'},
                ]
            )
        )
        replay = {'scenario': str(path), 'conditions': ['clean']}
    told = killed('run', configured(tmp_path, drive, **replay), tmp_path, seed, 10)
    assert told[-1]['code'] == 0
    assert sum(one['code'] == -9 for one in told) > 3
    assert any('--resume' in one['words'] for one in told)
    same(tmp_path / 'whole', tmp_path / 'cut')


@pytest.mark.slow
@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_a_sweep_that_was_killed_ten_times_at_random_gives_the_same(drive, tmp_path):
    config = configured(tmp_path, drive)
    chosen = yaml.safe_load(config.read_text())
    chosen['sweep'] = {'seeds': [3, 7], 'shard': 1}
    config.write_text(yaml.safe_dump(chosen))
    told = killed('sweep', config, tmp_path, 4, 10)
    assert told[-1]['code'] == 0 and sum(one['code'] == -9 for one in told) > 3
    for name in ('scenes_seed3', 'scenes_seed7', 'all'):
        same(tmp_path / 'whole' / name, tmp_path / 'cut' / name)


@pytest.fixture
def cluster(monkeypatch):
    """Have a Ray cluster of three processors, with models made by hand; skip without ray."""
    pytest.importorskip('ray')
    from ray.cluster_utils import Cluster

    # Processes of a cluster look for what they need where this one does.
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join(map(str, KILLING.parents[:2])))
    found = Cluster(
        initialize_head=True, head_node_args={'num_cpus': 3, 'include_dashboard': False}
    )
    monkeypatch.setenv('RAY_ADDRESS', found.address)
    monkeypatch.setattr('vlm_misalign_ros.app.ray_pool.RemoteWorker', killing.ByHandWorker)
    monkeypatch.setattr(Models, 'load', killing.load)
    yield found
    found.shutdown()


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_a_sweep_on_a_ray_cluster_gives_what_one_process_gives(drive, tmp_path, cluster, capsys):
    config = configured(tmp_path, drive)
    words = ['sweep', str(config), 'sweep.seeds=[3, 7]', 'sweep.shard=1', '--out', str(tmp_path)]
    assert main([*words, '--name', 'whole']) == 0
    assert main([*words, '--name', 'cut', '--engine', 'ray']) == 0
    for name in ('scenes_seed3', 'scenes_seed7', 'all'):
        same(tmp_path / 'whole' / name, tmp_path / 'cut' / name)
    assert not (tmp_path / 'cut' / '.ray').exists()
    # What goes wrong there is said as if it were here.
    capsys.readouterr()
    broken = [*words, 'vlms.broken.model=miniature:llava', '--name', 'broken', '--engine', 'ray']
    assert main(broken) == 2
    assert 'this model is broken' in capsys.readouterr().err.splitlines()[-1]


def closed(folder):
    """Return how many lines of frames there are."""
    records = folder / RECORDS
    return records.read_bytes().count(b'\n{"kind":"frame"') if records.is_file() else 0


def wait_until(condition):
    """Wait until something is so; fail where it does not become so."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f'not within {PATIENCE} s'
        time.sleep(0.005)


def stopped(words, folder, frames, number):
    """
    Run a command, and send it a signal when so many frames are closed; return its exit code.

    What it started has a session of its own, and sees by itself that whoever started it is gone.
    """
    process = subprocess.Popen([*CLI, *map(str, words)], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: process.poll() is not None or closed(folder) >= frames)
        process.send_signal(number)
        return process.wait(PATIENCE)
    finally:
        process.kill()
        process.wait()


def is_free(path):
    """Return whether nobody writes records any more."""
    with open(path, 'rb') as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def network(folder):
    """Write a segmentation of one convolution; return its name."""
    onnx = pytest.importorskip('onnx')
    helper, numbers = onnx.helper, np.random.default_rng(3)
    names = {'w': numbers.normal(0, 1, (3, 3, 1, 1)), 'b': np.zeros(3)}
    weights = [onnx.numpy_helper.from_array(v.astype(np.float32), n) for n, v in names.items()]
    ends = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 3, 32, 64])
        for name in ('x', 'y')
    ]
    graph = helper.make_graph(
        [helper.make_node('Conv', ['x', 'w', 'b'], ['y'])], 'g', ends[:1], ends[1:], weights
    )
    opset = [helper.make_opsetid('', 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), folder / 'net.onnx')
    card = {'size': [32, 64], 'mean': [0.4] * 3, 'std': [0.2] * 3}
    (folder / 'net.yaml').write_text(
        yaml.safe_dump({**card, 'classes': ['road', 'car', 'person']})
    )
    return f'onnx:{folder / "net.onnx"}'


TOTAL = 66


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_a_graph_that_was_killed_and_interrupted_gives_the_records_of_one_process(
    scenes, tmp_path
):
    pytest.importorskip('rclpy')
    config = tmp_path / 'graph.yaml'
    config.write_text(
        yaml.safe_dump(
            {
                'replay': {
                    'dataset': str(scenes),
                    'conditions': ['clean', 'low_light:1-5', 'occlusion:1-5'],
                    'max_in_flight': 3,
                    'startup_timeout': 600.0,
                },
                'segmentation': {'model': network(tmp_path)},
                'vlms': {'reader': {'model': 'mask_reader'}},
                'monitor': {'deadline': 200.0, 'startup_timeout': 600.0},
            }
        )
    )
    begin = ['run', str(config), '--out', str(tmp_path)]
    whole, cut = tmp_path / 'whole', tmp_path / 'cut'
    words = [*begin, '--name', 'cut', '--single-process']
    assert stopped(words, cut, 6, signal.SIGKILL) == -signal.SIGKILL
    wait_until(lambda: is_free(cut / RECORDS))
    resume = ['run', '--resume', str(cut)]
    # More than there are already: at its first moments a process is killed by it.
    assert stopped(resume, cut, min(closed(cut) + 3, TOTAL - 3), signal.SIGINT) == 130
    done = subprocess.run([*CLI, *resume], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    kept = int(re.search(r'goes on behind (\d+) of 66 frames', done.stderr)[1])
    assert 6 <= kept < TOTAL
    assert main([*begin, '--in-process', '--name', 'whole']) == 0
    assert difference(whole / RECORDS, cut / RECORDS) == []
    kinds = [type(record).__name__ for record in read_records(cut / RECORDS)]
    assert kinds == ['RunRecord', *['FrameRecord'] * TOTAL, 'AccountingRecord']
    for name in ('summary.csv', 'analysis.json'):
        assert (whole / name).read_text() == (cut / name).read_text()


def refused(capsys, *words):
    assert main(['run', *map(str, words)]) == 2
    told = capsys.readouterr().err
    assert told.count('\n') == 1
    return told


def test_what_is_no_interrupted_run_is_refused(tmp_path, capsys):
    assert 'is no run folder' in refused(capsys, '--resume', tmp_path / 'nothing')
    config = configured(tmp_path, tmp_path)
    run = tmp_path / 'run'
    run.mkdir()
    (run / 'manifest.json').write_text('{}')
    config.rename(run / 'config.yaml')
    assert 'has no records' in refused(capsys, '--resume', 'run', '--out', tmp_path)
    write_ending(run, Ending())
    (run / 'report.html').write_text('')
    told = refused(capsys, '--resume', run)
    assert 'has come to its end' in told and 'nothing to go on with' in told


def test_a_folder_that_was_renamed_is_refused_before_anything_is_removed(tmp_path, capsys):
    run = tmp_path / 'renamed'
    run.mkdir()
    (run / 'manifest.json').write_text('{}')
    configured(tmp_path, tmp_path).rename(run / 'config.yaml')
    writer = RecordWriter(run / RECORDS)
    writer.write(RunRecord(SCHEMA, 'first', ['reader']))
    writer.close()
    write_ending(run, Ending(interrupted=True))
    (run / 'report.html').write_text('of before')
    kept = {path.name: path.read_bytes() for path in run.iterdir()}
    told = refused(capsys, '--resume', run)
    assert "holds the run 'first'" in told and 'give the folder that name again' in told
    assert {path.name: path.read_bytes() for path in run.iterdir()} == kept


@pytest.mark.parametrize(
    'words', [['x.yaml'], ['--name', 'a'], ['--overwrite'], ['--in-process'], ['--node', 'vlm_a']]
)
def test_a_run_goes_on_as_it_was_begun(words, capsys):
    assert 'goes on as it was begun' in refused(capsys, '--resume', 'a', *words)


def test_a_run_needs_a_configuration(capsys):
    assert 'give CONFIG, or --resume NAME' in refused(capsys, '--name', 'a')
    # What stands behind an option is taken all the same.
    assert "configuration 'nothing.yaml' does not exist" in refused(
        capsys, '--name', 'a', 'nothing.yaml', 'seed=3'
    )
