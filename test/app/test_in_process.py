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

"""A run in one process leaves what a run of the graph leaves, to the last digit."""

import json
import subprocess
import sys

import pytest
import yaml

from vlm_misalign_ros.core.records.schema import FrameRecord
from vlm_misalign_ros.core.records.store import RECORDS, difference, read_frames, read_records

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]
CLI = [sys.executable, '-m', 'vlm_misalign_ros.app.cli']
WITHOUT_ROS = """
import sys
class No:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("rclpy", "sensor_msgs", "diagnostic_msgs", "std_msgs",
                                  "builtin_interfaces", "rcl_interfaces", "rpyutils"):
            raise ImportError("no ROS here: " + name)
sys.meta_path.insert(0, No())
from vlm_misalign_ros.app.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope='module')
def config(scenes, checkpoints, tmp_path_factory):
    """Return the path of a configuration with every kind of ask."""
    path = tmp_path_factory.mktemp('config') / 'every.yaml'
    path.write_text(
        yaml.safe_dump(
            {
                'mode': 'evaluation',
                'seed': 7,
                'replay': {
                    'dataset': str(scenes),
                    'conditions': ['clean', 'low_light:4', 'occlusion:3', 'blank'],
                    'max_in_flight': 3,
                    'startup_timeout': 300.0,
                    'hold': 2,
                    'limit': 3,
                },
                'self_consistency': True,
                'segmentation': {
                    'model': f'transformers:{checkpoints["segformer"]}',
                    'input_height': 128,
                },
                'vlms': {
                    'clip': {'model': f'open_clip:local-dir:{checkpoints["clip"]}'},
                    'reader': {'model': 'mask_reader'},
                    'talker': {
                        'model': f'transformers:{checkpoints["llava"]}',
                        'max_new_tokens': 12,
                        'asks': {
                            'plain': {},
                            'past': {'frames': 1, 'paraphrases': 1},
                            'told': {'input': 'image+objects+uncertainty'},
                        },
                    },
                },
                'monitor': {'deadline': 200.0, 'startup_timeout': 300.0, 'pictures': 4},
            }
        )
    )
    return path


def run(*arguments, code=0):
    done = subprocess.run([*CLI, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == code, done.stderr + done.stdout
    return done


@pytest.fixture(scope='module')
def one_process(config, tmp_path_factory):
    """Return the folder of a run in one process, on a machine without ROS."""
    out = tmp_path_factory.mktemp('runs')
    arguments = ['run', config, '--in-process', '--out', out, '--name', 'every']
    done = subprocess.run(
        [sys.executable, '-c', WITHOUT_ROS, *map(str, arguments)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return out / 'every'


def test_its_records_and_results_are_those_of_the_graph(config, one_process, tmp_path):
    run('run', config, '--out', tmp_path, '--name', 'every', '--single-process')
    graph = tmp_path / 'every'
    assert difference(graph / RECORDS, one_process / RECORDS) == []
    frames = [[r.stamp for r in read_frames(f / RECORDS)] for f in (graph, one_process)]
    assert frames[1] == sorted(frames[1]) and sorted(frames[0]) == frames[1]
    assert len(frames[1]) == 24
    manifests = [json.loads((f / 'manifest.json').read_text()) for f in (graph, one_process)]
    for manifest in manifests:
        for name in ('started', 'command', 'revision'):
            manifest.pop(name)
        manifest['configuration'].pop('out')
    assert manifests[0] == manifests[1]
    verdicts = [json.loads((f / 'verdict.json').read_text()) for f in (graph, one_process)]
    assert verdicts[0] == verdicts[1]
    # temporal.json is made of the times that models took, too.
    for name in ('summary.csv', 'analysis.json', 'self_consistency.json'):
        texts = [(f / name).read_text() for f in (graph, one_process)]
        assert texts[0] == texts[1], name
    assert {p.name for p in one_process.iterdir()} == {p.name for p in graph.iterdir()}


def test_every_kind_of_ask_was_answered(one_process):
    found = [r for r in read_records(one_process / RECORDS) if isinstance(r, FrameRecord)]
    names = {'clip', 'reader', 'talker_plain', 'talker_past', 'talker_told'}
    for record in found:
        assert record.models.keys() == names
        assert all(e.answer or e.error for e in record.models.values())
    shown = {
        name: {r.models[name].answer.shown for r in found if r.models[name].answer}
        for name in ('talker_plain', 'talker_past')
    }
    assert shown['talker_plain'] <= {1} and 2 in shown['talker_past']


@pytest.mark.parametrize('change, why', [('record=true', 'record'), ('annotate=true', 'annotate')])
def test_what_needs_topics_is_refused(config, tmp_path, change, why):
    done = run('run', config, change, '--in-process', '--out', tmp_path, code=2)
    assert done.stderr.count('\n') == 1 and why in done.stderr
    assert not list(tmp_path.iterdir())
