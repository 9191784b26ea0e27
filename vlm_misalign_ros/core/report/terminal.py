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
The rates as a run prints them: a block a condition, a line a model, narrow enough to read.

Names are anybody's: no line that comes back steers a terminal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from math import isnan, nan
from typing import Any

from vlm_misalign_ros.core.corruptions.conditions import BLANK
from vlm_misalign_ros.core.evaluation.disagreement import SELF_MIOU
from vlm_misalign_ros.core.metrics.intervals import FEW_SCENES
from vlm_misalign_ros.core.metrics.rates import BESIDE, HEADLINES, Rate
from vlm_misalign_ros.core.records.reference import MEANS, against
from vlm_misalign_ros.core.records.schema import Status
from vlm_misalign_ros.core.report.audit.showing import one_line
from vlm_misalign_ros.core.report.safety import always_the_same
from vlm_misalign_ros.core.report.self_consistency import FIGURES, SEGMENTATION
from vlm_misalign_ros.core.report.summary import (
    ALL,
    Row,
    few,
    few_scenes,
    further_lines,
    known_of,
    lost_kinds,
)

_BESIDE = tuple(row for row in BESIDE if row.terminal)


def format_table(rows: Sequence[Row], reference: str = '') -> str:
    """
    Return the rows as a table of text, rates with their 95 % intervals, two digits.

    A block a condition, with its mIoU and what scenes it has. What became of frames that were
    not scored has a column only where there are such frames. Below it stands which model judges
    every frame alike. Where a model's labels stand for the truth, `reference` names it.
    """
    lost = lost_kinds(rows)
    columns = ['', 'scored', *(rate.title for rate in (*HEADLINES, *_BESIDE))]
    lines = [[*columns, *(['not scored'] if lost else [])]]
    titles = {}
    for condition, group in groupby(rows, lambda row: row.condition):
        block = list(group)
        titles[len(lines)] = f'{condition}: {_scenes(block)}, {_mask(block[0])}'
        lines += [_cells(row, lost) for row in block]
    below = [line for line in (few_scenes(rows), known_of(rows).told) if line]
    alike = always_the_same((row for row in rows if row.condition != BLANK), ALL)
    head = [f'{against(reference)} ({MEANS}):'] if reference else []
    table = aligned(lines, titles)
    return '\n'.join(map(one_line, [*head, *table, *below, *alike, *further_lines(rows)]))


def _mask(row: Row) -> str:
    """Return the mIoU of a row, with the number of classes where that is not all of them."""
    of = '' if row.known.all or row.known.mixed else f' of {row.known.count} classes'
    return f'mIoU{of} {number(row.miou)}'


def _cells(row: Row, lost: Sequence[Status]) -> list[str]:
    found = row.rates()
    states = ', '.join(f'{row.by_status[s]} {s.value}' for s in lost if row.by_status[s])
    return [
        f'  {row.model}',
        str(row.scored),
        *(compact(found[rate.name]) for rate in HEADLINES),
        *(number(found[rate.name].value) for rate in _BESIDE),
        *([states] if lost else []),
    ]


def _scenes(block: Sequence[Row]) -> str:
    """Return `4 scenes (3 hazard, 1 clear)`; from least to most where models differ."""
    whole, hazard, clear = (
        _span([getattr(row, name) for row in block])
        for name in ('scenes', 'hazard_scenes', 'clear_scenes')
    )
    return f'{whole} scene{"" if whole == "1" else "s"} ({hazard} hazard, {clear} clear)'


def _span(counts: Sequence[int | None]) -> str:
    known = [count for count in counts if count is not None]
    if not known:
        return '?'
    return f'{min(known)}' if min(known) == max(known) else f'{min(known)}-{max(known)}'


def number(value: float) -> str:
    """Return `.23`; a third digit where two would make 0 or 1 of what is neither; `-` of NaN."""
    if isnan(value):
        return '-'
    text = f'{value:.2f}'
    if (text == '0.00' and value) or (text == '1.00' and value != 1):
        text = f'{value:.3f}'
    return _bare(text)


def _bare(text: str) -> str:
    return '1.0' if text == '1.00' else text.removeprefix('0')


def compact(rate: Rate) -> str:
    """Return a rate as `.12 [.05 .26]`, with a star where there are too few scenes."""
    if isnan(rate.value) or isnan(rate.low):
        return number(rate.value)
    low, high = (_bare(f'{end:.2f}') for end in (rate.low, rate.high))
    return f'{number(rate.value)} [{low} {high}]' + '*' * few(rate)


def aligned(lines: Sequence[Sequence[str]], titles: dict[int, str]) -> list[str]:
    """Return a head and lines as text in columns; `titles` stand before the lines so numbered."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    last = len(widths) - 1 if lines[0][-1] == 'not scored' else -1
    text: list[str] = []
    for place, line in enumerate(lines):
        text += [titles[place]] if place in titles else []
        text.append(
            '  '.join(
                cell.ljust(width) if column in (0, last) else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
        )
    return [text[0], '-' * max(map(len, text)), *text[1:]]


def format_disagreement(analysis: Mapping[str, Any]) -> str:
    """
    Return how far models agree with themselves over all degraded frames, a line a model.

    `analysis` as self_consistency.json has it. Where only clean frames came there is nothing.
    """
    lines = []
    for model, entry in analysis['models'].items():
        found = entry['conditions'].get(ALL)
        if found is not None:
            told = ', '.join(f'{of.title} {_of_plain(found[of.name])}' for of in FIGURES)
            lines.append(f'  {model}: {told} ({found["compared"]} of {found["asked"]} frames)')
    masks = (analysis[SEGMENTATION] or {'conditions': {}})['conditions'].get(ALL)
    if masks is not None:
        lines.append(f'  {SEGMENTATION}: self mIoU {_of_plain(masks[SELF_MIOU])}')
    head = 'degraded against clean picture (disagreement, no ground truth in it):'
    return '\n'.join(map(one_line, [head, *lines])) if lines else ''


def _of_plain(entry: Mapping[str, Any]) -> str:
    value, low, high = (
        nan if entry[of] is None else float(entry[of]) for of in ('value', 'low', 'high')
    )
    if isnan(value) or isnan(low):
        return number(value)
    ends = ' '.join(_bare(f'{end:.2f}') for end in (low, high))
    return f'{number(value)} [{ends}]' + ('*' if entry['scenes'] < FEW_SCENES else '')
