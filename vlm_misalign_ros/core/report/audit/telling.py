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

"""What an audit found, in lines for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vlm_misalign_ros.core.language.labelled import Score
from vlm_misalign_ros.core.report.audit.counting import (
    Decided,
    Difference,
    by_style,
    shares,
    visibility_of,
)
from vlm_misalign_ros.core.report.audit.sample import SAMPLE, Drawn, Sample
from vlm_misalign_ros.core.report.audit.showing import safe

TOLD = 10
"""Texts that are told where more are in a file."""
_SHOWN = 90
_HEAD = ('', 'answers', 'precision', 'recall', 'judgements right')


def draw_lines(sample: Sample, out: Path) -> list[str]:
    """Return what was drawn, and where it is."""
    head, drawn = sample.head, len(sample.answers)
    models = ', '.join(sorted({answer.model for answer in sample.answers}))
    found = [
        f'{drawn} of {head.answers} answers of {models} are drawn (seed {head.seed}, strata by '
        f'{", ".join(head.by) or "nothing"}), {len(sample.texts)} different texts: {out / SAMPLE}'
    ]
    if drawn < head.asked:
        found.append(f'{head.asked} were asked for; the run has no more')
    return found


def agreement_line(agreed: Mapping[str, Any]) -> str:
    """Return how far two people agree."""
    if agreed['labellers'] < 2:
        return 'one person labelled: how far two would agree is not known'
    parts = [
        f'{what} {_digits(agreed[what]["raw"])} (kappa {_digits(agreed[what]["kappa"])})'
        for what in ('asserted', 'judgement', 'visibility')
    ]
    return f'agreement on {agreed["texts"]} texts: {", ".join(parts)}'


def difference_lines(differences: Sequence[Difference]) -> list[str]:
    """Return on which texts two people differ, and in what."""
    found = [f'{len(differences)} texts are open; what the labels differ in is left out:']
    return found + _few([f'  {entry.id}  {entry}' for entry in differences])


def table(
    found: Sequence[tuple[Drawn, Decided, Score]], weighted: Mapping[str, float | None]
) -> list[str]:
    """Return precision, recall and judgements by style and visibility, and over the run."""
    answers = Counter((answer.style, visibility_of(answer, entry)) for answer, entry, _ in found)
    rows: list[Sequence[str]] = [_HEAD]
    for style, cells in by_style(found).items():
        for visibility, counts in cells.items():
            many = answers[style, visibility]
            if many:
                digits = map(_digits, shares(asdict(counts)).values())
                rows.append((f'{style}, {visibility}', str(many), *digits))
    rows.append(('weighted as the run', str(len(found)), *map(_digits, weighted.values())))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    return [
        '  '.join(
            part.ljust(width) if not column else part.rjust(width)
            for column, (part, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def fault_lines(faults: Sequence[dict[str, Any]], encoding: str) -> list[str]:
    """Return what was read otherwise than labelled, in characters of `encoding`."""
    if not faults:
        return ['every answer is read as it was labelled']
    lines = []
    for entry in faults:
        parts = [
            f'{what} {", ".join(entry[what])}' for what in ('invented', 'missed') if entry[what]
        ]
        if entry['judgement']:
            parts.append('{} read as {}'.format(*entry['judgement']))
        text = ' '.join(safe(entry['text'], encoding).split())[:_SHOWN]
        lines.append(f'  {entry["id"]}  {"; ".join(parts)}\n      {text}')
    return [f'{len(faults)} texts are read otherwise than labelled:', *_few(lines)]


def _few(lines: list[str]) -> list[str]:
    more = len(lines) - TOLD
    return lines if more <= 0 else [*lines[:TOLD], f'  and {more} more']


def _digits(value: float | None) -> str:
    return '-' if value is None else f'{value:.3f}'
