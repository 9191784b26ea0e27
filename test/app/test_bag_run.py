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

"""`bag run`: models over somebody else's recording, as the graph would have run them."""

import json
import shutil
import subprocess
import sys

import pytest
import yaml
from drives import record

from vlm_misalign_ros.core.records.schema import Status
from vlm_misalign_ros.core.records.store import RECORDS, difference, read_frames

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]
CLI = [sys.executable, '-m', 'vlm_misalign_ros.app.cli']


@pytest.fixture(scope='module')
def config(checkpoints, tmp_path_factory):
    """Return the path of a small configuration of a live run."""
    path = tmp_path_factory.mktemp('config') / 'live.yaml'
    path.write_text(
        yaml.safe_dump(
            {
                'mode': 'live',
                'seed': 3,
                'record': True,
                'corruption': {'condition': 'low_light:2'},
                'segmentation': {
                    'model': f'transformers:{checkpoints["segformer"]}',
                    'input_height': 128,
                },
                'vlms': {'clip': {'model': f'open_clip:local-dir:{checkpoints["clip"]}'}},
                'monitor': {'deadline': 200.0, 'startup_timeout': 300.0, 'pictures': 2},
            }
        )
    )
    return path


CONDITIONS = 'replay.conditions=[clean, "low_light:4", "occlusion:2"]'


def run(*arguments, code=0):
    done = subprocess.run([*CLI, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == code, done.stderr + done.stdout
    return done


def frames(folder):
    return list(read_frames(folder / RECORDS))


@pytest.fixture(scope='module')
def bag(scenes, tmp_path_factory):
    """Return a bag with ground truth."""
    return record(tmp_path_factory.mktemp('bags') / 'drive', scenes, rate=10.0)


@pytest.fixture(scope='module')
def in_process(bag, config, tmp_path_factory):
    """Return the folder of a run over the bag."""
    out = tmp_path_factory.mktemp('runs')
    run('bag', 'run', bag, config, CONDITIONS, '--out', out, '--name', 'a')
    return out / 'a'


def test_every_picture_is_asked_about_once_for_each_condition(in_process):
    found = frames(in_process)
    assert len(found) == 18 and len({one.stamp for one in found}) == 18
    assert {one.dataset for one in found} == {'drive'}
    assert found[0].key == 'drive@1700000000.000000000'
    for one in found:
        assert one.truth is not None
        assert one.segmentation.status is Status.SCORED
        assert one.models['clip'].status is Status.SCORED
    manifest = json.loads((in_process / 'manifest.json').read_text())
    assert manifest['dataset']['name'] == 'drive' and manifest['dataset']['frames'] == 6


def test_answers_are_those_to_the_pictures_themselves(in_process, scenes, config, tmp_path):
    # What lies how far away the bag does not tell.
    changes = ['mode=evaluation', 'record=false', 'corruption={}', 'replay.depth=false']
    changes.append(f'replay.dataset={scenes}')
    run('run', config, *changes, '--in-process', '--out', tmp_path, '--name', 'b')
    clean = [one for one in frames(in_process) if one.condition.name == 'clean']
    for one, other in zip(clean, frames(tmp_path / 'b'), strict=True):
        assert one.models['clip'].answer == other.models['clip'].answer
        assert one.segmentation == other.segmentation
        assert one.truth.presence == other.truth.presence


def test_the_graph_gives_the_same_records(bag, config, in_process, tmp_path):
    arguments = [bag, config, CONDITIONS, '--out', tmp_path, '--name', 'a', '--graph']
    run('bag', 'run', *arguments)
    assert difference(in_process / RECORDS, tmp_path / 'a' / RECORDS) == []


@pytest.mark.slow
def test_the_bag_of_a_run_under_other_names_gives_the_records_of_the_run(scenes, config, tmp_path):
    """Recorded by ROS itself, in a namespace, with every kind of name remapped."""
    changed = {
        'camera/image_raw': '/ego/rgb',
        'ground_truth/labels': 'labels/semantic',
        'degraded/image_raw': 'shown',
        'segmentation/labels': '/elsewhere/mask',
        'vlm/clip/description': 'said/clip',
    }
    remap = json.dumps(changed)
    run(
        *('run', config, 'mode=evaluation', 'corruption={}', f'replay.dataset={scenes}'),
        *(CONDITIONS, 'namespace=fleet/car', f'remap={remap}'),
        *('--out', tmp_path, '--name', 'ros'),
    )
    for name, taken in (('beside', tmp_path / 'ros' / 'bag'), ('alone', tmp_path / 'moved')):
        words = ['bag', 'analyse', taken, '--out', tmp_path / name]
        if name == 'alone':
            # Without the configuration of its run, what it was called has to be told.
            shutil.copytree(tmp_path / 'ros' / 'bag', taken)
            words += ['--config', config, '--namespace', 'fleet/car']
            words += [w for rule in changed.items() for w in ('--topic', ':='.join(rule))]
        run(*words)
        found = tmp_path / name / RECORDS
        assert difference(tmp_path / 'ros' / RECORDS, found) == []
        assert len(list(read_frames(found))) == 18


def test_a_camera_alone_has_models_held_against_themselves(scenes, config, tmp_path):
    bag = record(tmp_path / 'drive', scenes, False, '/car/', 'front/image')
    words = ['bag', 'run', bag, config, CONDITIONS, '--out', tmp_path / 'runs', '--name', 'a']
    refused = run(*words, code=2)
    assert refused.stderr.count('\n') == 1
    assert '--topic camera/image_raw:=/car/front/image' in refused.stderr
    assert not (tmp_path / 'runs').exists()
    done = run(*words, '--topic', 'camera/image_raw:=/car/front/image')
    assert 'no ground truth' in done.stderr
    found = frames(tmp_path / 'runs' / 'a')
    assert len(found) == 18 and all(one.truth is None for one in found)
    assert (tmp_path / 'runs' / 'a' / 'self_consistency.json').is_file()
