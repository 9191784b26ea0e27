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

"""What an encoding cannot tell is neither a hallucination nor an omission."""

from types import SimpleNamespace

import numpy as np
import pytest
import recoded

from maps import ID, put, street
from vlm_misalign_ros.core.datasets import open_dataset
from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.evaluation.evaluator import Evaluator
from vlm_misalign_ros.core.evaluation.join import Joined
from vlm_misalign_ros.core.labels.classes import CLASSES, SCORED, VEHICLE, VEHICLE_MEMBERS
from vlm_misalign_ros.core.labels.encodings import open_encoding
from vlm_misalign_ros.core.labels.maps import read_labels
from vlm_misalign_ros.core.labels.telling import telling_of
from vlm_misalign_ros.core.records.schema import Closing, Status
from vlm_misalign_ros.core.settings.nodes import EvaluationParameters
from vlm_misalign_ros.core.truth.read import TruthMaps, TruthSettings, read_seen, read_truth
from vlm_misalign_ros.core.types import Applied, Condition, Description, Hazard, Kind, Mention
from vlm_misalign_ros.core.types import Presence as P

OLD = ('carla_tags_0_9_13', 'carla_palette_0_9_13')
NATIVE = ('cityscapes_label_ids', 'cityscapes_train_ids', 'cityscapes_colors')
TOLD = (*NATIVE, 'carla_tags', 'carla_palette')
VEHICLES = {'car', 'truck', 'bus', 'train', 'motorcycle', 'bicycle', VEHICLE}


def scene(*names):
    """Return label ids of a street with large things in it."""
    labels, instances = street()
    for number, name in enumerate(names):
        put(labels, instances, name, number, 300, 100 + 300 * number, 400, 200)
    return labels


def seen(encoding, pixels):
    found = read_labels(encoding, pixels)
    assert not found.problem
    return read_seen(TruthMaps(found.labels, telling=found.telling), TruthSettings())


def with_state(found, state):
    return {name for name in SCORED if found.scene[name] is state}


@pytest.mark.parametrize('name', OLD)
def test_a_bus_and_a_rider_of_old_carla_are_neither_made_up_nor_left_out(name):
    pixels = recoded.every(scene('bus', 'rider'))[name]
    found = read_labels(open_encoding(name), pixels)
    said = dict.fromkeys(('bus', 'rider'), Mention.ASSERTED)
    answer = Description('m', Kind.GENERATIVE, 'A bus and a rider.', said)
    chosen = EvaluationParameters(models=('m',), source=False, instances=False, confidence=False)
    parts = {'condition': Applied(Condition(), 1), 'labels': found, 'vlm:m': answer}
    joined = Joined(1_000_000_000, parts, (), Closing.COMPLETE)
    found = Evaluator(chosen).evaluate(joined)
    assert found.record.models['m'].status is Status.SCORED
    counts = found.counts['m']
    assert (counts.assertions, counts.hallucinated) == (2, 0)
    assert (counts.required, counts.omitted) == (0, 0)


@pytest.mark.parametrize('name', OLD)
@pytest.mark.parametrize(
    'things, tolerated',
    [
        ((), set()),
        (('car',), VEHICLES),
        (('bicycle',), VEHICLES),
        (('person',), {'person', 'rider'}),
        (('rider', 'truck'), VEHICLES | {'person', 'rider'}),
    ],
)
def test_a_value_that_stands_for_several_is_all_of_them_or_none(name, things, tolerated):
    found = seen(open_encoding(name), recoded.every(scene(*things))[name])
    assert with_state(found, P.TOLERATED) == tolerated | {'road', 'building'}
    assert not with_state(found, P.REQUIRED) and not found.needed


@pytest.mark.parametrize('name', TOLD)
def test_what_tells_all_classes_tells_them_as_ever(name):
    telling = telling_of(open_encoding(name))
    assert set(CLASSES) <= telling.told and not telling.merged
    labels = scene('bus', 'rider')
    found = seen(open_encoding(name), recoded.every(labels)[name])
    assert with_state(found, P.REQUIRED) == {'bus', 'rider', VEHICLE}
    assert with_state(found, P.TOLERATED) == {'road', 'building', 'person'}


@pytest.mark.parametrize('name', TOLD)
def test_the_states_of_scenes_are_those_without_any_telling(name, scenes):
    for frame in open_dataset(scenes):
        found = read_labels(open_encoding(name), recoded.every(frame.labels)[name])
        plain = read_seen(TruthMaps(found.labels), TruthSettings())
        told = read_seen(TruthMaps(found.labels, telling=found.telling), TruthSettings())
        assert (told.scene, told.needed) == (plain.scene, plain.needed)


def file(tmp_path, text):
    path = tmp_path / 'mine.yaml'
    path.write_text(text)
    return open_encoding(str(path))


def test_classes_that_a_file_lacks_are_tolerated(tmp_path):
    few = file(tmp_path, 'values: {1: road, 2: building, 3: car, 4: person}')
    pixels = np.ones((1024, 2048), np.uint8)
    pixels[:512] = 2
    found = seen(few, pixels)
    # No vehicle and no person: a rider is a person, a truck a vehicle, and nobody would know.
    assert with_state(found, P.ABSENT) == {'car'}
    pixels[300:700, 100:300] = 3
    found = seen(few, pixels)
    assert with_state(found, P.REQUIRED) == {'car', VEHICLE}


@pytest.mark.parametrize(
    'others, vehicle', [('[truck, bus]', P.REQUIRED), ('[bicycle]', P.TOLERATED)]
)
def test_a_file_says_what_is_merged(tmp_path, others, vehicle):
    text = f'values: {{1: road, 2: building, 3: car, 4: person}}\nmerged: {{car: {others}}}'
    pixels = np.ones((1024, 2048), np.uint8)
    assert seen(file(tmp_path, text), pixels).scene['car'] is P.ABSENT
    pixels[300:700, 100:300] = 3
    found = seen(file(tmp_path, text), pixels)
    assert found.scene['car'] is P.TOLERATED and found.scene[VEHICLE] is vehicle
    assert found.needed == {}


@pytest.mark.parametrize('text', ['[car]', '{lorry: [car]}', '{car: truck, bus: 5}', '{car: [5]}'])
def test_what_is_no_merging_is_refused_by_its_name(tmp_path, text):
    with pytest.raises(ConfigurationError, match='merges'):
        file(tmp_path, f'values: {{1: road}}\nmerged: {text}')


def test_a_plugin_that_says_nothing_tells_everything_and_nonsense_is_named():
    def decode(pixels):
        return pixels

    assert telling_of(SimpleNamespace(decode=decode)).told >= set(CLASSES)
    for more in ({'gives': 7}, {'gives': {77}}, {'merged': {26: 5}}, {'merged': {26: (99,)}}):
        found = read_labels(SimpleNamespace(name='x', decode=decode, **more), scene())
        assert 'label encoding x' in found.problem, more


def test_a_decision_of_auto_tells_what_was_decided_on(scenes):
    auto = open_encoding('auto')
    frame = open_dataset(scenes).read(0)
    found = read_labels(auto, recoded.every(frame.labels)['carla_palette_0_9_13'])
    assert auto.name == 'carla_palette_0_9_13'
    assert found.telling == telling_of(open_encoding(auto.name)) and found.telling.merged


def test_a_hazard_is_one_whoever_it_is():
    labels, instances = street()
    put(labels, instances, 'bus', 1, 400, 900, 500, 300)
    found = read_labels(open_encoding(OLD[0]), recoded.tags(labels, old=True))
    maps = TruthMaps(found.labels, telling=found.telling)
    assert read_truth(maps, None, TruthSettings()).hazard.verdict is Hazard.HAZARD
    part = maps.part((0.25, 0.25, 0.75, 1.0))
    assert read_seen(part, TruthSettings()).scene['bus'] is P.TOLERATED


def test_what_an_occluder_leaves_is_told_alike():
    found = read_labels(open_encoding(OLD[0]), recoded.tags(scene('bus'), old=True))
    visible = np.ones(found.labels.shape, bool)
    maps = TruthMaps(found.labels, visible=visible, telling=found.telling)
    left = read_seen(maps, TruthSettings())
    assert left.visible == left.scene
    assert set(VEHICLE_MEMBERS) & set(CLASSES) <= with_state(left, P.TOLERATED)
    assert ID['car'] in found.labels
