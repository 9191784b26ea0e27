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

"""What the monitor tells on /diagnostics: a status a topic that it needs, and one a model."""

from __future__ import annotations

import math
from collections.abc import Mapping

from vlm_misalign_ros.core.evaluation.disagreement import SELF_MIOU
from vlm_misalign_ros.core.metrics.self_counts import SELF_RATES
from vlm_misalign_ros.core.stamps import format_stamp
from vlm_misalign_ros.nodes.vitals import Level, Told
from vlm_misalign_ros.nodes.watching import SILENT, Listened, Sight, carrier, reason

SHOWN = (
    'coverage/metric_value',
    'queue_seconds/metric_value',
    'model_seconds/metric_value',
    'result_seconds/metric_value',
    'result_seconds/max',
)
"""Rolling values of monitor/metrics that a model's status shows."""

DISAGREEMENT = tuple(
    f'{name}/metric_value' for name in (*(row.name for row in SELF_RATES), SELF_MIOU)
)
"""And those of how far a model agrees with itself."""


def of_topic(entry: Listened, sight: Sight, now: float) -> Told:
    """
    Return how a topic is: alive, silent or hung, and the last stamp that it brought.

    STALE before it brought anything, ERROR where nobody publishes it or it was named as one that
    does not come (a model: as one that does not answer), WARN where it is late.
    """
    publishers = sight.publishers(carrier(entry, sight).topic)
    waited = 0.0 if math.isnan(entry.since) else now - entry.since
    values = {
        'alive': str(int(bool(publishers))),
        'hung': str(int(entry.named > 0 and bool(publishers))),
        'waited_seconds': f'{waited:.3f}',
        'messages': str(entry.messages),
        'last_stamp': '' if entry.last is None else format_stamp(entry.last),
    }
    if not publishers:
        return Told(Level.ERROR, reason(entry, sight), values)
    if entry.named and entry.outside:
        return Told(Level.ERROR, f'nothing for {waited:.0f} s: {reason(entry, sight)}', values)
    if entry.named:
        since = format_stamp(entry.frame)
        why = f': {entry.passing}' if entry.passing else ''
        text = f'no answer for {waited:.0f} s, since frame {since}{why}'
        return Told(Level.ERROR, text, values)
    if entry.last is None and not entry.messages:
        return Told(Level.STALE, 'nothing has come yet', values)
    if waited > SILENT:
        return Told(Level.WARN, f'nothing for {waited:.0f} s', values)
    what = 'an answer' if entry.last is None else f'frame {format_stamp(entry.last)}'
    return Told(Level.OK, f'brought {what}', values)


def of_model(
    coverage: float, closed: int, minimum: float, metrics: Mapping[str, str], counts: str
) -> Told:
    """
    Return how a model keeps up: `coverage` of all frames, and of the rolling window its times.

    ERROR below the `minimum`, STALE while no frame is closed; `counts` are the frames by state.
    """
    values = {'coverage': repr(coverage)}
    values |= {f'rolling_{key}': metrics[key] for key in SHOWN if key in metrics}
    if not closed:
        return Told(Level.STALE, 'no frame closed yet', values)
    text = f'coverage {coverage:.3f} over {closed} frames: {counts}'
    return Told(Level.ERROR if coverage < minimum else Level.OK, text, values)


def of_agreement(compared: int, closed: int, minimum: float, metrics: Mapping[str, str]) -> Told:
    """
    Return how much of a model was compared with clean pictures, and how far it disagrees there.

    ERROR below the `minimum` share of all frames, STALE while no frame is closed. `metrics`
    are those of the rolling window.
    """
    share = compared / closed if closed else math.nan
    values = {'compared': repr(share)}
    values |= {f'rolling_{key}': metrics[key] for key in DISAGREEMENT if key in metrics}
    if not closed:
        return Told(Level.STALE, 'no frame closed yet', values)
    text = f'{compared} of {closed} frames compared with their clean picture ({share:.3f})'
    return Told(Level.ERROR if share < minimum else Level.OK, text, values)
