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
The language of limits: `clip/critical_omission_rate@low_light:1-3 < 0.2`.

    LIMIT     = [MODEL/][RATE][.high|.low][@WHERE] RELATION
    RELATION  = < NUMBER, <= NUMBER, > NUMBER, >= NUMBER, or: not worse than RUN by NUMBER
    WHERE     = PLACE, PLACE, ... (each condition by itself), all, or pooled(PLACE, PLACE, ...)
    PLACE     = clean, blank, corrupted, CORRUPTION or CORRUPTION:1-3,5

docs/verdict.md tells what a limit means and how it is judged (core/report/judging).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import isfinite

from vlm_misalign_ros.core.corruptions.conditions import BLANK, CLEAN, UNKNOWN
from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.metrics.rates import BY_NAME, Better, Interval
from vlm_misalign_ros.core.report.limit import (
    CORRUPTED,
    EACH,
    EVERY,
    MIOU,
    POOLED,
    Bound,
    End,
    Limit,
    NotWorse,
    Place,
    Where,
)

FORM = '[MODEL/]RATE[.high|.low][@CONDITIONS] < NUMBER, or ... not worse than RUN by NUMBER'
EXAMPLE = "for example 'critical_omission_rate@low_light:1-3 < 0.2' (see docs/verdict.md)"


def parse_limits(entries: Sequence[str], run: str = '') -> tuple[Limit, ...]:
    """
    Return the limits in the order written, each once; ConfigurationError names a wrong one.

    Where all are held against one `run`, they need not name it: `RATE not worse by NUMBER`.
    """
    return tuple(dict.fromkeys(parse_limit(entry, run) for entry in entries))


def parse_limit(text: str, run: str = '') -> Limit:
    """
    Return a limit from its text.

    `RATE=NUMBER` is read as `RATE <= NUMBER`; `not worse by NUMBER` and `not worse than NUMBER`
    are for `run`, where one is given. Raises ConfigurationError naming the limit, the place in it
    and what may stand there.
    """
    return _Parser(text, run).limit()


_NAME = re.compile(r'[A-Za-z][A-Za-z0-9_]*')
_CORRUPTION = re.compile(r'[A-Za-z][A-Za-z0-9_.-]*')
_SPAN = re.compile(r'([0-9]+)(?:\s*-\s*([0-9]+))?')
_ANOTHER_SPAN = re.compile(r'\s*,\s*(?=[0-9])')
_BETWEEN = re.compile(r'\s*[,;]\s*')
_SIGN = re.compile(r'<=|>=|<|>|=|≤|≥')
_NUMBER = re.compile(r'[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?')
_NOT_WORSE = re.compile(r'not\s+worse\s+than\b')
_NOT_WORSE_BY = re.compile(r'not\s+worse\s+(?:by|than)\s+(?P<margin>[^\s/]+)\s*$')
_RUN = re.compile(r'(?P<run>\S.*)\s+by\s+(?P<margin>\S+)\s*', re.DOTALL)
_REST = re.compile(r'.*', re.DOTALL)
_SIGNS = {'≤': '<=', '≥': '>=', '=': '<='}
_SHARE = 'rates are shares from 0 to 1'


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most] + '...'


class _Parser:
    """Reads one limit from left to right."""

    def __init__(self, text: str, run: str = '') -> None:
        self._text = text
        self._run = run
        self._at = 0

    def _fail(self, what: str, allowed: str, at: int | None = None) -> ConfigurationError:
        place = self._at if at is None else at
        rest = self._text[place:].lstrip()
        place = len(self._text) - len(rest)
        where = f'at character {place + 1} ({_short(rest, 40)!r})' if rest else 'at its end'
        return ConfigurationError(f'limit {_short(self._text, 160)!r}, {where}: {what}', allowed)

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Return what stands here, blanks before it left out, and go behind it."""
        space = re.compile(r'\s*').match(self._text, self._at)
        assert space is not None
        found = pattern.match(self._text, space.end())
        self._at = space.end() if found is None else found.end()
        return found

    def _literal(self, sign: str) -> bool:
        return self._take(re.compile(re.escape(sign))) is not None

    def limit(self) -> Limit:
        model, rate, end, where = '', '', End.POINT, EACH
        begin = self._at
        if not self._begins_not_worse():
            model, rate, end = self._subject()
            if self._literal('@'):
                where = self._where()
        limit = Limit(model, rate, end, where, self._relation(rate))
        self._check(limit, begin)
        return limit

    def _begins_not_worse(self) -> bool:
        return self._peek(_NOT_WORSE) or bool(self._run and self._peek(_NOT_WORSE_BY))

    def _peek(self, pattern: re.Pattern[str]) -> bool:
        at = self._at
        found = self._take(pattern)
        self._at = at
        return found is not None

    def _subject(self) -> tuple[str, str, End]:
        model, rate = '', ''
        name = self._take(_NAME)
        if name is not None and self._literal('/'):
            model = name[0]
            name = None if self._begins_not_worse() else self._take(_NAME)
        if name is not None:
            rate = name[0]
            if rate != MIOU and rate not in BY_NAME:
                raise self._fail(
                    f'there is no rate {rate!r}',
                    f'known: {MIOU}, {", ".join(BY_NAME)}',
                    name.start(),
                )
        end = End.POINT
        if self._literal('.'):
            word = self._take(_NAME)
            if word is None or word[0] not in ('high', 'low'):
                raise self._fail(
                    'behind the point stands the end of the interval',
                    'allowed: .high, .low',
                    self._at if word is None else word.start(),
                )
            end = End(word[0])
        return model, rate, end

    def _where(self) -> Where:
        at = self._at
        name = self._take(_NAME)
        if name is not None and name[0] == EVERY:
            if self._take(_BETWEEN):
                raise self._fail(f'{EVERY} stands alone', f'write @{EVERY}, or the conditions')
            return Where((), pooled=True)
        if name is not None and name[0] == POOLED and self._literal('('):
            places = self._places()
            if not self._literal(')'):
                raise self._fail(f'{POOLED}( is not closed', "expected ')' or a further condition")
            return Where(places, pooled=True)
        self._at = at
        return Where(self._places())

    def _places(self) -> tuple[Place, ...]:
        found = [self._place()]
        while self._take(_BETWEEN):
            found.append(self._place())
        return tuple(dict.fromkeys(found))

    def _place(self) -> Place:
        name = self._take(_CORRUPTION)
        if name is None or name[0] in (EVERY, POOLED):
            raise self._fail(
                'expected a condition',
                f'allowed: {CLEAN}, {BLANK}, {CORRUPTED}, CORRUPTION, CORRUPTION:1-3,5, or, '
                f'alone, {EVERY} or {POOLED}(...)',
            )
        if name[0] in (CLEAN, BLANK, CORRUPTED, UNKNOWN):
            return Place(name[0])
        return Place(name[0], self._severities() if self._literal(':') else ())

    def _severities(self) -> tuple[int, ...]:
        found: set[int] = set()
        while True:
            at = self._at
            span = self._take(_SPAN)
            first, last = (
                (0, 0) if span is None else (int(span[1][:9]), int((span[2] or span[1])[:9]))
            )
            if not 1 <= first <= last <= 5:
                raise self._fail(
                    'expected severities', 'allowed: 1 to 5, as in :3, :1-3, :1,4', at
                )
            found.update(range(first, last + 1))
            if self._take(_ANOTHER_SPAN) is None:
                return tuple(sorted(found))

    def _relation(self, rate: str) -> Bound | NotWorse:
        margin = self._take(_NOT_WORSE_BY) if self._run else None
        if margin is not None:
            return NotWorse(self._run, self._margin(margin['margin'], margin.start('margin')))
        if self._take(_NOT_WORSE):
            return self._not_worse()
        sign = self._take(_SIGN)
        if sign is None:
            raise self._fail('expected <, <=, >, >= or not worse than', f'the form is {FORM}')
        at = self._at
        number = self._take(_NUMBER)
        if number is None or not isfinite(float(number[0])):
            raise self._fail('expected a number', f'{_SHARE}; {EXAMPLE}', at)
        if self._text[self._at :].strip():
            raise self._fail('nothing may follow the number', f'{_SHARE}; the form is {FORM}')
        higher = rate == MIOU or (rate in BY_NAME and BY_NAME[rate].better is Better.HIGHER)
        if sign[0] == '=' and higher:
            raise self._fail(
                f'= is read as <=, and {rate} is better when higher', 'write >=', sign.start()
            )
        return Bound(_SIGNS.get(sign[0], sign[0]), float(number[0]))

    def _not_worse(self) -> NotWorse:
        rest = self._take(_REST)
        assert rest is not None
        found = _RUN.fullmatch(rest[0])
        if found is None:
            raise self._fail(
                'expected a run folder, `by` and a number',
                "for example 'critical_omission_rate not worse than runs/base by 0.02'",
                rest.start(),
            )
        at = rest.start() + found.start('margin')
        return NotWorse(found['run'].rstrip(), self._margin(found['margin'], at))

    def _margin(self, text: str, at: int) -> float:
        number = _NUMBER.fullmatch(text)
        if number is None or not 0 <= float(number[0]) <= 1:
            raise self._fail('expected a number from 0 to 1', _SHARE, at)
        return float(number[0])

    def _check(self, limit: Limit, at: int) -> None:
        """Refuse what can be written and means nothing."""
        if isinstance(limit.relation, NotWorse):
            self._check_not_worse(limit, at)
            return
        bound = limit.relation
        if not limit.rate:
            raise self._fail('expected the name of a rate', f'the form is {FORM}', at)
        if limit.rate == MIOU and limit.model:
            raise self._fail(
                f'{MIOU} is the quality of the segmentation and of no VLM',
                f"write '{MIOU}{limit.where} {bound}'",
                at,
            )
        row = BY_NAME.get(limit.rate)
        if limit.end is not End.POINT and row is not None and row.interval is Interval.NONE:
            raise self._fail(
                f'{limit.rate} is no proportion and has no interval',
                f'leave .{limit.end.value} out',
                at,
            )
        if limit.end is not End.POINT and (limit.end is End.HIGH) is not bound.upper:
            right = End.HIGH if bound.upper else End.LOW
            raise self._fail(
                f'.{limit.end.value} with {bound.sign} would pass what its interval does not show',
                f'with {bound.sign} write .{right.value}',
                at,
            )
        if bound.value < 0 or (
            bound.value > 1 and (row is None or row.interval is not Interval.NONE)
        ):
            raise self._fail(f'{bound.value:g} is no value of {limit.rate}', _SHARE, at)

    def _check_not_worse(self, limit: Limit, at: int) -> None:
        if limit.end is not End.POINT:
            raise self._fail(
                'a difference to another run is always judged by its interval',
                f'leave .{limit.end.value} out',
                at,
            )
        if limit.rate == MIOU and limit.model:
            raise self._fail(
                f'{MIOU} is the quality of the segmentation and of no VLM',
                'leave the model out',
                at,
            )
        row = BY_NAME.get(limit.rate)
        if row is not None and row.better is Better.NEITHER:
            raise self._fail(f'neither more nor less of {limit.rate} is worse', 'name a rate', at)
