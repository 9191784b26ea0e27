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

"""How readings are written: JSON lines, CSV, a table, or as marks in their texts."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO

from vlm_misalign_ros.app.texts import Text
from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.language.bounding import Span
from vlm_misalign_ros.core.language.mentions import Reading, to_record
from vlm_misalign_ros.core.report.audit.showing import cell, safe, wrap
from vlm_misalign_ros.core.types import Mention

Write = Callable[[Text, Reading], None]

COLUMNS = (
    'id',
    'kind',
    'name',
    'state',
    'start',
    'end',
    'words',
    'rule',
    'style',
    'language',
    'cut',
    'lexicon_version',
    'lexicon_sha256',
)
"""Of CSV: a row for each class that a text mentions, and one for its judgement."""

SIGNS = {
    Mention.ASSERTED: '+',
    Mention.DENIED: '-',
    Mention.HEDGED: '?',
    Mention.HYPOTHETICAL: '~',
}
_COLOURS = {
    Mention.ASSERTED: '32',
    Mention.DENIED: '31',
    Mention.HEDGED: '33',
    Mention.HYPOTHETICAL: '34',
}
_UNDERLINED = '4'
_WIDTH = 80
_ID_WIDTH = 16


@dataclass(frozen=True)
class Words:
    """By which words texts were read."""

    version: int
    sha256: str


# JSON lines and CSV --------------------------------------------------------------------------


def json_lines(out: TextIO, words: Words) -> Write:
    """Return what writes an object a line."""

    def write(text: Text, reading: Reading) -> None:
        record = {'id': text.name, **to_record(text.text, reading)}
        record['lexicon'] = {'version': words.version, 'sha256': words.sha256}
        print(json.dumps(record), file=out, flush=True)

    return write


def comma_separated(out: TextIO, words: Words) -> Write:
    """
    Return what writes the rows of CSV; the first is their names.

    No cell is a formula to a spreadsheet, and none has control characters.
    """
    rows = csv.writer(out, lineterminator='\n')
    rows.writerow(COLUMNS)
    out.flush()

    def write(text: Text, reading: Reading) -> None:
        name = cell(text.name) if isinstance(text.name, str) else text.name
        rest = (reading.style, reading.language, reading.cut, words.version, words.sha256)

        def row(
            kind: str, of: str, state: str, span: Span | None, rule: str
        ) -> tuple[object, ...]:
            start, end = span or ('', '')
            said = cell(text.text[slice(*span)]) if span else ''
            return name, kind, of, state, start, end, said, rule, *rest

        rows.writerow(
            row('judgement', '', reading.judgement.value, reading.judged_span, reading.rule)
        )
        for kind, of, state in said_of(reading):
            rows.writerow(row(kind, of, state.value, reading.spans.get(of), ''))
        out.flush()

    return write


def said_of(reading: Reading) -> Iterable[tuple[str, str, Mention]]:
    """Yield (`class` or `further`, name, state): the scored classes in their order first."""
    for name in SCORED:
        if name in reading.mentions:
            yield 'class', name, reading.mentions[name]
    for name, state in reading.further.items():
        yield 'further', name, state


# For people ----------------------------------------------------------------------------------


def table(out: TextIO) -> Write:
    """Return what writes a block a text, 80 columns wide, under a line that tells the signs."""
    signs = '  '.join(f'{sign} {state.value.lower()}' for state, sign in SIGNS.items())
    head = f'{"id":<{_ID_WIDTH}}  {"judgement":<9}  '
    print(f'{head}{signs}', file=out, flush=True)

    def write(text: Text, reading: Reading) -> None:
        lines = _summary(reading) or ['(nothing is mentioned)']
        shown = _one_line(text.name, _ID_WIDTH)
        lead = f'{shown}{" " * (_ID_WIDTH - len(shown))}  {reading.judgement.value:<9}  '
        for line in lines:
            for number, part in enumerate(wrap(line, _WIDTH - len(head) - 2)):
                print(f'{lead}{"  " if number else ""}{part}'.rstrip(), file=out)
                lead = ' ' * len(head)
        out.flush()

    return write


def _one_line(name: object, width: int) -> str:
    shown = safe(str(name)[: width + 1]).replace('\n', '\\n')
    return shown if len(shown) <= width else f'{shown[: width - 1]}…'


def _summary(reading: Reading) -> list[str]:
    """Return a line for each state with its classes, and what else is worth to be known."""
    lines = []
    for state, sign in SIGNS.items():
        names = [name for _, name, found in said_of(reading) if found is state]
        if names:
            lines.append(f'{sign} {", ".join(names)}')
    if reading.language == 'other':
        lines.append('(seems to be in another language, and is not read)')
    if reading.cut:
        lines.append(f'({reading.cut} characters in its middle are not read)')
    return lines


@dataclass(frozen=True)
class _Piece:
    """A part of a text, marked or not."""

    start: int
    end: int
    states: tuple[Mention, ...]
    judged: bool


class Explained:
    """Writes texts with their marks: in colours on a terminal, else in brackets."""

    def __init__(self, out: TextIO, coloured: bool) -> None:
        """Write the legend."""
        self._out = out
        self._coloured = coloured
        self._encoding = getattr(out, 'encoding', None) or 'utf-8'
        if coloured:
            signs = [self._paint(state.value.lower(), _COLOURS[state]) for state in SIGNS]
            signs.append(self._paint('judgement', _UNDERLINED))
        else:
            signs = [f'[{sign}class: {state.value.lower()}]' for state, sign in SIGNS.items()]
            signs.append('[=judgement: words]')
        print('  '.join(signs), file=out, flush=True)

    def write(self, text: Text, reading: Reading) -> None:
        """Write a text behind bars, so that nothing in it can be taken for what is told of it."""
        rule = f' by {reading.rule}' if reading.rule else ''
        told = [reading.judgement.value + rule, reading.style, reading.language]
        head = f'{_one_line(text.name, _WIDTH)}: {", ".join(filter(None, told))}'
        marked = (self._colours if self._coloured else self._brackets)(text.text, reading)
        lines = [f'  {self._coloured_summary(line)}' for line in _summary(reading)]
        bars = [f'| {line}' for line in marked.split('\n')]
        print('\n'.join(['', head, *bars, *lines]), file=self._out, flush=True)

    def _safe(self, text: str) -> str:
        return safe(text, self._encoding)

    def _brackets(self, text: str, reading: Reading) -> str:
        """Return a text with `[+car: ...]` around what is marked."""
        names: dict[Span, list[str]] = {}
        if reading.judged_span:
            names[reading.judged_span] = [f'={reading.judgement.value}']
        for _, name, state in said_of(reading):
            if name in reading.spans:
                names.setdefault(reading.spans[name], []).append(SIGNS[state] + name)
        marks = [(start, 1, -end, f'[{" ".join(names[start, end])}: ') for start, end in names]
        marks += [(end, 0, -start, ']') for start, end in names]
        parts: list[str] = []
        done = 0
        for place, _, _, mark in sorted(marks):
            parts += self._safe(text[done:place]), mark
            done = place
        return ''.join((*parts, self._safe(text[done:])))

    def _colours(self, text: str, reading: Reading) -> str:
        """Return a text with what is marked in its colour, and what judges underlined."""
        found = []
        for piece in _pieces(text, reading):
            codes = [_COLOURS[state] for state in SIGNS if state in piece.states][:1]
            codes += [_UNDERLINED] if piece.judged else []
            shown = self._safe(text[piece.start : piece.end])
            # Each line by itself: what stands before the next is not of the text.
            found.append('\n'.join(self._paint(line, *codes) for line in shown.split('\n')))
        return ''.join(found)

    def _coloured_summary(self, line: str) -> str:
        for state, sign in SIGNS.items():
            if self._coloured and line.startswith(f'{sign} '):
                return self._paint(line, _COLOURS[state])
        return line

    def _paint(self, text: str, *codes: str) -> str:
        return f'\x1b[{";".join(codes)}m{text}\x1b[0m' if codes and text else text


def _pieces(text: str, reading: Reading) -> Sequence[_Piece]:
    """Return the parts of a text between the ends of all that is marked."""
    states: Mapping[str, Mention] = reading.mentions | reading.further
    judged = reading.judged_span or (0, 0)
    spans = [*reading.spans.items(), ('', judged)]
    ends = sorted({0, len(text), *(place for _, span in spans for place in span)})
    return [
        _Piece(
            start,
            end,
            tuple(states[name] for name, (a, b) in reading.spans.items() if a <= start < b),
            judged[0] <= start < judged[1],
        )
        for start, end in zip(ends, ends[1:], strict=False)
    ]
