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

"""Which messages of a bag begin with a header, and its stamp, without decoding each."""

from __future__ import annotations

from dataclasses import fields

from vlm_misalign_ros.bags.reading import Bag, Raw
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.wire.raw import raw_stamp


class Headers:
    """Reads stamps; what a type begins with is seen by its first message."""

    def __init__(self, bag: Bag) -> None:
        """Read those of a bag."""
        self._bag = bag
        self._known: dict[tuple[str, str], str | None] = {}

    def problem(self, raw: Raw) -> str:
        """Return why messages like this cannot be decoded; empty where they can."""
        self.has(raw)
        return self._known[raw.topic, raw.type] or ''

    def has(self, raw: Raw) -> bool:
        """Return whether messages like this begin with a header."""
        key = raw.topic, raw.type
        if key not in self._known:
            try:
                message = self._bag.decode(raw)
                first = next((entry.name for entry in fields(message)), '')
                headed = first == 'header' and hasattr(message.header, 'stamp')
                self._known[key] = None if headed else ''
            except RecordError as error:
                self._known[key] = str(error)
        return self._known[key] is None

    def stamp(self, raw: Raw) -> int | None:
        """Return the stamp of a message, nanoseconds; None where it has none that is a time."""
        if not self.has(raw):
            return None
        try:
            return raw_stamp(raw.data)
        except RecordError:
            return None
