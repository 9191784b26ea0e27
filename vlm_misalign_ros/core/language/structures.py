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

"""Finds what is structured in an answer: JSON, tags, tables, blocks of keys, verdicts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from vlm_misalign_ros.core.language.blocks import find_blocks
from vlm_misalign_ros.core.language.counts import find_counts
from vlm_misalign_ros.core.language.embedded import find_json
from vlm_misalign_ros.core.language.fields import lost_values
from vlm_misalign_ros.core.language.lexicon import Lexicon
from vlm_misalign_ros.core.language.nodes import Node
from vlm_misalign_ros.core.language.tables import find_tables
from vlm_misalign_ros.core.language.tags import find_tags

_FENCE = re.compile(r"^[ \t]*+(?:[`']{3}|~~~)[ \t]*+\w*|(?:[`']{3}|~~~)[ \t]*+$", re.MULTILINE)

_Finder = Callable[[str, Lexicon], Iterable[Node]]
_FINDERS: tuple[tuple[tuple[str, ...], _Finder, str], ...] = (
    (('{', '[', '":'), lambda text, _: find_json(text), '\n'),
    (('|', '\n'), find_tables, '\n'),
    (('\n',), lambda text, _: find_blocks(text), '\n'),
    (('0', 'zero', 'Zero'), find_counts, ''),
)
"""What finds a kind of structure, the signs that there may be one, and what stands around it."""


def find_structures(text: str, lexicon: Lexicon) -> tuple[list[Node], str]:
    """
    Return what is structured in a text, in its order, and the prose around it.

    The prose is as long as the text: blanks stand where something was taken out.
    """
    found: list[Node] = []
    if '<' in text and '>' in text:
        tags, marks = find_tags(text, lexicon)
        text = _take(tags, found, _without(text, marks))
    for signs, finder, rim in _FINDERS:
        if any(sign in text for sign in signs):
            text = _take(finder(text, lexicon), found, text, rim)
    if "'''" in text or '```' in text or '~~~' in text:
        text = _FENCE.sub(lambda fence: ' ' * len(fence[0]), text)
    text = _without(text, lost_values(text))
    if '\\' in text:
        text = text.replace('\\', ' ')
    found.sort(key=lambda node: node.start)
    return found, text


def _without(text: str, marks: Iterable[tuple[int, int]]) -> str:
    """Return a text with line breaks for what stands at some places."""
    parts: list[str] = []
    start = 0
    for begin, end in sorted(marks):
        parts += text[start:begin], '\n' * (end - begin)
        start = end
    return ''.join((*parts, text[start:]))


def _take(nodes: Iterable[Node], found: list[Node], text: str, rim: str = '\n') -> str:
    """Add nodes to those found; return the text with blanks where they stood, between rims."""
    parts: list[str] = []
    start = 0
    for node in nodes:
        found.append(node)
        # A line ends before and behind: what stands on both sides is no one sentence.
        length = node.end - node.start
        blank = ' ' * max(length - 2 * len(rim), 0)
        parts += text[start : node.start], (rim + blank + rim)[:length]
        start = node.end
    return ''.join((*parts, text[start:])) if start else text
