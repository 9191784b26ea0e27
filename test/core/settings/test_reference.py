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

"""`reference` in a configuration: whose labels stand for the truth, and what will not do."""

import pytest

from vlm_misalign_ros.app.graph import build_graph, topics_of
from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.evaluation.parts import (
    DEPTH,
    INSTANCES,
    LABELS,
    REFERENCE,
    Wanted,
    taken,
)
from vlm_misalign_ros.core.settings.configuration import override, parse
from vlm_misalign_ros.core.settings.params_file import with_params_file
from vlm_misalign_ros.wire import topics
from vlm_misalign_ros.wire.truths import remapped

PLAIN = {
    'mode': 'live',
    'segmentation': {'model': 'miniature:segformer'},
    'reference': {'model': 'transformers:another/one'},
    'vlms': {'m': {'model': 'miniature:clip'}},
}


def nodes(data, folder):
    return {spec.name: spec for spec in build_graph(parse(data), folder).nodes}


def test_a_second_segmentation_looks_at_clean_pictures_and_everybody_takes_its_labels(tmp_path):
    graph = build_graph(parse({**PLAIN, 'record': True, 'annotate': True}), tmp_path)
    specs = {spec.name: spec for spec in graph.nodes}
    assert (specs['reference'].module, specs['reference'].class_name) == (
        'vlm_misalign_ros.nodes.reference',
        'Reference',
    )
    assert dict(graph.remappings) == {topics.TRUTH_LABELS: topics.REFERENCE_LABELS}
    monitor = specs['monitor'].parameters
    assert monitor['reference'] == 'transformers:another/one'
    assert monitor['instances'] is specs['recorder'].parameters['instances'] is False
    assert specs['recorder'].parameters['reference'] is True
    assert specs['reference'].parameters['policy'] == 'latest'
    parts = set(taken(Wanted.by(parse(PLAIN).monitor)))
    assert {LABELS, REFERENCE} <= parts and not {INSTANCES, DEPTH} & parts


def test_how_the_camera_comes_is_for_the_camera_to_say(tmp_path):
    # The recorder takes it as the monitor takes labels, and it may be compressed.
    chosen = parse({**PLAIN, 'record': True, 'recorder': {'source_images': True}})
    assert chosen.recorder.image_transport == chosen.corruption.image_transport == 'auto'


def test_without_one_nothing_changes(tmp_path):
    plain = {key: value for key, value in PLAIN.items() if key != 'reference'}
    assert 'reference' not in nodes(plain, tmp_path)
    assert remapped(parse(plain)) == {} and parse(plain).monitor.reference == ''
    assert REFERENCE not in set(taken(Wanted.by(parse(plain).monitor)))
    for nothing in (None, False):
        assert parse({**plain, 'reference': nothing}).reference is None


def test_in_a_namespace_its_labels_are_those_of_the_namespace(tmp_path):
    graph = build_graph(parse({**PLAIN, 'namespace': '/front'}), tmp_path)
    assert graph.remappings == ((topics.TRUTH_LABELS, topics.REFERENCE_LABELS),)
    assert not topics.REFERENCE_LABELS.startswith('/')


@pytest.mark.parametrize(
    'changes, named',
    [
        (['mode=evaluation'], 'in an evaluation'),
        (['reference={}'], 'name a segmentation model'),
        (['reference=some'], 'name a segmentation model'),
        (['reference.model=""'], 'name a segmentation model'),
        (['reference.models=x'], "no parameter 'models'"),
        (['reference.model=miniature:segformer'], "the run's own segmentation"),
        (['vlms.reference.model=miniature:clip'], "called 'reference'"),
        (['monitor.truth=false'], "'truth' of monitor is False"),
        (['monitor.instances=true'], "'instances' of monitor is True"),
        (['monitor.depth=true'], "'depth' of monitor is True"),
        (['monitor.label_encoding=carla_tags'], "'label_encoding' of monitor is 'carla_tags'"),
        (['monitor.image_transport=compressed'], "'image_transport' of monitor"),
        (['monitor.reference=x'], 'set by the run itself'),
    ],
)
def test_what_will_not_do_is_refused(changes, named):
    with pytest.raises(ConfigurationError, match=named):
        parse(override(PLAIN, changes))


@pytest.mark.parametrize('name', ['ground_truth/labels', '/front/ground_truth/instances'])
def test_topics_of_ground_truth_beside_it_are_refused(name, tmp_path):
    data = {**PLAIN, 'remap': {name: '/carla/semantic'}}
    with pytest.raises(ConfigurationError, match='is remapped to /carla/semantic, and'):
        build_graph(parse(data), tmp_path)
    # A camera of another name is none.
    camera = {**PLAIN, 'remap': {topics.CAMERA_IMAGE: '/carla/rgb'}}
    assert remapped(parse(camera)) == {
        topics.CAMERA_IMAGE: '/carla/rgb',
        topics.TRUTH_LABELS: topics.REFERENCE_LABELS,
    }


@pytest.mark.parametrize('name', ['reference/labels', '/front/reference/labels'])
def test_its_labels_are_taken_from_where_they_are_published(name, tmp_path):
    data = {**PLAIN, 'namespace': 'front', 'remap': {name: '/map/labels'}}
    assert remapped(parse(data)) == {name: '/map/labels', topics.TRUTH_LABELS: '/map/labels'}
    assert {'/map/labels'} <= set(topics_of(parse(data)))
    # That of another camera is none of its own.
    other = {**PLAIN, 'namespace': 'front', 'remap': {'/rear/reference/labels': '/map/labels'}}
    assert remapped(parse(other))[topics.TRUTH_LABELS] == topics.REFERENCE_LABELS


def test_a_mask_from_outside_is_another_model_for_all_that_is_known():
    found = parse({**PLAIN, 'segmentation': {'topic': '/mask'}})
    assert found.reference is not None and found.monitor.segmentation


def test_a_params_file_reaches_it_only_where_there_is_one(tmp_path):
    path = tmp_path / 'params.yaml'
    path.write_text('reference: {ros__parameters: {input_height: 128}}', encoding='utf-8')
    assert parse(with_params_file(PLAIN, path)).reference.input_height == 128
    plain = {key: value for key, value in PLAIN.items() if key != 'reference'}
    with pytest.raises(ConfigurationError, match='for no node of this run'):
        with_params_file(plain, path)
