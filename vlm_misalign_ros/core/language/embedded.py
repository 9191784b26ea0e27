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
JSON-like values in text, as models write them: broken, fenced, in prose, as Python literals.

Each value keeps its place in the text. Where the text is valid JSON the values are those of
`json.loads`. Written here because `json-repair`, which was weighed, tells no places, makes lists
of brackets in prose (`[INST]`, coordinates) and drops the prose around them, and has inputs on
which its time grows faster than their length.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from vlm_misalign_ros.core.language.loose import DEPTH, Loose, after_blank
from vlm_misalign_ros.core.language.nodes import Node

_ATTEMPTS = 32
"""Places that look like the beginning of a value and are none, after which no more are tried."""
_BEGIN = re.compile(
    r"""(?P<open>\{(?=\s*+(?:["'“”„‘’`]|[A-Za-z_$][\w$ -]{0,40}(?:["']?\s*+[:=]|\Z)))"""
    r"""|\[(?=\s*+["'“”„‘’`{\[]))"""
    r"""|(?:^|,)[ \t]*+(?P<key>"[\w .-]{1,60}"[ \t]*+:"""
    r"""(?=\s*+(?:["\[{\d-]|(?:true|false|null)\b|\Z)))""",
    re.MULTILINE | re.IGNORECASE,
)
"""What a value in prose can begin with: a bracket, or a first key that has lost its bracket."""
_ESCAPED_QUOTE = re.compile(r'\\++"|(?<=[{\[, ])\\++|\\++(?=[^ntru])')
_FENCE = re.compile(r"\n[ \t]*+(?:[`']{3}|~~~)[ \t]*+$", re.MULTILINE)
_FOLDED = re.compile(r'[ \t\r\n]*[{\[][^"]*"')
"""A text within JSON that is JSON itself."""
_DECODER = json.JSONDecoder()


def find_json(text: str) -> Iterator[Node]:
    """
    Yield the objects and lists in a text, fenced or bare, whole, broken or cut off.

    Lists count when they hold texts or objects: coordinates and marks in brackets are prose.
    Linear in the text's length.
    """
    if text[max(text.find('"') - 1, 0) : text.find('"')] == '\\':
        # JSON within a string that has lost its own quotes; the places stay.
        text = _ESCAPED_QUOTE.sub(_unescaped_quote, text)
    start, attempts = 0, 0
    while attempts < _ATTEMPTS:
        found = _BEGIN.search(text, start)
        if found is None:
            return
        begin = found.start('open')
        if begin >= 0:
            node = value_at(text, begin)
        else:
            node = Loose(_fenced(text, found.start('key'))).fields(found.start('key'))
        if node is None or not _is_told(node, text):
            start = found.end()
            attempts += 1
            continue
        start = max(node.end, found.end())
        if '\\' in text[node.start : start]:
            _unfold(node, 0)
        yield node


def _fenced(text: str, begin: int) -> str:
    """Return a text up to the fence behind `begin`, where a broken value ends at the latest."""
    fence = _FENCE.search(text, begin)
    return text[: fence.start()] if fence else text


def _unescaped_quote(found: re.Match[str]) -> str:
    quote = '"' if found[0][-1] == '"' else ''
    return quote.ljust(len(found[0]))


def value_at(text: str, begin: int) -> Node | None:
    """Return the value that begins at a bracket, as valid JSON where it is that; None for none."""
    try:
        _DECODER.raw_decode(text, begin)
    except (ValueError, RecursionError):
        return Loose(_fenced(text, begin)).value(begin, '')[0]
    return _strict(text, begin, 0)


def _unfold(node: Node, depth: int) -> None:
    """Replace texts that are JSON themselves by what they hold; it has the text's place."""
    if depth > DEPTH:
        return
    for entry in [*(node.items or ()), *(entry for _, entry in node.pairs or ())]:
        if isinstance(entry.value, str) and _FOLDED.match(entry.value):
            inner = next(find_json(entry.value), None)
            if inner is not None:
                entry.value, entry.items, entry.pairs = None, inner.items, inner.pairs
                _place(entry, entry.start, entry.end)
        else:
            _unfold(entry, depth + 1)


def _place(node: Node, start: int, end: int) -> None:
    """Give all of a value one place."""
    node.start, node.end = start, end
    for entry in [*(node.items or ()), *(part for pair in node.pairs or () for part in pair)]:
        _place(entry, start, end)


def _is_told(node: Node, text: str) -> bool:
    """Return whether a value says something by its form, and is no bracket in prose."""
    if node.pairs is not None:
        return bool(node.pairs)
    if not node.items or text[node.end : node.end + 1] == '(':
        return False
    return all(
        isinstance(entry.value, str) and not entry.bare or entry.pairs for entry in node.items
    )


def _strict(text: str, place: int, depth: int) -> Node:
    """Return the valid JSON value at `place`."""
    place = after_blank(text, place)
    char = text[place]
    if char not in '{[' or depth >= DEPTH:
        value, end = _DECODER.raw_decode(text, place)
        return Node(place, end, None if isinstance(value, (list, dict)) else value)
    node = Node(place, place)
    at = after_blank(text, place + 1)
    if char == '[':
        node.items = []
        while text[at] != ']':
            entry = _strict(text, at, depth + 1)
            node.items.append(entry)
            at = after_blank(text, entry.end)
            at += text[at] == ','
    else:
        node.pairs = []
        while text[at] != '}':
            key = _strict(text, at, depth + 1)
            entry = _strict(text, after_blank(text, key.end) + 1, depth + 1)
            node.pairs.append((key, entry))
            at = after_blank(text, entry.end)
            at = after_blank(text, at + (text[at] == ','))
    node.end = at + 1
    return node
