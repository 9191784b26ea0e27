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
from dataclasses import dataclass
from json.decoder import scanstring
from typing import Any

Scalar = str | int | float | bool | None

_DEPTH = 48
"""Brackets within brackets that are told apart; what is deeper is read as if it lay flat."""
_ATTEMPTS = 32
"""Places that look like the beginning of a value and are none, after which no more are tried."""
_DOUBLE = '"“”„'
_SINGLE = "'‘’`"
_QUOTES = _DOUBLE + _SINGLE
_NEXT = {
    **dict.fromkeys(_DOUBLE, re.compile(r'\\.|["“”„]', re.DOTALL)),
    **dict.fromkeys(_SINGLE, re.compile(r"\\.|['‘’`]", re.DOTALL)),
}
"""Escapes and quotes, by the quote that a string begins with."""
_BEGIN = re.compile(
    r"""(?P<open>\{(?=\s*+(?:\\{0,8}["'“”„‘’`]|[A-Za-z_$][\w$ -]{0,40}(?:["']?\s*+[:=]|\Z)))"""
    r"""|\[(?=\s*+["'“”„‘’`{\[]))"""
    r"""|(?:^|,)[ \t]*+(?P<key>"[\w .-]{1,60}"[ \t]*+:(?=[ \t]*+(?:["\[{\d-]|(?:true|false|null)\b)))""",
    re.MULTILINE | re.IGNORECASE,
)
"""What a value in prose can begin with: a bracket, or a first key that has lost its bracket."""
_BLANK = re.compile(r'\s*+')
_QUOTED_KEY = re.compile(
    r"""\s*+["'“”„‘’`](?:[^"'“”„‘’`\n:{}\[\]]{1,80}["'“”„‘’`]"""
    r"""\s*+(?:[:=]|(?:true|false|null|none|yes|no)\b)|[^"'“”„‘’`\n]{0,80}\Z)""",
    re.IGNORECASE,
)
_BARE_KEY = re.compile(r"""\s*+["']?([A-Za-z_$][\w$.-]{0,40})["']?\s*+[:=](?!//)""")
_SPACED_KEY = re.compile(r"""[\w$#][^:=,;{}\[\]\n"“”]{0,60}""")
_BARE_ITEM = re.compile(r"""[^\n,\]"“”„]{1,60}(?:[,\]\n]|\Z)""")
_BARE = re.compile(r"""[^,;{}\[\]\n"“”„]*+""")
_BARE_IN_TUPLE = re.compile(r"""[^,;{}\[\]()\n"“”„]*+""")
_REMARK = re.compile(r'\s(?://|#|/\*)')
_VALUE = re.compile(r'["\'“”„‘’`\d{\[-]|(?:true|false|null|none|yes|no)\b', re.IGNORECASE)
_NUMBER = re.compile(r'-?(?:0|[1-9]\d{0,300})(?:\.\d{1,300})?(?:[eE][+-]?\d{1,9})?')
_ESCAPE = re.compile(r'\\(u[0-9a-fA-F]{4}|.)', re.DOTALL)
_ESCAPED = {'n': '\n', 't': '\t', 'r': '\n', 'b': ' ', 'f': ' '}
UNKNOWN = float('nan')
"""The value of a key that has lost it; it says nothing."""
_LITERALS: dict[str, Scalar] = {
    'true': True,
    'false': False,
    'null': None,
    'undefined': None,
    'nil': None,
    'nan': UNKNOWN,
    'infinity': float('inf'),
    '-infinity': float('-inf'),
}
_DECODER = json.JSONDecoder()


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


def plain(node: Node) -> Any:
    """Return a value as `json.loads` does; of a key that comes twice the last."""
    if node.pairs is not None:
        return {key.value: plain(entry) for key, entry in node.pairs}
    return [plain(entry) for entry in node.items] if node.items is not None else node.value


def find_json(text: str) -> Iterator[Node]:
    """
    Yield the objects and lists in a text, fenced or bare, whole, broken or cut off.

    Lists count when they hold texts or objects: coordinates and marks in brackets are prose.
    Linear in the text's length.
    """
    start, attempts = 0, 0
    while attempts < _ATTEMPTS:
        found = _BEGIN.search(text, start)
        if found is None:
            return
        begin = found.start('open')
        node = value_at(text, begin) if begin >= 0 else _Loose(text).fields(found.start('key'))
        if node is None or not _is_told(node, text):
            start = found.end()
            attempts += 1
            continue
        start = max(node.end, found.end())
        if '\\' in text[node.start : start]:
            _unfold(node, 0)
        yield node


def value_at(text: str, begin: int) -> Node | None:
    """Return the value that begins at a bracket, as valid JSON where it is that; None for none."""
    try:
        _DECODER.raw_decode(text, begin)
    except (ValueError, RecursionError):
        return _Loose(text).value(begin, '')[0]
    return _strict(text, begin, 0)


def _unfold(node: Node, depth: int) -> None:
    """Replace texts that are JSON themselves by what they hold; it has the text's place."""
    if depth > _DEPTH:
        return
    for entry in [*(node.items or ()), *(entry for _, entry in node.pairs or ())]:
        if isinstance(entry.value, str) and entry.value.lstrip()[:1] in ('{', '['):
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
    place = _after(text, place)
    char = text[place]
    if char == '"':
        value, end = scanstring(text, place + 1, True)
        return Node(place, end, value)
    if char not in '{[' or depth >= _DEPTH:
        value, end = _DECODER.raw_decode(text, place)
        return Node(place, end, None if isinstance(value, (list, dict)) else value)
    node = Node(place, place)
    at = _after(text, place + 1)
    if char == '[':
        node.items = []
        while text[at] != ']':
            entry = _strict(text, at, depth + 1)
            node.items.append(entry)
            at = _after(text, entry.end)
            at += text[at] == ','
    else:
        node.pairs = []
        while text[at] != '}':
            key = _strict(text, at, depth + 1)
            entry = _strict(text, _after(text, key.end) + 1, depth + 1)
            node.pairs.append((key, entry))
            at = _after(text, entry.end)
            at = _after(text, at + (text[at] == ','))
    node.end = at + 1
    return node


def _after(text: str, place: int) -> int:
    """Return the first place from `place` on that is no white space."""
    found = _BLANK.match(text, place)
    return found.end() if found else place


class _Loose:
    """Reads values that are not quite JSON; takes every character once, but for a few ahead."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._end = len(text)
        self._open: list[str] = []
        """What closes the brackets that are open, the innermost last."""

    def value(self, place: int, within: str) -> tuple[Node | None, int]:
        """
        Return the value at `place` and where it ends; None where there is none.

        `within` is what closes the bracket around it, or nothing.
        """
        place = self._skip(place)
        while len(self._open) >= _DEPTH and self._text[place : place + 1] in ('{', '[', '('):
            place += 1
        if place >= self._end:
            return None, place
        char = self._text[place]
        if char == '{':
            node = self.fields(place + 1)
        elif char in '[(':
            node = self._list(place)
        elif char in _QUOTES:
            node = self._string(place, within)
        else:
            return self._bare(place)
        return node, node.end

    # Brackets --------------------------------------------------------------------------------

    def fields(self, place: int) -> Node:
        """Return the object whose first key is at or behind `place`."""
        self._open.append('}')
        pairs: list[tuple[Node, Node]] = []
        alone: list[Node] = []
        start = place - (self._text[place - 1 : place] == '{')
        at = place
        while True:
            at, parted = self._part(at)
            if at >= self._end:
                break
            char = self._text[at]
            if char in '])}':
                at += char not in self._open[:-1] or char == '}'
                break
            key, after = self._key(at, parted or at == self._skip(place))
            if key is None:
                break
            at = self._field(key, after, pairs, alone)
        self._open.pop()
        if alone and not pairs:
            return Node(start, at, items=alone)
        if alone:
            pairs.append((Node(at, at, ''), Node(alone[0].start, alone[-1].end, items=alone)))
        return Node(start, at, pairs=pairs)

    def _field(
        self, key: Node, after: int, pairs: list[tuple[Node, Node]], alone: list[Node]
    ) -> int:
        """Read what follows a key; return where it ends."""
        at = self._skip(after)
        parts = self._text[at : at + 1] in (':', '=')
        if parts or not key.bare and _VALUE.match(self._text, at):
            at = self._skip(at + parts)
            at += parts and self._text[at : at + 1] == '>'
            entry, at = self.value(at, '}')
            pairs.append((key, entry or Node(at, at, UNKNOWN)))
            return at
        last = pairs[-1][1] if pairs else None
        if at < self._end and last is not None and last.bare and isinstance(last.value, str):
            # {objects: car, bus}: a list without its brackets.
            last.value, last.end = f'{last.value}, {key.value}', key.end
        elif at < self._end:
            alone.append(key)
        elif not pairs:
            pairs.append((key, Node(at, at, UNKNOWN, cut=True)))
        return at

    def _list(self, place: int) -> Node:
        closer = ']' if self._text[place] == '[' else ')'
        self._open.append(closer)
        items: list[Node] = []
        at = place + 1
        while True:
            at, parted = self._part(at)
            if at >= self._end:
                break
            char = self._text[at]
            if char == closer:
                at += 1
                break
            if char in '}])':
                if char in self._open[:-1]:
                    break
                at += 1
                continue
            if items and not parted and not _VALUE.match(self._text, at):
                break
            entry, after = self.value(at, closer)
            if after <= at:
                break
            at = after
            if entry is not None:
                at = self._paired(entry, at, items)
        self._open.pop()
        return Node(place, at, items=items)

    def _paired(self, entry: Node, at: int, items: list[Node]) -> int:
        """Take in an entry of a list; `["car": 2]` is an object in it."""
        after = self._skip(at)
        if isinstance(entry.value, str) and self._text[after : after + 1] == ':':
            value, at = self.value(after + 1, ']')
            if value is not None:
                entry = Node(entry.start, at, pairs=[(entry, value)])
        items.append(entry)
        return at

    def _part(self, at: int) -> tuple[int, bool]:
        """Pass by what parts entries; return where the next begins, and whether there was any."""
        parted = False
        while True:
            at = self._skip(at)
            char = self._text[at : at + 1]
            if char in (',', ';'):
                parted = True
            elif char == ':':
                pass
            elif not char or char not in _QUOTES:
                return at, parted
            elif self._next(at + 1) not in tuple(',;}])'):
                return at, parted
            elif self._text[at + 1 : at + 2] in tuple(_QUOTES):
                return at, parted
            at += 1

    def _skip(self, at: int) -> int:
        """Return the next place that is no white space, comment or ellipsis."""
        text = self._text
        while True:
            at = _after(text, at)
            char = text[at : at + 1]
            if char == '#' or text.startswith('//', at):
                line = text.find('\n', at)
                at = self._end if line < 0 else line
            elif text.startswith('/*', at):
                close = text.find('*/', at + 2)
                at = self._end if close < 0 else close + 2
            elif char == '.' and not text[at + 1 : at + 2].isdigit() or char == '\\':
                at += 1
            else:
                return at

    def _next(self, at: int) -> str:
        """Return the next character that counts; empty at the end."""
        at = self._skip(at)
        return self._text[at : at + 1]

    # Keys and strings ------------------------------------------------------------------------

    def _key(self, at: int, parted: bool) -> tuple[Node | None, int]:
        """Return the key at `at` and where it ends; None where what stands there is prose."""
        text = self._text
        if text[at] in _QUOTES:
            end = self._next_quote(at, 200)
            follows = self._next(end) if end else ''
            if end and follows in (':', '=', ',', '}'):
                return Node(at, end, self._within(at, end - 1)), end
            found = _BARE_KEY.match(text, at + 1)
            if found:
                # {"safe: false, "objects": ...}: the quote that ends the key is missing.
                return Node(at, found.end(1), found[1]), found.end(1)
            if not end:
                return (Node(at, self._end, ''), self._end)
            return Node(at, end, self._within(at, end - 1)), end
        found = _BARE_KEY.match(text, at) if not parted else _SPACED_KEY.match(text, at)
        if found is None:
            return None, at
        end = found.end(1) if not parted else found.end()
        return Node(at, end, text[at:end].strip(' "\'\t'), bare=True), end + (
            text[end : end + 1] in tuple('"\'')
        )

    def _next_quote(self, at: int, reach: int) -> int:
        """Return the place behind the next quote like that at `at`; 0 for none in reach."""
        for found in _NEXT[self._text[at]].finditer(self._text, at + 1, at + reach):
            if found[0][0] != '\\' or self._is_quote(at, found[0]):
                return found.end()
        return 0

    def _is_quote(self, place: int, found: str) -> bool:
        r"""Return whether `\"` is a quote, as it is where the string begins with one, too."""
        return self._text[place - 1 : place] == '\\' and found[1:] in tuple(_QUOTES)

    def _within(self, start: int, end: int) -> str:
        """Return the string between the quotes at `start` and `end`."""
        raw = self._text[start + 1 : end]
        return raw.rstrip('\\') if self._text[start - 1 : start] == '\\' else _decode(raw)

    def _string(self, place: int, within: str) -> Node:
        """Return the string at a quote; it ends at the quote that something plausible follows."""
        text = self._text
        inner = 0
        for found in _NEXT[text[place]].finditer(text, place + 1):
            at = found.start()
            if found[0][0] == '\\' and not self._is_quote(place, found[0]):
                continue
            end = found.end()
            after = _after(text, end)
            if text[after : after + 1] == ':' and within == '}':
                if inner:
                    # "a car, "safe": the quote before the next key is missing.
                    return Node(place, inner, self._within(place, inner).rstrip(' ,\n'))
                return Node(place, end, self._within(place, at))
            if self._closes(at, end, after, within):
                return Node(place, end, self._within(place, at))
            inner = at
        return Node(place, self._end, self._within(place, self._end), cut=True)

    def _closes(self, at: int, end: int, after: int, within: str) -> bool:
        """Return whether a quote at `at` ends its string, by what is behind it."""
        text = self._text
        if after >= self._end:
            return True
        char = text[after]
        if text[at] in _SINGLE and text[at - 1].isalnum() and text[end : end + 1].isalnum():
            return False
        if char in ']})':
            return char in self._open
        if char in ',;':
            return self._goes_on(after + 1, within)
        if char in '#:' or text.startswith(('//', '/*'), after):
            return True
        if within == '}':
            return bool(_QUOTED_KEY.match(text, after)) or (
                '\n' in text[end:after] and bool(_BARE_KEY.match(text, after))
            )
        return after > end and char in _QUOTES and text[after + 1 : after + 2].isalnum()

    def _goes_on(self, at: int, within: str) -> bool:
        """Return whether the next entry begins behind a comma."""
        text = self._text
        at = self._skip(at)
        if at >= self._end or text[at] in ']}),;':
            return True
        if within == '}':
            return bool(_QUOTED_KEY.match(text, at) or _BARE_KEY.match(text, at))
        return text[at] in _QUOTES + '{[(' or bool(_BARE_ITEM.match(text, at))

    def _bare(self, place: int) -> tuple[Node | None, int]:
        """Return what stands there without quotes: a literal, a number or words."""
        pattern = _BARE_IN_TUPLE if self._open[-1:] == [')'] else _BARE
        found = pattern.match(self._text, place)
        end = found.end() if found else place
        run = self._text[place:end]
        remark = _REMARK.search(run)
        if remark:
            run = run[: remark.start()]
            end = place + remark.start()
        cut = end >= self._end
        word = run.strip(' \t"\'')
        if not word:
            return None, end
        low = word.lower().rstrip('.')
        if word == 'None' or low in _LITERALS:
            return Node(place, end, _LITERALS.get(low)), end
        if cut and len(word) < 6 and word.isalpha():
            return _cut_literal(place, end, low), end
        if _NUMBER.fullmatch(word):
            return Node(place, end, json.loads(word), cut=cut), end
        return Node(place, end, word, cut=cut, bare=True), end


def _cut_literal(start: int, end: int, word: str) -> Node:
    """Return what the beginning of a word at the end of the text stands for, if it is clear."""
    for name in ('true', 'false'):
        if len(word) > 1 and name.startswith(word):
            return Node(start, end, name == 'true', cut=True)
    known = len(word) > 2
    return Node(start, end, word if known else UNKNOWN, cut=True, bare=known)


def _decode(raw: str) -> str:
    """Return a string without its escapes; an escape that is none stands for its letter."""
    if '\\' not in raw:
        return raw
    return _ESCAPE.sub(_unescaped, raw)


def _unescaped(found: re.Match[str]) -> str:
    letter = found[1]
    return chr(int(letter[1:], 16)) if len(letter) > 1 else _ESCAPED.get(letter, letter)
