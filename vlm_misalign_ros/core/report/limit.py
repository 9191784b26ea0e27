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

"""What a limit is: a rate of a model, under conditions, held against a number or another run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from vlm_misalign_ros.core.corruptions.conditions import BLANK, CLEAN, UNKNOWN
from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.metrics.rates import HEADLINES
from vlm_misalign_ros.core.types import JOINED

MIOU = 'miou'
"""The one subject that is no rate of a model: the quality of the segmentation."""
CORRUPTED = 'corrupted'
"""Every condition but clean, blank and those that nothing told."""
EVERY = 'all'
"""Every condition but blank, pooled."""
POOLED = 'pooled'


_CLASSES = (CLEAN, BLANK, CORRUPTED, UNKNOWN)
"""Places that are no corruption of their own."""


class End(str, Enum):
    """Which number is held against a limit."""

    POINT = ''
    """The rate itself."""
    HIGH = 'high'
    """The upper end of its interval."""
    LOW = 'low'
    """The lower end."""


@dataclass(frozen=True)
class Place:
    """A condition, several severities of a corruption, or a class of conditions."""

    name: str
    """`clean`, `blank`, `corrupted`, or the name of a corruption."""
    severities: tuple[int, ...] = ()
    """Of the corruption, ascending; empty for all that the run has."""

    def __str__(self) -> str:
        """Return it as it is written."""
        spans: list[list[int]] = []
        for severity in self.severities:
            if spans and spans[-1][-1] == severity - 1:
                spans[-1].append(severity)
            else:
                spans.append([severity])
        told = (f'{s[0]}-{s[-1]}' if len(s) > 1 else str(s[0]) for s in spans)
        return self.name + (f':{",".join(told)}' if spans else '')

    @property
    def conditions(self) -> tuple[str, ...]:
        """Return the names of the conditions that have to be there; empty for a class of them."""
        if self.severities:
            return tuple(f'{self.name}:{severity}' for severity in self.severities)
        return (self.name,) if self.name in (CLEAN, BLANK) else ()

    def holds(self, condition: str) -> bool:
        """Return whether a condition, given by its name, is one of these."""
        corruption = condition if JOINED in condition else condition.partition(':')[0]
        if self.name == CORRUPTED:
            return corruption not in (CLEAN, BLANK, UNKNOWN)
        return condition in self.conditions if self.conditions else corruption == self.name


@dataclass(frozen=True)
class Where:
    """The conditions of a limit."""

    places: tuple[Place, ...]
    """Empty for every condition but the blank control."""
    pooled: bool = False
    """Counts are summed over them; otherwise each condition is judged by itself."""

    def __str__(self) -> str:
        """Return it as it is written, with its `@`; empty for each condition by itself."""
        places = ', '.join(map(str, self.places))
        if self.pooled:
            return f'@{POOLED}({places})' if places else f'@{EVERY}'
        return f'@{places}' if places else ''

    def holds(self, condition: str) -> bool:
        """Return whether a condition is among them."""
        if not self.places:
            return condition.partition(':')[0] != BLANK
        return any(place.holds(condition) for place in self.places)

    def lacking(self, conditions: Iterable[str]) -> tuple[str, ...]:
        """Return the conditions and classes that are asked for and not among `conditions`."""
        known = tuple(conditions)
        lacks: dict[str, None] = {}
        for place in self.places:
            if place.conditions:
                lacks.update(dict.fromkeys(n for n in place.conditions if n not in known))
            elif not any(place.holds(name) for name in known):
                lacks[str(place)] = None
        return tuple(lacks)


EACH = Where(())
"""Each condition by itself, the blank control left out."""


@dataclass(frozen=True)
class Bound:
    """A number that is not to be passed."""

    sign: str
    """<, <=, > or >=."""
    value: float

    @property
    def upper(self) -> bool:
        """Return whether it bounds from above."""
        return self.sign.startswith('<')

    def __str__(self) -> str:
        """Return it as it is written."""
        return f'{self.sign} {self.value!r}'


@dataclass(frozen=True)
class NotWorse:
    """Another run that is not to be fallen behind."""

    run: str
    """Its folder, as it was written."""
    margin: float

    def __str__(self) -> str:
        """Return it as it is written."""
        return f'not worse than {self.run} by {self.margin!r}'


@dataclass(frozen=True)
class Limit:
    """One limit."""

    model: str
    """Empty for each model."""
    rate: str
    """The name of a rate, or `miou`; empty, beside NotWorse alone, for each headline rate."""
    end: End
    where: Where
    relation: Bound | NotWorse

    @property
    def rates(self) -> tuple[str, ...]:
        """Return the rates that are judged: its own, or every headline rate."""
        return (self.rate,) if self.rate else tuple(row.name for row in HEADLINES)

    @property
    def subject(self) -> str:
        """Return what stands before the relation."""
        model = f'{self.model}/' if self.model else ''
        return f'{model}{self.rate}{"." if self.end.value else ""}{self.end.value}{self.where}'

    def __str__(self) -> str:
        """Return the limit as it is written; `parse_limit` reads the same from it."""
        return f'{self.subject} {self.relation}'.strip()


def check_models(limits: Iterable[Limit], models: Sequence[str], segmentation: bool) -> None:
    """Raise ConfigurationError for a limit on a model or a mIoU that a run will not have."""
    for limit in limits:
        if limit.model and limit.model not in models:
            raise ConfigurationError(
                f"limit '{limit}' is for the model {limit.model!r}, which the run has not",
                'its models: ' + (', '.join(models) or 'none'),
            )
        if limit.rate == MIOU and not segmentation:
            raise ConfigurationError(
                f"limit '{limit}' needs a segmentation, which the run has not",
                'name a segmentation model, or leave the limit out',
            )


def check_conditions(limits: Iterable[Limit], conditions: Sequence[str]) -> None:
    """Raise ConfigurationError for a limit on conditions that a run will not show."""
    for limit in limits:
        lacks = limit.where.lacking(conditions)
        if lacks or not any(map(limit.where.holds, conditions)):
            raise ConfigurationError(
                f"limit '{limit}' is for {', '.join(lacks) or 'a condition other than blank'}, "
                'which the run does not show',
                'its conditions: ' + ', '.join(conditions),
            )


def check_corruptions(limits: Iterable[Limit], corruptions: Sequence[str]) -> None:
    """Raise ConfigurationError for a limit on a corruption that there is none of."""
    for limit in limits:
        for place in limit.where.places:
            if place.name not in (*_CLASSES, *corruptions):
                raise ConfigurationError(
                    f"limit '{limit}' names the corruption {place.name!r}",
                    'known: ' + ', '.join((*_CLASSES, *corruptions)),
                )
