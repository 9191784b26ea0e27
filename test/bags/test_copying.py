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

"""Bags made of others: cut by time, merged by time, byte for byte."""

import signal
import subprocess
import sys

import pytest
import yaml
from mcap.reader import make_reader
from rosbags.rosbag2 import Reader

from bagged import (
    FRONT,
    NANO,
    START,
    bag_of,
    camera_bag,
    contents,
    image_message,
    picture,
    text_message,
    time_of,
    values_message,
)
from golden import replaying
from vlm_misalign_ros.app.cli import main
from vlm_misalign_ros.bags.copying import cut_bag, merge_bags
from vlm_misalign_ros.bags.reading import open_bag
from vlm_misalign_ros.bags.stored import Definition
from vlm_misalign_ros.bags.writer import BagWriter
from vlm_misalign_ros.core.errors import ConfigurationError, RecordError

LATCHED = """- history: keep_last
  depth: 1
  reliability: reliable
  durability: transient_local
  deadline: {sec: 9223372036, nsec: 854775807}
  lifespan: {sec: 9223372036, nsec: 854775807}
  liveliness: automatic
  liveliness_lease_duration: {sec: 9223372036, nsec: 854775807}
  avoid_ros_namespace_conventions: false
"""
STRANGE = Definition('ros2msg', 'std_msgs/Header header\nuint8 level\n')


def test_a_cut_by_seconds_has_what_was_recorded_between_them(tmp_path):
    bag = camera_bag(tmp_path / 'bag', 20)
    found = cut_bag(bag, tmp_path / 'out', '0.5', '1.2')
    assert contents(tmp_path / 'out') == contents(bag)[5:12]
    assert (found.messages, found.notes) == (7, ()) and found.seconds == pytest.approx(0.6)


@pytest.mark.parametrize(
    'start, end, wanted',
    [
        ('@1700000000.5', '', range(5, 10)),
        ('', '@1700000000.5', range(0, 5)),
        ('@1700000000.200000001', '@1700000000.4', range(3, 4)),
        ('0.3', '@1700000000.5', range(3, 5)),
    ],
)
def test_a_cut_by_stamps_goes_by_headers_not_by_when_it_was_recorded(start, end, wanted, tmp_path):
    rows = [
        (FRONT, image_message(picture(n), time_of(n), 'bgr8'), time_of(n) + 77) for n in range(10)
    ]
    bag = bag_of(tmp_path / 'bag', rows)
    cut_bag(bag, tmp_path / 'out', start, end)
    before = contents(bag)
    assert contents(tmp_path / 'out') == [before[n] for n in wanted]


def test_what_has_no_header_goes_with_what_came_before_it(tmp_path):
    rows = [
        row
        for n in range(4)
        for row in (
            (FRONT, image_message(picture(n), time_of(n), 'bgr8'), time_of(n)),
            ('/chatter', text_message(str(n)), time_of(n) + 1),
        )
    ]
    bag = bag_of(tmp_path / 'bag', rows)
    cut_bag(bag, tmp_path / 'out', '@1700000000.1', '@1700000000.3')
    assert contents(tmp_path / 'out') == contents(bag)[2:6]


@pytest.mark.parametrize('qos', ['[' * 900, '- durability: 2020-13-45\n', '- [\n', '{}'])
def test_qos_that_are_none_are_of_no_latched_topic(qos, tmp_path, monkeypatch):
    writer = BagWriter(tmp_path / 'bag')
    kind, data = text_message('x')
    with monkeypatch.context() as patch:
        patch.setattr('vlm_misalign_ros.bags.writer._numbered', lambda text: text)
        writer.add_topic('/a', kind, qos=qos)
    for when in range(3):
        writer.write('/a', data, START + when * NANO)
    writer.close()
    assert cut_bag(tmp_path / 'bag', tmp_path / 'out', '1').messages == 2


def test_latched_messages_from_before_the_start_are_kept(tmp_path):
    writer = BagWriter(tmp_path / 'bag')
    kind, data = text_message('a map')
    writer.add_topic('/map', kind, qos=LATCHED)
    writer.add_topic('/chatter', kind)
    for topic, when in (('/map', 0), ('/chatter', 0), ('/chatter', 2), ('/chatter', 4)):
        writer.write(topic, data, START + when * NANO)
    writer.close()
    cut_bag(tmp_path / 'bag', tmp_path / 'out', '1.5')
    found = [(raw.topic, raw.arrival - START) for raw in contents(tmp_path / 'out')]
    assert found == [('/map', 2 * NANO), ('/chatter', 2 * NANO), ('/chatter', 4 * NANO)]


@pytest.mark.parametrize('words', [['--start', '9'], ['--start', '@5', '--end', '@6']])
def test_a_cut_without_a_message_is_refused_and_leaves_nothing(words, tmp_path, capsys):
    bag = camera_bag(tmp_path / 'bag', 3)
    assert main(['bag', 'cut', str(bag), str(tmp_path / 'out'), *words]) == 2
    assert 'no message of bag' in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ['bag']


@pytest.mark.parametrize('text', ['-1', 'x', 'nan', '@', '@1.5.2', '1e99', '@1e3'])
def test_a_time_that_is_none_is_named(text, tmp_path):
    with pytest.raises(ConfigurationError, match='--start is'):
        cut_bag(tmp_path, tmp_path / 'out', text)


def test_merged_parts_are_the_bag_that_was_cut(tmp_path):
    bag = replaying.write_bag(tmp_path / 'bag', True, ('clean', 'low_light:3'))
    cut_bag(bag, tmp_path / 'one', end='0.35')
    cut_bag(bag, tmp_path / 'two', start='0.35')
    merge_bags([tmp_path / 'two', tmp_path / 'one'], tmp_path / 'out')
    assert contents(tmp_path / 'out') == contents(bag)
    assert main(['bag', 'diff', str(bag), str(tmp_path / 'out')]) == 0


def test_merging_goes_by_time_and_keeps_definitions_and_qos(tmp_path):
    one = BagWriter(tmp_path / 'one')
    one.add_topic('/strange', 'their_msgs/msg/Alarm', schema=STRANGE, qos=LATCHED)
    for when in (1, 3, 5):
        one.write('/strange', b'\0\1\0\0' + bytes(16), START + when)
    one.close()
    two = bag_of(tmp_path / 'two', [('/chatter', text_message('x'), START + w) for w in (2, 4)])
    merge_bags([tmp_path / 'one', two], tmp_path / 'out')
    assert [raw.arrival - START for raw in contents(tmp_path / 'out')] == [1, 2, 3, 4, 5]
    with open_bag(tmp_path / 'one') as before, open_bag(tmp_path / 'out') as after:
        assert after.topics['/strange'] == before.topics['/strange']
        assert after.topics['/strange'].definition == STRANGE


def test_bags_that_do_not_go_together_are_refused_and_leave_nothing(tmp_path):
    text = bag_of(tmp_path / 'text', [('/a', text_message('x'), 1)])
    values = bag_of(tmp_path / 'values', [('/a', values_message({}, 1), 1)])
    with pytest.raises(RecordError, match='/a is std_msgs/msg/String in'):
        merge_bags([text, values], tmp_path / 'out')
    for name, definition in (('one', STRANGE), ('two', Definition('ros2msg', 'uint8 level\n'))):
        writer = BagWriter(tmp_path / name)
        writer.add_topic('/s', 'their_msgs/msg/Alarm', schema=definition)
        writer.write('/s', b'\0\1\0\0' + bytes(16), 1)
        writer.close()
    with pytest.raises(RecordError, match='has other fields in'):
        merge_bags([tmp_path / 'one', tmp_path / 'two'], tmp_path / 'out')
    with pytest.raises(ConfigurationError, match='given twice'):
        merge_bags([text, text], tmp_path / 'out')
    with pytest.raises(RecordError, match='exists'):
        merge_bags([text, tmp_path / 'one'], values)
    assert sorted(p.name for p in tmp_path.iterdir()) == ['one', 'text', 'two', 'values']


@pytest.mark.parametrize(
    'encoding, text, alike',
    [
        ('ros2msg', '# What was said.\nstring   data  # in words\nint32 MOST=3\n', True),
        ('ros2idl', 'module std_msgs { module msg { struct String { string data; }; }; };', True),
        ('ros2msg', 'string text\n', False),
        ('ros2msg', 'string data\nint32 more\n', False),
        ('ros2msg', 'string data\n{', False),
        ('jsonschema', '{}', False),
    ],
)
def test_a_type_is_the_same_by_its_fields_not_by_its_text(encoding, text, alike, tmp_path):
    kind, data = text_message('x')
    known = (Definition('ros2msg', 'string data\n'), Definition(encoding, text))
    for name, definition in zip(('one', 'two'), known, strict=True):
        writer = BagWriter(tmp_path / name)
        writer.add_topic('/chatter', kind, schema=definition)
        writer.write('/chatter', data, START)
        writer.close()
    paths = [tmp_path / 'one', tmp_path / 'two']
    if alike:
        assert merge_bags(paths, tmp_path / 'out').messages == 2
    else:
        with pytest.raises(RecordError, match='other fields'):
            merge_bags(paths, tmp_path / 'out')


def test_metadata_of_version_8_have_qos_by_numbers(tmp_path):
    """rosbag2 reads these as numbers up to version 8 (rosbag2_storage/qos.cpp), else throws."""
    bag = camera_bag(tmp_path / 'bag', 2)
    told = yaml.safe_load((bag / 'metadata.yaml').read_text())['rosbag2_bagfile_information']
    for entry in told['topics_with_message_count']:
        (profile,) = yaml.safe_load(entry['topic_metadata']['offered_qos_profiles'])
        names = ('history', 'reliability', 'durability', 'liveliness')
        # keep_last, reliable, volatile, automatic of rmw/types.h.
        assert [profile[name] for name in names] == [1, 1, 2, 1]
    assert told['version'] == 8
    with Reader(bag) as reader:
        assert reader.message_count == 2
    (file,) = bag.glob('*.mcap')
    with open(file, 'rb') as stream:
        (record,) = make_reader(stream).iter_metadata()
    # What rosbag2 goes by where it is given the file alone.
    assert record.name == 'rosbag2'
    assert yaml.safe_load(record.metadata['serialized_metadata']) == told


def test_a_bag_that_loses_something_says_so_when_it_is_copied(tmp_path, capsys):
    bag = camera_bag(tmp_path / 'bag', 40)
    (bag / 'metadata.yaml').unlink()
    (file,) = bag.glob('*.mcap')
    file.write_bytes(file.read_bytes()[:-3000])
    other = camera_bag(tmp_path / 'other', 1)
    assert main(['bag', 'merge', str(bag), str(other), str(tmp_path / 'out')]) == 0
    assert f'note: {bag} lost: ' in capsys.readouterr().out


@pytest.mark.heavy
def test_ctrl_c_leaves_nothing(tmp_path):
    camera_bag(tmp_path / 'bag', 3)
    code = (
        'import os, signal, sys\n'
        'from vlm_misalign_ros.app.cli import main\n'
        'from vlm_misalign_ros.bags.writer import BagWriter\n'
        'BagWriter.write = lambda *_: os.kill(os.getpid(), signal.SIGINT)\n'
        'sys.exit(main(sys.argv[1:]))'
    )
    words = ['bag', 'cut', str(tmp_path / 'bag'), str(tmp_path / 'out'), '--start', '0']
    done = subprocess.run(
        [sys.executable, '-c', code, *words],
        capture_output=True,
        # A child of a background shell would ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert done.returncode == 130, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ['bag']
