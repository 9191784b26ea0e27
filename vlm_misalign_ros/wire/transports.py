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

"""
Under which name and type a topic of pictures is published: image_transport's conventions.

Compressed pictures of TOPIC are on TOPIC/compressed, depth also on TOPIC/compressedDepth.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

RAW, COMPRESSED, AUTO = 'raw', 'compressed', 'auto'
TRANSPORTS = (AUTO, RAW, COMPRESSED)
"""Ways to take pictures; `auto` goes by what is published."""
IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'
COMPRESSED_DEPTH = 'compressedDepth'


@dataclass(frozen=True)
class Carrier:
    """A topic that carries pictures."""

    topic: str
    """Full name."""
    type: str


def _is_packed(name: str) -> bool:
    return name.rpartition('/')[2] in (COMPRESSED, COMPRESSED_DEPTH)


def first(name: str, transport: str, depth: bool = False) -> Carrier:
    """Return what to take of a topic, by its full name, before anything is known of it."""
    if transport == RAW or (transport == AUTO and not _is_packed(name)):
        return Carrier(name, IMAGE)
    if _is_packed(name):
        return Carrier(name, COMPRESSED_IMAGE)
    return Carrier(f'{name}/{COMPRESSED_DEPTH if depth else COMPRESSED}', COMPRESSED_IMAGE)


def among(
    name: str,
    published: Callable[[str], Collection[str]],
    depth: bool = False,
    transport: str = AUTO,
) -> Carrier | None:
    """
    Return what carries the pictures of a topic, by the types that are published on each.

    With `auto` raw goes before compressed, and the topic of that very name before its kin. None
    where there is nothing.
    """
    kin = [f'{name}/{COMPRESSED_DEPTH}'] if depth else []
    kin.append(f'{name}/{COMPRESSED}')
    if transport != COMPRESSED and IMAGE in published(name):
        return Carrier(name, IMAGE)
    for candidate in (name, *kin):
        if transport != RAW and COMPRESSED_IMAGE in published(candidate):
            return Carrier(candidate, COMPRESSED_IMAGE)
    return None
