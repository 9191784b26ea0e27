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
Labels as a sheet, a CSV that opens in a spreadsheet: a row a text, with columns to fill in.

The same file is what the terminal saves, so that labels begun in one are ended in the other.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from vlm_misalign_ros.core.errors import ConfigurationError, RecordError
from vlm_misalign_ros.core.files import write_text
from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.report.audit.labels import (
    CLEAR,
    LOW,
    Label,
    Wrong,
    classes_in,
    judgement_in,
    low_in,
)
from vlm_misalign_ros.core.report.audit.sample import Drawn
from vlm_misalign_ros.core.report.audit.showing import cell, safe

COLUMNS = ('id', 'question', 'text', 'asserted', 'judgement', 'visibility', 'note')
_FILLED = ('asserted', 'judgement', 'visibility')
_NEEDED = ('id', 'asserted', 'judgement')
_MARK = '\ufeff'
"""Says to a spreadsheet that the file is UTF-8."""
MAX_WRONG = 20
"""Wrong cells of a sheet that are told."""
_VALUE = 60


class WrongCell(NamedTuple):
    """A cell that is no label."""

    row: int
    """As a spreadsheet counts: the head is row 1."""
    column: str
    value: str
    remedy: str

    def __str__(self) -> str:
        """Return one line for a person."""
        value = safe(self.value)[:_VALUE].replace('\n', ' ')
        return f'row {self.row}, column {self.column}: {value!r}: {self.remedy}'


class WrongSheet(ConfigurationError):
    """A sheet with cells that are no labels; `cells` are those that are told."""

    def __init__(self, path: Path, cells: Sequence[WrongCell]) -> None:
        """Name the file, and how much of it is wrong."""
        self.cells = cells[:MAX_WRONG]
        few = '' if len(cells) <= MAX_WRONG else f', the first {MAX_WRONG} of which are told'
        many = f'{len(cells)} cells that are no labels' if len(cells) > 1 else str(cells[0])
        super().__init__(f'{path} has {many}{few}', 'mend it and give the sheet again')


@dataclass(frozen=True)
class Sheet:
    """What stands in a file of labels."""

    labels: dict[str, Label]
    """By the name of a text; a text without a judgement is not labelled yet."""
    notes: dict[str, str]
    """What was noted of texts that are not labelled yet."""
    rows: int
    """Texts that the file has, labelled or not."""


def sheet_of(
    texts: Iterable[Drawn],
    labels: Mapping[str, Label],
    notes: Mapping[str, str] | None = None,
    further: Mapping[str, Mapping[str, str]] | None = None,
) -> str:
    """
    Return a sheet of texts, with the labels that there are.

    `further` has columns behind the text, each by name with its cells by the name of a text.
    """
    more = dict(further or {})
    stream = io.StringIO()
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL)
    writer.writerow([*COLUMNS[:3], *more, *COLUMNS[3:]])
    for answer in texts:
        label = labels.get(answer.id)
        note = label.note if label else (notes or {}).get(answer.id, '')
        row = [answer.id, cell(answer.asked or answer.prompt_id), cell(answer.text)]
        row += [cell(cells.get(answer.id, '')) for cells in more.values()]
        writer.writerow([*row, *(_cells(label) if label else ('', '', '')), cell(note)])
    return _MARK + stream.getvalue()


def _cells(label: Label) -> tuple[str, str, str]:
    named = ', '.join(name for name in SCORED if name in label.asserted)
    return named, label.judgement.value, LOW if label.low else CLEAR


def write_sheet(path: Path, text: str) -> None:
    """Write a new sheet; ConfigurationError where there is a file, which may hold labels."""
    if path.exists():
        raise ConfigurationError(
            f'{path} exists, and may hold labels', 'give another file, or remove it'
        )
    write_text(path, text)


def read_sheet(path: Path, known: Iterable[str]) -> Sheet:
    """
    Read a file of labels of the texts that are `known`.

    Columns are found by their names, and may be parted by commas, semicolons or tabs. Raises
    RecordError for a file that is no sheet, and WrongSheet with every cell that is no label.
    """
    head, rows = _table(path)
    reader = _Reader(head, frozenset(known))
    for number, row in rows:
        reader.read(number, row)
    if reader.wrong:
        raise WrongSheet(path, reader.wrong)
    return Sheet(reader.labels, reader.notes, len(reader.seen))


class _Reader:
    """Reads rows, and keeps what is wrong with them."""

    def __init__(self, head: Sequence[str], known: frozenset[str]) -> None:
        self._places = {name: place for place, name in enumerate(head)}
        self._known = known
        self.labels: dict[str, Label] = {}
        self.notes: dict[str, str] = {}
        self.seen: dict[str, int] = {}
        self.wrong: list[WrongCell] = []

    def read(self, number: int, row: Sequence[str]) -> None:
        name = self._cell(row, 'id')
        filled = [column for column in _FILLED if self._cell(row, column)]
        if not name and not filled:
            return
        if name not in self._known:
            self._tell(number, 'id', name, 'the draw has no such text; leave this column as it is')
            return
        if name in self.seen:
            self._tell(number, 'id', name, f'row {self.seen[name]} has it, too; remove one')
            return
        self.seen[name] = number
        note = self._cell(row, 'note')
        if not filled or filled == ['visibility'] and self._cell(row, 'visibility') == CLEAR:
            self.notes[name] = note
            return
        before = len(self.wrong)
        try:
            asserted = classes_in(self._cell(row, 'asserted'))
        except Wrong as error:
            self._tell(number, 'asserted', error.value, error.remedy)
        try:
            judgement = judgement_in(self._cell(row, 'judgement'))
        except Wrong as error:
            self._tell(number, 'judgement', error.value, error.remedy)
        try:
            low = low_in(self._cell(row, 'visibility'))
        except Wrong as error:
            self._tell(number, 'visibility', error.value, error.remedy)
        if len(self.wrong) == before:
            self.labels[name] = Label(asserted, judgement, low, note)

    def _cell(self, row: Sequence[str], column: str) -> str:
        place = self._places.get(column, len(row))
        return row[place].strip() if place < len(row) else ''

    def _tell(self, number: int, column: str, value: str, remedy: str) -> None:
        place = self._places.get(column)
        letter = f'{_letters(place)} ({column})' if place is not None else column
        self.wrong.append(WrongCell(number, letter, value, remedy))


def _letters(place: int) -> str:
    """Return the name of a column in a spreadsheet: A to Z, AA, ..."""
    first, last = divmod(place, 26)
    return (_letters(first - 1) if first else '') + chr(ord('A') + last)


def _table(path: Path) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Return the names of the columns, and the rows below them with their numbers."""
    try:
        text = _text(path.read_bytes())
    except OSError as error:
        raise RecordError(
            f'labels {path} cannot be read: {error.strerror}', 'give a CSV file of labels'
        ) from error
    first = next(iter(text.splitlines()), '')
    for delimiter in ',;\t':
        head = [
            name.strip().lower() for name in next(csv.reader([first], delimiter=delimiter), [])
        ]
        if set(_NEEDED) <= set(head):
            return head, _rows(path, text, delimiter)
    raise RecordError(
        f'{path} is no sheet of labels: its first row is {safe(first)[:_VALUE]!r}',
        f'needed are the columns {", ".join(_NEEDED)}; --sheet writes a sheet',
    )


def _rows(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=''), delimiter=delimiter)
    try:
        for number, row in enumerate(reader, 1):
            if number > 1:
                yield number, row
    except csv.Error as error:
        raise RecordError(
            f'{path} cannot be read as CSV near its line {reader.line_num}: {error}',
            'save it again as CSV from a spreadsheet',
        ) from error


def _text(data: bytes) -> str:
    """Return the text of a file; labels are ASCII, whatever a spreadsheet made of the rest."""
    if data[:2] in (b'\xff\xfe', b'\xfe\xff'):
        return data.decode('utf-16', 'replace')
    return data.decode('utf-8-sig', 'replace').replace('\0', '')
