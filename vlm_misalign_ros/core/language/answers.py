"""Structured answers: JSON whole or cut off, key and value, tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

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
_YES = frozenset('yes true present visible y several many multiple some one two three'.split())
_MAYBE = frozenset(
    'maybe possibly unclear unknown uncertain perhaps unsure likely possible'.split()
)
_ATTEMPTS = 24
"""Places at which an answer is tried as JSON."""


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
    stack: list[str] = []
    quoted = escaped = False
    ends: list[tuple[int, str]] = []
    for place, char in enumerate(text):
        if quoted:
            if escaped:
                escaped = False
            elif char == '\\':
                escaped = True
            elif char == '"':
                quoted = False
                ends.append((place + 1, ''.join(reversed(stack))))
            continue
        if char == '"':
            quoted = True
        elif char in '{[':
            stack.append('}' if char == '{' else ']')
        elif char in '}]':
            if not stack or stack.pop() != char:
                return None
            ends.append((place + 1, ''.join(reversed(stack))))
        elif char == ',':
            ends.append((place, ''.join(reversed(stack))))
    if not stack:
        return None
    if quoted:
        ends.append((len(text), '"' + ''.join(reversed(stack))))
    for place, closing in ends[:-7:-1]:
        try:
            return json.loads(text[:place] + closing)
        except (ValueError, RecursionError):
            continue
    return None


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
    if value is None or isinstance(value, bool):
        return Mention.ASSERTED if value else Mention.DENIED
    if isinstance(value, (int, float)):
        return Mention.ASSERTED if value > 0 else Mention.DENIED
    if isinstance(value, (list, dict)):
        return Mention.ASSERTED if value else Mention.DENIED
    tokens = words(value) if isinstance(value, str) else tuple(value)
    first = tokens[0] if tokens else ''
    if not first or first in _NO or tokens in (('[', ']'), ('{', '}'), ('-',)):
        return Mention.DENIED if first else None
    if first in _MAYBE:
        return Mention.HEDGED
    if first.isdigit() or first in _YES:
        return Mention.ASSERTED
    _, cues = lexicon.cues.longest(tokens, 0)
    if Cue.HEDGE_BEFORE in cues or Cue.HEDGE_AFTER in cues:
        return Mention.HEDGED
    if Cue.NEGATION_AFTER in cues:
        return Mention.DENIED
    if (
        first in ('no', 'not', 'without', "can't", 'cannot')
        and Cue.NOT_NEGATION not in cues
        and (first == 'no' or Cue.NEGATION_BEFORE in cues)
    ):
        return Mention.DENIED
    return None


def pairs(
    tokens: Sequence[str], lexicon: Lexicon
) -> list[tuple[tuple[str, ...], tuple[str, ...], int]]:
    """
    Return (classes, value words, where the value starts) of `cars: 4, pedestrians: none`.

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
                return [] if not classes else [(classes, tuple(tokens[colon + 1 :]), colon + 1)]
            stop = inside[-1]
        if classes:
            found.append((classes, tuple(tokens[colon + 1 : stop]), colon + 1))
        start = stop + 1
    return found


def cells(line: str) -> list[str]:
    """Return the cells of a table's row; empty for a line that is none, or a rule."""
    if '|' not in line:
        return []
    found = [cell.strip(' *_`') for cell in line.strip().strip('|').split('|')]
    return [] if all(not cell.strip('-: ') for cell in found) else found
