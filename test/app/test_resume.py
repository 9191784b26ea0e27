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

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from vlm_misalign_ros.core.records.schema import FrameRecord
from vlm_misalign_ros.core.records.store import RECORDS, comparable, read_records

KILLING = Path(__file__).parents[1] / 'killing.py'
CLIPS = 'miniature:llava'


@pytest.fixture(scope='module')
def drive(scenes, tmp_path_factory):
    """Return the frames as one sequence, so that they are shown with each other."""
    folder = tmp_path_factory.mktemp('drive') / 'scenes'
    for path in scenes.rglob('*_00000?_000000_*'):
        name = re.sub(r'_00000(\d)_000000_', r'_000000_00000\1_', path.name)
        out = folder / path.parent.relative_to(scenes) / name
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, out)
    return folder


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
                    'talker': {'model': CLIPS, 'asks': {'plain': {}, 'past': {'frames': 2}}},
                    'moody': {'model': CLIPS, 'max_failures': 4},
                    'lost': {'model': CLIPS, 'max_failures': 2},
                    'reader': {'model': 'mask_reader'},
                },
                'monitor': {'pictures': 4, 'minimum_coverage': 0.0},
            }
        )
    )
    return path


def killed(config, out, seed, kills):
    done = subprocess.run(
        [sys.executable, str(KILLING), str(config), str(out), str(seed), str(kills)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout.splitlines()[-1])


def lines(folder):
    """Return the lines of a run without times, and the pictures and tables that it leaves."""
    records = list(read_records(folder / RECORDS))
    frames = [comparable(record) for record in records if isinstance(record, FrameRecord)]
    return frames, [
        type(record).__name__ for record in records if not isinstance(record, FrameRecord)
    ]


def same(whole, cut):
    one, other = lines(whole), lines(cut)
    assert one[0] == other[0] and one[1] == other[1]
    accounts = [list(read_records(folder / RECORDS))[-1] for folder in (whole, cut)]
    for name in ('parts', 'frames', 'period', 'estimated_lost'):
        assert getattr(accounts[0], name) == getattr(accounts[1], name)
    for name in ('summary.csv', 'rates.csv', 'analysis.json'):
        assert (whole / name).read_text() == (cut / name).read_text()
    verdicts = [json.loads((folder / 'verdict.json').read_text()) for folder in (whole, cut)]
    assert verdicts[0] == verdicts[1]
    pictures = [
        {path.name: path.read_bytes() for path in (folder / 'pictures').iterdir()}
        for folder in (whole, cut)
    ]
    assert pictures[0] == pictures[1] and pictures[0]
    names = [{path.name for path in folder.iterdir()} for folder in (whole, cut)]
    assert names[0] == names[1]


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
    told = killed(configured(tmp_path, drive, **replay), tmp_path, seed, 10)
    assert told[-1]['code'] == 0
    assert sum(one['code'] == -9 for one in told) > 3
    assert any('--resume' in one['words'] for one in told)
    same(tmp_path / 'whole', tmp_path / 'cut')
