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

"""The report: one self-contained page; every text from models and data is escaped."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from math import isinf, isnan, nan
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from vlm_misalign_ros.core.corruptions.conditions import BLANK
from vlm_misalign_ros.core.files import write_text
from vlm_misalign_ros.core.metrics.intervals import FEW_SCENES
from vlm_misalign_ros.core.metrics.known import Known
from vlm_misalign_ros.core.metrics.pulse import KINDS
from vlm_misalign_ros.core.metrics.rates import BESIDE, BY_NAME, COMPARED, HEADLINES
from vlm_misalign_ros.core.records.account import LateRecord
from vlm_misalign_ros.core.records.pictures import picture_name
from vlm_misalign_ros.core.records.reference import MEANS, against, reference_of
from vlm_misalign_ros.core.records.schema import FrameRecord, Record, Status
from vlm_misalign_ros.core.report.against_mask import RATES as OF_MASK
from vlm_misalign_ros.core.report.figures import LENGTHS, SHARES
from vlm_misalign_ros.core.report.frames import worst_frames
from vlm_misalign_ros.core.report.past import PAIRED
from vlm_misalign_ros.core.report.plot import plot
from vlm_misalign_ros.core.report.reader import in_words
from vlm_misalign_ros.core.report.safety import always_the_same
from vlm_misalign_ros.core.report.self_consistency import FIGURES as OWN
from vlm_misalign_ros.core.report.summary import (
    ALL,
    SCENES,
    Row,
    few_scenes,
    further_lines,
    known_of,
    lost_kinds,
    show,
)
from vlm_misalign_ros.core.report.timing import OPEN, TimingRow, known
from vlm_misalign_ros.core.report.verdict import MEANING, Verdict
from vlm_misalign_ros.core.stamps import parse_stamp


def write_report(
    folder: Path,
    records: Iterable[Record],
    rows: Sequence[Row],
    verdict: Verdict,
    analysis: Mapping[str, Any],
    time: Mapping[str, Any] | None = None,
    timing: Sequence[TimingRow] = (),
    disagreement: Mapping[str, Any] | None = None,
) -> None:
    """
    Write report.html into a run folder; RecordError when the disk refuses.

    Without `time` (temporal_analysis) it says nothing of that.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        interval=show_interval, value=show_value, reader=in_words, seconds=show_seconds
    )
    seen = _Seen(folder)
    for record in records:
        seen.add(record)
    lost, classes = lost_kinds(rows), known_of(rows)
    manifest = _manifest(folder)
    reference = reference_of(manifest)
    page = environment.get_template('page.html.jinja').render(
        name=folder.resolve().name,
        verdict=verdict,
        meaning=MEANING,
        manifest=manifest,
        against=f', {against(reference)}' if reference else '',
        means=MEANS,
        headlines=HEADLINES,
        beside=BESIDE,
        compared=COMPARED,
        rates=BY_NAME,
        table=[_line(row, lost, classes) for row in rows],
        lost=[status.value for status in lost],
        safety_scenes=SCENES,
        further=further_lines(rows),
        alike=always_the_same([row for row in rows if row.corruption != BLANK], ALL),
        occluded=[_both_truths(row, classes) for row in rows if _occluded(row)],
        two_truths=TWO_TRUTHS,
        plot=plot(rows),
        models=analysis['models'],
        of_mask=OF_MASK,
        time=time,
        disagreement=disagreement,
        own=OWN,
        shares=SHARES,
        lengths=LENGTHS,
        compared_asks=[figure for figure in SHARES if figure.name in PAIRED],
        times=[_times(row) for row in timing if row.condition == ALL] if known(timing) else [],
        few=few_scenes(rows),
        known=classes.told,
        miou=_title(classes),
        few_scenes=FEW_SCENES,
        worst=worst_frames(folder, seen.pictured),
        frames=seen.frames,
        late=seen.late,
    )
    write_text(folder / 'report.html', page)


def _times(row: TimingRow) -> dict[str, Any]:
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


class _Seen:
    """What the page says of records that stream by: how many, and those with a picture."""

    def __init__(self, folder: Path) -> None:
        pictures = folder / 'pictures'
        names = pictures.iterdir() if pictures.is_dir() else ()
        self._pictures = {path.name for path in names}
        self.pictured: list[FrameRecord] = []
        self.frames = self.late = 0

    def add(self, record: Record) -> None:
        """Count a record, and keep it where it has a picture."""
        self.late += isinstance(record, LateRecord) and not record.passed
        if isinstance(record, FrameRecord):
            self.frames += record.pictures
            if f'{picture_name(parse_stamp(record.stamp))}.jpg' in self._pictures:
                self.pictured.append(record)


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


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((folder / 'manifest.json').read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def _line(row: Row, lost: Sequence[Status], classes: Known) -> dict[str, Any]:
    found = row.rates()

    def cell(name: str) -> dict[str, str]:
        rate = found[name]
        return {
            'text': show(rate).replace('-', '–') if isnan(rate.value) else show(rate),
            'counts': rate.counts,
        }

    def plain(value: float, digits: int = 3) -> str:
        return '–' if isnan(value) else f'{value:.{digits}f}'

    return {
        'condition': row.condition,
        'model': row.model,
        'scored': row.scored,
        'scenes': '–' if row.scenes is None else row.scenes,
        'lost': [row.by_status[status] for status in lost],
        'total': row.condition == ALL,
        'miou': plain(nan if classes.mixed else row.miou),
        'rates': [cell(rate.name) for rate in HEADLINES],
        'safety_scenes': [row.hazard_scenes, row.clear_scenes],
        'beside': [plain(found[rate.name].value, rate.digits or 0) for rate in BESIDE],
    }


def _title(known: Known) -> str:
    """Return the head of the column of mIoU; where classes are mixed there is none in it."""
    return 'mIoU' if known.all or known.mixed else f'mIoU of {known.count} classes'


TWO_TRUTHS = (
    ('hallucination', 'hallucination_rate'),
    ('omission', 'critical_omission_rate'),
    ('false safe', 'smr_false_safe'),
    ('false alarm', 'smr_false_alarm'),
)
"""What is told by the scene and by what an occluder leaves to see (NAME and NAME_visible)."""


def _occluded(row: Row) -> bool:
    """Return whether something of the row's frames was covered."""
    counts = row.counts
    return row.condition != ALL and (
        counts.absent != counts.absent_visible
        or counts.indeterminate != counts.indeterminate_visible
        or not np.array_equal(row.confusion, row.confusion_visible)
    )


def _both_truths(row: Row, classes: Known) -> dict[str, Any]:
    """Return a row of the table that holds scene and visible truth against each other."""
    found = row.rates()
    counts = row.counts

    def cell(name: str) -> dict[str, str]:
        rate = found[name]
        return {'text': '–' if isnan(rate.value) else show(rate), 'counts': rate.counts}

    return {
        'condition': row.condition,
        'model': row.model,
        'miou': show_value(nan if classes.mixed else row.miou),
        'miou_visible': show_value(nan if classes.mixed else row.miou_visible),
        'rates': [cell(f'{name}{end}') for _, name in TWO_TRUTHS for end in ('', '_visible')],
        'unknown': counts.indeterminate_visible - counts.indeterminate,
    }
