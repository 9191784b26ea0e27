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

"""What nobody saw while the monitor of a run was gone."""

from __future__ import annotations

from vlm_misalign_ros.core.corruptions.conditions import UNKNOWN
from vlm_misalign_ros.core.records.account import GapRecord
from vlm_misalign_ros.core.records.schema import FrameRecord
from vlm_misalign_ros.core.stamps import NANO, format_stamp, parse_stamp


class Unseen:
    """A stretch of time of which the records tell nothing, with the frames on its far side."""

    def __init__(self, record: GapRecord) -> None:
        """Begin behind the newest frame that was closed before."""
        self.record = record
        self._after = None if record.after is None else parse_stamp(record.after)
        self._whole: int | None = None
        self._parts: set[int] = set()

    def add(self, record: FrameRecord) -> None:
        """Take up a frame that was written down behind the gap."""
        stamp = parse_stamp(record.stamp)
        if (record.run, record.epoch) != (self.record.run, self.record.epoch):
            return
        if self._after is not None and stamp <= self._after:
            return
        if record.condition.corruption == UNKNOWN:
            # Of it only a part came, when the rest was over.
            self._parts.add(stamp)
        elif self._whole is None or stamp < self._whole:
            self._whole = stamp

    def count(self, period: float | None) -> int | None:
        """
        Return how many pictures are in no state; None where nobody can tell.

        `period` is that of the pictures, seconds. Those of which a part came after all are in one.
        """
        if self._after is None or self._whole is None or period is None:
            return None
        steps = round((self._whole - self._after) / NANO / period)
        return max(steps - 1 - sum(stamp < self._whole for stamp in self._parts), 0)

    def said(self, period: float | None) -> str:
        """
        Return which frames are not known; `period` as for `count`.

        They lie between the newest frame before and the first whole one after.
        """
        begun = f'the monitor was started again after {self.record.seconds:.0f} s'
        after = 'the beginning' if self._after is None else f'frame {self.record.after}'
        if self._whole is None:
            return f'{begun}: whatever came behind {after} is unknown, and is in no state'
        between = f'{begun}: what came between {after} and frame {format_stamp(self._whole)}'
        count = self.count(period)
        if count is None:
            return f'{between} is unknown, and is in no state'
        pictures = f'about {count} picture{"" if count == 1 else "s"}'
        return f'{between} is unknown: {pictures} in no state'
