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

"""
Messages of strangers on every channel: read as something that can be evaluated, or refused.

First the cases by name, then ten thousand seeded ones through a whole session.
"""

import json
import math
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_typestore

from golden import replaying
from vlm_misalign_ros.bags.analyse import analyse
from vlm_misalign_ros.bags.writer import BagWriter
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.evaluation.parts import Wanted
from vlm_misalign_ros.core.evaluation.session import Session
from vlm_misalign_ros.core.labels.encodings import open_encoding
from vlm_misalign_ros.core.records.schema import FrameRecord, decode, encode
from vlm_misalign_ros.core.records.store import RECORDS, read_records
from vlm_misalign_ros.core.settings.nodes import MonitorParameters
from vlm_misalign_ros.core.types import (
    Applied,
    Camera,
    Condition,
    Description,
    Failed,
    Kind,
    Mention,
    NoCamera,
    Source,
)
from vlm_misalign_ros.wire import topics
from vlm_misalign_ros.wire import values as codec
from vlm_misalign_ros.wire.camera import camera_from_info
from vlm_misalign_ros.wire.channels import Context, Form, listened, read
from vlm_misalign_ros.wire.pixels import ENCODINGS as LAYOUT_NAMES

pytestmark = pytest.mark.heavy

CONTEXT = Context(open_encoding('cityscapes_label_ids'), 1.22, 0.038)
WANTED = Wanted(models=('m',), depth=True, any_depth=True, source_image=True)
CHANNELS = {entry.topic: entry for entry in listened(WANTED)}
ANSWER = topics.vlm_description('m')
HUGE = '1' + '0' * 400
DEEP = '[' * 100_000
GOOD = {
    ANSWER: codec.description_to_values(
        Description('m', Kind.GENERATIVE, 'a car', mentions={'car': Mention.ASSERTED})
    ),
    topics.CAMERA_SOURCE: codec.source_to_values(
        Source('d', 's', 'k', 1, 0, 0, Condition('low_light', 3)), Camera(64, 32, 50, 50, 32, 16)
    ),
    topics.DEGRADED_CONDITION: codec.applied_to_values(
        Applied(Condition('low_light', 3), 7, {'gain': 0.5})
    ),
    topics.SEGMENTATION_CONFIDENCE: {'entropy': '0.5', 'confidence': '0.5'},
}


def pair(key, value):
    return SimpleNamespace(key=key, value=value)


def header(stamp=5_000_000_000):
    return SimpleNamespace(
        stamp=SimpleNamespace(sec=stamp // 10**9, nanosec=stamp % 10**9), frame_id='x'
    )


def values(pairs, statuses=1):
    status = SimpleNamespace(values=[pair(*entry) for entry in pairs])
    return SimpleNamespace(header=header(), status=[status] * statuses)


def image(encoding='mono8', height=4, width=6, step=None, data=None, big=0):
    size = {'mono16': 2, '16UC1': 2, '32FC1': 4, 'bgr8': 3, 'rgb8': 3, 'rgba8': 4}.get(encoding, 1)
    step = width * size if step is None else step
    data = bytes(min(height * step, 1 << 20)) if data is None else data
    return SimpleNamespace(
        header=header(),
        encoding=encoding,
        height=height,
        width=width,
        step=step,
        is_bigendian=big,
        data=data,
    )


def ask(topic, message):
    return read(CHANNELS[topic], message, CONTEXT)


@pytest.mark.parametrize('topic', GOOD)
def test_what_is_right_is_read(topic):
    assert ask(topic, values(GOOD[topic].items())) is not None


@pytest.mark.parametrize(
    'topic, key, text',
    [
        *((ANSWER, 'latency', text) for text in ('nan', 'inf', '1e400', HUGE, '-1', '', 'x')),
        *((ANSWER, 'judgement_score', text) for text in ('nan', '-inf', '1e400', '2', '-0.1')),
        *(
            (ANSWER, 'mentions', text)
            for text in (
                '[]',
                '7',
                'null',
                '"car"',
                '{"car": 1}',
                '{"car": null}',
                '{"car": ["ASSERTED"]}',
                '{"car": {}}',
                '{"unicorn": "ASSERTED"}',
                '{"car": "asserted"}',
                '{',
                DEEP,
            )
        ),
        *(
            (ANSWER, 'scores', text)
            for text in ('[]', '1', 'null', '{"car": NaN}', '{"car": 1e400}', '{"car": 1.5}', DEEP)
        ),
        *(
            (ANSWER, 'view', text)
            for text in (
                '[0.5, 0, 0.5, 1]',
                '[0, 0, 1e-9, 1]',
                '[0, 0, 0, 0]',
                '[NaN, 0, 1, 1]',
                '{"0": 1}',
                '[0, 0, 1]',
                '[true, 0, 1, 1]',
                '"0011"',
            )
        ),
        (ANSWER, 'kind', 'oracle'),
        (ANSWER, 'kind', ''),
        (ANSWER, 'judgement', 'MAYBE'),
        *(
            (topics.DEGRADED_CONDITION, 'parameters', text)
            for text in (
                '[]',
                'null',
                '{"a": "x"}',
                '{"a": NaN}',
                '{"a": [1]}',
                '{"a": true}',
                '{"a": ' + HUGE + '}',
                json.dumps({str(k): 0 for k in range(65)}),
                '{"a": ' + '0' * 70_000 + '}',
            )
        ),
        *(
            (topic, 'severity', text)
            for topic in (topics.DEGRADED_CONDITION, topics.CAMERA_SOURCE)
            for text in ('-1', '6', '2.5', 'nan', HUGE, '', '1' * 5000)
        ),
        (topics.DEGRADED_CONDITION, 'corruption', ''),
        (topics.DEGRADED_CONDITION, 'corruption', 'clean'),
        (topics.DEGRADED_CONDITION, 'seed', HUGE),
        *((topics.CAMERA_SOURCE, 'index', text) for text in ('', 'x', '1e3', HUGE)),
        *(
            (topics.CAMERA_SOURCE, 'camera', text)
            for text in (
                '[]',
                '7',
                '{}',
                '{"width": 64}',
                json.dumps({'width': 64, 'height': 32, 'fx': 0, 'fy': 50, 'cx': 0, 'cy': 0}),
                json.dumps({'width': 64, 'height': 32, 'fx': -5, 'fy': 50, 'cx': 0, 'cy': 0}),
                json.dumps({'width': 64.5, 'height': 32, 'fx': 5, 'fy': 50, 'cx': 0, 'cy': 0}),
                json.dumps({'width': 1 << 40, 'height': 32, 'fx': 5, 'fy': 50, 'cx': 0, 'cy': 0}),
                '{"width": 64, "height": 32, "fx": 1e308, "fy": 50, "cx": 0, "cy": 0}',
                '{"width": 64, "height": 32, "fx": 50, "fy": 50, "cx": NaN, "cy": 0}',
                '{"width": 64, "height": 32, "fx": 50, "fy": 50, "cx": 0, "cy": 0, '
                '"mount_height": 0}',
                '{"width": 64, "height": 32, "fx": 50, "fy": 50, "cx": 0, "cy": 0, "pitch": 9}',
                '{"width": "64", "height": 32, "fx": 50, "fy": 50, "cx": 0, "cy": 0}',
            )
        ),
        *(
            (topics.SEGMENTATION_CONFIDENCE, key, text)
            for key in ('entropy', 'confidence')
            for text in ('nan', 'inf', '-0.1', '1.1', '', 'x', HUGE)
        ),
    ],
)
def test_a_value_that_is_none_is_refused(topic, key, text):
    with pytest.raises(RecordError) as caught:
        ask(topic, values({**GOOD[topic], key: text}.items()))
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize('topic', GOOD)
def test_a_key_that_comes_twice_is_refused(topic):
    key = next(iter(GOOD[topic]))
    with pytest.raises(RecordError, match=f'{key!r} comes twice'):
        ask(topic, values([*GOOD[topic].items(), (key, 'x')]))


@pytest.mark.parametrize('topic', GOOD)
@pytest.mark.parametrize('count', [0, 2, 5000])
def test_a_message_has_one_status(topic, count):
    with pytest.raises(RecordError, match=f'{count} statuses'):
        ask(topic, values(GOOD[topic].items(), count))


def test_a_status_has_a_bounded_number_of_values():
    many = [(f'k{number}', '') for number in range(257)]
    with pytest.raises(RecordError, match='257 values'):
        ask(ANSWER, values(many))


def test_texts_are_bounded_and_can_be_shown_and_written():
    turned = 'a \u202eraC\u202c\x00\x1b[2J\x9b b \ud800' + 'x' * 100_000_000
    found = ask(ANSWER, values({**GOOD[ANSWER], 'text': turned, 'model': turned}.items()))
    assert len(found.text) <= 20_000 and len(found.model) <= 256
    for text in (found.text, found.model):
        assert not set('\u202e\u202c\x00\x1b\x9b\ud800') & set(text)
        assert text.startswith('a raC[2J b ?xxx')
        assert text.encode().decode() == text
    line = ask(
        topics.CAMERA_SOURCE, values({**GOOD[topics.CAMERA_SOURCE], 'frame': 'a\nb'}.items())
    )
    assert line[0].key == 'a b'


def test_a_failure_is_read_as_one_whatever_else_comes_with_it():
    for topic in (ANSWER, topics.SEGMENTATION_CONFIDENCE):
        found = ask(topic, values({'error': 'out of memory', 'scores': '['}.items()))
        assert found == Failed('out of memory')
        long = ask(topic, values({'error': 'x' * 10_000}.items()))
        assert len(long.reason) == 300
        assert codec.failed_to_values(found) == {'error': 'out of memory'}


IMAGES = [topic for topic, entry in CHANNELS.items() if entry.form is Form.IMAGE]


@pytest.mark.parametrize('topic', IMAGES)
@pytest.mark.parametrize(
    'lie',
    [
        {'height': 0},
        {'width': 0},
        {'height': 0, 'width': 0, 'data': b''},
        {'step': 1},
        {'step': 0},
        {'data': b''},
        {'data': bytes(7)},
        {'height': 2**32 - 1, 'width': 2**32 - 1, 'step': 2**32 - 1},
        {'height': 2**31, 'width': 1, 'step': 4},
        {'encoding': ''},
        {'encoding': 'x' * 100_000},
        {'encoding': 'bayer_rgbg8'},
        {'encoding': '64FC7'},
        {'encoding': 'BGR8'},
    ],
)
def test_an_image_that_is_none_is_refused(topic, lie):
    with pytest.raises(RecordError) as caught:
        ask(topic, image(**{'encoding': 'mono8', **lie}))
    assert len(str(caught.value)) < 1000


def test_bytes_in_the_order_of_another_machine():
    data = np.arange(24, dtype='>u2').tobytes()
    found = ask(topics.TRUTH_INSTANCES, image('mono16', data=data, big=1))
    assert found.tolist() == np.arange(24).reshape(4, 6).tolist()
    metres = np.full((4, 6), 1.5, '>f4').tobytes()
    assert (ask(topics.TRUTH_DEPTH, image('32FC1', data=metres, big=1)) == 1500).all()


def test_depth_that_is_none_is_not_known():
    metres = np.array([[np.nan, np.inf, -np.inf, -1, 3e38, 0]] * 4, np.float32)
    found = ask(topics.TRUTH_DEPTH, image('32FC1', data=metres.tobytes()))
    assert found[0].tolist() == [0, 0, 0, 0, 65535, 0]


@pytest.mark.parametrize('value', [19, 33, 200, 254])
def test_a_mask_of_other_ids_than_train_ids_is_refused(value):
    with pytest.raises(RecordError, match=f'holds {value}, which is no train id'):
        ask(topics.SEGMENTATION_LABELS, image(data=bytes([0] * 23 + [value])))
    ask(topics.SEGMENTATION_LABELS, image(data=bytes([0, 18, 255] * 8)))


def info(**change):
    k = [50.0, 0.0, 32.0, 0.0, 50.0, 16.0, 0.0, 0.0, 1.0]
    return SimpleNamespace(
        **{'header': header(), 'width': 64, 'height': 32, 'k': k, 'd': []} | change
    )


def with_k(place, value):
    k = list(info().k)
    k[place] = value
    return info(k=k)


def test_a_camera_that_is_none_is_refused_and_one_that_is_not_calibrated_is_not_known():
    assert camera_from_info(info(), 1.2, 0.0) == Camera(64, 32, 50, 50, 32, 16, 1.2, 0.0)
    for message in (info(k=[0.0] * 9), info(width=0), info(height=0)):
        found = camera_from_info(message, 1.2, 0.0)
        assert isinstance(found, NoCamera) and 'not calibrated' in found.reason
    for message in (
        with_k(0, -50.0),
        with_k(4, -1e-9),
        with_k(0, 0.0),
        with_k(0, 1e30),
        with_k(2, -1e30),
        with_k(5, math.inf),
        info(d=[0.1, math.nan]),
        info(width=2**32 - 1),
    ):
        with pytest.raises(RecordError):
            camera_from_info(message, 1.2, 0.0)


@pytest.mark.parametrize(
    'sec, nanosec, good',
    [(0, 0, True), (2**31 - 1, 999_999_999, True), (-1, 0, False), (1, 10**9, False)],
)
def test_a_stamp_is_one_that_a_header_can_have(sec, nanosec, good):
    told = SimpleNamespace(stamp=SimpleNamespace(sec=sec, nanosec=nanosec))
    if good:
        assert codec.stamp_of(told) == sec * 10**9 + nanosec
        return
    with pytest.raises(RecordError, match='has the stamp'):
        codec.stamp_of(told)


# Ten thousand --------------------------------------------------------------------------------

STRANGE = (
    *('', ' ', 'nan', 'NaN', 'inf', '-inf', '1e400', '-1', '0', '1', '2', '5', '6', '0.5', HUGE),
    *('٣', '0x10', 'None', 'null', 'true', '[]', '{}', '[0,0,1,1]', '[0.4,0.4,0.42,0.42]', '[[['),
    *('{"car":"ASSERTED"}', '{"car":"HEDGED","person":"DENIED"}', '{"car":0.5}', '{"a":NaN}', '"'),
    *('\x00', '\u202e', '\ud800', 'x' * 300, 'SAFE', 'UNSAFE', 'generative', 'contrastive'),
    *('clean', 'blank', 'occlusion', 'low_light', 'fog', 'clean:3', '{"a":1}'),
)


MORE_KEYS = ('error', 'covers', 'probe', 'depth', 'camera', 'total')
ENCODINGS = ('mono8', 'mono16', '16UC1', '32FC1', 'bgr8', 'rgba8', 'yuv422', '')


def strange_values(rng, topic):
    pairs = dict(GOOD[topic])
    for _ in range(rng.integers(0, 4)):
        key = str(
            rng.choice([*GOOD[topic], 'error', 'covers', 'probe', 'depth', 'camera', 'total'])
        )
        text = STRANGE[rng.integers(len(STRANGE))]
        if rng.random() < 0.1:
            pairs.pop(key, None)
        else:
            pairs[key] = text
    found = list(pairs.items())
    if rng.random() < 0.05:
        found.append(found[0])
    return values(found, 1 if rng.random() < 0.95 else int(rng.integers(0, 3)))


def strange_image(rng):
    encoding = str(
        rng.choice(['mono8', 'mono16', '16UC1', '32FC1', 'bgr8', 'rgba8', 'yuv422', ''])
    )
    height, width = (int(n) for n in rng.choice([1, 2, 8, 16, 32, 64], 2))
    if rng.random() < 0.6:
        height, width = 32, 64
    message = image(encoding, height, width, big=int(rng.integers(0, 2)))
    message.data = rng.bytes(len(message.data))
    if rng.random() < 0.5:
        # Labels and masks that could be: few values in large patches.
        size = len(message.data)
        message.data = (
            np.repeat(rng.choice([0, 7, 11, 18, 24, 26, 255], 8), -(-size // 8))
            .astype(np.uint8)[:size]
            .tobytes()
        )
    if rng.random() < 0.1:
        name = str(rng.choice(['height', 'width', 'step', 'data']))
        setattr(
            message, name, b'' if name == 'data' else int(rng.choice([0, 1, 2**31, 2**32 - 1]))
        )
    return message


def strange_info(rng):
    numbers = [0.0, -1.0, 50.0, 32.0, math.nan, math.inf, 1e308, 1e-300]
    return info(
        k=[float(n) for n in rng.choice(numbers, 9)],
        d=[float(n) for n in rng.choice(numbers, 2)],
        width=int(rng.choice([0, 64, 2**32 - 1])),
    )


def strange(rng, entry):
    if entry.form is Form.IMAGE:
        return strange_image(rng)
    if entry.form is Form.CAMERA_INFO:
        return strange_info(rng)
    return strange_values(rng, entry.topic)


def strange_packed(rng):
    """Return a CompressedImage: a PNG or JPEG, whole, cut off or with another byte."""
    array = np.repeat(rng.choice([0, 7, 11, 24, 26], (4, 8)).astype(np.uint8), 8).reshape(16, 16)
    data = bytearray(cv2.imencode(str(rng.choice(['.png', '.jpg'])), array)[1].tobytes())
    if rng.random() < 0.5:
        data[int(rng.integers(0, len(data)))] = int(rng.integers(0, 256))
    text = str(rng.choice(['png', 'jpeg', '16UC1; compressedDepth', 'bayer_rggb8; png', ';;', '']))
    data = bytes(data if rng.random() < 0.7 else data[: rng.integers(0, len(data))])
    return SimpleNamespace(header=header(), format=text, data=data)


def test_pictures_of_strangers_of_every_encoding_are_read_or_refused():
    rng = np.random.default_rng(9)
    entries = [entry for entry in CHANNELS.values() if entry.form is Form.IMAGE]
    refused = taken = 0
    for _ in range(4000):
        message = strange_packed(rng)
        if rng.random() < 0.7:
            message = image(str(rng.choice(LAYOUT_NAMES)), 8, 8, step=int(rng.choice([8, 24, 40])))
            message.data = rng.bytes(int(rng.choice([0, 64, 192, 960])))
            message.is_bigendian = int(rng.integers(0, 256))
        try:
            found = read(entries[rng.integers(len(entries))], message, CONTEXT)
        except RecordError as error:
            refused += 1
            assert 0 < len(str(error)) < 1000
        else:
            taken += 1
            assert found is not None
    assert refused > 2000 and taken > 300


@pytest.mark.parametrize('lockstep, source', [(True, True), (False, False)])
def test_strangers_end_no_session_and_nothing_that_is_recorded_is_lost(tmp_path, lockstep, source):
    rng = np.random.default_rng(5)
    chosen = MonitorParameters(
        models=('m',),
        source=source,
        depth=True,
        pictures=2,
        lockstep=lockstep,
        deadline=0.5,
        capacity=8,
        run_folder=str(tmp_path),
    )
    told = []
    session = Session(chosen, log=told.append)
    entries = listened(Wanted.by(chosen))
    refused = taken = 0
    written = []
    for number in range(5000):
        entry = entries[rng.integers(len(entries))]
        stamp = int(rng.choice([1, 2, 3, 5])) * 10**9 + number // 40 * 10**8
        if rng.random() < 0.02:
            stamp = int(rng.choice([0, 1, 2**31 * 10**9]))
        try:
            value = read(entry, strange(rng, entry), CONTEXT)
        except RecordError as error:
            refused += 1
            session.malformed(entry.part, error)
            continue
        taken += 1
        written += session.add(stamp, entry.part, value, number / 100)
        written += session.expire(number / 100)
    written += session.end(51.0)
    assert refused > 500 and taken > 500
    assert session.counters['malformed'] == refused
    # One log line a part, not one a message.
    assert len(told) < 100
    records = [frame.record for frame in written if frame.record is not None]
    frames = [r for r in read_records(tmp_path / RECORDS) if isinstance(r, FrameRecord)]
    assert len(frames) == len(records) > 50
    for record in records:
        assert decode(encode(record), 'again') == record
        problem = record.problem or ''
        assert 'could not be evaluated' not in problem, problem


# Bags ----------------------------------------------------------------------------------------


def test_a_bag_of_spoiled_messages_is_analysed_and_each_is_counted(tmp_path):
    """Bytes cut off, turned and overwritten: whatever is left is scored."""
    whole = replaying.write_bag(tmp_path / 'whole', live=True)
    rng = np.random.default_rng(3)
    spoiled = BagWriter(tmp_path / 'spoiled', 'none')
    with AnyReader([whole], default_typestore=get_typestore(Stores.ROS2_JAZZY)) as reader:
        for connection in reader.connections:
            spoiled.add_topic(connection.topic, connection.msgtype)
        for connection, stamp, raw in reader.messages():
            data = bytearray(raw)
            if rng.random() < 0.3:
                place = int(rng.integers(4, min(len(data), 400)))
                data[place : place + 8] = rng.bytes(8)
            if rng.random() < 0.1:
                data = data[: int(rng.integers(4, len(data)))]
            spoiled.write(connection.topic, bytes(data), stamp)
    spoiled.close()
    verdict = analyse(tmp_path / 'spoiled', tmp_path / 'out', replaying.parameters())
    assert verdict.status.value != 'PASS'
    records = list(read_records(tmp_path / 'out' / RECORDS))
    accounting = records[-1]
    assert accounting.frames['malformed'] > 20
    for frame in (record for record in records if isinstance(record, FrameRecord)):
        assert 'could not be evaluated' not in (frame.problem or '')
