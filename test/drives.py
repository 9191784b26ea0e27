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


"""Bags of a camera, with or without ground truth, as somebody else records them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from golden.replaying import _STORE, image_message, info_message
from vlm_misalign_ros.bags.writer import BagWriter
from vlm_misalign_ros.core.datasets import open_dataset
from vlm_misalign_ros.core.stamps import NANO

START = 1_700_000_000 * NANO
"""Header time of the first picture, nanoseconds."""


class Drive:
    """A bag that is written message after message, each recorded 3 ms after its stamp."""

    def __init__(self, folder: Path, prefix: str = '/') -> None:
        """Begin; `prefix` stands before the names of topics."""
        self._bag = BagWriter(folder)
        self._prefix = prefix
        self._known: set[str] = set()

    def put(self, topic: str, message: Any, stamp: int) -> None:
        """Write a message."""
        name = self._prefix + topic
        if name not in self._known:
            self._known.add(name)
            self._bag.add_topic(name, message.__msgtype__)
        data = bytes(_STORE.serialize_cdr(message, message.__msgtype__))
        self._bag.write(name, data, stamp + 3_000_000)

    def close(self) -> None:
        """End the bag."""
        self._bag.close()


def record(
    folder: Path,
    scenes: Path,
    truth: bool = True,
    prefix: str = '/',
    camera: str = 'camera/image_raw',
    rate: float = 20.0,
) -> Path:
    """Write the frames of a data set as a drive at `rate`."""
    drive = Drive(folder, prefix)
    for number, frame in enumerate(open_dataset(scenes)):
        stamp = START + round(number * NANO / rate)
        if truth:
            drive.put('ground_truth/labels', image_message(frame.labels, stamp, 'mono8'), stamp)
            drive.put(
                'ground_truth/instances', image_message(frame.instances, stamp, 'mono16'), stamp
            )
        drive.put('camera/camera_info', info_message(frame.camera, stamp), stamp)
        drive.put(camera, image_message(frame.image, stamp, 'bgr8'), stamp)
    drive.close()
    return folder
