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

"""What a run notes of its segmentation model before it begins, and what is merged by it."""

import json

import pytest
from segmenters import make

from vlm_misalign_ros.app.graph import build_graph
from vlm_misalign_ros.app.preflight import preflight
from vlm_misalign_ros.core.errors import MisalignError
from vlm_misalign_ros.core.labels.classes import CLASSES
from vlm_misalign_ros.core.models.exporting import export
from vlm_misalign_ros.core.models.factory import model_hash
from vlm_misalign_ros.core.models.factory import parse as parse_model
from vlm_misalign_ros.core.records.merge import measured
from vlm_misalign_ros.core.settings.configuration import override, parse

pytestmark = [pytest.mark.heavy, pytest.mark.filterwarnings('ignore::FutureWarning')]
NAMES = [f'my {name}' if name in ('rider', 'car') else name for name in CLASSES]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Return a tiny SegFormer, two of whose classes have names of their own."""
    return make('segformer', tmp_path_factory.mktemp('tiny') / 'segformer', NAMES)


@pytest.fixture
def facts(scenes):
    """Return a function from settings of the segmentation to what the manifest has of it."""
    plain = {
        'replay': {'dataset': str(scenes), 'conditions': ['clean']},
        'segmentation': {'input_height': 64},
        'vlms': {'clip': {'model': 'miniature:clip'}},
    }

    def find(**settings):
        changes = [f'segmentation.{name}={json.dumps(value)}' for name, value in settings.items()]
        return preflight(parse(override(plain, changes)))['models']['segmentation']

    return find


def test_a_model_of_all_classes_lacks_none(facts):
    found = facts(model='miniature:segformer')
    assert found['label_map'] == {'name': 'names'} and 'lacking' not in found
    assert found['classes'] == list(CLASSES)


def test_what_a_model_cannot_tell_is_in_the_manifest_before_a_frame_is_seen(facts, folder):
    found = facts(model=f'transformers:{folder}')
    assert found['lacking'] == ['rider', 'car'] and found['label_map'] == {'name': 'names'}
    assert found['classes'] == [name for name in CLASSES if name not in found['lacking']]


def test_the_monitor_of_a_run_is_told_what_its_model_can_tell(tmp_path):
    chosen = parse({'mode': 'live', 'vlms': {'clip': {'model': 'miniature:clip'}}})

    def told():
        (monitor,) = (spec for spec in build_graph(chosen, tmp_path).nodes if spec.ends_run)
        return monitor.parameters.get('segmentation_classes')

    assert told() is None
    entry = {'classes': ['road', 'sky'], 'lacking': [*CLASSES[1:10], *CLASSES[11:]]}
    (tmp_path / 'manifest.json').write_text(json.dumps({'models': {'segmentation': entry}}))
    assert told() == ['road', 'sky']


def test_a_label_map_of_ones_own_is_in_it_with_its_hash(facts, folder, tmp_path):
    path, other = tmp_path / 'a.yaml', tmp_path / 'b.yaml'
    text = f'transformers:{folder}'
    path.write_text('my car: car\n')
    other.write_text('my car: car\n')
    found = facts(model=text, label_map=str(path))
    assert found['lacking'] == ['rider']
    assert found['label_map']['name'] == str(path) and len(found['label_map']['sha256']) == 64
    decides = measured({'models': {'segmentation': found}})
    # Where it lies does not count, what it says does.
    again = facts(model=text, label_map=str(other))
    assert measured({'models': {'segmentation': again}}) == decides
    path.write_text('my car: truck\nmy rider: rider\n')
    changed = facts(model=text, label_map=str(path))
    assert measured({'models': {'segmentation': changed}}) != decides


@pytest.mark.parametrize('form', ['torchscript', 'onnx'])
def test_a_network_in_a_file_is_in_it_with_the_hash_of_all_its_files(
    facts, folder, tmp_path, form
):
    found = export(f'transformers:{folder}', form, tmp_path / 'here', (64, 128))
    here = facts(model=f'{form}:{found.file}')
    assert here['sha256'] == model_hash(parse_model(f'{form}:{found.file}'))
    assert here['lacking'] == ['rider', 'car']
    # On another machine, in another folder, it is the same model.
    (tmp_path / 'here').rename(tmp_path / 'there')
    there = facts(model=f'{form}:{tmp_path / "there" / found.file.name}')
    assert {**here, 'model': ''} == {**there, 'model': ''}
    assert measured({'models': {'segmentation': here}}) == measured(
        {'models': {'segmentation': there}}
    )


@pytest.mark.parametrize(
    'settings, named',
    [
        ({'label_map': 'nowhere'}, "label_map 'nowhere' cannot be read"),
        ({'label_map': 'ade20k', 'model': 'onnx:/no/net.onnx'}, '/no/net.onnx does not exist'),
        ({'model': 'torchscript:/no/net.pt'}, '/no/net.pt does not exist'),
    ],
)
def test_what_will_not_do_is_refused_before_a_run(facts, settings, named):
    with pytest.raises(MisalignError) as raised:
        facts(**{'model': 'miniature:segformer', **settings})
    assert named in str(raised.value)
