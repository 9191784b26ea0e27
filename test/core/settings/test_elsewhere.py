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

"""Nodes that another machine starts: which may be, and what becomes of the graph."""

import pytest

from vlm_misalign_ros.app.graph import build_graph
from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.settings.configuration import parse

DATA = {
    'replay': {'dataset': 'd'},
    'segmentation': {'model': 'transformers:a/b'},
    'vlms': {'clip': {'model': 'open_clip:a/b'}, 'llava': {'model': 'transformers:a/c'}},
}


def names(specs):
    return [spec.name for spec in specs]


def test_what_is_elsewhere_is_expected_and_not_started(tmp_path):
    whole = build_graph(parse(DATA), tmp_path)
    chosen = parse({**DATA, 'elsewhere': ['vlm_llava', 'segmentation', 'vlm_llava']})
    graph = build_graph(chosen, tmp_path)
    assert names(graph.nodes) == ['monitor', 'corruption', 'vlm_clip', 'replay']
    assert names(graph.elsewhere) == ['segmentation', 'vlm_llava']
    assert chosen.monitor == parse(DATA).monitor
    # With the very parameters that it would have here.
    specs = {spec.name: spec for spec in whole.nodes}
    assert all(spec == specs[spec.name] for spec in (*graph.nodes, *graph.elsewhere))
    assert whole.elsewhere == ()


@pytest.mark.parametrize(
    'value, words',
    [
        (['vlm_lava'], "'vlm_lava', which is no model node of this run.*vlm_llava"),
        (['monitor'], "'monitor', which is no model node"),
        ('vlm_clip', "is 'vlm_clip'|is vlm_clip"),
        ([3], 'give a list of nodes'),
    ],
)
def test_what_cannot_be_elsewhere_is_refused(value, words):
    with pytest.raises(ConfigurationError, match=words):
        parse({**DATA, 'elsewhere': value})


def test_a_segmentation_that_there_is_not_cannot_be_elsewhere():
    with pytest.raises(ConfigurationError, match="'segmentation', which is no model node"):
        parse({**DATA, 'segmentation': None, 'elsewhere': ['segmentation']})


@pytest.mark.parametrize('in_flight, room', [(2, 4), (4, 4), (8, 8), (64, 64)])
def test_in_lockstep_whatever_is_in_flight_has_room_before_the_corruption(in_flight, room):
    data = {**DATA, 'replay': {'dataset': 'd', 'max_in_flight': in_flight}}
    assert parse(data).corruption.queue_size == room
    assert parse({**data, 'corruption': {'queue_size': 3}}).corruption.queue_size == 3
