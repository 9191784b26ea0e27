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

"""Values of structured answers, with their places in the text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vlm_misalign_ros.core.language.bounding import Span

Scalar = str | int | float | bool | None
UNKNOWN = float('nan')
"""The value of a key that has lost it; it says nothing."""


@dataclass(slots=True)
class Node:
    """A value and where it stands: `text[start:end]`, quotes and brackets included."""

    start: int
    end: int
    value: Scalar = None
    """Of a leaf."""
    items: list[Node] | None = None
    """Of a list, a tuple or a set."""
    pairs: list[tuple[Node, Node]] | None = None
    """Of an object, in their order; a key may come twice."""
    cut: bool = False
    """Whether the text ended before the leaf did."""
    bare: bool = False
    """Whether a string stood there without quotes."""


def place_of(node: Node, source: str) -> Span:
    """
    Return where the text of a leaf stands in what it was read from, without its quotes.

    With them where it was escaped there.
    """
    text = str(node.value)
    start = source.find(text, node.start, node.end)
    return (start, start + len(text)) if start >= 0 and text else (node.start, node.end)


def plain(node: Node) -> Any:
    """Return a value as `json.loads` does; of a key that comes twice the last."""
    if node.pairs is not None:
        return {key.value: plain(entry) for key, entry in node.pairs}
    return [plain(entry) for entry in node.items] if node.items is not None else node.value
