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

"""Numbers and names in words: percent, intervals, counts, lists; unknown is said as unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any, TypeGuard

from vlm_misalign_ros.core.metrics.rates import Rate

LONGEST = 60
"""Characters of a name that came from outside."""
NAMED = 3
"""Names that a list gives; of others it says how many they are."""


def known(value: Any) -> TypeGuard[float]:
    """Return whether there is a number."""
    return isinstance(value, int | float) and not isnan(value)


def named(name: str) -> str:
    """Return a name from outside without what is not printable, and bounded."""
    plain = ''.join(char if char.isprintable() else '?' for char in name)
    return plain if len(plain) <= LONGEST else plain[: LONGEST - 1] + '…'


def percent(value: float) -> str:
    """Return `35 %`; a digit more where none would make 0 or 100 of what is neither."""
    text = f'{100 * value:.0f}'
    if text in ('0', '100') and value not in (0, 1):
        text = f'{100 * value:.1f}'
    return f'{text} %'


def span(found: Mapping[str, Any]) -> str:
    """Return ` [22, 50]`, percent; empty where there is no interval."""
    low, high = found.get('low'), found.get('high')
    if not known(low) or not known(high):
        return ''
    return f' [{100 * low:.0f}, {100 * high:.0f}]'


def span_of(rate: Rate) -> str:
    """Return the interval of a rate as `span` does."""
    return span({'low': rate.low, 'high': rate.high})


def points(found: Mapping[str, Any]) -> str:
    """Return `+23 points [+10, +36]` of a difference of shares."""
    low, high = found.get('low'), found.get('high')
    text = f'{_signed(found["value"])} points'
    return f'{text} [{_signed(low)}, {_signed(high)}]' if known(low) and known(high) else text


def _signed(share: float) -> str:
    """Return percent with its sign; a digit more where none would make 0 of what is not."""
    text = f'{100 * share:+.0f}'
    if text in ('+0', '-0'):
        text = f'{100 * share:+.1f}' if round(100 * share, 1) else '0'
    return text.replace('-', '−')


def figure(value: Any) -> str:
    """Return `.67`; `unknown` where there is no number."""
    return f'{value:.2f}'.removeprefix('0') if known(value) else 'unknown'


def correlation(found: Mapping[str, Any]) -> str:
    """Return `−.81 [−.95, −.30]`."""
    value, low, high = (
        f'{found[key]:+.2f}'.replace('0.', '.').replace('-', '−')
        for key in ('value', 'low', 'high')
    )
    return f'{value} [{low}, {high}]'


def count(number: int, noun: str) -> str:
    """Return `1 scene`, `8 scenes`."""
    return f'{number:,} {noun}{"" if number == 1 else "s"}'


def listed(names: Sequence[str], most: int = NAMED) -> str:
    """Return `a, b and c`; `a, b, c and 4 more` where there are more than `most` and one."""
    shown = [named(name) for name in names]
    if len(shown) > most + 1:
        return f'{", ".join(shown[:most])} and {len(shown) - most} more'
    return ' and '.join([', '.join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
