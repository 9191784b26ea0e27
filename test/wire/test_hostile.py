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

"""Messages of strangers: whatever a value holds, it is read as finite numbers or refused."""

import json
import math
from dataclasses import asdict
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.labels.classes import CLASSES
from vlm_misalign_ros.core.types import Applied, Camera, Condition, Description, Kind, Source
from vlm_misalign_ros.wire import values as codec
from vlm_misalign_ros.wire.camera import camera_from_info

HUGE = '1' + '0' * 400
BAD = ['NaN', 'Infinity', '-Infinity', HUGE, '"x"', 'null', 'true', '[]', '{}']
"""JSON that is no finite number."""
GOOD = {
    'applied': codec.applied_to_values(Applied(Condition('low_light', 3), 7, {'gain': 0.5})),
    'source': codec.source_to_values(
        Source('d', 's', 'k', 1, 2, 0, Condition('low_light', 3)), Camera(64, 32, 50, 50, 32, 16)
    ),
    'description': codec.description_to_values(
        Description('m', Kind.CONTRASTIVE, '', scores={'car': 0.5}, judgement_score=0.5)
    ),
    'confidence': {'entropy': '0.5', 'confidence': '0.5', 'entropy/car': '0.25'},
}
READ = {
    'applied': codec.applied_from_values,
    'source': codec.source_from_values,
    'description': codec.description_from_values,
    'confidence': codec.confidence_from_values,
}


def numbers(value):
    """Yield every number in what was read."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from numbers(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from numbers(inner)
    elif isinstance(value, (int, float)):
        yield value


def plain(read):
    if isinstance(read, tuple):
        return [None if part is None else asdict(part) for part in read]
    return read if isinstance(read, dict) else asdict(read)


@pytest.mark.parametrize('kind', READ)
def test_what_the_package_writes_is_read(kind):
    assert all(math.isfinite(number) for number in numbers(plain(READ[kind](GOOD[kind]))))


@pytest.mark.parametrize('bad', BAD)
@pytest.mark.parametrize(
    'kind, key, around',
    [
        ('applied', 'parameters', '{"a": %s}'),
        ('description', 'scores', '{"car": %s}'),
        (
            'source',
            'camera',
            json.dumps(asdict(Camera(64, 32, 50, 50, 32, 16))).replace('50', '%s', 1),
        ),
    ],
)
def test_a_number_within_json_that_is_none_is_refused(kind, key, around, bad):
    with pytest.raises(RecordError):
        READ[kind]({**GOOD[kind], key: around % bad})


@pytest.mark.parametrize('bad', ['nan', 'inf', '-inf', HUGE, 'x', 'None'])
@pytest.mark.parametrize(
    'kind, key',
    [
        ('description', 'latency'),
        ('description', 'judgement_score'),
        ('confidence', 'entropy'),
        ('confidence', 'entropy/car'),
        ('applied', 'severity'),
        ('applied', 'seed'),
        ('source', 'index'),
        ('source', 'total'),
    ],
)
def test_a_number_that_is_none_is_refused(kind, key, bad):
    with pytest.raises(RecordError, match=key):
        READ[kind]({**GOOD[kind], key: bad})


@pytest.mark.parametrize('name', ['', 'unicorn', 'vehicle', 'Car', 'car/', 'x' * 10_000])
def test_an_entropy_of_what_is_no_class_is_refused(name):
    with pytest.raises(RecordError, match='is of no class'):
        READ['confidence']({**GOOD['confidence'], f'entropy/{name}': '0.5'})


@pytest.mark.parametrize('severity, good', [(-1, False), (0, True), (5, True), (6, False)])
@pytest.mark.parametrize('kind', ['applied', 'source'])
def test_a_severity_is_0_to_5(kind, severity, good):
    message = {**GOOD[kind], 'severity': str(severity)}
    if good:
        READ[kind](message)
        return
    with pytest.raises(RecordError, match='severity'):
        READ[kind](message)


def test_parameters_have_a_bound():
    read = codec.applied_from_values
    read({'parameters': json.dumps({str(n): n for n in range(64)})})
    with pytest.raises(RecordError, match='64 at most'):
        read({'parameters': json.dumps({str(n): n for n in range(65)})})


@pytest.mark.parametrize('place', [0, 2, 4, 5])
@pytest.mark.parametrize('bad', [math.nan, math.inf])
def test_a_camera_info_that_is_not_finite_is_refused(place, bad):
    k = [50.0, 0, 32.0, 0, 50.0, 16.0, 0, 0, 1]
    info = SimpleNamespace(width=64, height=32, k=k)
    assert camera_from_info(info, 1.2, 0.0) == Camera(64, 32, 50, 50, 32, 16, 1.2, 0.0)
    k[place] = bad
    with pytest.raises(RecordError, match='finite'):
        camera_from_info(info, 1.2, 0.0)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@pytest.mark.parametrize('kind', READ)
@given(st.data())
def test_anything_else_is_read_as_finite_numbers_or_refused(kind, data):
    key = data.draw(st.sampled_from(sorted(GOOD[kind])))
    value = data.draw(st.text(max_size=20) | JSON.map(json.dumps))
    try:
        read = READ[kind]({**GOOD[kind], key: value})
    except RecordError:
        return
    assert all(math.isfinite(number) for number in numbers(plain(read)))


@pytest.mark.parametrize(
    'text',
    [
        '[1]',
        '["unicorn"]',
        '"car"',
        '{"car": 1}',
        '["car", "car"]',
        'x',
        '["vehicle"]',
        '[["car"]]',
    ],
)
def test_classes_that_cannot_be_lacking_are_refused(text):
    with pytest.raises(RecordError, match='lacking'):
        READ['confidence']({**GOOD['confidence'], 'lacking': text})


def test_a_mask_of_nothing_is_refused():
    with pytest.raises(RecordError, match='expected some classes'):
        READ['confidence']({**GOOD['confidence'], 'lacking': json.dumps(CLASSES)})
