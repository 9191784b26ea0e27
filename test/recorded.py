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

"""Small recordings of any form, made by the libraries that others use, and what is in them."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import lz4.frame
import numpy as np
import yaml
import zstandard
from mcap.writer import CompressionType, Writer
from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_typestore

from vlm_misalign_ros.bags.writer import BagWriter
from vlm_misalign_ros.wire import pixels

STORE = get_typestore(Stores.ROS2_JAZZY)
TEXT = 'std_msgs/msg/String'
PACKED = 'sensor_msgs/msg/CompressedImage'
TOPICS = ('/a', '/b', '/odd')
SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
_NEVER = '{sec: 9223372036, nsec: 854775807}'
QOS = f"""- history: 1
  depth: 7
  reliability: 2
  durability: 2
  deadline: {_NEVER}
  lifespan: {_NEVER}
  liveliness: 1
  liveliness_lease_duration: {_NEVER}
  avoid_ros_namespace_conventions: false
"""


class Message(NamedTuple):
    """A message of a recording."""

    topic: str
    arrival: int
    data: bytes


def text_message(text: str) -> bytes:
    """Return a std_msgs/String in CDR."""
    return bytes(STORE.serialize_cdr(STORE.types[TEXT](data=text), TEXT))


def some_messages(count: int = 60, longest: int = 9000, first: int = 0) -> list[Message]:
    """Return messages of three topics, ten a second; no two are alike, most are short."""
    rng = np.random.default_rng([7, first])
    found = []
    for number in range(first, first + count):
        size = int(rng.integers(30, longest if number % 5 == 0 else 300))
        text = f'{number} ' + ''.join(rng.choice(list('abcdefghij0123456789'), size))
        arrival = START + number * SECOND // 10
        found.append(Message(TOPICS[number % 3], arrival, text_message(text)))
    return found


def definition(kind: str = TEXT) -> str:
    """Return the definition of a type of ROS as a recorder writes it."""
    return STORE.generate_msgdef(kind, ros_version=2)[0]


def write_mcap(path: Path, messages: list[Message], **options: Any) -> None:
    """Write an MCAP file in chunks of 4 kB; `options` are those of mcap's own writer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    chosen = {'chunk_size': 4096, 'compression': CompressionType.ZSTD, **options}
    with open(path, 'wb') as file:
        writer = Writer(file, **chosen)
        writer.start(profile='ros2', library='test')
        schema = writer.register_schema(TEXT, 'ros2msg', definition().encode())
        channels = {
            topic: writer.register_channel(topic, 'cdr', schema, {'offered_qos_profiles': QOS})
            for topic in dict.fromkeys(message.topic for message in messages)
        }
        for message in messages:
            writer.add_message(
                channels[message.topic], message.arrival, message.data, message.arrival
            )
        writer.finish()


TABLES = {
    1: 'name TEXT NOT NULL, type TEXT NOT NULL, serialization_format TEXT NOT NULL',
    3: 'name TEXT NOT NULL, type TEXT NOT NULL, serialization_format TEXT NOT NULL, '
    'offered_qos_profiles TEXT NOT NULL',
    4: 'name TEXT NOT NULL, type TEXT NOT NULL, serialization_format TEXT NOT NULL, '
    'offered_qos_profiles TEXT NOT NULL, type_description_hash TEXT NOT NULL',
}
"""Columns of `topics`, by the version of rosbag2's schema."""


def write_sqlite(path: Path, messages: list[Message], schema: int = 4, journal: str = '') -> None:
    """Write a SQLite file as rosbag2 does, a transaction a message, in pages of 4 kB."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path)
    if journal:
        connection.execute(f'PRAGMA journal_mode={journal}')
    if schema >= 3:
        connection.execute('CREATE TABLE schema(schema_version INTEGER PRIMARY KEY, ros_distro)')
        connection.execute("INSERT INTO schema VALUES (?, 'humble')", (schema,))
    connection.execute(f'CREATE TABLE topics(id INTEGER PRIMARY KEY, {TABLES[schema]})')
    connection.execute(
        'CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL, '
        'timestamp INTEGER NOT NULL, data BLOB NOT NULL)'
    )
    connection.execute('CREATE INDEX timestamp_idx ON messages (timestamp ASC)')
    if schema >= 4:
        connection.execute(
            'CREATE TABLE message_definitions(id INTEGER PRIMARY KEY, topic_type TEXT NOT NULL, '
            'encoding TEXT NOT NULL, encoded_message_definition TEXT NOT NULL, '
            'type_description_hash TEXT NOT NULL)'
        )
        connection.execute(
            "INSERT INTO message_definitions VALUES (1, ?, 'ros2msg', ?, '')", (TEXT, definition())
        )
    numbers = {}
    for message in messages:
        if message.topic not in numbers:
            numbers[message.topic] = len(numbers) + 1
            row = (message.topic, TEXT, 'cdr', QOS, 'RIHS01_')[: {1: 3, 3: 4, 4: 5}[schema]]
            places = ','.join('?' * (len(row) + 1))
            connection.execute(
                f'INSERT INTO topics VALUES ({places})', (numbers[message.topic], *row)
            )
        connection.execute(
            'INSERT INTO messages(topic_id, timestamp, data) VALUES (?, ?, ?)',
            (numbers[message.topic], message.arrival, message.data),
        )
        connection.commit()
    connection.close()


def metadata(
    files: dict[str, list[Message]], version: int = 8, storage: str = 'mcap', **changes: Any
) -> dict[str, Any]:
    """Return the metadata of files and what is in them, as rosbag2 writes them."""
    messages = [message for held in files.values() for message in held]

    def times(held: list[Message]) -> dict[str, Any]:
        start = min(message.arrival for message in held)
        duration = max(message.arrival for message in held) - start
        return {
            'starting_time': {'nanoseconds_since_epoch': start},
            'duration': {'nanoseconds': duration},
            'message_count': len(held),
        }

    def topic(name: str) -> dict[str, Any]:
        found = {'name': name, 'type': TEXT, 'serialization_format': 'cdr'}
        if version >= 4:
            found['offered_qos_profiles'] = QOS if version < 9 else [{'history': 'keep_last'}]
        if version >= 7:
            found['type_description_hash'] = 'RIHS01_'
        count = sum(message.topic == name for message in messages)
        return {'topic_metadata': found, 'message_count': count}

    found: dict[str, Any] = {
        'version': version,
        'storage_identifier': storage,
        'relative_file_paths': list(files),
        **times(messages),
        'topics_with_message_count': [
            topic(name) for name in dict.fromkeys(message.topic for message in messages)
        ],
        'compression_format': '',
        'compression_mode': '',
    }
    if version >= 5:
        found['files'] = [{'path': name, **times(held)} for name, held in files.items()]
    if version >= 8:
        found['ros_distro'] = 'jazzy'
    return {**found, **changes}


def write_metadata(folder: Path, told: dict[str, Any]) -> None:
    """Write metadata.yaml."""
    text = yaml.safe_dump({'rosbag2_bagfile_information': told}, sort_keys=False)
    (folder / 'metadata.yaml').write_text(text)


def pack(data: bytes, form: str) -> bytes:
    """Return bytes compressed."""
    return zstandard.compress(data) if form == 'zstd' else lz4.frame.compress(data)


def packed(message: Any, form: str) -> Any:
    """Return a picture as a CompressedImage."""
    array = pixels.to_array(message)
    good, data = cv2.imencode('.jpg' if form == 'jpeg' else '.png', array)
    assert good
    text = f'{message.encoding}; {form} compressed '
    return STORE.types[PACKED](message.header, text, np.frombuffer(data.tobytes(), np.uint8))


def rewritten(source: Path, target: Path, forms: dict[str, str], names: dict[str, str]) -> Path:
    """Write a bag again, topics of `forms` compressed, those of `names` under another name."""
    bag = BagWriter(target, 'none')
    known = set()
    with AnyReader([source], default_typestore=STORE) as reader:
        for connection, stamp, raw in reader.messages():
            name, kind = connection.topic.removeprefix('/'), connection.msgtype
            if name in forms:
                kind = PACKED
                message = packed(reader.deserialize(raw, connection.msgtype), forms[name])
                raw = bytes(STORE.serialize_cdr(message, kind))
            topic = names.get(name, f'/{name}') + ('/compressed' if name in forms else '')
            if topic not in known:
                known.add(topic)
                bag.add_topic(topic, kind)
            bag.write(topic, raw, stamp)
    bag.close()
    return target
