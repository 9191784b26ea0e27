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

"""A damaged bag is made into a sound one that rosbags and mcap read, with all that was whole."""

import shutil
import sqlite3
import subprocess

import pytest
from mcap.reader import make_reader
from mcap.writer import CompressionType, Writer
from recorded import (
    QOS,
    START,
    STORE,
    TEXT,
    definition,
    metadata,
    some_messages,
    text_message,
    write_mcap,
    write_metadata,
    write_sqlite,
)
from rosbags.highlevel import AnyReader

from vlm_misalign_ros.bags.reading import open_bag
from vlm_misalign_ros.bags.recovering import recover
from vlm_misalign_ros.core.errors import RecordError

MESSAGES = some_messages(40, 6000)


def damaged(folder, kind, keep=0.6):
    """Write a bag of which the end is cut off."""
    file = folder / f'bag_0.{kind}'
    (write_mcap if kind == 'mcap' else write_sqlite)(file, MESSAGES)
    write_metadata(folder, metadata({file.name: MESSAGES}))
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * keep)])
    return folder


@pytest.mark.parametrize('kind', ['mcap', 'db3'])
def test_what_is_whole_is_read_by_others_from_the_bag_that_was_recovered(kind, tmp_path):
    bag = damaged(tmp_path / 'bag', kind)
    with open_bag(bag) as source:
        whole = [(raw.topic, raw.arrival, raw.data) for raw in source.messages()]
        told = source.told()
    seen = []
    done = recover(bag, tmp_path / 'out' / 'new', lambda count, total: seen.append((count, total)))
    assert 0 < done.messages == len(whole) < 40 and done.told == told and not done.left_out
    assert f'Lost: {40 - len(whole)} messages' in told and seen[-1] == (len(whole), 40)
    assert sum(done.topics.values()) == done.messages
    with AnyReader([tmp_path / 'out' / 'new'], default_typestore=STORE) as peer:
        found = [(c.topic, stamp, bytes(raw)) for c, stamp, raw in peer.messages()]
        assert found == sorted(whole, key=lambda message: message[1])
        assert all(c.ext.offered_qos_profiles[0].depth == 7 for c in peer.connections)
    (file,) = (tmp_path / 'out' / 'new').glob('*.mcap')
    with open(file, 'rb') as stream:
        reader = make_reader(stream, validate_crcs=True)
        assert sum(1 for _ in reader.iter_messages()) == len(whole)
        assert all(
            schema.data.decode() == definition()
            for schema in reader.get_summary().schemas.values()
        )
    assert [entry.name for entry in (tmp_path / 'out').iterdir()] == ['new']
    # And ours has nothing to say of it.
    with open_bag(tmp_path / 'out' / 'new') as again:
        assert len(list(again.messages())) == len(whole) and not again.told()


def test_nothing_is_left_where_nothing_is_whole(tmp_path):
    bag = damaged(tmp_path / 'bag', 'mcap', 0.001)
    with pytest.raises(RecordError):
        recover(bag, tmp_path / 'new')
    # An empty one is opened, and holds nothing.
    write_mcap(tmp_path / 'empty.mcap', MESSAGES[:1])
    data = (tmp_path / 'empty.mcap').read_bytes()
    (tmp_path / 'empty.mcap').write_bytes(data[: data.index(b'zstd')])
    with pytest.raises(RecordError):
        recover(tmp_path / 'empty.mcap', tmp_path / 'new')
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ['bag', 'empty.mcap']


def test_what_is_there_is_not_written_over(tmp_path):
    bag = damaged(tmp_path / 'bag', 'mcap')
    (tmp_path / 'new').mkdir()
    with pytest.raises(RecordError, match='new exists'):
        recover(bag, tmp_path / 'new')


def test_topics_that_no_bag_of_ours_can_hold_are_named(tmp_path):
    with open(tmp_path / 'x.mcap', 'wb') as file:
        writer = Writer(file, compression=CompressionType.NONE)
        writer.start(profile='ros2', library='test')
        schema = writer.register_schema(TEXT, 'ros2msg', definition().encode())
        text = writer.register_channel('/text', 'cdr', schema, {'offered_qos_profiles': QOS})
        other = writer.register_channel('/json', 'json', 0)
        writer.add_message(other, START, b'{}', START)
        writer.add_message(text, START + 1, text_message('there'), START + 1)
        writer.finish()
    done = recover(tmp_path / 'x.mcap', tmp_path / 'new')
    assert done.topics == {'/text': 1} and done.left_out == ["/json is serialised as 'json'"]


def test_messages_of_another_type_are_told_of(tmp_path):
    with open(tmp_path / 'x.mcap', 'wb') as file:
        writer = Writer(file, compression=CompressionType.NONE)
        writer.start(profile='ros2', library='test')
        for kind, count in ((TEXT, 1), ('std_msgs/msg/Empty', 3)):
            schema = writer.register_schema(kind, 'ros2msg', b'')
            channel = writer.register_channel('/text', 'cdr', schema)
            for number in range(count):
                writer.add_message(channel, START + number, text_message('there'), START)
        writer.finish()
    done = recover(tmp_path / 'x.mcap', tmp_path / 'new')
    assert done.topics == {'/text': 1}
    assert done.left_out == [f'3 messages of /text, which are std_msgs/msg/Empty and not {TEXT}']


def test_a_row_of_no_time_is_lost_and_the_others_are_recovered(tmp_path):
    write_sqlite(tmp_path / 'x.db3', MESSAGES)
    connection = sqlite3.connect(tmp_path / 'x.db3')
    connection.execute('UPDATE messages SET timestamp = -5 WHERE id = 3')
    connection.commit()
    connection.close()
    done = recover(tmp_path / 'x.db3', tmp_path / 'new')
    assert done.messages == len(MESSAGES) - 1
    assert 'row 3 of x.db3' in done.told and 'Lost: 1 messages' in done.told
    (tmp_path / 'x.db3').write_bytes((tmp_path / 'x.db3').read_bytes()[:-1])
    assert recover(tmp_path / 'x.db3', tmp_path / 'page').messages < len(MESSAGES)


@pytest.mark.skipif(shutil.which('sqlite3') is None, reason='no sqlite3 command')
def test_as_much_is_recovered_of_a_cut_database_as_by_sqlite_itself(tmp_path):
    bag = damaged(tmp_path / 'bag', 'db3')
    script = subprocess.run(
        ['sqlite3', bag / 'bag_0.db3', '.recover'], capture_output=True, timeout=60
    ).stdout
    lines = [line for line in script.split(b'\n') if b'messages' in line and b'INSERT' in line]
    assert len(lines) <= recover(bag, tmp_path / 'new').messages
