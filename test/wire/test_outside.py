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

"""Messages of nodes outside, of whatever type: what is found in them, and what is refused."""

import time
from dataclasses import make_dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from vlm_misalign_ros.core.errors import ConfigurationError, RecordError
from vlm_misalign_ros.core.evaluation.session import Session
from vlm_misalign_ros.core.labels.encodings import open_encoding
from vlm_misalign_ros.core.labels.shares import Limits
from vlm_misalign_ros.core.labels.telling import telling_of
from vlm_misalign_ros.core.language.bounding import MAX_TEXT
from vlm_misalign_ros.core.settings.nodes import MonitorParameters
from vlm_misalign_ros.core.settings.outside import read_outside
from vlm_misalign_ros.core.types import Description, Failed, Judgement, Mention
from vlm_misalign_ros.wire.channels import Form
from vlm_misalign_ros.wire.outside import OutsideTopic, names_of, stamp_in, text_in

STORE = get_typestore(Stores.ROS2_JAZZY)
STORE.register(
    get_types_from_msg(
        'builtin_interfaces/Time stamp\nstring data\n',
        'autoware_internal_debug_msgs/msg/StringStamped',
    )
)
STORE.register(
    get_types_from_msg(
        'std_msgs/Header header\nstring question\nstring answer\nfloat32 score\n',
        'somebody_msgs/msg/Reply',
    )
)
STORE.register(get_types_from_msg('somebody_msgs/Reply reply\n', 'somebody_msgs/msg/Wrapped'))


def made(name, *values):
    return STORE.types[name](*values)


def stamp(sec=7, nanosec=5):
    return made('builtin_interfaces/msg/Time', sec, nanosec)


def header(**chosen):
    return made('std_msgs/msg/Header', stamp(**chosen), 'camera')


def string(text):
    return made('std_msgs/msg/String', text)


def stamped(text='A car.', **chosen):
    return made('autoware_internal_debug_msgs/msg/StringStamped', stamp(**chosen), text)


def reply(question='What is there?', answer='A bus.'):
    return made('somebody_msgs/msg/Reply', header(), question, answer, 0.5)


def topic(**chosen):
    """Return what reads a topic of one model `m`, and the session that it is of."""
    name = chosen.pop('name', 'm')
    pairs = ', '.join(f'"{key}": "{value}"' for key, value in chosen.items())
    text = f'{{"name": "{name}", "topic": "/t", {pairs}}}'.replace(', }', '}')
    session = Session(
        MonitorParameters(
            models=('m',) if name == 'm' else (), outside=(text,), lockstep=False, source=False
        ),
        log=lambda line: None,
    )
    return OutsideTopic(name, read_outside([text])[name], session.outside, Limits())


def test_the_stamp_is_found_by_structure():
    assert stamp_in(stamped()) == 7_000_000_005
    assert stamp_in(reply()) == 7_000_000_005
    assert stamp_in(string('A car.')) is None
    # A header that has none, and a field of that name that is something else.
    assert stamp_in(SimpleNamespace(header=3, stamp='noon')) is None


@pytest.mark.parametrize('bad', [{'sec': -1}, {'nanosec': 10**9}, {'sec': 2**40}])
def test_a_stamp_that_is_no_time_is_refused(bad):
    with pytest.raises(RecordError, match='has the stamp'):
        stamp_in(stamped(**bad))


def test_the_text_is_the_only_string_or_the_one_that_is_named():
    assert text_in(string('A car.')) == text_in(stamped()) == 'A car.'
    assert text_in(reply(), 'answer') == 'A bus.'
    assert text_in(made('somebody_msgs/msg/Wrapped', reply()), 'reply.answer') == 'A bus.'
    two = make_dataclass('Two', ['text', 'model'])('A train.', 'somebody')
    assert text_in(two) == 'A train.'


def test_where_it_is_not_plain_which_string_is_meant_they_are_named():
    with pytest.raises(RecordError, match='the strings question, answer, and it is not plain'):
        text_in(reply())
    with pytest.raises(RecordError, match='the strings none'):
        text_in(made('std_msgs/msg/Float32', 1.0))


@pytest.mark.parametrize(
    'path', ['nothing', 'score', 'header', 'answer.upper', 'header.stamp.sec']
)
def test_a_field_that_is_no_string_is_refused_with_those_that_are(path):
    with pytest.raises(RecordError, match=f'no string {path!r}.*question, answer'):
        text_in(reply(), path)


def test_what_is_no_message_is_refused():
    with pytest.raises(RecordError, match='a int is no message'):
        names_of(3)


def test_the_same_is_found_in_messages_of_rclpy():
    pytest.importorskip('rclpy')
    from builtin_interfaces.msg import Time
    from rcl_interfaces.msg import Log
    from sensor_msgs.msg import TimeReference
    from std_msgs.msg import Header

    log = Log(stamp=Time(sec=7, nanosec=5), name='vlm', msg='A car.')
    assert (stamp_in(log), text_in(log, 'msg')) == (7_000_000_005, 'A car.')
    headed = TimeReference(header=Header(stamp=Time(sec=7, nanosec=5)), source='A car.')
    assert (stamp_in(headed), text_in(headed)) == (7_000_000_005, 'A car.')


# Claims --------------------------------------------------------------------------------------


def test_words_are_read_when_it_is_known_whose_they_are():
    claim = topic().claim(stamped('A car blocks the road. It is not safe to proceed.'), 'x', 9)
    assert (claim.stamp, claim.arrival) == (7_000_000_005, 9)
    told = claim.make()
    assert told.mentions['car'] is Mention.ASSERTED and told.judgement is Judgement.UNSAFE


def test_an_echo_of_the_prompt_is_no_answer():
    asked = 'Describe every bus and train that you see.'
    told = topic(text=asked).claim(stamped(f'{asked} A car is parked.'), 'x', 9).make()
    assert set(told.mentions) == {'car'} and told.prompt_id.startswith('text ')
    assert set(topic().claim(stamped(f'{asked} A car is parked.'), 'x', 9).make().mentions) > {
        'car'
    }


def values_message(pairs):
    kinds = ('diagnostic_msgs/msg/KeyValue', 'diagnostic_msgs/msg/DiagnosticStatus')
    found = [made(kinds[0], key, value) for key, value in pairs.items()]
    status = made(kinds[1], 0, 'x', '', '', found)
    return made(Form.VALUES.value, header(), [status])


def test_this_packages_own_message_comes_as_it_is():
    told = topic().claim(
        values_message({'kind': 'contrastive', 'mentions': '{"car": "ASSERTED"}'}),
        Form.VALUES.value,
        9,
    )
    assert isinstance(told.make(), Description) and told.stamp == 7_000_000_005
    failed = topic().claim(values_message({'error': 'no memory'}), Form.VALUES.value, 9).make()
    assert failed == Failed('no memory')
    with pytest.raises(RecordError, match="'kind' is"):
        topic().claim(values_message({'text': 'a car'}), Form.VALUES.value, 9)


def image(array, encoding='mono8'):
    height, width = array.shape[:2]
    return SimpleNamespace(
        header=header(),
        encoding=encoding,
        height=height,
        width=width,
        step=array.strides[0],
        is_bigendian=0,
        data=array.tobytes(),
    )


def mask_of(array, encoding, pixels='mono8'):
    reads = topic(name='segmentation', label_encoding=encoding)
    return reads.claim(image(array, pixels), Form.IMAGE.value, 9).make()


def test_a_mask_is_train_ids_whatever_its_encoding():
    road_and_car = np.array([[7, 26], [7, 0]], np.uint8)
    expected = np.array([[0, 13], [0, 255]], np.uint8)
    assert (mask_of(road_and_car, 'cityscapes_label_ids') == expected).all()
    trained = np.array([[0, 13], [0, 255]], np.uint8)
    assert (mask_of(trained, 'cityscapes_train_ids') == expected).all()
    tags = np.array([[1, 14], [1, 0]], np.uint8)
    assert (mask_of(tags, 'carla_tags') == expected).all()
    colours = np.array([[[128, 64, 128], [0, 0, 142]]], np.uint8)
    assert (mask_of(colours, 'cityscapes_colors', 'rgb8') == [[0, 13]]).all()


def test_a_mask_that_its_encoding_cannot_read_is_refused_and_not_scored():
    with pytest.raises(RecordError, match='100% of a mask is outside the table'):
        mask_of(np.full((4, 4), 200, np.uint8), 'cityscapes_train_ids')
    with pytest.raises(RecordError):
        mask_of(np.full((4, 4, 3), [1, 2, 3], np.uint8), 'cityscapes_train_ids', 'rgb8')
    with pytest.raises(RecordError, match='a mask came as std_msgs/msg/String'):
        topic(name='segmentation').claim(string('x'), 'std_msgs/msg/String', 9)
    with pytest.raises(ConfigurationError, match='no label encoding'):
        topic(name='segmentation', label_encoding='nonsense')


def test_a_mask_that_cannot_tell_every_class_is_never_read_as_one_of_nineteen():
    # CARLA before 0.9.14 has one value for pedestrians and riders, and one for all vehicles.
    tags = np.array([[7, 10], [7, 10]], np.uint8)
    with pytest.raises(RecordError, match='cannot tell person, rider, car, truck, bus, train'):
        mask_of(tags, 'carla_tags_0_9_13')


@pytest.mark.parametrize(
    'encoding, count',
    [
        ('cityscapes_label_ids', 0),
        ('cityscapes_train_ids', 0),
        ('carla_tags', 0),
        ('cityscapes_colors', 0),
        ('carla_tags_0_9_13', 8),
    ],
)
def test_what_an_encoding_cannot_tell_is_known_beforehand(encoding, count):
    assert len(telling_of(open_encoding(encoding)).lacking) == count


# Hostile -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    'text',
    [
        'A car is on the road. ' * (10_000_000 // 22),
        '\x00\x01\x1b[31m\ufffd' * 100_000,
        '<think>' * 200_000,
        '{' * 1_000_000,
        '\u202e' * 10_000 + 'rac A',
        '\ud800 A car.',
        '',
    ],
    ids=['long', 'controls', 'thoughts', 'braces', 'turned', 'surrogate', 'empty'],
)
def test_any_text_is_bounded_and_read_in_seconds(text):
    began = time.monotonic()
    claim = topic().claim(stamped(text), 'x', 9)
    told = claim.make()
    assert time.monotonic() - began < 20
    told.text.encode('utf-8')
    assert len(told.text) <= MAX_TEXT
    assert not set(told.text) & set('\x00\x01\x1b\u202e')
    if len(text) > 1_000_000 and 'car' in text:
        assert told.cut > 9_000_000 and told.mentions['car'] is Mention.ASSERTED


@pytest.mark.parametrize('seed', range(200))
def test_whatever_a_message_is_made_of_it_is_a_claim_or_refused(seed):
    rng = np.random.default_rng(seed)
    things = [
        None,
        3,
        -1.5,
        'text',
        '',
        b'\xff',
        [],
        {},
        header(),
        stamp(),
        object(),
        float('nan'),
    ]
    names = ['header', 'stamp', 'data', 'text', 'status', 'encoding', 'height', 'x']
    chosen = {name: things[rng.integers(len(things))] for name in names if rng.random() < 0.6}
    message = make_dataclass('Strange', chosen)(**chosen)
    forms = [Form.VALUES.value, Form.IMAGE.value, 'std_msgs/msg/String', 'x']
    reads = topic(name='segmentation') if seed % 2 else topic()
    try:
        claim = reads.claim(message, forms[rng.integers(len(forms))], 9)
        claim.make()
    except RecordError as error:
        assert len(str(error)) < 1000
