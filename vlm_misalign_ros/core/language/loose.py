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

"""A parser of values that are not quite JSON: what stands there decides, not what should."""

from __future__ import annotations

import json
import re

from vlm_misalign_ros.core.language.nodes import UNKNOWN, Node, Scalar

DEPTH = 48
"""Brackets within brackets that are told apart; what is deeper is read as if it lay flat."""
_DOUBLE = '"“”„'
_SINGLE = "'‘’`"
_QUOTES = _DOUBLE + _SINGLE
_NEXT = {
    **dict.fromkeys(_DOUBLE, re.compile(r'\\.|["“”„]', re.DOTALL)),
    **dict.fromkeys(_SINGLE, re.compile(r"\\.|['‘’`]", re.DOTALL)),
}
"""Escapes and quotes, by the quote that a string begins with."""
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
_INNER_KEY = re.compile(r"""\s["']?([A-Za-z_$][\w$.-]{0,40})["']?\s*+[:=](?!//)""")
_LAST_KEY = re.compile(r'[,\n]\s*+[A-Za-z_$][\w$.-]{0,40}+$')
_REMARK = re.compile(r'\s(?://|#|/\*)')
_VALUE = re.compile(r'["\'“”„‘’`\d{\[-]|(?:true|false|null|none|yes|no)\b', re.IGNORECASE)
_NUMBER = re.compile(r'-?(?:0|[1-9]\d{0,300})(?:\.\d{1,300})?(?:[eE][+-]?\d{1,9})?')
_ESCAPE = re.compile(r'\\(u[0-9a-fA-F]{4}|.)', re.DOTALL)
_ESCAPED = {'n': '\n', 't': '\t', 'r': '\n', 'b': ' ', 'f': ' '}
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


def after_blank(text: str, place: int) -> int:
    """Return the first place from `place` on that is no white space."""
    found = _BLANK.match(text, place)
    return found.end() if found else place


class Loose:
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
        while len(self._open) >= DEPTH and self._text[place : place + 1] in ('{', '[', '('):
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
            entry, after = self._entry(at, closer)
            if after <= at:
                break
            at = after
            if entry is not None:
                items.append(entry)
        self._open.pop()
        return Node(place, at, items=items)

    def _entry(self, at: int, closer: str) -> tuple[Node | None, int]:
        """Return an entry of a list and where it ends; `["car": 2]` is an object in it."""
        found = _BARE_KEY.match(self._text, at) if self._text[at] not in _QUOTES else None
        if found is None:
            entry, end = self.value(at, closer)
        else:
            entry, end = Node(at, found.end(1), found[1], bare=True), found.end() - 1
        after = self._skip(end)
        if entry is None or self._text[after : after + 1] not in (':', '='):
            return entry, end
        value, end = self.value(after + 1, '}')
        return Node(entry.start, end, pairs=[(entry, value or Node(end, end, UNKNOWN))]), end

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
            at = after_blank(text, at)
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
                return Node(at, end, _decode(text[at + 1 : end - 1])), end
            found = _BARE_KEY.match(text, at + 1)
            if found:
                # {"safe: false, "objects": ...}: the quote that ends the key is missing.
                return Node(at, found.end(1), found[1]), found.end(1)
            if not end:
                return (Node(at, self._end, ''), self._end)
            return Node(at, end, _decode(text[at + 1 : end - 1])), end
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
            if found[0][0] != '\\':
                return found.end()
        return 0

    def _string(self, place: int, within: str) -> Node:
        """Return the string at a quote; it ends at the quote that something plausible follows."""
        text = self._text
        inner = 0
        for found in _NEXT[text[place]].finditer(text, place + 1):
            at = found.start()
            if found[0][0] == '\\':
                continue
            end = found.end()
            after = after_blank(text, end)
            if text[after : after + 1] == ':' and within == '}':
                if inner:
                    # "a car, "safe": the quote before the next key is missing.
                    return Node(place, inner, _decode(text[place + 1 : inner]).rstrip(' ,\n'))
                key = _LAST_KEY.search(text, max(place + 1, at - 50), at)
                if key:
                    # "a car, safe": both quotes between are missing.
                    return Node(place, key.start(), _decode(text[place + 1 : key.start()]))
                return Node(place, end, _decode(text[place + 1 : at]))
            if self._closes(at, end, after, within):
                return Node(place, end, _decode(text[place + 1 : at]))
            inner = at
        return Node(place, self._end, _decode(text[place + 1 :]), cut=True)

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
                after > end and bool(_BARE_KEY.match(text, after))
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
        key = _INNER_KEY.search(self._text, place, end + 44)
        if key and key.start() < end:
            # {description: 2 safe: false}: the comma before the next key is missing.
            end = key.start() + 1
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
