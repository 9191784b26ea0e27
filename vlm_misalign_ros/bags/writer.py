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

"""Writes a rosbag2 bag (MCAP, raw CDR) a message at a time; what is written survives kill -9."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import yaml
from mcap.writer import CompressionType, Writer
from rosbags.rosbag2.metadata import dump_qos_v8, parse_qos
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from vlm_misalign_ros.bags.stored import Definition
from vlm_misalign_ros.core.errors import RecordError

_NONE = Definition()
VERSION = 8
"""rosbag2 metadata version that Humble, Jazzy and later read."""

RELIABLE = """- history: 1
  depth: 100
  reliability: 1
  durability: 2
  deadline:
    sec: 9223372036
    nsec: 854775807
  lifespan:
    sec: 9223372036
    nsec: 854775807
  liveliness: 1
  liveliness_lease_duration:
    sec: 9223372036
    nsec: 854775807
  avoid_ros_namespace_conventions: false
"""
"""
What publishers of this package offer: keep_last, reliable, volatile, automatic, by rmw's numbers.

rosbag2 reads names from version 9 on, and refuses a bag of version 8 that has them.
"""

_COMPRESSION = {
    'none': CompressionType.NONE,
    'lz4': CompressionType.LZ4,
    'zstd': CompressionType.ZSTD,
}


def _numbered(qos: str) -> str:
    """Return QoS profiles as version 8 has them, by numbers; empty for what is none."""
    try:
        return str(dump_qos_v8(parse_qos(qos)))
    except Exception:  # text of anybody: of a bag whose messages are sound all the same
        return ''


class BagWriter:
    """A bag folder with one MCAP file and a metadata.yaml."""

    def __init__(self, folder: Path, compression: str = 'zstd') -> None:
        """Create `folder`; RecordError where it exists or cannot be written."""
        self._folder = folder
        self._types = get_typestore(Stores.ROS2_JAZZY)
        self._schemas: dict[tuple[str, Definition], int] = {}
        self._channels: dict[str, tuple[int, str, str]] = {}
        self._counts: Counter[str] = Counter()
        self._first: int | None = None
        self._last = 0
        try:
            folder.mkdir(parents=True)
            self._file = folder / f'{folder.name}_0.mcap'
            self._stream = open(self._file, 'wb')
        except FileExistsError as error:
            raise RecordError(f'bag {folder} exists', 'choose another folder') from error
        except OSError as error:
            raise self._failed(error) from error
        # Chunked, so that readers need not sort the whole bag in memory.
        self._writer = Writer(
            self._stream, chunk_size=1 << 20, compression=_COMPRESSION[compression]
        )
        self._writer.start(profile='ros2', library='vlm_misalign_ros')

    def _failed(self, error: OSError) -> RecordError:
        return RecordError(
            f'bag {self._folder} cannot be written: {error.strerror}',
            'free space, or record elsewhere; what was written stays readable',
        )

    def add_topic(
        self,
        topic: str,
        type_name: str,
        definitions: Mapping[str, str] = MappingProxyType({}),
        schema: Definition = _NONE,
        qos: str = '',
    ) -> None:
        """
        Announce a topic (absolute name) of a message type such as sensor_msgs/msg/Image.

        `definitions`, in the form of .msg files, are of it and of what it is made of, where these
        are no types of ROS itself. `schema` is that of another bag, kept as it is, and `qos` the
        profiles offered there, as its metadata have them.
        """
        for name, text in definitions.items():
            if name not in self._types.fielddefs:
                self._types.register(get_types_from_msg(text, name))
        known = schema if schema.text else self._schema(type_name)
        if (type_name, known) not in self._schemas:
            self._schemas[type_name, known] = self._writer.register_schema(
                type_name, known.encoding, known.text.encode()
            )
        offered = _numbered(qos) or RELIABLE
        channel = self._writer.register_channel(
            topic, 'cdr', self._schemas[type_name, known], {'offered_qos_profiles': offered}
        )
        self._channels[topic] = channel, type_name, offered

    def _schema(self, type_name: str) -> Definition:
        """Return how a type is defined; without a text where that is not known."""
        if type_name not in self._types.fielddefs:
            return _NONE
        return Definition('ros2msg', self._types.generate_msgdef(type_name, ros_version=2)[0])

    def _hash(self, type_name: str) -> str:
        known = type_name in self._types.fielddefs
        return str(self._types.hash_rihs01(type_name)) if known else ''

    def write(self, topic: str, data: bytes, time: int) -> None:
        """Append one CDR-serialised message received at `time`, nanoseconds."""
        self._first = time if self._first is None else self._first
        self._last = max(self._last, time)
        self._counts[topic] += 1
        try:
            self._writer.add_message(self._channels[topic][0], time, data, time)
            # A finished chunk leaves this process at once.
            self._stream.flush()
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Write the index and metadata.yaml."""
        start = self._first or 0
        times = {
            'starting_time': {'nanoseconds_since_epoch': start},
            'duration': {'nanoseconds': max(0, self._last - start)},
            'message_count': sum(self._counts.values()),
        }
        information = {
            'version': VERSION,
            'storage_identifier': 'mcap',
            'relative_file_paths': [self._file.name],
            **times,
            'topics_with_message_count': [
                {
                    'topic_metadata': {
                        'name': topic,
                        'type': type_name,
                        'serialization_format': 'cdr',
                        'offered_qos_profiles': qos,
                        'type_description_hash': self._hash(type_name),
                    },
                    'message_count': self._counts[topic],
                }
                for topic, (_, type_name, qos) in self._channels.items()
            ],
            'compression_format': '',
            'compression_mode': '',
            'files': [{'path': self._file.name, **times}],
            'custom_data': None,
            'ros_distro': 'jazzy',
        }
        try:
            # By it rosbag2 knows the version where it is given the file without its folder.
            told = yaml.safe_dump(information, sort_keys=False)
            self._writer.add_metadata('rosbag2', {'serialized_metadata': told})
            self._writer.finish()
            self._stream.close()
            (self._folder / 'metadata.yaml').write_text(
                yaml.safe_dump({'rosbag2_bagfile_information': information}, sort_keys=False),
                encoding='utf-8',
            )
        except OSError as error:
            raise self._failed(error) from error
