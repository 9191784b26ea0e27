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

"""One node of a graph by itself, in this process: a recorder, or a replay of a bag."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vlm_misalign_ros.nodes import composed, runtime


def run_alone(
    spec: dict[str, Any],
    namespace: str,
    rules: Sequence[str],
    seconds: float = 0.0,
    arguments: Sequence[str] = (),
) -> int:
    """
    Run the node that a graph entry describes, until it is stopped; return the exit code.

    `rules` are remappings; after `seconds` it ends by itself (0: never); `arguments` are those of
    the whole process behind `--ros-args`, such as a log level.
    """

    def build() -> runtime.MisalignNode:
        node: runtime.MisalignNode = composed.build_node(spec, namespace, list(rules))
        if seconds > 0:
            node.create_timer(seconds, lambda: setattr(node, 'finished', True))
        return node

    build.__name__ = spec['name']
    return runtime.main(build, ['--ros-args', *arguments], keeps=True)
