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

"""The clean pictures of frames, for nodes whose model is asked about both pictures of each."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.settings.nodes import SegmentationParameters, VlmParameters
from vlm_misalign_ros.nodes import messages
from vlm_misalign_ros.nodes.runtime import MisalignNode
from vlm_misalign_ros.wire import topics

PATIENCE = 1.0
"""Seconds that a clean picture may come after its degraded one has been taken up."""
AHEAD = 8
"""Clean pictures kept that are ahead of their degraded ones, as of those that wait for that."""


class Slot:
    """Where the clean picture of one frame comes."""

    def __init__(self) -> None:
        """Wait for a picture."""
        self._settled = threading.Event()
        self._message: Any = None

    def settle(self, message: Any) -> None:
        """Put the picture in; None where it is known that it never comes."""
        self._message = self._message or message
        self._settled.set()

    def picture(self) -> np.ndarray | None:
        """
        Return the picture, BGR uint8 (H, W, 3); None where it does not come in time.

        RecordError for one that is none.
        """
        self._settled.wait(PATIENCE)
        return None if self._message is None else messages.bgr_pixels(self._message)


def pictures_of(slots: Sequence[Slot]) -> list[np.ndarray] | None:
    """Return the pictures of slots; None where one of them is not there or cannot be read."""
    try:
        found = [slot.picture() for slot in slots]
    except RecordError:
        return None
    there = [picture for picture in found if picture is not None]
    return there if len(there) == len(found) else None


class CleanPictures:
    """
    The pictures of degraded/source by stamp, held while somebody works on the degraded ones.

    They come in order, so that one which a newer has overtaken is not waited for.
    """

    def __init__(self, node: MisalignNode, past: int = 0) -> None:
        """Listen; `past` more pictures are kept for those who are shown past ones."""
        self._kept: OrderedDict[int, Any] = OrderedDict()
        self._capacity = AHEAD + past
        self._slots: WeakValueDictionary[int, Slot] = WeakValueDictionary()
        self._expected: dict[int, Slot] = {}
        """Those of frames that wait, or are worked on: as many as the queue holds, and one."""
        self._lock = threading.Lock()
        # The corruption publishes reliably, and a picture that is lost is a comparison lost.
        node.receive_images(topics.DEGRADED_SOURCE, 'reliable', self.came)

    def came(self, message: Any) -> None:
        """Take up a clean picture; one without a time is nobody's."""
        try:
            stamp = messages.stamp_of(message.header)
        except RecordError:
            return
        with self._lock:
            self._kept[stamp] = message
            self._kept.move_to_end(stamp)
            while len(self._kept) > self._capacity:
                self._kept.popitem(last=False)
            for other, slot in list(self._slots.items()):
                if other <= stamp:
                    slot.settle(message if other == stamp else None)

    def claim(self, stamp: int) -> Slot:
        """Return where the clean picture of a frame comes; it is kept as long as that is."""
        with self._lock:
            slot = self._slots.get(stamp)
            if slot is None:
                self._slots[stamp] = slot = Slot()
                newest = next(reversed(self._kept), None)
                if stamp in self._kept or newest is not None and newest > stamp:
                    slot.settle(self._kept.get(stamp))
            return slot

    def expect(self, stamp: int) -> None:
        """Have the clean picture of a frame kept until it is `taken`, or one after, or let go."""
        self._expected[stamp] = self.claim(stamp)

    def let_go(self, stamp: int) -> None:
        """Keep the clean picture of a frame no longer: nobody works on that frame."""
        self._expected.pop(stamp, None)

    def taken(self, stamp: int) -> Slot:
        """Return where the clean picture of an expected frame comes; older ones are let go."""
        slot = self._expected.get(stamp) or self.claim(stamp)
        for other in [other for other in list(self._expected) if other <= stamp]:
            self._expected.pop(other, None)
        return slot


def clean_pictures(
    node: MisalignNode, chosen: VlmParameters | SegmentationParameters, past: int = 0
) -> CleanPictures | None:
    """Listen for clean pictures where a node's model is asked about them, too."""
    if not chosen.self_consistency:
        return None
    return CleanPictures(node, past)
