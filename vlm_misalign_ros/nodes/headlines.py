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

"""One line of the rolling rates of a model, for the log."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from vlm_misalign_ros.core.metrics.rates import BY_NAME
from vlm_misalign_ros.core.metrics.rows import RateRow
from vlm_misalign_ros.core.metrics.self_counts import SELF_RATES
from vlm_misalign_ros.core.records.schema import Status


def line_of_rates(
    values: Mapping[str, str], rows: Sequence[str], disagreement: Mapping[str, str] | None = None
) -> str:
    """
    Return the state of one model, from the values of monitor/metrics, as a line.

    First how many of all its frames came to which end, then its rates over the rolling window,
    and, where it is asked about both pictures, how far it disagrees with itself there.
    """
    counts = [(state.value, values.get(state.value, '0')) for state in Status]
    frames = ', '.join(f'{count} {state}' for state, count in counts if count != '0')
    rates = _words(values, [BY_NAME[name] for name in rows])
    against = f'{values["against"]}: ' if 'against' in values else ''
    if disagreement is None:
        return f'{frames or "no frame"}; {against}{rates or "no rate yet"}'
    own = _words(disagreement, [row for row in SELF_RATES if row.headline]) or 'nothing yet'
    told = [frames or 'no frame', *([against + rates] if rates else [])]
    return '; '.join([*told, f'disagreement with its clean pictures: {own}'])


def _words(values: Mapping[str, str], rows: Sequence[RateRow]) -> str:
    words = []
    for row in rows:
        value = float(values.get(f'{row.name}/metric_value', 'nan'))
        if not math.isfinite(value):
            continue
        over, under = (values.get(f'{row.name}/{key}') for key in ('numerator', 'denominator'))
        of = f' ({over}/{under})' if under is not None else ''
        words.append(f'{row.title} {value:.3f}{of}')
    return ', '.join(words)
