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

"""Structured answers: JSON whole or cut off, key and value, tables."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from vlm_misalign_ros.core.language.lexicon import Cue, Lexicon
from vlm_misalign_ros.core.language.text import words
from vlm_misalign_ros.core.types import Mention

_MODIFIERS = frozenset(
    'a an other parked oncoming visible moving nearby the any all stationary number of count '
    'total detected present main additional seen key approaching passing notable large '
    'small'.split()
)
_TRAILING = frozenset('count counts present visible detected status number seen ahead'.split())
_JOINED = frozenset(('/', 'and', 'or', ',', '&'))
_NO = frozenset(
    '0 no none false absent zero nil null n empty nothing negative nope missing nowhere'.split()
)
_NOT = frozenset(('not', 'without', "can't", 'cannot'))
_EMPTY = (('[', ']'), ('{', '}'))
_YES = frozenset('yes true present visible y several many multiple some one two three'.split())
_MAYBE = frozenset(
    'maybe possibly unclear unknown uncertain perhaps unsure likely possible'.split()
)
_ATTEMPTS = 24
"""Places at which an answer is tried as JSON."""
_ENDS = 6
"""Places at which JSON that is cut off is tried as whole."""
_PARTS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*("?)|[{}\[\],]', re.DOTALL)
"""Strings, the last of which may lack its end, and what is between them."""
_Open = tuple[str, '_Open'] | None
"""What closes the innermost open bracket, and the ones around it."""


def find_json(text: str) -> Iterator[tuple[int, int, Any]]:
    """
    Yield (start, end, value) of the JSON objects and lists in a text, fenced or bare.

    The last may be cut off: what is whole of it counts. Linear in the text's length.
    """
    decoder = json.JSONDecoder()
    start, attempts = 0, 0
    while attempts < _ATTEMPTS:
        places = [place for place in (text.find('{', start), text.find('[', start)) if place >= 0]
        if not places:
            return
        begin = min(places)
        attempts += 1
        try:
            value, end = decoder.raw_decode(text, begin)
        except RecursionError:
            return
        except ValueError:
            value = _cut_off(text[begin:])
            if value is None:
                start = begin + 1
                continue
            end = len(text)
        if (
            isinstance(value, dict)
            and value
            or isinstance(value, list)
            and value
            and all(isinstance(entry, (str, dict)) for entry in value)
        ):
            yield begin, end, value
            start = end
        else:
            start = begin + 1


def _cut_off(text: str) -> Any:
    """Return the value of JSON that ends too early; a text cut off counts as far as it goes."""
    for place, closing in _ends(text):
        try:
            return json.loads(text[:place] + closing)
        except (ValueError, RecursionError):
            continue
    return None


def _ends(text: str) -> list[tuple[int, str]]:
    """
    Return the last places, latest first, at which JSON could have ended, with what closes it.

    Empty for a text whose brackets do not match or are all closed.
    """
    left: _Open = None
    ends: deque[tuple[int, str, _Open]] = deque(maxlen=_ENDS)
    for found in _PARTS.finditer(text):
        part = found.group()
        if part[0] == '"':
            ends.append((found.end(), '', left) if found[1] else (len(text), '"', left))
        elif part == ',':
            ends.append((found.start(), '', left))
        elif part in '{[':
            left = ('}' if part == '{' else ']', left)
        else:
            if left is None or left[0] != part:
                return []
            left = left[1]
            ends.append((found.end(), '', left))
    if left is None:
        return []
    return [(place, quote + _closing(brackets)) for place, quote, brackets in reversed(ends)]


def _closing(left: _Open) -> str:
    """Return what closes the brackets that are left open, the innermost first."""
    found = []
    while left is not None:
        bracket, left = left
        found.append(bracket)
    return ''.join(found)


def named_alone(tokens: Sequence[str], lexicon: Lexicon) -> tuple[str, ...]:
    """Return the classes when words are nothing but names of things, `parked cars / trucks`."""
    found: list[str] = []
    index, expecting = 0, True
    while index < len(tokens):
        word = tokens[index]
        length, meanings = lexicon.things.longest(tokens, index)
        if expecting and length and meanings[0]:
            found.extend(meanings[0])
            index += length
            expecting = False
        elif expecting and word in _MODIFIERS or not expecting and word in _TRAILING:
            index += 1
        elif not expecting and word in _JOINED:
            index += 1
            expecting = True
        elif not expecting and word in '()' or word == 's':
            index += 1
        else:
            return ()
    return () if expecting else tuple(dict.fromkeys(found))


def polarity(value: Any, lexicon: Lexicon) -> Mention | None:
    """Return what the value beside a thing's name says of it; None for a text of its own."""
    if value is None or isinstance(value, (bool, list, dict)):
        return Mention.ASSERTED if value else Mention.DENIED
    if isinstance(value, (int, float)):
        return Mention.ASSERTED if value > 0 else Mention.DENIED
    return _polarity_of_words(words(value) if isinstance(value, str) else tuple(value), lexicon)


def _polarity_of_words(tokens: tuple[str, ...], lexicon: Lexicon) -> Mention | None:
    if not tokens:
        return None
    first = tokens[0]
    if first in _NO or tokens in _EMPTY:
        return Mention.DENIED
    if first in _MAYBE:
        return Mention.HEDGED
    if first.isdigit() or first in _YES:
        return Mention.ASSERTED
    _, cues = lexicon.cues.longest(tokens, 0)
    if Cue.HEDGE_BEFORE in cues or Cue.HEDGE_AFTER in cues:
        return Mention.HEDGED
    if Cue.NEGATION_AFTER in cues:
        return Mention.DENIED
    if first in _NOT and Cue.NEGATION_BEFORE in cues and Cue.NOT_NEGATION not in cues:
        return Mention.DENIED
    return None


class Pair(NamedTuple):
    """A part of `cars: 4, pedestrians: none`, by its words in the sentence."""

    classes: tuple[str, ...]
    start: int
    """First word of the key."""
    colon: int
    end: int
    """Behind the last word of the value."""


def pairs(tokens: Sequence[str], lexicon: Lexicon) -> list[Pair]:
    """
    Return each part of `cars: 4, pedestrians: none`.

    Empty when the sentence is none. A key has to be the name of a thing and nothing else.
    """
    colons = [place for place, word in enumerate(tokens) if word == ':']
    if not colons:
        return []
    found = []
    start = 0
    for number, colon in enumerate(colons):
        classes = named_alone(tokens[start:colon], lexicon)
        stop = len(tokens)
        if number + 1 < len(colons):
            inside = [
                place for place in range(colon, colons[number + 1]) if tokens[place] in (',', '|')
            ]
            if not inside:
                return [] if not classes else [Pair(classes, start, colon, stop)]
            stop = inside[-1]
        if classes:
            found.append(Pair(classes, start, colon, stop))
        start = stop + 1
    return found


def cells(line: str) -> list[str]:
    """Return the cells of a table's row; empty for a line that is none, or a rule."""
    if '|' not in line:
        return []
    found = [cell.strip(' *_`') for cell in line.strip().strip('|').split('|')]
    return [] if all(not cell.strip('-: ') for cell in found) else found
