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

r"""
Shows texts of models to people: nothing in them can steer a terminal or a spreadsheet.

Whatever is not printable is written as its code, as in Python (`\x1b`, `\u202e`).
"""

from __future__ import annotations

import unicodedata

SHOWN = 30_000
"""Characters of a text that are shown, below what a cell of a spreadsheet holds (32,767)."""
_STACKED = 2
"""Marks above or below a letter that are shown; more would cover what is around them."""
_HEAD = 0.6
_FORMULA = '=+-@\uff1d\uff0b\uff0d\uff20'
"""What a formula may begin with, in full width, too."""


def safe(text: str, encoding: str = 'utf-8') -> str:
    """
    Return a text as it can be shown where characters are of `encoding`, in lines.

    Longer ones lose their middle, and say so.
    """
    plain = text.replace('\r\n', '\n').replace('\t', '    ')
    if plain.isascii() and len(plain) <= SHOWN and plain.replace('\n', '').isprintable():
        return plain
    marks = 0
    found = []
    for char in plain:
        marks = marks + 1 if unicodedata.combining(char) else 0
        shown = char == '\n' or char.isprintable() and marks <= _STACKED
        found.append(char if shown and _has(encoding, char) else _code(char))
    return _bounded(found)


def one_line(text: str) -> str:
    """Return a text as it can be shown in one line."""
    return ' '.join(safe(text).split('\n'))


def _has(encoding: str, char: str) -> bool:
    if char.isascii():
        return True
    try:
        char.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _code(char: str) -> str:
    """Return the code of a character, as Python writes it."""
    return char.encode('unicode_escape').decode('ascii')


def _bounded(chars: list[str]) -> str:
    """Return the characters joined, without the middle where they are too many."""
    if sum(map(len, chars)) <= SHOWN:
        return ''.join(chars)
    head, tail = int(SHOWN * _HEAD), int(SHOWN * (1 - _HEAD))
    begin, end = _fitting(chars, head), _fitting(chars[::-1], tail)
    left = len(chars) - begin - end
    return (
        ''.join(chars[:begin])
        + f'\n[... {left} characters are left out here ...]\n'
        + ''.join(chars[len(chars) - end :])
    )


def _fitting(chars: list[str], most: int) -> int:
    """Return how many of the characters, from the first, fit into `most`."""
    total = 0
    for number, char in enumerate(chars):
        total += len(char)
        if total > most:
            return number
    return len(chars)


def wrap(text: str, width: int) -> list[str]:
    """
    Return the lines of a shown text, none wider than `width` columns, broken at words if possible.

    Letters of full width take two columns.
    """
    return [piece for line in text.split('\n') for piece in _wrap_line(line, max(width, 2))]


def _wrap_line(line: str, width: int) -> list[str]:
    found, start, blank, columns = [], 0, -1, 0
    for place, char in enumerate(line):
        columns += _columns(char)
        if char == ' ':
            blank = place
        if columns > width:
            # A line that ends with a word goes on behind the blank.
            stop = blank + 1 if start < blank + 1 <= place else place
            found.append(line[start:stop].rstrip(' '))
            start = stop
            columns = sum(map(_columns, line[start : place + 1]))
    return [*found, line[start:]]


def _columns(char: str) -> int:
    if char.isascii():
        return 1
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in 'WF' else 1


def cell(text: str) -> str:
    """Return a text as a cell of a sheet that no spreadsheet takes for a formula."""
    shown = safe(text)
    return f"'{shown}" if shown.lstrip()[:1] in tuple(_FORMULA) else shown
