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

"""The messages of some topics of a bag, all of them or those of a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from vlm_misalign_ros.bags.analyse import decoded, open_bag, raw_messages


class Raw(NamedTuple):
    """A message of a bag."""

    topic: str
    arrival: int
    """When it was recorded, nanoseconds."""
    data: bytes
    """CDR, as it was on the wire."""
    connection: Any


class Frames:
    """An open bag."""

    def __init__(self, path: Path) -> None:
        """Open it; RecordError for one that cannot be read."""
        self.path = path
        self.reader = open_bag(path)

    @property
    def topics(self) -> dict[str, str]:
        """Return the type of each topic by its full name."""
        return {found.topic: found.msgtype for found in self.reader.connections}

    def messages(
        self, names: Collection[str], start: int | None = None, stop: int | None = None
    ) -> Iterator[Raw]:
        """
        Yield the messages of topics in recorded order; from `start` to before `stop` where given.

        Both in nanoseconds of when they were recorded. RecordError where it cannot be read
        further.
        """
        wanted = [found for found in self.reader.connections if found.topic in names]
        for connection, data, arrival in raw_messages(self.reader, wanted, start, stop):
            yield Raw(connection.topic, arrival, data, connection)

    def decode(self, raw: Raw) -> Any:
        """Return a message, decoded; RecordError where there is none in its bytes."""
        return decoded(self.reader, raw.connection, raw.data)
