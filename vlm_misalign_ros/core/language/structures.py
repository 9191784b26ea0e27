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
from vlm_misalign_ros.core.language.lexicon import Lexicon
from vlm_misalign_ros.core.language.loose import Node, find_json

_FENCE = re.compile(r'```[ \t]*\w*|~~~[ \t]*\w*')
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
    if '{' in text or '[' in text or '":' in text:
        text = _take(find_json(text), found, text)
    if '`' in text or '~' in text:
        text = _FENCE.sub(lambda fence: ' ' * len(fence[0]), text)
    found.sort(key=lambda node: node.start)
    return found, text


def _take(nodes: Iterable[Node], found: list[Node], text: str) -> str:
    """Add nodes to those found; return the text with blanks where they stood."""
    parts, start = [], 0
    for node in nodes:
        found.append(node)
        # A line ends before and behind: what stands on both sides is no one sentence.
        blank = ' ' * max(node.end - node.start - 2, 0)
        parts += text[start : node.start], ('\n' + blank + '\n')[: node.end - node.start]
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
