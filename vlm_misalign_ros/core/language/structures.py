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

"""Finds what is structured in an answer: JSON, tags, tables, blocks of keys, fields of a verdict."""

from __future__ import annotations

import re
from collections.abc import Iterable

from vlm_misalign_ros.core.language import keys
from vlm_misalign_ros.core.language.blocks import find_blocks
from vlm_misalign_ros.core.language.counts import find_counts
from vlm_misalign_ros.core.language.lexicon import Lexicon
from vlm_misalign_ros.core.language.loose import Node, find_json
from vlm_misalign_ros.core.language.tables import find_tables
from vlm_misalign_ros.core.language.tags import find_tags

_FENCE = re.compile(r"^[ \t]*+(?:[`']{3}|~~~)[ \t]*+\w*|(?:[`']{3}|~~~)[ \t]*+$", re.MULTILINE)
_FIELD = re.compile(
    r"""(?:^|[,{;(|])[ \t>*_#-]*+(?:\d{1,2}[.)] *+)?["'*_`]*+(?P<key>[A-Za-z][\w' -]{0,40}+)\??"""
    r"""["'*_`]*+[ \t]*+[:=|][ \t"'*_`]*+(?P<value>true|false|yes|no|none|[01yn])"""
    r"""(?=["'*_`.!]*+[ \t]*+(?:[,;)}\]|\n]|\Z))""",
    re.MULTILINE | re.IGNORECASE,
)


def find_structures(text: str, lexicon: Lexicon) -> tuple[list[Node], str]:
    """
    Return what is structured in a text, in its order, and the prose around it.

    The prose is as long as the text: blanks stand where something was taken out.
    """
    found: list[Node] = []
    if '<' in text and '>' in text:
        tags, marks = find_tags(text, lexicon)
        text = _without(text, marks)
        text = _take(tags, found, text)
    if '{' in text or '[' in text or '":' in text:
        text = _take(find_json(text), found, text)
    if '|' in text or ',' in text and '\n' in text or ';' in text:
        text = _take(find_tables(text, lexicon), found, text)
    if ':' in text and '\n' in text:
        text = _take(find_blocks(text), found, text)
    if '0' in text or 'zero' in text.lower():
        text = _take(find_counts(text, lexicon), found, text, '')
    if "'''" in text or '```' in text or '~~~' in text:
        text = _FENCE.sub(lambda fence: ' ' * len(fence[0]), text)
    found.sort(key=lambda node: node.start)
    return found, text


def _without(text: str, marks: Iterable[tuple[int, int]]) -> str:
    """Return a text with line breaks for what stands at some places."""
    parts, start = [], 0
    for begin, end in sorted(marks):
        parts += text[start:begin], '\n' * (end - begin)
        start = end
    return ''.join((*parts, text[start:]))


def _take(nodes: Iterable[Node], found: list[Node], text: str, rim: str = '\n') -> str:
    """Add nodes to those found; return the text with blanks where they stood, between rims."""
    parts, start = [], 0
    for node in nodes:
        found.append(node)
        # A line ends before and behind: what stands on both sides is no one sentence.
        length = node.end - node.start
        blank = ' ' * max(length - 2 * len(rim), 0)
        parts += text[start : node.start], (rim + blank + rim)[:length]
        start = node.end
    return ''.join((*parts, text[start:])) if start else text


def find_fields(text: str) -> list[Node]:
    """Return lines and parts of prose that are fields of a verdict: `Safe to proceed: no`."""
    if ':' not in text and '|' not in text and '=' not in text:
        return []
    found = []
    for field in _FIELD.finditer(text):
        if keys.means(keys.key_words(field['key'])) is not None:
            value = Node(*field.span('value'), field['value'])
            found.append(
                Node(*field.span(), pairs=[(Node(*field.span('key'), field['key']), value)])
            )
    return found
