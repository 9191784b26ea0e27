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

"""Who published a message: from its publisher's id to the name of a node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rclpy.node import Node

_GID = 16
"""Bytes of a publisher's id that every middleware fills."""
_TRIES = 20
"""Messages for which the name of a publisher that is not known yet is looked up again."""


class Publishers:
    """
    Names the publishers of a node's topics.

    Two nodes of one name, as of two runs on one domain, are told apart by their ids. Where rclpy
    does not say who sent a message (before ROS 2 Kilted), `on` names all publishers of a topic.
    """

    def __init__(self, node: Node) -> None:
        """Ask through `node`."""
        self._node = node
        self._names: dict[tuple[str, bytes], str] = {}
        self._tries: dict[tuple[str, bytes], int] = {}

    def sent(self, topic: str, info: Mapping[str, Any]) -> str:
        """Return who sent a message on a topic (absolute name); empty where it is not known."""
        told = info.get('publisher_gid')
        data = told.get('data') if isinstance(told, Mapping) else None
        if not data:
            return ''
        key = (topic, bytes(data[:_GID]))
        if key in self._names:
            return self._names[key]
        self._tries[key] = self._tries.get(key, 0) + 1
        name = dict(self._on(topic)).get(key[1])
        if name is None and self._tries[key] < _TRIES:
            return _unnamed(key[1])
        self._names[key] = name or _unnamed(key[1])
        return self._names[key]

    def on(self, topic: str) -> list[str]:
        """Return the publishers of a topic (absolute name), as they are now."""
        return [name for _, name in self._on(topic)]

    def _on(self, topic: str) -> list[tuple[bytes, str]]:
        ends = [
            (bytes(end.endpoint_gid[:_GID]), f'{end.node_namespace.rstrip("/")}/{end.node_name}')
            for end in self._node.get_publishers_info_by_topic(topic)
        ]
        names = [name for _, name in ends]
        return [
            (gid, f'{name} ({_short(gid)})' if names.count(name) > 1 else name)
            for gid, name in sorted(ends)
        ]


def _short(gid: bytes) -> str:
    return f'id {gid.hex()}'


def _unnamed(gid: bytes) -> str:
    return f'a node that is not known ({_short(gid)})'
