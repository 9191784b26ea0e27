"""Rates by condition and model, from records alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import isnan

import numpy as np
import pandas as pd

from vlm_misalign_ros.core.corruptions.conditions import BLANK
from vlm_misalign_ros.core.metrics.confusion import SHAPE, from_cells, miou
from vlm_misalign_ros.core.metrics.counts import Counts
from vlm_misalign_ros.core.metrics.rates import BESIDE, HEADLINES, Rate, rates
from vlm_misalign_ros.core.types import Record

ALL = 'all'
LOST = ('missing', 'late', 'unmatched')
"""What can become of a frame that is not scored."""


@dataclass
class Row:
    """One model under one condition; `condition` is ALL for the sum over conditions."""

    condition: str
    corruption: str
    severity: int
    model: str
    frames: int = 0
    scored: int = 0
    missing: int = 0
    """Frames that the model never answered: dropped by its node, or lost with it."""
    late: int = 0
    """Frames answered after they were closed."""
    unmatched: int = 0
    """Frames without ground truth."""
    truncated: int = 0
    counts: Counts = field(default_factory=Counts)
    confusion: np.ndarray = field(default_factory=lambda: np.zeros(SHAPE, np.int64))
    segmented: int = 0
    """Frames with a scored mask."""

    @property
    def miou(self) -> float:
        """Return the mIoU over the frames of the condition; NaN without a mask."""
        return float(miou(self.confusion))

    def rates(self) -> dict[str, Rate]:
        """Return every rate by name."""
        return rates(self.counts)


def summarise(records: Iterable[Record]) -> list[Row]:
    """
    Return rows by condition in order of first sight, then the sums over all conditions.

    Each frame of a model is scored, missing, late or unmatched.
    """
    rows: dict[tuple[str, str], Row] = {}
    totals: dict[str, Row] = {}
    records = list(records)
    late = {
        (record['stamp'], record['part']) for record in records if record.get('kind') == 'late'
    }
    for record in records:
        if record.get('kind') != 'frame':
            continue
        condition = record['condition']
        segmentation = record['segmentation']
        matrix = from_cells(segmentation['cells']) if segmentation['status'] == 'ok' else None
        for model, entry in record['models'].items():
            key = (condition['name'], model)
            if key not in rows:
                rows[key] = Row(
                    condition['name'], condition['corruption'], condition['severity'], model
                )
            total = totals.setdefault(model, Row(ALL, ALL, 0, model))
            status = entry['status']
            if status == 'missing' and (record['stamp'], f'vlm:{model}') in late:
                status = 'late'
            _add(rows[key], entry, status, matrix)
            # The control is no condition of the road: it stands apart from the sums.
            if condition['corruption'] != BLANK:
                _add(total, entry, status, matrix)
    ordered = sorted(rows.values(), key=_place(rows.values()))
    return [*ordered, *totals.values()]


def _place(rows: Iterable[Row]) -> Callable[[Row], tuple[int, int, int]]:
    corruptions: dict[str, int] = {'clean': -1, BLANK: 10**6}
    models: dict[str, int] = {}
    for row in rows:
        corruptions.setdefault(row.corruption, len(corruptions))
        models.setdefault(row.model, len(models))
    return lambda row: (corruptions[row.corruption], row.severity, models[row.model])


def _add(row: Row, entry: dict[str, object], status: str, matrix: np.ndarray | None) -> None:
    row.frames += 1
    row.scored += status == 'ok'
    row.missing += status == 'missing'
    row.late += status == 'late'
    row.unmatched += status == 'unmatched'
    row.truncated += bool(entry.get('truncated'))
    if status == 'ok':
        row.counts += Counts.from_dict(entry['counts'])  # type: ignore[arg-type]
    if matrix is not None:
        row.confusion += matrix
        row.segmented += 1


def _number(value: float) -> str:
    return '-' if isnan(value) else f'{value:.3f}'


def show(rate: Rate) -> str:
    """Return a rate as `0.123 [0.051, 0.260]`, or `-` where nothing was counted."""
    if isnan(rate.value):
        return '-'
    if isnan(rate.low):
        return _number(rate.value)
    return f'{rate.value:.3f} [{rate.low:.3f}, {rate.high:.3f}]'


def lost_kinds(rows: Sequence[Row]) -> list[str]:
    """Return those of LOST that befell any frame."""
    return [name for name in LOST if any(getattr(row, name) for row in rows)]


def format_table(rows: Sequence[Row]) -> str:
    """
    Return the rows as a table of text, rates with their 95 % intervals.

    What became of frames that were not scored has columns only where there are such frames.
    """
    lost = lost_kinds(rows)
    beside = [row for row in BESIDE if row.terminal]
    titles = [row.title for row in (*HEADLINES, *beside)]
    head = ['condition', 'model', 'scored', *lost, 'mIoU', *titles]
    lines = [head]
    previous = ''
    for row in rows:
        found = row.rates()
        lines.append(
            [
                '' if row.condition == previous else row.condition,
                row.model,
                str(row.scored),
                *(str(getattr(row, name)) for name in lost),
                _number(row.miou),
                *(show(found[rate.name]) for rate in HEADLINES),
                *(_number(found[rate.name].value) for rate in beside),
            ]
        )
        previous = row.condition
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    left = (0, 1)
    text = [
        '  '.join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return '\n'.join([text[0], '-' * len(text[0]), *text[1:]])


def to_frame(rows: Sequence[Row]) -> pd.DataFrame:
    """Return the rows as a table with every rate, its interval and its counts."""
    return pd.DataFrame(
        [
            {
                'condition': row.condition,
                'corruption': row.corruption,
                'severity': row.severity,
                'model': row.model,
                'frames': row.frames,
                'scored': row.scored,
                'missing': row.missing,
                'late': row.late,
                'unmatched': row.unmatched,
                'truncated': row.truncated,
                'segmented': row.segmented,
                'miou': row.miou,
                **{
                    f'{name}{suffix}': value
                    for name, rate in row.rates().items()
                    for suffix, value in (
                        ('', rate.value),
                        ('_low', rate.low),
                        ('_high', rate.high),
                        ('_numerator', rate.numerator),
                        ('_denominator', rate.denominator),
                    )
                },
                **{
                    f'count_{name}': value
                    for name, value in zip(
                        row.counts.__dataclass_fields__, row.counts.values(), strict=True
                    )
                },
            }
            for row in rows
        ]
    )
