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

"""Bags made by hand: a camera of anybody's, with what a test wants wrong with it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rosbags.typesys import Stores, get_typestore

from golden.replaying import image_message, info_message, values_message
from vlm_misalign_ros.bags.reading import Raw, open_bag
from vlm_misalign_ros.bags.stored import Definition
from vlm_misalign_ros.bags.writer import BagWriter

STORE = get_typestore(Stores.ROS2_JAZZY)
NANO = 1_000_000_000
START = 1_700_000_000 * NANO
FRONT = '/sensing/camera/front/image_raw'
SEMANTIC = '/sensing/camera/front/semantic'
INFO = '/sensing/camera/front/camera_info'
__all__ = ['image_message', 'info_message', 'values_message']


def bag_of(folder: Path, rows: Iterable[tuple[str, Any, int]], compression: str = 'zstd') -> Path:
    """Write (topic, message or (type, CDR), when) as a bag."""
    bag = BagWriter(folder, compression)
    known: set[str] = set()
    for topic, message, arrival in rows:
        kind, data = (
            message
            if isinstance(message, tuple)
            else (message.__msgtype__, bytes(STORE.serialize_cdr(message, message.__msgtype__)))
        )
        if topic not in known:
            known.add(topic)
            bag.add_topic(topic, kind)
        bag.write(topic, data, arrival)
    bag.close()
    return folder


def time_of(number: int, rate: float = 10.0) -> int:
    """Return when frame `number` is, nanoseconds."""
    return START + round(number * NANO / rate)


def picture(number: int, height: int = 48, width: int = 96) -> np.ndarray:
    """Return another picture for each number, BGR uint8."""
    return np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)


def packed_message(bgr: np.ndarray, stamp: int, form: str) -> Any:
    """Return a CompressedImage, png or jpeg."""
    image = image_message(bgr, stamp, 'bgr8')
    data = cv2.imencode(f'.{form}', bgr)[1].reshape(-1)
    return STORE.types['sensor_msgs/msg/CompressedImage'](
        image.header, f'bgr8; {form} compressed bgr8', data
    )


def text_message(text: str) -> tuple[str, bytes]:
    """Return a message without a header."""
    kind = 'std_msgs/msg/String'
    return kind, bytes(STORE.serialize_cdr(STORE.types[kind](text), kind))


def camera_bag(folder: Path, frames: int = 10, skipped: Iterable[int] = ()) -> Path:
    """Return a bag of somebody's front camera: pictures and nothing else."""
    lacking = set(skipped)
    return bag_of(
        folder,
        [
            (FRONT, image_message(picture(n), time_of(n), 'bgr8'), time_of(n))
            for n in range(frames)
            if n not in lacking
        ],
    )


def strange_bag(folder: Path, topic: str, kind: str, definition: str, data: bytes) -> Path:
    """Return a bag whose one topic has fields of its own under the name of a type of ROS."""
    bag = BagWriter(folder)
    bag.add_topic(topic, kind, schema=Definition('ros2msg', definition))
    bag.write(topic, b'\0\1\0\0' + data, START)
    bag.close()
    return folder


def contents(path: Path) -> list[Raw]:
    """Return every message of a bag, in order; what is lost fails."""
    with open_bag(path) as bag:
        found = [raw._replace(connection=0) for raw in bag.messages()]
        assert bag.told() == ''
    return found
