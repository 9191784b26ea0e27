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

"""A comparison of runs as it is shown: in the terminal, as a page, as CSV and as JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from itertools import groupby
from math import isnan
from pathlib import Path
from typing import Any

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.files import write_json, write_text
from vlm_misalign_ros.core.metrics.intervals import FEW_SCENES
from vlm_misalign_ros.core.metrics.rates import BY_NAME
from vlm_misalign_ros.core.report.audit.showing import cell, one_line
from vlm_misalign_ros.core.report.changes import Comparison, Difference, Flips
from vlm_misalign_ros.core.report.limit import MIOU
from vlm_misalign_ros.core.report.templates import open_template
from vlm_misalign_ros.core.report.terminal import aligned, number
from vlm_misalign_ros.core.report.verdict import MEANING

PAGE, TABLE, TURNED, DATA = 'compare.html', 'compare.csv', 'compare_turned.csv', 'compare.json'
COLUMNS = (
    'run',
    'first_run',
    'model',
    'model_in_first',
    'condition',
    'rate',
    'first',
    'second',
    'difference',
    'low',
    'high',
    'told',
    'scenes',
    'frames',
    'scored',
)
"""Of TABLE."""
TURNED_COLUMNS = (
    'run',
    'first_run',
    'model',
    'model_in_first',
    'condition',
    'direction',
    'pairs',
    'unjudged',
    'scenes',
    'harm',
    'repair',
    'harmed_scenes',
    'repaired_scenes',
    'p',
    'p_holm',
)
"""Of TURNED."""
_WAYS = {'smr_false_safe': 'hazard called safe', 'smr_false_alarm': 'clear called unsafe'}


def signed(value: float) -> str:
    """Return a difference as `+.032`; `-` of NaN."""
    if isnan(value):
        return '-'
    return f'{value:+.3f}'.replace('0.', '.', 1)


def title_of(rate: str) -> str:
    """Return what a rate is called in a table."""
    return 'mIoU' if rate == MIOU else BY_NAME[rate].title


def _model(line: Difference | Flips) -> str:
    return line.model if line.model == line.against else f'{line.against} > {line.model}'


def format_comparison(comparison: Comparison) -> str:
    """
    Return a comparison as text: a block a run and condition, a line a model and rate.

    Nothing in it steers a terminal; `*` stands behind what comes from too few scenes.
    """
    text = [f'differences to {comparison.first}, paired by frame, 95 % intervals over scenes']
    head = ['', 'rate', 'first', 'second', 'difference', '', 'scenes', 'frames']
    for run in comparison.runs:
        lines, titles = [head], {}
        own = [line for line in comparison.differences if line.run == run]
        for condition, group in groupby(own, lambda line: line.condition):
            titles[len(lines)] = condition
            lines += [_line(line) for line in group]
        text += ['', f'{run}', *(aligned(lines, titles) if own else ['  nothing in common'])]
    text += ['', *_turned_lines(comparison)]
    if any(line.few for line in comparison.differences):
        text.append(f'* from fewer than {FEW_SCENES} scenes, which prove nothing')
    return '\n'.join(map(one_line, text))


def _line(line: Difference) -> list[str]:
    ends = '' if isnan(line.low) else f' [{signed(line.low)} {signed(line.high)}]'
    return [
        f'  {_model(line)}',
        title_of(line.rate),
        number(line.first),
        number(line.second),
        signed(line.value) + ends + '*' * line.few,
        line.told,
        str(line.scenes),
        str(line.scored) if line.scored == line.frames else f'{line.scored} of {line.frames}',
    ]


def _turned_lines(comparison: Comparison) -> list[str]:
    """Return the judgements that turned; those of which none did are told by their number."""
    told = [line for line in comparison.flips if line.turned.harm or line.turned.repair]
    asked = [line for line in comparison.flips if line.turned.pairs]
    if not asked:
        return ['no judgement of a hazard or of a clear scene is common']
    head = ['', 'model', 'direction', 'judged by both', 'harm', 'repair', 'scenes', 'p', 'p, Holm']
    several = len(comparison.runs) > 1
    lines = [head]
    for line in told:
        one = line.turned
        place = f'{line.run}, {line.condition}' if several else line.condition
        lines.append(
            [
                f'  {place}',
                _model(line),
                _WAYS[line.direction],
                str(one.pairs),
                str(one.harm),
                str(one.repair),
                f'{one.harmed} : {one.repaired} of {one.scenes}',
                probability(one.p),
                probability(line.adjusted),
            ]
        )
    text = ['judgements that turned wrong (harm) and right (repair); scenes harmed : repaired']
    text += aligned(lines, {}) if told else []
    rest = len(asked) - len(told)
    if rest:
        text.append(f'{"in the other " if told else "in "}{rest} places none turned')
    return [*text, f'p: exact test of McNemar on scenes; Holm over {comparison.tests} tests']


def probability(value: float) -> str:
    """Return a p value with what can be read of it."""
    if isnan(value):
        return '-'
    return '<.001' if value < 0.001 else f'{value:.3f}'.removeprefix('0')


def _cell(value: Any) -> Any:
    """Return a cell of a table: text that no spreadsheet takes for a formula, numbers in full."""
    if isinstance(value, float):
        return '' if isnan(value) else repr(value)
    return cell(value) if isinstance(value, str) else value


def _csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator='\n')
    writer.writerow(columns)
    writer.writerows(map(_cell, row) for row in rows)
    return stream.getvalue()


def write_comparison(folder: Path, comparison: Comparison) -> None:
    """Write PAGE, TABLE, TURNED and DATA into a folder; RecordError when the disk refuses."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecordError(
            f'{folder} cannot be made: {error.strerror}', 'choose another folder'
        ) from error
    first = comparison.first
    write_text(
        folder / TABLE,
        _csv(
            COLUMNS,
            (
                (
                    line.run,
                    first,
                    line.model,
                    line.against,
                    line.condition,
                    line.rate,
                    line.first,
                    line.second,
                    line.value,
                    line.low,
                    line.high,
                    line.told,
                    line.scenes,
                    line.frames,
                    line.scored,
                )
                for line in comparison.differences
            ),
        ),
    )
    write_text(
        folder / TURNED,
        _csv(
            TURNED_COLUMNS,
            (
                (
                    line.run,
                    first,
                    line.model,
                    line.against,
                    line.condition,
                    line.direction,
                    line.turned.pairs,
                    line.unjudged,
                    line.turned.scenes,
                    line.turned.harm,
                    line.turned.repair,
                    line.turned.harmed,
                    line.turned.repaired,
                    line.turned.p,
                    line.adjusted,
                )
                for line in comparison.flips
            ),
        ),
    )
    write_json(folder / DATA, comparison.to_plain())
    write_text(folder / PAGE, render(comparison))


def render(comparison: Comparison) -> str:
    """Return the page: self-contained, nothing is fetched, every text is escaped."""
    ends = [
        abs(end)
        for line in comparison.differences
        for end in (line.value, line.low, line.high)
        if not isnan(end)
    ]
    template = open_template(
        'compare.html.jinja',
        {'signed': signed, 'number': number, 'title': title_of, 'p': probability},
    )
    return template.render(
        comparison=comparison,
        verdict=comparison.verdict,
        meaning=MEANING,
        name_of=_model,
        ways=_WAYS,
        few_scenes=FEW_SCENES,
        reach=max([0.05, *ends]),
        known=lambda value: not isnan(value),
    )
