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

"""Bags as others record them: every form of rosbag2 gives the same messages, or one right line."""

import contextlib
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
import zlib
from pathlib import Path

import lz4.frame
import pytest
import zstandard
from mcap.writer import CompressionType, IndexType, Writer
from recorded import (
    QOS,
    SECOND,
    START,
    STORE,
    TEXT,
    TOPICS,
    Message,
    definition,
    metadata,
    pack,
    some_messages,
    text_message,
    write_mcap,
    write_metadata,
    write_sqlite,
)
from rosbags.rosbag2 import Writer as PeerWriter

from vlm_misalign_ros.bags import inflating, reading_types
from vlm_misalign_ros.bags.losing import told_lost
from vlm_misalign_ros.bags.merging import Place, merged
from vlm_misalign_ros.bags.reading import open_bag
from vlm_misalign_ros.bags.stored import MAX_SIZE, Definition, Stored
from vlm_misalign_ros.core.errors import RecordError

MESSAGES = some_messages(30, 6000)


def read(path, names=None):
    """Return (messages, what was lost, faults)."""
    with open_bag(path) as bag:
        found = [(raw.topic, raw.arrival, raw.data) for raw in bag.messages(names)]
        return found, bag.told(), bag.faults


def write(folder, kind, messages=MESSAGES, version=8, **changes):
    """Write a bag with its metadata; return its file."""
    file = folder / f'bag_0.{kind}'
    (write_mcap if kind == 'mcap' else write_sqlite)(file, messages)
    storage = 'mcap' if kind == 'mcap' else 'sqlite3'
    write_metadata(folder, metadata({file.name: messages}, version, storage, **changes))
    return file


@pytest.mark.parametrize('kind', ['mcap', 'db3'])
@pytest.mark.parametrize('version', range(1, 10))
def test_every_version_of_the_metadata_is_read(kind, version, tmp_path):
    write(tmp_path / 'bag', kind, version=version)
    assert read(tmp_path / 'bag') == (MESSAGES, '', [])


def test_a_version_to_come_is_read_and_said(tmp_path):
    write(tmp_path / 'bag', 'mcap', version=11)
    found, told, faults = read(tmp_path / 'bag')
    assert found == MESSAGES and not told and 'of version 11' in faults[0]


@pytest.mark.parametrize('schema', [1, 3, 4])
def test_every_schema_of_sqlite_is_read_and_its_messages_decoded(schema, tmp_path):
    write_sqlite(tmp_path / 'x.db3', MESSAGES, schema)
    with open_bag(tmp_path / 'x.db3') as bag:
        raws = list(bag.messages(['/a']))
        wanted = [STORE.deserialize_cdr(m.data, TEXT).data for m in MESSAGES if m.topic == '/a']
        assert [bag.decode(raw).data for raw in raws] == wanted
        assert bag.topics['/a'].qos == ('' if schema == 1 else QOS)


CHUNKED = [
    {'compression': CompressionType.NONE},
    {'compression': CompressionType.LZ4},
    {'compression': CompressionType.ZSTD, 'enable_crcs': False},
    {'use_chunking': False},
    {'use_chunking': False, 'use_statistics': False},
    {'index_types': IndexType.NONE},
    {'index_types': IndexType.CHUNK},
    {'index_types': IndexType.MESSAGE},
    {'repeat_channels': False, 'repeat_schemas': False},
    {'use_statistics': False, 'use_summary_offsets': False},
    {
        'index_types': IndexType.NONE,
        'repeat_channels': False,
        'repeat_schemas': False,
        'use_statistics': False,
        'use_summary_offsets': False,
    },
]


@pytest.mark.parametrize('options', CHUNKED, ids=str)
def test_every_form_of_mcap_is_read_by_index_or_without(options, tmp_path):
    write_mcap(tmp_path / 'x.mcap', MESSAGES, **options)
    assert read(tmp_path / 'x.mcap') == (MESSAGES, '', [])
    some, told, _ = read(tmp_path / 'x.mcap', ['/b'])
    assert some == [m for m in MESSAGES if m.topic == '/b'] and not told


@pytest.mark.parametrize('plugin', ['MCAP', 'SQLITE3'])
@pytest.mark.parametrize('mode', ['NONE', 'FILE', 'MESSAGE'])
@pytest.mark.parametrize('version', [8, 9])
def test_what_rosbags_writes_is_read(plugin, mode, version, tmp_path):
    from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin

    writer = PeerWriter(
        tmp_path / 'bag', version=version, storage_plugin=getattr(StoragePlugin, plugin)
    )
    if mode != 'NONE':
        writer.set_compression(getattr(CompressionMode, mode), CompressionFormat.ZSTD)
    with writer:
        connections = {}
        for message in MESSAGES:
            if message.topic not in connections:
                connections[message.topic] = writer.add_connection(
                    message.topic, TEXT, typestore=STORE
                )
            writer.write(connections[message.topic], message.arrival, message.data)
    assert read(tmp_path / 'bag') == (MESSAGES, '', [])


@pytest.mark.parametrize('form', ['zstd', 'lz4'])
@pytest.mark.parametrize('kind', ['mcap', 'db3'])
def test_files_that_are_compressed_are_read_with_and_without_metadata(form, kind, tmp_path):
    folder = tmp_path / 'bag'
    # Of several blocks of the compressor, so that a part of it can be unpacked.
    messages = some_messages(40, 60_000)
    file = write(folder, kind, messages)
    packed = file.with_name(f'{file.name}.{form}')
    packed.write_bytes(pack(file.read_bytes(), form))
    file.unlink()
    told = metadata({packed.name: messages}, compression_mode='FILE', compression_format=form)
    write_metadata(folder, told)
    assert read(folder) == (messages, '', []) == read(packed)
    (folder / 'metadata.yaml').unlink()
    assert read(folder)[:2] == (messages, '')
    # Cut, it gives what can be unpacked.
    whole = packed.read_bytes()
    packed.write_bytes(whole[: len(whole) * 2 // 3])
    write_metadata(folder, told)
    found, lost, _ = read(folder)
    assert 0 < len(found) < 40 and f'Lost: {40 - len(found)} messages' in lost
    assert found == [message for message in messages if message in found]
    # Of nothing, the file that is named is the one that is there.
    packed.write_bytes(pack(b'', form))
    with pytest.raises(RecordError, match=re.escape(f'{packed} is empty')):
        read(folder)


@pytest.mark.parametrize('form', ['zstd', 'lz4'])
def test_a_compressed_file_whose_checksum_is_another_is_told_of(form, tmp_path):
    file = tmp_path / 'x.db3'
    write_sqlite(file, MESSAGES)
    if form == 'zstd':
        data = zstandard.ZstdCompressor(write_checksum=True).compress(file.read_bytes())
    else:
        data = lz4.frame.compress(file.read_bytes(), content_checksum=True)
    packed = tmp_path / f'x.db3.{form}'
    packed.write_bytes(data)
    assert read(packed) == (MESSAGES, '', [])
    packed.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(RecordError, match=f'x.db3.{form} is damaged: .*hecksum'):
        read(packed)


@pytest.mark.parametrize('form', ['zstd', 'lz4'])
def test_messages_that_are_compressed_are_read_and_spoilt_ones_counted(form, tmp_path):
    packed = [m._replace(data=pack(m.data, form)) for m in MESSAGES]
    packed[7] = packed[7]._replace(data=b'\x28\xb5\x2f\xfd junk')
    write(tmp_path / 'bag', 'db3', packed, compression_mode='MESSAGE', compression_format=form)
    found, told, _ = read(tmp_path / 'bag')
    assert found == [*MESSAGES[:7], *MESSAGES[8:]]
    assert 'messages of /b cannot be unpacked' in told and 'Lost: 1 messages' in told
    # Without metadata the bytes say that they are compressed; who reads twice loses nothing more.
    (tmp_path / 'bag' / 'metadata.yaml').unlink()
    for path in (tmp_path / 'bag', next((tmp_path / 'bag').glob('*.db3'))):
        with open_bag(path) as bag:
            for _ in range(2):
                assert [raw.data for raw in bag.messages()] == [m[2] for m in found]
            assert 'Lost: 1 messages' in bag.told()


# Folders ---------------------------------------------------------------------------------------


def split(folder, kind='mcap', parts=11):
    """Write a split bag, three messages a file; return its metadata."""
    messages = some_messages(3 * parts)
    held = {f'bag_{n}.{kind}': messages[3 * n : 3 * n + 3] for n in range(parts)}
    for name, some in held.items():
        (write_mcap if kind == 'mcap' else write_sqlite)(folder / name, some)
    return messages, metadata(held)


@pytest.mark.parametrize('kind', ['mcap', 'db3'])
def test_a_split_bag_is_read_in_order_with_and_without_metadata(kind, tmp_path):
    messages, told = split(tmp_path / 'bag', kind)
    found, lost, faults = read(tmp_path / 'bag')
    assert (found, lost) == (messages, '') and 'no metadata.yaml' in faults[0]
    write_metadata(tmp_path / 'bag', told)
    assert read(tmp_path / 'bag') == (messages, '', [])


def test_a_file_that_a_split_bag_lacks_is_named_with_what_was_in_it(tmp_path):
    messages, told = split(tmp_path / 'bag')
    (tmp_path / 'bag' / 'bag_4.mcap').unlink()
    found, lost, _ = read(tmp_path / 'bag')
    assert found == [*messages[:12], *messages[15:]]
    assert lost.startswith('file bag_4 of the bag is missing') and 'unknown number' in lost
    write_metadata(tmp_path / 'bag', told)
    found, lost, _ = read(tmp_path / 'bag')
    assert lost.startswith('bag_4.mcap is missing (3 messages, 0.200 s)')
    assert lost.endswith('Lost: 3 messages, 0.200 s')


def test_a_number_in_the_name_of_a_single_file_stands_for_no_others(tmp_path):
    write_mcap(tmp_path / 'bag' / 'run_42.mcap', MESSAGES)
    assert read(tmp_path / 'bag')[:2] == (MESSAGES, '')


def test_a_file_that_no_metadata_name_is_said_and_not_read(tmp_path):
    file = write(tmp_path / 'bag', 'mcap')
    shutil.copyfile(file, file.with_name('bag_1.mcap'))
    found, told, faults = read(tmp_path / 'bag')
    assert found == MESSAGES and not told and 'does not name bag_1.mcap' in faults[0]


def test_messages_are_held_against_those_that_were_promised(tmp_path):
    told = metadata({'bag_0.mcap': MESSAGES})
    write(tmp_path / 'bag', 'mcap')
    told['topics_with_message_count'][0]['message_count'] += 4
    told['topics_with_message_count'][1]['message_count'] -= 1
    topic = {'name': '/gone', 'type': TEXT, 'serialization_format': 'cdr'}
    told['topics_with_message_count'].append({'topic_metadata': topic, 'message_count': 2})
    write_metadata(tmp_path / 'bag', told)
    found, lost, faults = read(tmp_path / 'bag')
    assert found == MESSAGES and 'Lost: 6 messages' in lost
    assert 'holds 10 messages of /a, and tells of 14' in lost
    assert 'holds 0 messages of /gone, and tells of 2' in lost
    assert faults == ['the bag holds 10 messages of /b, and tells of 9']


@pytest.mark.parametrize('content', [b'', b'\xff\xfe', b'7', b'[' * 5000, b'a: &a [*a]', b'\0'])
def test_metadata_of_any_bytes_are_passed_over(content, tmp_path):
    write(tmp_path / 'bag', 'mcap')
    (tmp_path / 'bag' / 'metadata.yaml').write_bytes(content)
    found, told, faults = read(tmp_path / 'bag')
    assert found == MESSAGES and not told and 'was passed over' in faults[0]


def test_names_with_signs_of_uris_are_names(tmp_path):
    """`?`, `#` and `%` have a meaning in the names by which SQLite opens files."""
    write(tmp_path / 'a?b#c%20d', 'db3')
    assert read(tmp_path / 'a?b#c%20d') == (MESSAGES, '', [])


# What a writer that was stopped leaves over ----------------------------------------------------


def stopped(folder, journal):
    """Write half of the messages, then half in a way that a copy has them in its journal."""
    file = folder / 'bag_0.db3'
    write_sqlite(file, MESSAGES[:15], journal=journal)
    connection = sqlite3.connect(file)
    connection.execute('PRAGMA cache_size=1')
    connection.execute('BEGIN')
    for message in MESSAGES[15:]:
        connection.execute(
            'INSERT INTO messages(topic_id, timestamp, data) VALUES (1, ?, ?)',
            (message.arrival, message.data),
        )
    if journal == 'wal':
        connection.commit()
    left = folder.parent / 'left'
    shutil.copytree(folder, left)
    connection.rollback()
    connection.close()
    return left


def test_a_log_that_was_left_over_is_applied_to_a_copy(tmp_path):
    left = stopped(tmp_path / 'bag', 'wal')
    before = {entry.name: entry.read_bytes() for entry in left.iterdir()}
    assert before['bag_0.db3-wal']
    found, told, faults = read(left)
    assert [m[2] for m in found] == [m.data for m in MESSAGES] and not told
    assert any('bag_0.db3-wal beside it' in fault for fault in faults)
    assert {entry.name: entry.read_bytes() for entry in left.iterdir()} == before


def test_a_journal_that_was_left_over_is_rolled_back_in_a_copy(tmp_path):
    left = stopped(tmp_path / 'bag', 'delete')
    before = {entry.name: entry.read_bytes() for entry in left.iterdir()}
    assert before['bag_0.db3-journal']
    found, told, faults = read(left)
    assert found == MESSAGES[:15] and not told
    assert any('bag_0.db3-journal beside it' in fault for fault in faults)
    assert {entry.name: entry.read_bytes() for entry in left.iterdir()} == before


def test_a_log_that_cannot_be_applied_is_refused_by_name(tmp_path, monkeypatch):
    left = stopped(tmp_path / 'bag', 'wal')
    room = shutil.disk_usage(tmp_path)._replace(free=1)
    monkeypatch.setattr(shutil, 'disk_usage', lambda path: room)
    with pytest.raises(RecordError, match=r'bag_0\.db3-wal.* no room'):
        read(left)


JOURNAL = bytes.fromhex('d9d505f920a163d7')


def journal_of(pages, name=b''):
    """Return a journal of a database that had `pages`, with no page of it."""
    numbers = (0, 0, pages, 512, 4096)
    head = JOURNAL + b''.join(number.to_bytes(4, 'big') for number in numbers)
    data = head.ljust(512, b'\0')
    if name:
        data += (0x40000000 // 4096 + 1).to_bytes(4, 'big') + name
        data += len(name).to_bytes(4, 'big') + sum(name).to_bytes(4, 'big') + JOURNAL
    return data


def test_a_journal_that_names_a_file_of_anybody_is_refused_and_the_file_stays(tmp_path):
    """SQLite takes the name for that of a journal above it, and removes the file."""
    file, other = tmp_path / 'x.db3', tmp_path / 'notes.txt'
    write_sqlite(file, MESSAGES)
    other.write_text('not of the bag')
    pages = file.stat().st_size // 4096
    Path(f'{file}-journal').write_bytes(journal_of(pages, str(other).encode()))
    with pytest.raises(RecordError, match=r'x\.db3-journal.* names a file that is none'):
        read(file)
    assert other.read_text() == 'not of the bag'


def test_a_journal_that_makes_a_bag_of_gigabytes_is_refused(tmp_path):
    write_sqlite(tmp_path / 'x.db3', MESSAGES)
    (tmp_path / 'x.db3-journal').write_bytes(journal_of(1 << 22))
    with pytest.raises(RecordError, match=r'tells of 17,179,869,184 bytes'):
        read(tmp_path / 'x.db3')


# What else is in a bag -------------------------------------------------------------------------


def test_nothing_but_the_topics_that_are_asked_for_is_looked_at(tmp_path):
    """Service events, JSON, protobuf, no schema, an empty one, one that is none."""
    path = tmp_path / 'x.mcap'
    with open(path, 'wb') as file:
        writer = Writer(file)
        writer.start(profile='', library='other')
        odd = [
            ('example/srv/Add_Event', 'ros2msg', b'MSG: no\n===', 'cdr'),
            ('foxglove.Log', 'jsonschema', b'{}', 'json'),
            ('foxglove.Grid', 'protobuf', b'\xff\xfe\x00', 'protobuf'),
            ('std_msgs/msg/Empty', 'ros2msg', b'', 'cdr'),
            ('x', 'y', b'\xff', 'z'),
        ]
        for number, (name, encoding, data, form) in enumerate(odd):
            schema = writer.register_schema(name, encoding, data)
            channel = writer.register_channel(f'/odd{number}', form, schema)
            writer.add_message(channel, START, b'\x00', START)
        writer.add_message(writer.register_channel('/none', 'json', 0), START, b'{}', START)
        # As foxglove's bridge writes it: without a middle part.
        schema = writer.register_schema('std_msgs/String', 'ros2msg', definition().encode())
        channel = writer.register_channel('/text', 'cdr', schema)
        writer.add_message(channel, START + 1, text_message('there'), START + 1)
        writer.finish()
    with open_bag(path) as bag:
        assert len(bag.topics) == 7 and bag.topics['/text'].type == TEXT
        assert [bag.decode(raw).data for raw in bag.messages(['/text'])] == ['there']
        with pytest.raises(RecordError, match="/odd1 .* is serialised as 'json'"):
            list(bag.messages(['/odd1']))
        (event,) = bag.messages(['/odd0'])
        with pytest.raises(RecordError, match='the definition of example/srv/Add_Event'):
            bag.decode(event)
        assert not bag.told() and not bag.faults


def test_a_definition_of_another_distribution_is_that_of_its_messages(tmp_path):
    """A type of a known name with other fields is read as the bag has it."""
    path = tmp_path / 'x.mcap'
    with open(path, 'wb') as file:
        writer = Writer(file)
        writer.start(profile='ros2', library='other')
        schema = writer.register_schema(TEXT, 'ros2msg', b'uint8 before\nstring data\n')
        channel = writer.register_channel('/text', 'cdr', schema)
        writer.add_message(channel, START, b'\0\1\0\0\7\0\0\0' + text_message('there')[4:], START)
        writer.finish()
    with open_bag(path) as bag:
        (message,) = map(bag.decode, bag.messages())
    assert (message.before, message.data) == (7, 'there')


LEAF = (
    '=' * 80 + '\nMSG: x_msgs/Y\nstring[99] a\n' + '=' * 80 + '\nMSG: x_msgs/Z\nx_msgs/Y[99] a\n'
)


@pytest.mark.parametrize(
    'text',
    [
        'string[3000000] x',
        'x_msgs/Y[3000000] x\n' + LEAF,
        'x_msgs/Z[99] x\n' + LEAF,
        'x_msgs/Z[] x\nx_msgs/Z[2] y\n' + LEAF,
        '\n'.join(f'int32 a{n}' for n in range(10_001)),
        'x_msgs/X x',
    ],
    ids=lambda text: text[:14],
)
def test_a_definition_of_millions_of_values_is_refused_and_parsed_once(text, monkeypatch):
    parsed = []
    true = reading_types.get_types_from_msg
    monkeypatch.setattr(
        reading_types, 'get_types_from_msg', lambda *word: parsed.append(1) or true(*word)
    )
    types = reading_types.Types()
    before = time.process_time()
    for _ in range(3):
        with pytest.raises(RecordError, match='the definition of x_msgs/msg/X in the bag cannot'):
            types.decode(b'\0\1\0\0' + bytes(99), 'x_msgs/msg/X', Definition('ros2msg', text))
    assert parsed == [1] and time.process_time() - before < 5
    # Numbers are taken at once, however many, and a sequence is as long as its message.
    plain = Definition('ros2msg', f'uint8[20000] x\nx_msgs/Z[] y\n{LEAF}')
    found = types.decode(b'\0\1\0\0' + bytes(20004), 'x_msgs/msg/X', plain)
    assert (found.x.shape, found.y) == ((20000,), [])


def test_what_the_recorder_itself_lost_is_told(tmp_path):
    kind = 'rosbag2_interfaces/msg/MessagesLostEvent'
    text = (
        'string node_name\nMessagesLostEventTopicStat[] messages_lost_statistics\n'
        + '=' * 80
        + '\nMSG: rosbag2_interfaces/MessagesLostEventTopicStat\nstring topic_name\n'
        'uint64 messages_lost_in_transport\nuint64 messages_lost_in_recorder\n'
    )
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.EMPTY)
    store.register(get_types_from_msg(text, kind))
    entry = store.types['rosbag2_interfaces/msg/MessagesLostEventTopicStat']
    path = tmp_path / 'x.mcap'
    with open(path, 'wb') as file:
        writer = Writer(file)
        writer.start(profile='ros2', library='other')
        schema = writer.register_schema(kind, 'ros2msg', text.encode())
        channel = writer.register_channel('/ns/events/rosbag2_messages_lost', 'cdr', schema)
        for number in range(3):
            message = store.types[kind](
                node_name='/recorder', messages_lost_statistics=[entry('/camera', number, 5)]
            )
            data = bytes(store.serialize_cdr(message, kind))
            writer.add_message(channel, START + number, data, START + number)
        writer.add_message(channel, START + 9, b'\0\1\0\0\xff', START + 9)
        other = writer.register_channel('/x/events/rosbag2_messages_lost', 'json', 0)
        writer.add_message(other, START, b'{}', START)
        writer.finish()
    with open_bag(path) as bag:
        lines = told_lost(bag)
    assert lines == [
        'the recorder of the bag lost 18 messages of /camera: 3 before they reached it, 15 before '
        'they were written',
        '1 messages of /ns/events/rosbag2_messages_lost, which tell of losses, cannot be read',
    ]


# What is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    'name, content, words',
    [
        ('x.bag', b'#ROSBAG V2.0\n', 'rosbags-convert'),
        ('x.mcap', b'version https://git-lfs.github.com/spec/v1\noid', 'git lfs pull'),
        ('x.mcap', b'', 'is empty'),
        ('x.db3', b'', 'is empty'),
        ('x.mcap', b'PK\3\4' + bytes(99), 'is neither MCAP nor SQLite'),
        ('x.mcap', b'\x89MCAP0\r\n', 'cannot be read'),
        ('x.db3', b'SQLite format 3\0' + bytes(500), 'cannot be read'),
    ],
)
def test_what_is_no_bag_is_refused_in_one_line(name, content, words, tmp_path):
    (tmp_path / name).write_bytes(content)
    for path in (tmp_path / name, tmp_path):
        if path == tmp_path and name.endswith('.bag'):
            words = 'has no recording'
        with pytest.raises(RecordError, match=words) as raised:
            open_bag(path)
        assert str(tmp_path) in str(raised.value) and '\n' not in str(raised.value)


def test_a_database_of_something_else_is_refused(tmp_path):
    connection = sqlite3.connect(tmp_path / 'x.db3')
    connection.execute('CREATE TABLE topics(id)')
    # A view that never ends is no table of messages.
    connection.execute(
        'CREATE VIEW messages AS WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 '
        'FROM n) SELECT id, 1 AS topic_id, id AS timestamp, NULL AS data FROM n'
    )
    connection.close()
    with pytest.raises(RecordError, match='no tables of messages and topics'):
        open_bag(tmp_path / 'x.db3')


@pytest.mark.parametrize('kept', ['VIRTUAL', 'STORED'])
def test_columns_that_are_made_as_they_are_read_are_refused(kept, tmp_path):
    connection = sqlite3.connect(tmp_path / 'x.db3')
    connection.execute('CREATE TABLE topics(id, name, type, serialization_format)')
    connection.execute(
        'CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id, timestamp, '
        f'data AS (hex(zeroblob(300000000))) {kept})'
    )
    connection.close()
    with pytest.raises(RecordError, match=r'table messages of .*x\.db3 has columns that are made'):
        open_bag(tmp_path / 'x.db3')


# Hostile sizes ---------------------------------------------------------------------------------


def chunk_of(packed, size, form=b'zstd', crc=0):
    """Return the bytes of an MCAP file with one chunk that says it has `size` bytes."""

    def record(op, content):
        return bytes([op]) + len(content).to_bytes(8, 'little') + content

    def text(value):
        return len(value).to_bytes(4, 'little') + value

    head = START.to_bytes(8, 'little') * 2 + size.to_bytes(8, 'little')
    head += crc.to_bytes(4, 'little') + text(form) + len(packed).to_bytes(8, 'little')
    data = record(1, text(b'ros2') + text(b'bomb')) + record(6, head + packed)
    return (
        b'\x89MCAP0\r\n' + data + record(15, bytes(4)) + record(2, bytes(20)) + (b'\x89MCAP0\r\n')
    )


def bomb(kind, size):
    """Return some kB that have `size` bytes unpacked."""
    if kind == 'lz4':
        return lz4.frame.compress(bytes(size))
    worker = zstandard.ZstdCompressor().compressobj()
    return b''.join([worker.compress(bytes(1 << 20)) for _ in range(size >> 20)]) + (
        worker.flush()
    )


REFUSE = """
import resource, sys, tracemalloc
from pathlib import Path
from vlm_misalign_ros.bags.reading import open_bag
from vlm_misalign_ros.core.errors import RecordError
tracemalloc.start()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    with open_bag(Path(sys.argv[1])) as bag:
        assert not list(bag.messages())
        raise RecordError(bag.told() or 'nothing was said')
except RecordError as error:
    print(error)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(after - before, tracemalloc.get_traced_memory()[1])
"""


@pytest.mark.parametrize('kind', ['told', 'untold', 'lz4', 'file', 'negative', 'text'])
def test_a_bomb_of_a_megabyte_is_refused_below_256_mb(kind, tmp_path):
    size = 2 << 30
    path = tmp_path / ('x.mcap.zstd' if kind == 'file' else 'x.mcap')
    if kind == 'told':
        path.write_bytes(chunk_of(bomb('zstd', size), size))
    elif kind == 'untold':
        path.write_bytes(chunk_of(bomb('zstd', size), 100 << 20))
    elif kind == 'lz4':
        path.write_bytes(chunk_of(bomb('lz4', 200 << 20), 64 << 20, b'lz4'))
    elif kind == 'file':
        path.write_bytes(bomb('zstd', size))
    elif kind == 'negative':
        path.write_bytes(chunk_of(bomb('zstd', 1 << 20), (1 << 64) - 1))
    else:
        # A schema whose definition has no end.
        data = b'\x03' + (1 << 62).to_bytes(8, 'little') + b'\1\0' + b'\xff' * 4
        path.write_bytes(chunk_of(zstandard.compress(data), len(data)))
    assert path.stat().st_size < 2 << 20
    environment = {**os.environ, 'TMPDIR': str(tmp_path)}
    done = subprocess.run(
        [sys.executable, '-c', REFUSE, str(path)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    line, sizes = done.stdout.splitlines()
    resident, traced = map(int, sizes.split())
    assert str(path.name) in line and 'nothing was said' not in line
    assert resident * 1024 < 256 << 20 and traced < 256 << 20, done.stdout


def test_what_is_unpacked_is_never_more_than_was_told():
    data = bytes(5000)
    for form in ('zstd', 'lz4'):
        packed = pack(data, form)
        assert inflating.inflate(packed, form, 5000) == data == inflating.inflate(packed, form)
        for size in (4999, 5001, 0):
            with pytest.raises(RecordError):
                inflating.inflate(packed, form, size)
        assert inflating.inflate_start(packed, form, 100) == bytes(100)
    with pytest.raises(RecordError, match="'bz2' is not read"):
        inflating.inflate(b'x', 'bz2', 1)


@pytest.mark.parametrize('form', ['zstd', 'lz4'])
def test_what_was_cut_is_never_taken_for_whole(form):
    """At every byte, within every kind of frame: with a checksum, of one byte, after another."""
    data = bytes(range(256)) * 3 + bytes(3000)
    packed = pack(data, form)
    if form == 'zstd':
        packed = zstandard.ZstdCompressor(write_checksum=True).compress(data)
        skipped = bytes.fromhex('502a4d1803000000') + b'abc'
        packed = packed + skipped + zstandard.compress(b'x' * 300_000) + packed
        worker = zstandard.ZstdCompressor(write_content_size=False).compressobj()
        packed += worker.compress(data) + worker.flush()
        data = data + b'x' * 300_000 + data * 2
    assert inflating.inflate(packed, form) == data
    frames = 0
    for at in range(len(packed)):
        with contextlib.suppress(RecordError):
            # Between two frames nothing tells that there was one more.
            assert data.startswith(inflating.inflate(packed[:at], form))
            frames += 1
    assert frames == (4 if form == 'zstd' else 0)


def test_trees_that_were_made_to_be_walked_for_ever_are_not(tmp_path):
    """Every page of a table points at one page below it, four hundred times over, six deep."""
    file = tmp_path / 'x.db3'
    write_sqlite(file, some_messages(600, 300))
    data = bytearray(file.read_bytes())
    connection = sqlite3.connect(file)
    (root,) = connection.execute(
        "SELECT rootpage FROM sqlite_master WHERE name = 'messages'"
    ).fetchone()
    connection.close()
    # The pages of the rows become pages of the tree, and the last of them is left a page of rows.
    leaves = [n for n in range(2, len(data) // 4096) if data[(n - 1) * 4096] == 13 and n != root]
    chain = [root, *leaves[5:14]]
    for page, below in zip(chain, chain[1:], strict=False):
        cells = 400
        begin = (page - 1) * 4096
        content = bytearray(4096)
        content[0] = 5
        content[3:5] = cells.to_bytes(2, 'big')
        content[8:12] = below.to_bytes(4, 'big')
        for cell in range(cells):
            at = 4096 - 6 * (cell + 1)
            content[at : at + 4] = below.to_bytes(4, 'big')
            content[at + 4 : at + 6] = bytes([0x81, cell % 128])
            content[12 + 2 * cell : 14 + 2 * cell] = at.to_bytes(2, 'big')
        content[5:7] = (4096 - 6 * cells).to_bytes(2, 'big')
        data[begin : begin + 4096] = content
    file.write_bytes(data)
    found, told, _ = read(file)
    assert len(found) < 600 and 'x.db3 is damaged' in told


# Order -----------------------------------------------------------------------------------------


def test_places_are_merged_by_arrival_and_opened_when_their_time_is_come():
    opened = []

    def place(name, size, *arrivals):
        def open_it():
            opened.append(name)
            return iter([Stored(arrival, name, b'') for arrival in arrivals])

        return Place(arrivals[0], size, open_it)

    places = [place(3, 4, 30, 40), place(1, 4, 0, 10, 20), place(2, 4, 10, 50)]
    found = []
    for message in merged(places, 100):
        found.append((message.arrival, message.number))
        assert 3 not in opened or message.arrival >= 20
    assert found == [(0, 1), (10, 1), (10, 2), (20, 1), (30, 3), (40, 3), (50, 2)]
    # Where there is no room for two, what is open is read first.
    found = [(m.arrival, m.number) for m in merged([place(1, 9, 0, 10), place(2, 9, 5)], 10)]
    assert found == [(0, 1), (10, 1), (5, 2)]


def test_a_stretch_of_time_is_read_and_its_end_is_not_in_it(tmp_path):
    for kind in ('mcap', 'db3'):
        write(tmp_path / kind, kind)
        low, high = START + SECOND, START + 2 * SECOND
        with open_bag(tmp_path / kind) as bag:
            found = [raw.arrival for raw in bag.messages(start=low, end=high)]
            assert found == [m.arrival for m in MESSAGES if low <= m.arrival < high]
            assert len(found) == 10 and not bag.told() and bag.start == START


def test_a_checksum_is_compared_where_there_is_one(tmp_path):
    text = text_message('there')
    content = b'\x05' + (22 + len(text)).to_bytes(8, 'little') + bytes(22) + text
    path = tmp_path / 'x.mcap'
    path.write_bytes(chunk_of(content, len(content), b'', zlib.crc32(content)))
    with open_bag(path) as bag:
        assert not bag.topics
    path.write_bytes(chunk_of(content, len(content), b'', 7))
    with pytest.raises(RecordError, match='cannot be read'):
        open_bag(path)
    assert MAX_SIZE < 256 << 20


def test_views_are_the_messages_and_what_fills_its_chunk_is_not_copied(tmp_path):
    messages = [
        Message(TOPICS[0], START + number, text_message(text))
        for number, text in enumerate(['a', 'b' * 9000, 'c' * 3, 'd' * 200])
    ]
    for options in ({'compression': CompressionType.NONE}, {}, {'use_chunking': False}):
        path = tmp_path / f'{len(list(tmp_path.iterdir()))}.mcap'
        write_mcap(path, messages, **options)
        with open_bag(path) as bag:
            copies = list(bag.messages())
            views = list(bag.views())
            told = [bag.decode(raw).data for raw in views]
        assert [raw._replace(data=bytes(raw.data)) for raw in views] == copies
        assert all(isinstance(raw.data, bytes) for raw in copies)
        assert told == ['a', 'b' * 9000, 'c' * 3, 'd' * 200]
        kept = [isinstance(raw.data, memoryview) for raw in views]
        assert kept[1] is options.get('use_chunking', True) and not kept[0]
