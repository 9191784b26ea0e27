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

"""What a configuration with a scenario is checked for, and what its manifest says."""

import json

import pytest

from vlm_misalign_ros.app.preflight import preflight
from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.files import write_json
from vlm_misalign_ros.core.records.ending import EXPECTED, Ending, write_ending
from vlm_misalign_ros.core.records.schema import SCHEMA, RunRecord, encode
from vlm_misalign_ros.core.report.baseline import check_runs
from vlm_misalign_ros.core.report.limits import parse_limits
from vlm_misalign_ros.core.settings.configuration import parse
from vlm_misalign_ros.core.world import generate


@pytest.fixture(scope='module')
def drive(tmp_path_factory):
    """Return a folder of one drive of four frames, and a scenario in it."""
    root = tmp_path_factory.mktemp('scripted')
    generate(root / 'drive', 4, seed=1, width=64, height=32, sequence_length=4)
    (root / 'night.yaml').write_text(
        '- {condition: clean, seconds: 0.2}\n- {condition: "low_light:2 + motion_blur:1"}\n'
    )
    return root


def configuration(drive, replay=None, **more):
    replay = {
        'dataset': str(drive / 'drive'),
        'sequences': True,
        'scenario': str(drive / 'night.yaml'),
        **(replay or {}),
    }
    return parse({'vlms': {'m': {'model': 'miniature:clip'}}, 'replay': replay, **more})


@pytest.mark.parametrize('hold, frames', [(1, 4), (5, 20)])
def test_a_scenario_is_one_pass_and_in_the_manifest(drive, hold, frames):
    facts = preflight(configuration(drive, {'hold': hold}))
    assert facts[EXPECTED] == frames
    assert facts['scenario']['conditions'] == ['clean', 'low_light:2+motion_blur:1']
    assert len(facts['scenario']['sha256']) == 64
    assert facts['dataset']['protocol'] == ('labelled sequence' if hold == 1 else 'hold-frame')


def test_each_corruption_of_several_has_its_scale_and_may_be_limited(drive):
    chosen = configuration(drive, monitor={'limits': ['smr_false_safe@corrupted < 0.9']})
    scales = preflight(chosen)['severities']['scales']
    assert {'low_light', 'motion_blur'} <= scales.keys()
    assert not any('+' in name for name in scales)


def test_single_corruptions_of_several_are_no_condition_of_a_limit(drive):
    chosen = configuration(drive, monitor={'limits': ['smr_false_safe@low_light < 0.9']})
    with pytest.raises(ConfigurationError, match='low_light'):
        preflight(chosen)


def test_a_run_with_a_scenario_is_a_baseline_of_what_it_met(drive, tmp_path):
    base = tmp_path / 'base'
    base.mkdir()
    plain = encode(RunRecord(SCHEMA, 'base', ['m'])) + b'\n'
    (base / 'records.jsonl').write_bytes(plain)
    facts = preflight(configuration(drive))
    manifest = {'configuration': configuration(drive).resolved(), **facts}
    write_json(base / 'manifest.json', json.loads(json.dumps(manifest, default=str)))
    write_ending(base, Ending(4, False, False, None, []))
    (limit,) = parse_limits([f'smr not worse than {base} by 0.02'])
    shown = ['clean', 'low_light:2+motion_blur:1']
    assert check_runs([limit], models=['m'], conditions=shown) == {str(base): str(base)}
    with pytest.raises(ConfigurationError, match='shows no low_light:3'):
        check_runs([limit], models=['m'], conditions=[*shown, 'low_light:3'])


@pytest.mark.parametrize(
    'replay, more, told',
    [
        ({'conditions': ['low_light:1']}, {}, 'conditions'),
        ({'scenario': '/no/such.yaml'}, {}, 'does not exist'),
        ({}, {'corruption': {'scenario': 'x.yaml'}}, 'replay.scenario'),
    ],
)
def test_what_contradicts_a_scenario_is_refused(drive, replay, more, told):
    with pytest.raises(ConfigurationError, match=told):
        configuration(drive, replay, **more)


@pytest.mark.parametrize('given', [{'condition': 'low_light:1'}, {'schedule': ['clean']}])
def test_live_a_scenario_stands_alone(drive, given):
    corruption = {'scenario': str(drive / 'night.yaml'), **given}
    vlms = {'m': {'model': 'miniature:clip'}}
    with pytest.raises(ConfigurationError, match=next(iter(given))):
        parse({'mode': 'live', 'vlms': vlms, 'corruption': corruption})
    del corruption[next(iter(given))]
    found = parse({'mode': 'live', 'vlms': vlms, 'corruption': corruption})
    assert found.corruption.scenario == str(drive / 'night.yaml')
    assert preflight(found)['scenario']['conditions'][0] == 'clean'
