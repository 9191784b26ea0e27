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

"""Numbers and lines of tables as the page shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isinf, isnan, nan
from typing import Any

import numpy as np

from vlm_misalign_ros.core.metrics.intervals import FEW_SCENES
from vlm_misalign_ros.core.metrics.known import Known
from vlm_misalign_ros.core.metrics.pulse import KINDS
from vlm_misalign_ros.core.metrics.rates import BESIDE, HEADLINES, Rate
from vlm_misalign_ros.core.records.schema import COUNTED, Status
from vlm_misalign_ros.core.report.order import natural
from vlm_misalign_ros.core.report.streamed import Streamed
from vlm_misalign_ros.core.report.summary import ALL, Row, show
from vlm_misalign_ros.core.report.timing import OPEN, TimingRow


def show_interval(entry: Mapping[str, float], sign: bool = True, digits: int = 2) -> str:
    """
    Return `+0.12 [+0.03, +0.20]`, or a dash where there is nothing.

    A star after it says that there are too few scenes for it to prove anything. `digits` are
    those of a difference; a rate has three.
    """
    value, low, high = entry['value'], entry.get('low', nan), entry.get('high', nan)
    if isnan(value):
        return '–'
    form = f'+.{digits}f' if sign else '.3f'
    if isnan(low):
        return format(value, form)
    star = '*' * (entry.get('scenes', FEW_SCENES) < FEW_SCENES)
    return f'{value:{form}} [{low:{form}}, {high:{form}}]{star}'


def show_value(value: float | None, digits: int = 3) -> str:
    """Return a number, or a dash where there is none."""
    return '–' if value is None or isnan(value) else f'{value:.{digits}f}'


def show_seconds(entry: Mapping[str, Any]) -> str:
    """
    Return `0.40 s [0.20, 1.10]`, or a dash where nothing lasted.

    More than the longest time that anybody looked is `> 3.00 s`; a star as in `show_interval`.
    """
    if not entry['durations']:
        return '–'
    star = '*' * (entry['scenes'] < FEW_SCENES)
    if isnan(entry['value']):
        return f'> {entry["longest"]:.2f} s{star}'
    if isnan(entry['low']) or isnan(entry['high']):
        return f'{entry["value"]:.2f} s{star}'
    high = '…' if isinf(entry['high']) else f'{entry["high"]:.2f}'
    return f'{entry["value"]:.2f} s [{entry["low"]:.2f}, {high}]{star}'


def plain(value: float | None) -> str:
    """Return a number for sorting; empty where there is none."""
    return '' if value is None or isnan(value) else f'{value:.6g}'


def place_of(condition: str) -> str:
    """Return a text by which conditions sort: clean first, blank and the sum last."""
    return f'{natural(condition)[0]} {condition}'


def line_of(row: Row, lost: Sequence[Status], classes: Known) -> dict[str, Any]:
    """Return a line of the table of rates."""
    found = row.rates()

    return {
        'condition': row.condition,
        'model': row.model,
        'scored': row.scored,
        'scenes': '–' if row.scenes is None else row.scenes,
        'lost': [row.by_status[status] for status in lost],
        'total': row.condition == ALL,
        'miou': show_value(nan if classes.mixed else row.miou),
        'rates': [_cell(found[rate.name]) for rate in HEADLINES],
        'safety_scenes': [row.hazard_scenes, row.clear_scenes],
        'beside': [show_value(found[rate.name].value, rate.digits or 0) for rate in BESIDE],
    }


def _cell(rate: Rate) -> dict[str, str]:
    text = '–' if isnan(rate.value) else show(rate)
    return {'text': text, 'counts': rate.counts, 'value': plain(rate.value)}


def title_of(known: Known) -> str:
    """Return the head of the column of mIoU; where classes are mixed there is none in it."""
    return 'mIoU' if known.all or known.mixed else f'mIoU of {known.count} classes'


TWO_TRUTHS = (
    ('hallucination', 'hallucination_rate'),
    ('omission', 'critical_omission_rate'),
    ('false safe', 'smr_false_safe'),
    ('false alarm', 'smr_false_alarm'),
)
"""What is told by the scene and by what an occluder leaves to see (NAME and NAME_visible)."""


def occluded(row: Row) -> bool:
    """Return whether something of the row's frames was covered."""
    counts = row.counts
    return row.condition != ALL and (
        counts.absent != counts.absent_visible
        or counts.indeterminate != counts.indeterminate_visible
        or not np.array_equal(row.confusion, row.confusion_visible)
    )


def both_truths(row: Row, classes: Known) -> dict[str, Any]:
    """Return a row of the table that holds scene and visible truth against each other."""
    found = row.rates()
    counts = row.counts

    return {
        'condition': row.condition,
        'model': row.model,
        'miou': show_value(nan if classes.mixed else row.miou),
        'miou_visible': show_value(nan if classes.mixed else row.miou_visible),
        'rates': [
            _cell(found[f'{name}{end}']) for _, name in TWO_TRUTHS for end in ('', '_visible')
        ],
        'unknown': counts.indeterminate_visible - counts.indeterminate,
    }


def times_of(row: TimingRow) -> dict[str, Any]:
    """Return a line of the table of times."""
    return {
        'model': row.model,
        'frames': row.frames,
        'coverage': show_value(row.coverage),
        'dropped': row.by_status[Status.DROPPED],
        'late': row.by_status[Status.LATE] + row.by_status[Status.MISSING],
        'seconds': [
            [show_value(row.quantile(kind, share)) for share in (0.5, 0.95)]
            for kind in (*KINDS, OPEN)
        ],
    }


def losses_of(rows: Sequence[Row], seen: Streamed) -> list[dict[str, Any]]:
    """Return what became of the frames of each model over all conditions, and of the masks."""
    totals: dict[str, Row] = {}
    for row in rows:
        totals.setdefault(row.model, Row('', '', 0, row.model))
    for row in rows:
        if row.condition == ALL:
            continue
        total = totals[row.model]
        total.frames += row.frames
        total.by_status += row.by_status
        total.truncated += row.truncated
        total.cut += row.cut
        total.counts += row.counts
    found = [
        _loss(
            name,
            row.frames,
            row.by_status,
            [row.counts.unparsed, row.counts.refused, row.truncated, row.cut],
        )
        for name, row in totals.items()
    ]
    masks = sum(seen.masks[status] for status in COUNTED)
    if masks:
        found.append(_loss('segmentation', masks, seen.masks, ['–'] * 4))
    return found


def _loss(
    name: str, frames: int, by_status: Mapping[Status, int], answers: Sequence[Any]
) -> dict[str, Any]:
    coverage = f'{100 * by_status[Status.SCORED] / frames:.1f} %' if frames else '–'
    return {
        'model': name,
        'frames': frames,
        'by_status': by_status,
        'coverage': coverage,
        'answers': answers,
    }
