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
Limits held against what was counted.

A plain limit takes the rate itself, and is undecided on fewer scenes than prove anything. One on
an end of the interval passes if that end keeps it, fails if not even the other end does, and is
undecided between. What the run does not have cannot pass: a condition or model that does not occur
is INVALID, and so is every limit on a run whose labels are a model's; a rate without anything to
be counted from is UNDECIDED.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isclose, isnan
from typing import Protocol

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.metrics.rates import BY_NAME, Better
from vlm_misalign_ros.core.report.limit import MIOU, Bound, End, Limit, NotWorse
from vlm_misalign_ros.core.report.needed import bound_needed, margin_needed, pairs_by_scene
from vlm_misalign_ros.core.report.rules import Rules
from vlm_misalign_ros.core.report.tally import Measured, Tally
from vlm_misalign_ros.core.report.verdict import Check, Finding, Status


class Others(Protocol):
    """Runs that this one is held against; report/baseline has those that limits name."""

    def get(self, text: str, rates: Sequence[str]) -> Tally | str:
        """Return the counts of a run that a limit names, or why it cannot be compared."""


def tally_for(limits: Sequence[Limit]) -> Tally:
    """Return an empty tally that keeps what limits need."""
    rates = [rate for limit in limits for rate in limit.rates]
    pairs = any(isinstance(limit.relation, NotWorse) for limit in limits)
    return Tally(tuple(dict.fromkeys(rates)), pairs)


def limit_checks(tally: Tally, rules: Rules, baselines: Others) -> Iterator[Check]:
    """Yield a check for each limit, model, condition and rate, each once."""
    told: set[str] = set()
    for limit in rules.limits:
        for check in _Judge(tally, rules, baselines, limit).checks():
            if check.name not in told:
                told.add(check.name)
                yield check


class _Judge:
    """Judges one limit."""

    def __init__(self, tally: Tally, rules: Rules, baselines: Others, limit: Limit) -> None:
        self._tally = tally
        self._rules = rules
        self._baselines = baselines
        self._limit = limit

    def checks(self) -> Iterator[Check]:
        limit, models = self._limit, self._tally.models
        if self._tally.unfounded:
            yield self._impossible(self._tally.unfounded)
            return
        if limit.model and limit.model not in models:
            had = ', '.join(models) or 'none'
            yield self._impossible(f'the run has no model {limit.model!r}; it has {had}')
            return
        lacking, groups = self._conditions()
        shown = ', '.join(self._tally.conditions) or 'nothing'
        for name in lacking:
            yield self._impossible(f'the run shows no {name}; it shows {shown}')
        for rate in limit.rates:
            if rate == MIOU and not self._tally.known.all:
                yield self._impossible(self._tally.known.told)
                continue
            chosen = ('',) if rate == MIOU else (limit.model,) if limit.model else tuple(models)
            if not chosen:
                yield self._impossible('the run has no model')
                return
            for model in chosen:
                for conditions in groups:
                    yield self._check(model, rate, conditions)

    def _conditions(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Return the conditions that the run lacks, and those that are judged, pooled or not."""
        where, shown = self._limit.where, self._tally.conditions
        chosen = tuple(name for name in shown if where.holds(name))
        lacking = where.lacking(shown) or (() if chosen else ('condition but blank',))
        if where.pooled:
            return lacking, [] if lacking else [chosen]
        return lacking, [(name,) for name in chosen]

    def _impossible(self, why: str) -> Check:
        text = str(self._limit)
        return Check(
            f'{text}: {why.partition(";")[0]}',
            Status.INVALID,
            f'{text}: {why}',
            short='a limit on what the run has not',
        )

    def _check(self, model: str, rate: str, conditions: tuple[str, ...]) -> Check:
        limit = self._limit
        where = str(limit.where).removeprefix('@') if limit.where.pooled else conditions[0]
        end = f'.{limit.end.value}' if limit.end.value else ''
        name = f'{f"{model}/" if model else ""}{rate}{end}@{where} {limit.relation}'
        subject = f'{f"{model}: " if model else ""}{rate} at {where}'
        if isinstance(limit.relation, NotWorse):
            return self._compare(name, subject, model, rate, conditions, limit.relation)
        measured = self._tally.measure(model, rate, conditions)
        status, why = self._bound(measured, limit.relation)
        if status is Status.UNDECIDED:
            why += self._more(measured, model, rate, conditions, limit.relation)
        if status is Status.PASS:
            status, why = self._covered(measured)
        told = (
            f'{subject} is {show(measured)}'
            if not isnan(measured.value)
            else f'{subject} has nothing to be counted from'
        )
        return self._finish(name, told, status, why, measured, model, rate, conditions)

    def _more(
        self, measured: Measured, model: str, rate: str, conditions: tuple[str, ...], bound: Bound
    ) -> str:
        """Return how many more scenes would decide a bound; empty where nothing tells."""
        if isnan(measured.value):
            return ''
        if self._limit.end is End.POINT:
            return f', {self._rules.minimum_scenes - measured.scenes} more'
        try:
            return f'; {bound_needed(self._tally, model, rate, conditions, bound).more()}'
        except ConfigurationError:
            # Of a mean of rates, or of mIoU, nothing is planned.
            return ''

    def _covered(self, measured: Measured) -> tuple[Status, str]:
        """Return PASS unless too little was scored there, whatever else passes."""
        least = self._rules.minimum_coverage
        if measured.coverage >= least or isclose(measured.coverage, least):
            return Status.PASS, ''
        told = f'only {measured.scored} of {measured.frames} frames were scored there'
        return Status.UNDECIDED, told

    def _bound(self, measured: Measured, bound: Bound) -> tuple[Status, str]:
        """Return how a rate stands to its bound, and why if it is undecided."""
        if isnan(measured.value):
            return Status.UNDECIDED, 'no scene with a denominator'
        if self._limit.end is End.POINT:
            if measured.scenes < self._rules.minimum_scenes:
                return Status.UNDECIDED, f'{self._rules.minimum_scenes} scenes are needed'
            return (Status.PASS if keeps(measured.value, bound) else Status.FAIL), ''
        if isnan(measured.low) or isnan(measured.high):
            return Status.UNDECIDED, 'it has no interval'
        worst, best = measured.high, measured.low
        if not bound.upper:
            worst, best = best, worst
        if keeps(worst, bound):
            return Status.PASS, ''
        if not keeps(best, bound):
            return Status.FAIL, 'not even the other end of the interval keeps it'
        return Status.UNDECIDED, 'the interval lies on both sides of it'

    def _compare(
        self,
        name: str,
        subject: str,
        model: str,
        rate: str,
        conditions: tuple[str, ...],
        relation: NotWorse,
    ) -> Check:
        other = self._baselines.get(relation.run, (rate,))
        if isinstance(other, Tally):
            if rate == MIOU and not other.known.all:
                other = other.known.told
            elif model and model not in other.models:
                other = f'it has no model {model!r}; it has ' + ', '.join(other.models)
            elif lacking := [name for name in conditions if name not in other.conditions]:
                other = 'it shows no ' + ', '.join(lacking)
        if not isinstance(other, Tally):
            message = f'{subject} cannot be held against {relation.run}: {other}'
            return Check(name, Status.INVALID, message, short='a run that cannot be compared')
        measured = self._tally.paired(other, model, rate, conditions)
        if isnan(measured.value):
            told = f'{subject} and {relation.run} have nothing in common to be counted from'
            return self._finish(
                name,
                told,
                Status.UNDECIDED,
                'no common scene with a denominator',
                measured,
                model,
                rate,
                conditions,
            )
        best, worst = measured.low, measured.high
        if rate == MIOU or BY_NAME[rate].better is Better.HIGHER:
            best, worst = -worst, -best
        if worst < relation.margin:
            status, why = self._covered(measured)
        elif best > relation.margin:
            status, why = Status.FAIL, 'not even the other end of the interval keeps it'
        else:
            status, why = Status.UNDECIDED, 'the interval lies on both sides of it'
            why += self._more_of_two(other, model, rate, conditions, relation)
        told = (
            f'{subject} less that of {relation.run} is {measured.value:+.4f} '
            f'[{measured.low:+.4f}, {measured.high:+.4f}] ({measured.scored} common frames in '
            f'{measured.scenes} scenes)'
        )
        return self._finish(name, told, status, why, measured, model, rate, conditions)

    def _more_of_two(
        self, other: Tally, model: str, rate: str, conditions: tuple[str, ...], relation: NotWorse
    ) -> str:
        """Return how many more scenes would decide a difference; empty where nothing tells."""
        try:
            terms = pairs_by_scene(other, self._tally, (model, model), rate, conditions)
            better = BY_NAME[rate].better is Better.HIGHER
            margin = -relation.margin if better else relation.margin
            return f'; {margin_needed(terms, margin).more()}'
        except ConfigurationError:
            return ''

    def _finish(
        self,
        name: str,
        told: str,
        status: Status,
        why: str,
        measured: Measured,
        model: str,
        rate: str,
        conditions: tuple[str, ...],
    ) -> Check:
        limit = self._limit
        end = {End.POINT: '', End.HIGH: 'upper end ', End.LOW: 'lower end '}[limit.end]
        came = {Status.PASS: 'kept', Status.FAIL: 'not kept'}.get(status, 'undecided')
        reason = f' ({why})' if why else ''
        found = Finding(
            str(limit),
            model,
            rate,
            conditions,
            measured.value,
            measured.low,
            measured.high,
            measured.scenes,
            measured.frames,
            measured.scored,
            measured.numerator,
            measured.denominator,
            limit.relation.run if isinstance(limit.relation, NotWorse) else '',
        )
        if isinstance(limit.relation, NotWorse):
            asked = f'not worse by {limit.relation.margin:g}'
        else:
            asked = f'limit {end}{limit.relation.sign} {limit.relation.value:g}'
        return Check(name, status, f'{told}; {asked}: {came}{reason}', found=found)


def keeps(value: float, bound: Bound) -> bool:
    """Return whether a value keeps a bound; one that equals it but for rounding equals it."""
    if isclose(value, bound.value):
        return '=' in bound.sign
    return value < bound.value if bound.upper else value > bound.value


def show(measured: Measured) -> str:
    """Return `0.3125 [0.2140, 0.4281] (45 of 144 in 48 scenes)`."""
    interval = '' if isnan(measured.low) else f' [{measured.low:.4f}, {measured.high:.4f}]'
    counts = (
        ''
        if measured.denominator is None
        else f'{measured.numerator} of {measured.denominator} in '
    )
    scenes = f'{measured.scenes} scene{"" if measured.scenes == 1 else "s"}'
    return f'{measured.value:.4f}{interval} ({counts}{scenes})'
