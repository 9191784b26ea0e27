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

"""Tables in answers: of Markdown, with or without a header, and rows of values with commas."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vlm_misalign_ros.core.language import keys
from vlm_misalign_ros.core.language.answers import named_alone
from vlm_misalign_ros.core.language.lexicon import Lexicon
from vlm_misalign_ros.core.language.nodes import Node

_CELL = re.compile(r'[^|]+')
_RULE = re.compile(r'[\s|:-]*-[\s|:-]*')
_PARTED = re.compile(r'[\w /()&\'".-]{1,40}+(?:([,;\t]) ?[\w /()&\'"%.-]{0,40}+){1,5}')
_COUNT = re.compile(r'\d{1,4}|yes|no|true|false|none|present|absent', re.IGNORECASE)
_NUMBERING = frozenset(('#', 'no.', 'no', 'nr', 'nr.', 'id', 'index', 'idx', 's.no', 'rank'))
_NAMING = frozenset(
    (*keys.NAMES, 'objects', 'classes', 'categories', 'items', 'elements', 'feature', 'features',
     'aspect', 'road user', 'road users', 'object type', 'object class', 'things')
) - {'id'}  # fmt: skip
_COUNTING = frozenset((*keys.COUNTS, 'count(s)', 'how many', 'counts', 'in scene', 'in image')) - {
    '#',
    'no.',
    'n',
}


@dataclass
class _Line:
    start: int
    end: int
    text: str


def _lines(text: str) -> Iterator[_Line]:
    start = 0
    for line in text.split('\n'):
        yield _Line(start, start + len(line), line)
        start += len(line) + 1


def find_tables(text: str, lexicon: Lexicon) -> list[Node]:
    """
    Return the tables in a text as lists of objects, one a row.

    Rows without bars at their ends, and without a rule, count where each is a key and a value.
    """
    found: list[Node] = []
    block: list[_Line] = []
    kind = ''
    for line in (*_lines(text), _Line(len(text), len(text), '')):
        here = _kind(line.text)
        if block and here != kind:
            node = _table(block, kind, lexicon)
            if node is not None:
                found.append(node)
            block = []
        kind = here
        if here:
            block.append(line)
    return found


def _kind(line: str) -> str:
    """Return what parts the cells of a line; empty for prose."""
    if '|' in line:
        return '|'
    if len(line) > 200:
        return ''
    row = _PARTED.fullmatch(line.strip()) if ',' in line or ';' in line or '\t' in line else None
    return row[1] if row else ''


def _table(block: Sequence[_Line], kind: str, lexicon: Lexicon) -> Node | None:
    rows = [_cells(line, kind) for line in block if kind != '|' or not _RULE.fullmatch(line.text)]
    if not rows or min(map(len, rows)) < 2:
        return None
    ruled = len(rows) < len(block)
    closed = all(line.text.strip()[0] == line.text.strip()[-1] == '|' for line in block)
    header = rows[0] if _is_header(rows[0], rows[1:], ruled, lexicon) else []
    if kind == '|':
        told = ruled or closed or all(_is_pair(row, lexicon) for row in rows)
    else:
        told = _is_parted(rows, header, lexicon)
    if not told:
        return None
    items = [_row(row, header, lexicon) for row in (rows[1:] if header else rows)]
    return Node(block[0].start, block[-1].end, items=items)


def _cells(line: _Line, kind: str) -> list[Node]:
    """Return the cells of a line without emphasis; of an empty one, too."""
    found = []
    place = line.start
    parts = line.text.split(kind)
    for number, part in enumerate(parts):
        plain = part.strip(' \t*_`"\'')
        at_rim = kind == '|' and number in (0, len(parts) - 1)
        if plain or not at_rim:
            found.append(Node(place, place + len(part), plain))
        place += len(part) + 1
    return found


def _is_header(
    first: Sequence[Node], rest: Sequence[Sequence[Node]], ruled: bool, lexicon: Lexicon
) -> bool:
    """Return whether a first row names the columns, and is no row of values itself."""
    if not rest:
        return False
    names = [str(cell.value).lower().strip(' ?') for cell in first]
    if not _NAMING.isdisjoint(names) and (ruled or len(names) > 1):
        return True
    if len(names) > 1 and all(_is_key(cell, lexicon) for cell in first):
        return names[1] not in keys.PLAIN
    return ruled and not _is_key(first[0], lexicon)


def _is_key(cell: Node, lexicon: Lexicon) -> bool:
    """Return whether a cell names a class or the field of a verdict."""
    tokens = keys.key_words(str(cell.value))
    if ':' in str(cell.value):
        return False
    return (
        bool(named_alone(keys.thing_words(tokens), lexicon))
        or keys.means(tokens) is not None
        and len(tokens) > 0
        or keys.is_verdict(tokens)
    )


def _is_pair(row: Sequence[Node], lexicon: Lexicon) -> bool:
    return len(row) == 2 and _is_key(row[0], lexicon)


def _is_parted(rows: Sequence[Sequence[Node]], header: Sequence[Node], lexicon: Lexicon) -> bool:
    """Return whether lines with commas are a table: named columns, or names with counts."""
    if len(rows) < 2 or len({len(row) for row in rows}) > 1:
        return False
    if header and _column(header, _NAMING) is not None:
        return _column(header, _COUNTING) is not None
    return all(
        _is_pair(row, lexicon) and _COUNT.fullmatch(str(row[1].value))
        for row in rows[bool(header) :]
    )


def _column(header: Sequence[Node], names: frozenset[str]) -> int | None:
    """Return the first column of a name."""
    for place, cell in enumerate(header):
        if str(cell.value).lower().strip(' ?') in names:
            return place
    return None


def _row(row: Sequence[Node], header: Sequence[Node], lexicon: Lexicon) -> Node:
    """Return a row as an object."""
    start, end = row[0].start, row[-1].end
    if header and all(_is_key(cell, lexicon) for cell in header):
        return Node(start, end, pairs=list(zip(header, row, strict=False)))
    name, value = _picked(row, header)
    tokens = keys.key_words(str(name.value))
    classes = named_alone(keys.thing_words(tokens), lexicon)
    if value is None or not classes and not _is_key(name, lexicon):
        return Node(start, end, items=list(row))
    if not classes:
        return Node(start, end, pairs=[(name, value)])
    return Node(
        start,
        end,
        pairs=[
            (Node(name.start, name.start, 'name'), name),
            (Node(value.start, value.start, 'count'), value),
            *((Node(cell.start, cell.start, ''), cell) for cell in row if cell is not name),
        ],
    )


def _picked(row: Sequence[Node], header: Sequence[Node]) -> tuple[Node, Node | None]:
    """Return the cell of a row that names something, and the one that says how many there are."""
    place = _column(header, _NAMING) or 0
    if not place and len(row) > 2 and header and str(header[0].value).lower() in _NUMBERING:
        place = 1
    place = min(place, len(row) - 1)
    counting = _column(header, _COUNTING)
    if counting is None or counting >= len(row):
        counting = place + 1
    return row[place], row[counting] if counting < len(row) else None
