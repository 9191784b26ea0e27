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

"""Under which name and type pictures are taken: image_transport's names, without a graph."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm_misalign_ros.core.settings.inputs import TRANSPORTS as OFFERED
from vlm_misalign_ros.wire.transports import (
    COMPRESSED_IMAGE,
    IMAGE,
    TRANSPORTS,
    Carrier,
    among,
    first,
)

NAMES = ('/a', '/a/compressed', '/a/compressedDepth')


def test_the_parameter_offers_every_transport():
    assert OFFERED == TRANSPORTS


@pytest.mark.parametrize(
    'name, transport, depth, topic, kind',
    [
        ('/a', 'auto', False, '/a', IMAGE),
        ('/a', 'raw', True, '/a', IMAGE),
        ('/a/compressed', 'raw', False, '/a/compressed', IMAGE),
        ('/a/compressed', 'auto', False, '/a/compressed', COMPRESSED_IMAGE),
        ('/a/compressedDepth', 'compressed', True, '/a/compressedDepth', COMPRESSED_IMAGE),
        ('/a', 'compressed', False, '/a/compressed', COMPRESSED_IMAGE),
        ('/a', 'compressed', True, '/a/compressedDepth', COMPRESSED_IMAGE),
    ],
)
def test_what_is_taken_before_anything_is_known(name, transport, depth, topic, kind):
    assert first(name, transport, depth) == Carrier(topic, kind)


graphs = st.dictionaries(
    st.sampled_from(NAMES), st.sets(st.sampled_from([IMAGE, COMPRESSED_IMAGE, 'x/msg/Y']))
)


@given(graphs, st.sampled_from(TRANSPORTS), st.booleans())
def test_what_is_taken_is_published_as_it_is_taken(graph, transport, depth):
    found = among('/a', lambda topic: graph.get(topic, set()), depth, transport)
    packed = [name for name in NAMES if COMPRESSED_IMAGE in graph.get(name, ())]
    packed = [name for name in packed if depth or name != '/a/compressedDepth']
    raw = IMAGE in graph.get('/a', ())
    if found is None:
        assert not (raw and transport != 'compressed') and not (packed and transport != 'raw')
        return
    assert found.type in graph[found.topic]
    if found.type == IMAGE:
        assert found.topic == '/a' and transport != 'compressed'
    else:
        assert found.topic in packed and transport != 'raw'
        assert transport == 'compressed' or not raw
        assert found.topic == '/a' or '/a' not in packed
