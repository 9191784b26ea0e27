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

"""What is known of a reference before a run, and which models cannot be one."""

import pytest
from segmenters import make

from vlm_misalign_ros.app.preflight import preflight
from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.labels.classes import CLASSES
from vlm_misalign_ros.core.models.factory import model_hash
from vlm_misalign_ros.core.models.factory import parse as parse_model
from vlm_misalign_ros.core.records.merge import measured
from vlm_misalign_ros.core.settings.configuration import parse

pytestmark = [pytest.mark.heavy, pytest.mark.filterwarnings('ignore::FutureWarning')]


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    return f'transformers:{make("segformer", tmp_path_factory.mktemp("tiny") / "whole")}'


def facts(model, own='miniature:segformer', **more):
    plain = {
        'mode': 'live',
        'segmentation': {'model': own},
        'reference': {'model': model, **more},
        'vlms': {'clip': {'model': 'miniature:clip'}},
    }
    return preflight(parse(plain))


def test_model_and_hash_are_in_the_manifest(whole):
    found = facts(whole)['models']['reference']
    assert found == {
        'model': whole,
        'role': 'reference',
        'sha256': model_hash(parse_model(whole)),
        'label_map': {'name': 'names'},
        'classes': list(CLASSES),
    }


def test_runs_against_other_references_are_not_merged(whole):
    def told(model, height):
        plain = {'reference': {'model': model, 'input_height': height}, 'monitor': {}}
        return measured({'configuration': plain, 'models': facts(model)['models']})

    assert told(whole, 512) == told(whole, 512)
    assert told(whole, 512) != told(whole, 256)


def test_one_that_lacks_classes_is_refused(tmp_path):
    names = [f'my {name}' if name in ('rider', 'car') else name for name in CLASSES]
    few = f'transformers:{make("segformer", tmp_path / "few", names)}'
    with pytest.raises(ConfigurationError, match='cannot tell rider, car, .* all 19'):
        facts(few)
    path = tmp_path / 'map.yaml'
    path.write_text('my car: car\nmy rider: rider\n', encoding='utf-8')
    assert 'lacking' not in facts(few, label_map=str(path))['models']['reference']


def test_the_runs_own_segmentation_under_another_name_is_refused(whole, tmp_path):
    again = tmp_path / 'again'
    again.symlink_to(whole.removeprefix('transformers:'))
    with pytest.raises(ConfigurationError, match="the run's own segmentation"):
        facts(f'transformers:{again}', own=whole)
