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

"""A sweep leaves what runs by themselves leave, however often it was killed on the way."""

import errno
import fcntl
import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import killing
import pytest
import yaml

from vlm_misalign_ros.app import models_told, preflight, sweeping
from vlm_misalign_ros.app.cli import main
from vlm_misalign_ros.app.sweeping import first_of_each
from vlm_misalign_ros.core.evaluation.engine import Models
from vlm_misalign_ros.core.models.factory import local_hash
from vlm_misalign_ros.core.records.schema import FrameRecord
from vlm_misalign_ros.core.records.store import (
    RECORDS,
    comparable,
    difference,
    read_frames,
    read_records,
)

CLI = [sys.executable, '-m', 'vlm_misalign_ros.app.cli']


@pytest.fixture(scope='module')
def config(drive, checkpoints, tmp_path_factory):
    """Return the path of a configuration of two seeds, with asks that see past frames."""
    path = tmp_path_factory.mktemp('config') / 'grid.yaml'
    path.write_text(
        yaml.safe_dump(
            {
                'replay': {
                    'dataset': str(drive),
                    'conditions': ['clean', 'low_light:4', 'occlusion:3'],
                },
                'sweep': {'seeds': [3, 7], 'shard': 1},
                'segmentation': {
                    'model': f'transformers:{checkpoints["segformer"]}',
                    'input_height': 128,
                },
                'vlms': {
                    'clip': {'model': f'open_clip:local-dir:{checkpoints["clip"]}'},
                    'talker': {
                        'model': f'transformers:{checkpoints["llava"]}',
                        'max_new_tokens': 4,
                        'asks': {'plain': {}, 'past': {'frames': 2}},
                    },
                    'reader': {'model': 'mask_reader'},
                },
                'monitor': {'deadline': 200.0, 'pictures': 4},
            }
        )
    )
    return path


def sweep(config, out, *more, code=0):
    assert main(['sweep', str(config), '--out', str(out), '--name', 'grid', *more]) == code
    return out / 'grid'


@pytest.fixture(scope='module')
def swept(config, tmp_path_factory):
    """Return the folder of a sweep in this process."""
    return sweep(config, tmp_path_factory.mktemp('swept'))


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob('*') if path.is_file())


def plain(record):
    """Return a record without its times, and without the folder that its run lies in."""
    found = comparable(record)
    return {**found, 'run': found.get('run') and Path(found['run']).name}


def same(one, other):
    """Hold two sweeps against each other: records, results, pictures and files."""
    for run in ('scenes_seed3', 'scenes_seed7', 'all'):
        found = [[plain(r) for r in read_frames(f / run / RECORDS)] for f in (one, other)]
        assert found[0] == found[1]
        for name in ('summary.csv', 'analysis.json'):
            assert (one / run / name).read_text() == (other / run / name).read_text()
    assert names(one) == names(other)


@pytest.mark.heavy
@pytest.mark.timeout(600)
@pytest.mark.parametrize('seed', [3, 7])
def test_a_run_of_a_sweep_is_that_of_a_run_by_itself(config, swept, tmp_path, seed):
    data = yaml.safe_load(config.read_text())
    data.pop('sweep')
    alone = tmp_path / 'alone.yaml'
    alone.write_text(yaml.safe_dump(data))
    words = ['run', str(alone), f'seed={seed}', '--in-process']
    name = f'scenes_seed{seed}'
    assert main([*words, '--out', str(tmp_path), '--name', name]) == 0
    one, other = tmp_path / name, swept / name
    assert difference(one / RECORDS, other / RECORDS) == []
    for name in ('summary.csv', 'analysis.json'):
        assert (one / name).read_text() == (other / name).read_text()
    assert names(one) == names(other)
    for name in ('manifest.json', 'verdict.json'):
        found = [json.loads((folder / name).read_text()) for folder in (one, other)]
        for entry in found:
            for free in ('started', 'command', 'revision'):
                entry.pop(free, None)
            entry.get('configuration', {}).pop('out', None)
        assert found[0] == found[1]
    lines = [list(read_records(folder / RECORDS)) for folder in (one, other)]
    others = [[r for r in some if not isinstance(r, FrameRecord)] for some in lines]
    assert others[0] == others[1] and len(others[0]) == 2


@pytest.mark.heavy
@pytest.mark.timeout(600)
def test_past_frames_are_shown_across_shards(swept):
    found = list(read_frames(swept / 'scenes_seed3' / RECORDS))
    assert len(found) == 18
    shown = {n: {r.models[n].answer.shown for r in found} for n in ('talker_plain', 'talker_past')}
    assert shown == {'talker_plain': {1}, 'talker_past': {1, 2, 3}}


@pytest.mark.heavy
@pytest.mark.timeout(600)
def test_all_seeds_are_one_run_in_which_a_scene_stays_one(swept):
    found = list(read_frames(swept / 'all' / RECORDS))
    assert len(found) == 36 and {r.cycle for r in found} == set(range(6))
    analysis = json.loads((swept / 'all' / 'analysis.json').read_text())
    single = json.loads((swept / 'scenes_seed3' / 'analysis.json').read_text())
    for name, entry in analysis['models'].items():
        assert entry['frames'] == 2 * single['models'][name]['frames']
        assert entry['scenes'] == single['models'][name]['scenes']


@pytest.mark.heavy
@pytest.mark.timeout(600)
def test_two_processes_and_a_second_time_give_the_same(config, swept, tmp_path, capsys):
    there = sweep(config, tmp_path, '--jobs', '2')
    same(swept, there)
    before = {path: path.stat().st_mtime_ns for path in there.rglob(RECORDS)}
    sweep(config, tmp_path)
    kept = [path for path, when in before.items() if path.stat().st_mtime_ns == when]
    assert {path.parent.name for path in kept} >= {'scenes_seed3', 'scenes_seed7'}
    same(swept, there)


@pytest.fixture
def light(scenes, tmp_path, monkeypatch):
    """Return the path of a configuration with models made by hand, of which nothing is loaded."""
    monkeypatch.setattr(Models, 'load', killing.load)
    path = tmp_path / 'light.yaml'
    data = {
        'replay': {'dataset': str(scenes), 'conditions': ['clean'], 'limit': 2},
        'segmentation': {'model': 'miniature:segformer'},
        'vlms': {'talker': {'model': 'miniature:llava'}},
        'monitor': {'pictures': 0, 'minimum_coverage': 0.0},
    }
    path.write_text(yaml.safe_dump(data))
    return path


def test_models_and_data_are_gone_through_once_for_all_seeds(light, tmp_path, monkeypatch):
    hashed, opened = [], []
    monkeypatch.setattr(
        models_told, 'local_hash', lambda model: hashed.append(model) or local_hash(model)
    )
    for module in (sweeping, preflight):
        real = module.open_replayed
        monkeypatch.setattr(
            module, 'open_replayed', lambda replay, real=real: opened.append(1) or real(replay)
        )
    there = sweep(light, tmp_path, 'sweep.seeds=[1, 2, 3]')
    assert len(hashed) == 2 and len(opened) == 2
    manifests = [
        json.loads((there / f'scenes_seed{seed}' / 'manifest.json').read_text())
        for seed in (1, 2, 3)
    ]
    assert [m['configuration']['corruption']['seed'] for m in manifests] == [1, 2, 3]
    first = manifests[0]
    assert set(first['models']) == {'talker', 'segmentation'}
    assert all(m['models'] == first['models'] for m in manifests)
    assert all(m['dataset'] == first['dataset'] for m in manifests)


def test_a_shard_that_counts_as_done_is_on_the_disk(light, tmp_path, monkeypatch):
    done = set()
    real = os.fsync

    def fsync(file):
        done.add(Path(os.readlink(f'/proc/self/fd/{file}')))
        real(file)

    monkeypatch.setattr(os, 'fsync', fsync)
    run = sweep(light, tmp_path) / 'scenes_seed0'
    making = {path for path in done if path.parent == run / 'shards' and path.name[0] == '.'}
    assert len(making) == 1 and run / 'shards' in done
    (shard,) = making
    assert {path.name for path in done if path.parent == shard} >= {
        'records.jsonl', 'notes.json', 'engine.log'
    }  # fmt: skip
    assert {run / 'records.jsonl', run / 'ending.json'} <= done


def test_a_sweep_that_cannot_begin_replaces_nothing(light, tmp_path, capsys):
    there = sweep(light, tmp_path)
    before = names(there)
    assert 'scenes_seed0/records.jsonl' in before
    sweep(light, tmp_path, '--overwrite', 'vlms.talker.model=miniature:nothing', code=2)
    assert "no miniature 'nothing'" in capsys.readouterr().err
    assert names(there) == before
    sweep(light, tmp_path, '--overwrite', 'sweep.seeds=[1]')
    assert not (there / 'scenes_seed0').exists() and (there / 'scenes_seed1').is_dir()


def test_data_sets_that_name_frames_alike_are_left_by_themselves(light, scenes, tmp_path, capsys):
    other = tmp_path / 'more' / scenes.name
    shutil.copytree(scenes, other)
    there = sweep(light, tmp_path, f'sweep.datasets=["{scenes}", "{other}"]')
    told = capsys.readouterr().err
    assert 'no run over all of them: frame ' in told and 'share no frames' in told
    assert not (there / 'all').exists()
    runs = [there / f'{name}_seed0' for name in ('scenes', 'scenes_2')]
    assert all((run / 'verdict.json').is_file() for run in runs)


def test_a_folder_that_cannot_be_had_is_named(light, tmp_path, capsys):
    (tmp_path / 'file').write_text('')
    sweep(light, tmp_path / 'file', code=2)
    told = capsys.readouterr().err
    assert 'cannot be made or written: Not a directory' in told and 'Traceback' not in told


def test_where_a_file_system_has_no_locks_a_sweep_goes_on(light, tmp_path, monkeypatch):
    def flock(file, how):
        raise OSError(errno.ENOLCK, 'none')

    monkeypatch.setattr(fcntl, 'flock', flock)
    sweep(light, tmp_path)


def test_a_second_sweep_in_the_folder_is_refused(light, tmp_path, capsys):
    there = tmp_path / 'grid'
    there.mkdir()
    with open(there / '.lock', 'w') as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        sweep(light, tmp_path, code=2)
    assert 'a sweep is going on' in capsys.readouterr().err


def test_without_ray_the_extra_is_named(config, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr('vlm_misalign_ros.app.ray_pool.find_spec', lambda name: None)
    sweep(config, tmp_path, '--engine', 'ray', code=2)
    assert "pip install 'vlm_misalign_ros[ray]'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.heavy
@pytest.mark.timeout(900)
@pytest.mark.parametrize('jobs', [1, 2])
def test_killed_at_random_places_it_gives_the_same(config, swept, tmp_path, jobs):
    drawn, out = random.Random(jobs), tmp_path / 'grid'
    words = [*CLI, 'sweep', str(config), '--out', str(tmp_path), '--name', 'grid']
    killed = 0
    # Each time as many more shards as are drawn; the last of them ends among the results.
    while not (out / 'all' / 'report.html').is_file() and killed < 5:
        there = len(list(out.glob('*/shards/0*')))
        more = drawn.randint(1, 4)
        process = subprocess.Popen([*words, '--jobs', str(jobs)], stderr=subprocess.PIPE)
        while process.poll() is None and len(list(out.glob('*/shards/0*'))) < there + more:
            if list(out.glob('*/ending.json')):
                break
            time.sleep(0.002)
        time.sleep(drawn.random() * 0.05)
        process.kill()
        process.communicate()
        killed += 1
    assert killed > 1
    sweep(config, tmp_path, '--jobs', str(jobs))
    same(swept, out)


@pytest.mark.heavy
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    'change, why',
    [
        ('sweep.shard=2', 'other runs, frames or conditions'),
        ('replay.limit=3', 'other runs, frames or conditions'),
        ('monitor.critical=[car]', 'another configuration (monitor)'),
        ('vlms.clip.model=miniature:clip', 'another configuration (vlms)'),
    ],
)
def test_another_sweep_of_the_name_is_refused(config, swept, capsys, change, why):
    sweep(config, swept.parent, change, code=2)
    assert why in capsys.readouterr().err


@pytest.mark.parametrize(
    'change, why',
    [
        ('sweep.seeds=[]', 'sweep.seeds'),
        ('sweep.seeds=[1,1]', 'sweep.seeds'),
        ('sweep.seeds=[true]', 'sweep.seeds'),
        ('sweep.shard=-1', 'sweep.shard'),
        ('sweep.datasets=3', 'sweep.datasets'),
        ('sweep.models=[]', "no 'models'"),
        ('sweep=3', "section 'sweep'"),
        ('monitor.frames=3', 'replay.limit'),
        ('record=true', 'record'),
    ],
)
def test_what_will_not_do_is_refused(config, tmp_path, capsys, change, why):
    sweep(config, tmp_path, change, code=2)
    told = capsys.readouterr().err
    assert why in told and told.count('\n') == 1 and not list(tmp_path.iterdir())


def test_of_notes_of_one_kind_the_first_is_kept():
    notes = ['a failed on the frame at 1.0: x', 'b', 'a failed on the frame at 2.0: y', 'b']
    assert first_of_each(iter(notes)) == notes[:2]
