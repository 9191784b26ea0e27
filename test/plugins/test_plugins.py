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

"""Plug-ins: found by their entry points, what those of street_extras do, a run with all four."""

from __future__ import annotations

import json
import math
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from vlm_misalign_ros.core.errors import DatasetError, ModelError, RecordError
from vlm_misalign_ros.core.models.answering import CheckedVlm
from vlm_misalign_ros.core.models.families import ModelReference, SegmentationOptions, VlmOptions
from vlm_misalign_ros.core.records.schema import Closing, Status
from vlm_misalign_ros.core.records.store import difference, read_frames
from vlm_misalign_ros.core.types import Judgement, Kind, Mention, Role
from vlm_misalign_ros.core.world import render_scene

pytestmark = pytest.mark.heavy

WHOLE = Path(__file__).parent / 'whole.py'
SIMULATOR = Path(__file__).parent / 'simulator.py'


@pytest.fixture(scope='module')
def street():
    """Return a picture of the synthetic world, BGR uint8 (128, 256, 3)."""
    return render_scene(3, 0, 256, 128).image


# Found ---------------------------------------------------------------------------------------

FIND = """
import json, sys
from vlm_misalign_ros.core.corruptions import CORRUPTIONS, covers, degrade, parse_conditions
from vlm_misalign_ros.core.datasets import LAYOUTS, open_dataset
from vlm_misalign_ros.core.labels.encodings import ENCODINGS, open_encoding
from vlm_misalign_ros.core.models.factory import load_vlm
from vlm_misalign_ros.core.models.families import FAMILIES
from vlm_misalign_ros.core.types import Condition

dataset = open_dataset('flat:' + sys.argv[1])
names = {r.group: [n for n in r.names() if n not in r.builtin()]
         for r in (CORRUPTIONS, LAYOUTS, FAMILIES, ENCODINGS)}
early = [name for name in sys.modules if name in ('street_extras.fog', 'street_extras.rules')]
frame = dataset.read(2)
made = degrade(frame.image, Condition('fog', 4), 1, frame.key)
print(json.dumps({
    'names': names,
    'early': early,
    'asked': [c.name for c in parse_conditions(['fog:1,3'])],
    'all': [c.name for c in parse_conditions('all') if c.corruption == 'fog'],
    'covers': [covers('fog'), made.applied.covers, made.occluder is not None],
    'parameters': made.applied.parameters,
    'frames': [dataset.name, len(dataset), dataset.has_depth, frame.key, list(frame.labels.shape)],
    'answer': load_vlm('rules:darkness').describe(frame.image).text,
    'decoded': open_encoding('simple').decode(frame.labels % 5).shape,
}))
"""


def test_the_four_are_found_by_their_entry_points_and_work(site, flat):
    done = site.python(FIND, flat)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found['names'] == {
        'vlm_misalign_ros.corruptions': ['fog'],
        'vlm_misalign_ros.datasets': ['flat'],
        'vlm_misalign_ros.model_families': ['rules'],
        'vlm_misalign_ros.label_encodings': ['simple'],
    }
    assert found['early'] == []
    assert found['asked'] == ['fog:1', 'fog:3'] and found['all'] == []
    assert found['covers'] == [False] * 3 and found['parameters']['beta'] == 0.04
    assert found['frames'] == ['town', 3, False, '2', [128, 256]]
    assert found['answer'].endswith('It is safe to proceed.') and found['decoded'] == [128, 256]


# Fog -----------------------------------------------------------------------------------------


def fogged(extras, image, severity, seed=5):
    return extras.fog.apply(image, severity, np.random.default_rng(seed))


def test_fog_is_the_same_by_seed_and_leaves_the_picture_alone(extras, street):
    before = street.copy()
    once, again = fogged(extras, street, 3), fogged(extras, street, 3)
    assert once.image.shape == street.shape and once.image.dtype == np.uint8
    assert np.array_equal(once.image, again.image) and once.parameters == again.parameters
    assert not np.array_equal(once.image, fogged(extras, street, 3, seed=6).image)
    assert np.array_equal(street, before)


def test_fog_thickens_with_the_severity_under_the_same_air(extras, street):
    found = [fogged(extras, street, severity) for severity in range(1, 6)]
    pictures = [street, *(effect.image for effect in found)]
    steps = [np.abs(np.diff(picture.astype(int), axis=1)).mean() for picture in pictures]
    assert steps == sorted(steps, reverse=True) and steps[0] > 5 * steps[-1]
    assert len({effect.parameters['airlight'] for effect in found}) == 1
    visibilities = [effect.parameters['visibility'] for effect in found]
    assert [round(metres) for metres in visibilities] == [599, 300, 150, 75, 37]


def test_fog_is_koschmieders_law(extras, monkeypatch):
    monkeypatch.setattr(extras.fog, 'PATCHES', 0.0)
    black, white = np.zeros((1024, 32, 3), np.uint8), np.full((1024, 32, 3), 255, np.uint8)
    low, high = (fogged(extras, image, 4) for image in (black, white))
    light = [(effect.image[:, 0, 0] / 255) ** 2.2 for effect in (low, high)]
    # Of the light of a road 1.22 m below a camera that looks down by 0.038, exp(-beta d) is left.
    for row in (700, 850, 1000):
        slope = (row + 0.5 - 513.137) / 2265.30
        metres = 1.22 * (math.cos(0.038) - slope * math.sin(0.038))
        metres /= slope * math.cos(0.038) + math.sin(0.038)
        left = math.exp(-0.04 * metres)
        assert light[1][row] - light[0][row] == pytest.approx(left, abs=0.012)
        assert light[0][row] == pytest.approx(low.parameters['airlight'] * (1 - left), abs=0.006)
    assert (light[1] - light[0])[:400] == pytest.approx(math.exp(-0.04 * 50), abs=0.012)


# Flat ----------------------------------------------------------------------------------------


def opened(extras, root, split='', cities=(), limit=0, sequences=False):
    return extras.flat.open_flat(root, split, cities, limit, sequences)


def test_flat_frames_are_read_in_order(extras, flat):
    dataset = opened(extras, flat)
    assert [frame.key for frame in dataset] == ['0', '1', '2']
    assert {(entry.sequence, entry.city) for entry in dataset.entries} == {('town', 'town')}
    frame, wanted = dataset.read(1), render_scene(3, 1, 256, 128)
    assert np.array_equal(frame.image, wanted.image)
    assert np.array_equal(frame.labels, wanted.labels)
    assert frame.instances is frame.camera is frame.depth is None
    assert len(opened(extras, flat, limit=2)) == 2


def spoil(root, name, pixels=None, keep=None):
    path = root / name
    if pixels is not None:
        cv2.imwrite(str(path), pixels)
    elif keep is not None:
        path.write_bytes(path.read_bytes()[:keep])
    else:
        path.unlink()


@pytest.mark.parametrize(
    'change, words',
    [
        (shutil.rmtree, 'town does not exist. expected FOLDER/frames'),
        (lambda root: shutil.rmtree(root / 'frames'), 'frames does not exist'),
        (lambda root: shutil.rmtree(root / 'labels'), 'labels does not exist'),
        (lambda root: [p.unlink() for p in (root / 'frames').iterdir()], 'has no PNG file'),
        (lambda root: spoil(root, 'labels/1.png'), '1.png has no labels'),
        (lambda root: spoil(root, 'labels/1.png', keep=200), '1.png is truncated'),
        (lambda root: spoil(root, 'frames/2.png', keep=0), '2.png is no PNG file'),
        (
            lambda root: spoil(root, 'labels/0.png', np.zeros((64, 256), np.uint8)),
            '0.png is 256 x 64, its picture 256 x 128',
        ),
        (
            lambda root: spoil(root, 'labels/0.png', np.zeros((128, 256, 3), np.uint8)),
            'expected 8-bit grey',
        ),
    ],
)
def test_what_is_wrong_with_a_flat_folder_is_named_when_it_is_opened(
    extras, flat, tmp_path, change, words
):
    root = tmp_path / 'town'
    shutil.copytree(flat, root)
    change(root)
    with pytest.raises(DatasetError, match=words):
        opened(extras, root)


@pytest.mark.parametrize('asked', [{'split': 'val'}, {'cities': ('ulm',)}, {'sequences': True}])
def test_what_flat_folders_do_not_have_is_refused(extras, flat, asked):
    with pytest.raises(DatasetError, match='no splits, cities and sequences'):
        opened(extras, flat, **asked)


def test_damaged_pixels_and_ids_that_are_none_are_named_when_they_are_read(extras, flat, tmp_path):
    root = tmp_path / 'town'
    shutil.copytree(flat, root)
    spoil(root, 'labels/0.png', np.full((128, 256), 200, np.uint8))
    data = bytearray((root / 'frames' / '1.png').read_bytes())
    data[len(data) // 2] ^= 255
    (root / 'frames' / '1.png').write_bytes(data)
    dataset = opened(extras, root)
    with pytest.raises(DatasetError, match=r'0.png has the value 200. expected .* 0 to 33'):
        dataset.read(0)
    with pytest.raises(DatasetError, match=r'1.png is damaged: wrong checksum'):
        dataset.read(1)


# Rules ---------------------------------------------------------------------------------------


def describer(extras, **options):
    family = extras.rules.FAMILY
    reference = family.parse('darkness', 'rules:darkness')
    assert family.kind(reference) is Kind.GENERATIVE
    return CheckedVlm(reference.text, family.open_vlm(reference, VlmOptions(**options)))


@pytest.fixture(scope='module')
def busy():
    """Return a picture full of edges, BGR uint8 (64, 128, 3)."""
    values = np.random.default_rng(0).integers(100, 200, (64, 128, 1), dtype=np.uint8)
    return np.repeat(values, 3, axis=2)


def test_rules_say_what_their_text_says(extras, busy):
    model = describer(extras)
    assert model.kind is Kind.GENERATIVE
    car = {'car': Mention.ASSERTED, 'road': Mention.ASSERTED}
    none = {'car': Mention.DENIED}
    for picture, mentions, judgement in (
        (busy, car, Judgement.SAFE),
        (busy // 3, car, Judgement.UNSAFE),
        (np.full_like(busy, 128), none, Judgement.SAFE),
        (np.zeros_like(busy), none, Judgement.UNSAFE),
    ):
        answer = model.describe(picture)
        assert (answer.mentions, answer.judgement) == (mentions, judgement), answer.text
        assert model.describe(picture).text == answer.text


def test_rules_are_read_with_the_lexicon_that_is_asked_for(extras, busy, tmp_path):
    path = tmp_path / 'more.yaml'
    path.write_text(yaml.safe_dump({'things': [{'classes': ['bus'], 'phrases': ['a car']}]}))
    assert describer(extras, lexicon=str(path)).describe(busy).asserted == {'bus', 'road'}


def test_other_rules_and_segmentation_are_refused(extras):
    family = extras.rules.FAMILY
    with pytest.raises(ModelError, match="no rules 'x'. known: darkness"):
        family.parse('x', 'rules:x')
    reference = ModelReference('rules:darkness', 'rules', 'darkness')
    family.check(reference, Role.VLM)
    for call in (
        lambda: family.check(reference, Role.SEGMENTATION),
        lambda: family.open_segmentation(reference, SegmentationOptions()),
    ):
        with pytest.raises(ModelError, match='has no segmentation models'):
            call()


# Simple --------------------------------------------------------------------------------------


def test_simple_values_are_labels_of_cityscapes(extras):
    values = np.array([[0, 1, 2, 3, 4, 5, 255]], np.uint8)
    assert extras.simple.SIMPLE.decode(values).tolist() == [[0, 7, 26, 24, 11, 0, 0]]
    for other in (np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2), np.uint16)):
        with pytest.raises(RecordError, match='is not simple'):
            extras.simple.SIMPLE.decode(other)


# Whole runs ----------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def whole(site, flat, tmp_path_factory):
    """Return the folder of an evaluation with all four, and of the same as a bag."""
    out = tmp_path_factory.mktemp('whole')
    done = site.python(WHOLE.read_text(), flat, out)
    assert done.returncode == 0, done.stderr
    return out


def cars(found):
    """Return the number of frames in which a car is asserted."""
    return sum(r.models['rules'].answer.mentions.get('car') == 'ASSERTED' for r in found)


def counted(found, name):
    """Return the sum of a count over frames."""
    return sum(getattr(record.models['rules'].score.counts, name) for record in found)


VEHICLES = ('car', 'truck', 'bus', 'motorcycle', 'bicycle')
WALKERS = ('person', 'rider')


def test_one_evaluation_uses_all_four(whole):
    found = list(read_frames(whole / 'run' / 'records.jsonl'))
    assert [record.condition.name for record in found[::3]] == [
        'clean',
        'fog:3',
        'fog:5',
        'low_light:4',
    ]
    assert {record.dataset for record in found} == {'town'}
    absent = set()
    for record in found:
        assert record.closed is Closing.COMPLETE and record.problem is None
        assert record.models['rules'].status is Status.SCORED
        states = record.truth.presence
        # Who shares a value is there like the others, or like them is not.
        for group in (VEHICLES, WALKERS):
            assert len({states[name] for name in group}) == 1
        absent |= {name for name, state in states.items() if state == 'ABSENT'}
        assert 'REQUIRED' not in states.values()
    # What no value stands for is never known to be absent.
    assert absent <= {*VEHICLES, *WALKERS}
    clean, thin, thick, dark = (found[start : start + 3] for start in (0, 3, 6, 9))
    assert cars(clean) > cars(thick) == 0 and cars(clean) >= cars(thin)
    # What is denied in the fog may be there or not: that is no omission.
    assert counted(found, 'required') == counted(found, 'omitted') == 0
    assert thick[0].condition.parameters['beta'] == 0.08
    assert {record.models['rules'].answer.judgement for record in dark} == {'UNSAFE'}


def test_a_bag_with_labels_of_the_encoding_gives_the_same_records(site, whole, tmp_path):
    config = tmp_path / 'config.yaml'
    config.write_text(
        yaml.safe_dump(
            {
                'vlms': {'rules': {'model': 'rules:darkness'}},
                'monitor': {'label_encoding': 'simple', 'instances': False},
            }
        )
    )
    out = tmp_path / 'out'
    done = site.cli('analyse', whole / 'bag', '--config', config, '--out', out)
    assert done.returncode == 0, done.stderr
    assert difference(whole / 'run' / 'records.jsonl', out / 'records.jsonl') == []
    assert 'fog:5' in done.stdout


def test_a_run_over_ros_takes_frames_fog_and_answers_from_plugins(site, flat, tmp_path):
    config = tmp_path / 'config.yaml'
    config.write_text(
        yaml.safe_dump(
            {
                'seed': 7,
                'replay': {
                    'dataset': f'flat:{flat}',
                    'conditions': ['clean', 'fog:3', 'fog:5', 'low_light:4'],
                    'startup_timeout': 60.0,
                },
                'segmentation': False,
                'vlms': {'rules': {'model': 'rules:darkness'}},
                'monitor': {'instances': False, 'pictures': 2, 'startup_timeout': 60.0},
            }
        )
    )
    done = site.cli('run', config, '--out', tmp_path, '--name', 'run')
    assert done.returncode == 0, done.stderr + done.stdout
    assert 'verdict: COMPLETE' in done.stdout and 'fog:5' in done.stdout
    found = list(read_frames(tmp_path / 'run' / 'records.jsonl'))
    assert len(found) == 12 and {record.closed for record in found} == {Closing.COMPLETE}
    assert {record.models['rules'].status for record in found} == {Status.SCORED}
    found.sort(key=lambda record: record.index)
    # The truth is that of the data set: more classes than the encoding has.
    assert found[0].truth.presence['sky'] != 'ABSENT'
    clean, thick = found[:3], found[6:9]
    assert cars(clean) > cars(thick) == 0
    # What is denied in the fog and is there is a false denial and an omission.
    assert counted(thick, 'false_denials') > counted(clean, 'false_denials')
    assert counted(thick, 'omitted') > counted(clean, 'omitted')


@pytest.mark.slow
def test_a_live_run_over_ros_uses_all_four(site, flat, tmp_path):
    config = tmp_path / 'config.yaml'
    config.write_text(
        yaml.safe_dump(
            {
                'mode': 'live',
                'corruption': {'schedule': ['clean', 'fog:5'], 'hold': 30.0},
                'segmentation': False,
                'vlms': {'rules': {'model': 'rules:darkness'}},
                'monitor': {
                    'instances': False,
                    'label_encoding': 'simple',
                    'deadline': 5.0,
                    'frames': 6,
                    'duration': 90.0,
                },
            }
        )
    )
    with ThreadPoolExecutor() as pool:
        simulator = pool.submit(site.python, SIMULATOR.read_text(), flat)
        done = site.cli('run', config, '--out', tmp_path, '--name', 'run')
    assert done.returncode == 0, done.stderr + done.stdout
    assert simulator.result().returncode == 0, simulator.result().stderr
    found = list(read_frames(tmp_path / 'run' / 'records.jsonl'))
    assert [record.condition.name for record in found] == ['clean'] * 3 + ['fog:5'] * 3
    assert {record.models['rules'].status for record in found} == {Status.SCORED}
    assert {record.truth.presence['sky'] for record in found} == {'TOLERATED'}
    assert cars(found[:3]) > cars(found[3:]) == 0


# Broken --------------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def broken(make_site):
    """Return a site with plug-ins of every kind whose module raises, beside street_extras."""
    site = make_site()
    site.install_extras()
    (site.folder / 'broken_extras.py').write_text("raise RuntimeError('no licence\\nfound')\n")
    kinds = ('corruptions', 'datasets', 'model_families', 'label_encodings')
    points = {f'vlm_misalign_ros.{kind}': {'broken': 'broken_extras:THING'} for kind in kinds}
    site.install('broken-extras', '1.0', points)
    return site


@pytest.mark.parametrize(
    'noun, change',
    [
        ('corruption', {'replay': {'conditions': ['broken:2'], 'startup_timeout': 60.0}}),
        ('data set layout', {'replay': {'dataset': 'broken:/data'}}),
        ('model family', {'vlms': {'x': {'model': 'broken:x'}}}),
        ('label encoding', {'monitor': {'label_encoding': 'broken'}}),
    ],
)
def test_a_broken_plugin_is_one_error_that_names_it(broken, flat, tmp_path, noun, change):
    config = tmp_path / 'config.yaml'
    data = {
        'segmentation': False,
        'vlms': {'rules': {'model': 'rules:darkness'}},
        **change,
        'replay': {'dataset': f'flat:{flat}', **change.get('replay', {})},
        'monitor': {'instances': False, **change.get('monitor', {})},
    }
    config.write_text(yaml.safe_dump(data))
    done = broken.cli('run', config, '--out', tmp_path, '--name', 'run')
    assert done.returncode == 2, done.stderr
    assert 'Traceback' not in done.stderr + done.stdout
    errors = [line for line in done.stderr.splitlines() if 'error:' in line]
    assert len(errors) == 1 and errors[0].startswith('vlm-misalign: error: ')
    assert (
        f"the {noun} 'broken' cannot be loaded from broken_extras:THING: no licence found. mend"
        in errors[0]
    )


def test_what_is_not_broken_goes_on_beside_a_broken_plugin(broken, flat):
    code = (
        'import sys\n'
        'from vlm_misalign_ros.core.corruptions import parse_conditions\n'
        'from vlm_misalign_ros.core.datasets import open_dataset\n'
        'from vlm_misalign_ros.core.models.factory import parse\n'
        "print(len(parse_conditions('all')), len(open_dataset('flat:' + sys.argv[1])))\n"
        "print(parse('miniature:clip').name)\n"
    )
    done = broken.python(code, flat)
    assert done.stdout.split() == ['16', '3', 'clip'], done.stderr
