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
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from vlm_misalign_ros.core.errors import RecordError

VERSION = 8
"""rosbag2 metadata version that Humble, Jazzy and later read."""

RELIABLE = """- history: keep_last
  depth: 100
  reliability: reliable
  durability: volatile
  deadline:
    sec: 9223372036
    nsec: 854775807
  lifespan:
    sec: 9223372036
    nsec: 854775807
  liveliness: automatic
  liveliness_lease_duration:
    sec: 9223372036
    nsec: 854775807
  avoid_ros_namespace_conventions: false
"""

_COMPRESSION = {
    'none': CompressionType.NONE,
    'lz4': CompressionType.LZ4,
    'zstd': CompressionType.ZSTD,
}


class BagWriter:
    """A bag folder with one MCAP file and a metadata.yaml."""

    def __init__(self, folder: Path, compression: str = 'zstd') -> None:
        """Create `folder`; RecordError where it exists or cannot be written."""
        self._folder = folder
        self._types = get_typestore(Stores.ROS2_JAZZY)
        self._schemas: dict[str, int] = {}
        self._channels: dict[str, tuple[int, str]] = {}
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
        self, topic: str, type_name: str, definitions: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """
        Announce a topic (absolute name) of a message type such as sensor_msgs/msg/Image.

        `definitions`, in the form of .msg files, are of it and of what it is made of, where these
        are no types of ROS itself.
        """
        for name, text in definitions.items():
            if name not in self._types.fielddefs:
                self._types.register(get_types_from_msg(text, name))
        if type_name not in self._schemas:
            definition, _ = self._types.generate_msgdef(type_name, ros_version=2)
            self._schemas[type_name] = self._writer.register_schema(
                type_name, 'ros2msg', definition.encode()
            )
        channel = self._writer.register_channel(
            topic, 'cdr', self._schemas[type_name], {'offered_qos_profiles': RELIABLE}
        )
        self._channels[topic] = channel, type_name

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
                        'offered_qos_profiles': RELIABLE,
                        'type_description_hash': self._types.hash_rihs01(type_name),
                    },
                    'message_count': self._counts[topic],
                }
                for topic, (_, type_name) in self._channels.items()
            ],
            'compression_format': '',
            'compression_mode': '',
            'files': [{'path': self._file.name, **times}],
            'custom_data': None,
            'ros_distro': 'jazzy',
        }
        try:
            self._writer.finish()
            self._stream.close()
            (self._folder / 'metadata.yaml').write_text(
                yaml.safe_dump({'rosbag2_bagfile_information': information}, sort_keys=False),
                encoding='utf-8',
            )
        except OSError as error:
            raise self._failed(error) from error
