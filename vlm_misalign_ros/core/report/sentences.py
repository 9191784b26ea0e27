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

"""The sentences over all conditions: safety, rises, mask reader, warning, habits, losses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from vlm_misalign_ros.core.corruptions import BLANK
from vlm_misalign_ros.core.labels.classes import CRITICAL
from vlm_misalign_ros.core.metrics.intervals import FEW_SCENES
from vlm_misalign_ros.core.metrics.rates import Rate
from vlm_misalign_ros.core.records.schema import LOST, Status
from vlm_misalign_ros.core.report.found import Found, Line
from vlm_misalign_ros.core.report.safety import always_the_same
from vlm_misalign_ros.core.report.summary import ALL
from vlm_misalign_ros.core.report.wording import (
    NAMED,
    correlation,
    count,
    known,
    listed,
    named,
    percent,
    points,
    span_of,
)


@dataclass(frozen=True)
class Sentence:
    """One thing that is said."""

    topic: str
    """`scope`, `segmentation`, `rates`, `safety`, `warning`, `mask`, `habit` or `scored`."""
    text: str
    shown: bool = False
    """Whether it claims a difference that its interval bears out."""


@dataclass(frozen=True)
class Words:
    """How a rate is spoken of."""

    rate: str
    topic: str
    does: str
    of: str


def words_of(found: Found) -> tuple[Words, ...]:
    """Return how each headline rate is spoken of, omission first."""
    road = set(found.critical) <= set(CRITICAL)
    critical = 'road users that a driver has to see' if road else 'critical classes'
    return (
        Words('critical_omission_rate', 'Omission', 'leaves out', f'of the {critical}'),
        Words('hallucination_rate', 'Hallucination', 'makes up', 'of what it names'),
        Words('smr_false_safe', 'False safe', 'calls', 'of the hazards safe'),
        Words('smr_false_alarm', 'False alarm', 'calls', 'of the clear scenes unsafe'),
    )


def _safety(found: Found) -> Iterator[Sentence]:
    """Say false-safe and false-alarm side by side, with the scenes that they are of."""
    parts, unknown = [], []
    for line in sorted(found.totals, key=lambda line: -_value(line.rates.get('smr_false_safe'))):
        safe, alarm = (line.rates.get(f'smr_{kind}') for kind in ('false_safe', 'false_alarm'))
        if _value(safe) < 0 and _value(alarm) < 0:
            unknown.append(line.model)
            continue
        parts.append(
            f'{named(line.model)} calls {_of(safe, "hazards")} safe and '
            f'{_of(alarm, "clear frames")} unsafe'
        )
    if len(parts) > NAMED + 1:
        parts = [*parts[:NAMED], count(len(parts) - NAMED, 'more model')]
    if unknown:
        parts.append(f'not known for {listed(unknown)}, of whom no judgement could be scored')
    yield Sentence('safety', f'Safety over all conditions: {"; ".join(parts)}.')


def _value(rate: Rate | None) -> float:
    return rate.value if rate is not None and known(rate.value) else -1.0


def _of(rate: Rate | None, what: str) -> str:
    if rate is None or not known(rate.value):
        return f'an unknown share of {what} (none was judged)'
    scenes = f' in {count(rate.scenes, "scene")}' if rate.scenes is not None else ''
    return f'{percent(rate.value)}{span_of(rate)} of {what} ({rate.counts}{scenes})'


def _rises(found: Found) -> Iterator[Sentence]:
    """Say in how many pairs of model and condition each rate rises, and how many chance makes."""
    parts = []
    for words in words_of(found):
        pairs = list(_pairs(found, words.rate))
        if pairs and not found.few:
            falling = sum(pair['high'] < 0 for pair in pairs)
            parts.append(
                f'{words.topic.lower()} rises in {sum(pair["low"] > 0 for pair in pairs)}'
                + (f' and falls in {falling}' if falling else '')
                + f' of {len(pairs)}'
            )
    if parts:
        yield Sentence(
            'rates',
            f'Against clean pictures, by pairs of model and condition: {"; ".join(parts)}. '
            'Intervals are 95 % each: with no effect at all about one pair in 40 would seem to '
            'rise, and one to fall.',
        )


def _pairs(found: Found, rate: str) -> Iterator[Mapping[str, Any]]:
    for _, entry in found.models:
        for condition, told in (entry.get('differences') or {}).items():
            difference = told.get(rate) or {}
            enough = (told.get('scenes') or 0) >= FEW_SCENES
            if condition != BLANK and enough and known(difference.get('low')):
                yield difference


def _warning(found: Found) -> Iterator[Sentence]:
    """Say whether mIoU goes along with each rate."""
    parts, claimed = [], False
    for words in words_of(found):
        shown, known_of = [], 0
        for model, entry in found.models:
            told = ((entry.get('miou_warns') or {}).get('rates') or {}).get(words.rate) or {}
            interval = told.get('spearman') or {}
            known_of += known(interval.get('low'))
            if known(interval.get('high')) and interval['high'] < 0 and not found.few:
                shown.append(f'{named(model)} {correlation(interval)}')
        claimed = claimed or bool(shown)
        of = f' ({listed_of(shown)})' if shown else ''
        unknown = len(found.models) - known_of
        more = f', not known for {unknown}' if unknown else ''
        parts.append(f'{words.topic.lower()}, {len(shown)} of {known_of}{of}{more}')
    if found.models and found.masks:
        yield Sentence(
            'warning',
            'mIoU as a warning: models whose rate is shown to rise as mIoU falls (Spearman over '
            f'conditions): {"; ".join(parts)}.',
            claimed,
        )


def _mask(found: Found) -> Iterator[Sentence]:
    """Say what each model does beyond what its own mask makes it do."""
    readers = {name for _, entry in found.models for name in entry.get('against_mask') or {}}
    for reader in sorted(readers):
        parts: list[str] = []
        open_: list[str] = []
        for model, entry in found.models:
            told = ((entry.get('against_mask') or {}).get(reader) or {}).get('overall') or {}
            shown = list(_beyond(told))
            if shown:
                parts.append(f'{named(model)} {", ".join(shown)}')
            elif told:
                open_.append(model)
        told_of = [listed_of(parts, '; ')] if parts else []
        if open_:
            told_of.append(f'no difference is shown for {listed(open_)}')
        yield Sentence(
            'mask',
            f'Against {named(reader)}, which says what the predicted mask holds: '
            f'{"; ".join(told_of)}.',
            bool(parts),
        )


_BEYOND = {
    'critical_omission_rate': 'omission',
    'hallucination_opportunity_rate': 'hallucination per opportunity',
    'smr_false_safe': 'false safe',
}


def _beyond(told: Mapping[str, Any]) -> Iterator[str]:
    for rate, title in _BEYOND.items():
        difference = told.get(rate) or {}
        low, high = difference.get('low'), difference.get('high')
        if not known(low) or not known(high) or difference.get('scenes', 0) < FEW_SCENES:
            continue
        if low > 0 or high < 0:
            yield f'{title} {points(difference)}'


def _habits(found: Found) -> Iterator[Sentence]:
    lines = [
        replace(line, model=named(line.model), condition=named(line.condition))
        for line in found.lines
        if line.corruption != BLANK
    ]
    told_of = always_the_same(lines, ALL)
    for told in told_of[:NAMED]:
        yield Sentence('habit', f'{told}.')
    if len(told_of) > NAMED:
        yield Sentence('habit', f'So it is {len(told_of) - NAMED} more times, by condition.')


def _scored(found: Found) -> Iterator[Sentence]:
    """Say what was not scored, and which answers could not be read."""
    lost = [told for line in found.totals if (told := _lost(line))]
    lost = [
        *lost[:NAMED],
        *([count(len(lost) - NAMED, 'more model')] if len(lost) > NAMED else []),
    ]
    unread = [
        f'{named(line.model)} {percent(rate.value)} ({rate.counts})'
        for line in found.totals
        if (rate := line.rates.get('unparsed_rate')) is not None and _value(rate) > 0
    ]
    text = (
        f'Not every frame was scored: {listed_of(lost, "; ")}.'
        if lost
        else 'Every frame was scored for every model.'
    )
    if unread:
        text += f' No judgement could be read in answers of {listed_of(unread)}.'
    yield Sentence('scored', text)


def listed_of(parts: list[str], between: str = ', ') -> str:
    """Return what was said of some models, of NAMED at most."""
    more = [count(len(parts) - NAMED, 'more model')] if len(parts) > NAMED else []
    return between.join([*parts[:NAMED], *more])


def _lost(line: Line) -> str:
    scored = line.by_status.get(Status.SCORED, 0)
    states = [f'{n} {status.value}' for status in LOST if (n := line.by_status.get(status, 0))]
    if not states:
        return ''
    return f'{named(line.model)} {scored:,} of {line.frames:,} ({", ".join(states)})'


OVERALL: tuple[Callable[[Found], Iterator[Sentence]], ...] = (
    _safety,
    _rises,
    _mask,
    _warning,
    _habits,
    _scored,
)
"""What is said over all conditions, in order."""
