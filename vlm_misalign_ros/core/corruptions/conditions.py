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
Conditions as text: `clean`, `blank`, `motion_blur:1-5`, `occlusion:1,3,5`, `all`.

Several at once, one after the other, are `low_light:2 + motion_blur:1`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from vlm_misalign_ros.core.corruptions.registry import CORRUPTIONS
from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.types import JOINED, Condition

CLEAN = 'clean'
"""The picture as it came."""

BLANK = 'blank'
"""The control: a grey picture, which shows how much of an answer comes from no picture at all."""

UNKNOWN = 'unknown'
"""The corruption of a frame that nothing told the condition of."""

SEVERITIES = range(1, 6)
"""Severities of every corruption; `clean` has severity 0."""

SINGLE = frozenset(str(severity) for severity in SEVERITIES)
"""A severity as text."""

_SEVERITIES = re.compile(r'[1-5](-[1-5])?(,[1-5](-[1-5])?)*')


def allowed_form() -> str:
    """Return what an entry may look like, for messages."""
    return (
        f"'clean', 'all', 'blank', or one of {', '.join(CORRUPTIONS.names())} with severities 1 "
        "to 5, such as 'motion_blur:1-5', 'low_light:3', 'occlusion:1,3,5' or, several at once, "
        "'low_light:2 + motion_blur:1'"
    )


def parse_conditions(conditions: str | Sequence[str]) -> list[Condition]:
    """
    Return the conditions asked for, in the order written.

    `conditions` is a list of entries, or one text with entries separated by commas, semicolons or
    spaces. `all` stands for clean and every corruption of this package (not those of plug-ins, so
    that it means the same everywhere) at severities 1 to 5, `blank` for the grey control. Raises
    ConfigurationError for an entry of another form, for a condition asked for twice and for no
    entry at all.
    """
    entries = _split(conditions) if isinstance(conditions, str) else conditions
    if not isinstance(entries, Sequence) or not entries:
        raise ConfigurationError(
            f'conditions: {conditions!r} asks for no condition', f'Give {allowed_form()}'
        )
    found: dict[Condition, str] = {}
    for entry in entries:
        for condition in _parse_entry(entry):
            if condition in found:
                raise ConfigurationError(
                    f'conditions: {condition.name!r} is asked for twice, by {found[condition]!r} '
                    f'and by {entry!r}',
                    'Remove one of them',
                )
            found[condition] = entry
    return list(found)


def single_condition(text: str) -> Condition:
    """Return the one condition that `text` names; ConfigurationError when it names several."""
    conditions = parse_conditions([text])
    if len(conditions) != 1:
        raise ConfigurationError(
            f'condition {text!r} names {len(conditions)} conditions',
            'give one, NAME:SEVERITY; the parameter schedule of corruption goes through several',
        )
    return conditions[0]


def _split(text: str) -> list[str]:
    """Split at semicolons, spaces, and commas that do not join two severities."""
    text = re.sub(r'\s*([,;:+])\s*', r'\1', text.strip())
    return re.split(r';|,(?![0-9])|\s+', text) if text else []


def _parse_entry(entry: object) -> list[Condition]:
    """Return the conditions of one entry."""
    words = entry.strip() if isinstance(entry, str) else ''
    if words == CLEAN:
        return [Condition()]
    if words == BLANK:
        return [Condition(BLANK)]
    if words == 'all':
        return [Condition()] + [
            Condition(name, k) for name in CORRUPTIONS.builtin() for k in SEVERITIES
        ]
    if JOINED in words:
        return [_composed(words, entry)]
    name, _, severities = (word.strip() for word in words.partition(':'))
    severities = severities.replace(' ', '')
    if name not in CORRUPTIONS or not _SEVERITIES.fullmatch(severities):
        raise _refused(entry)
    conditions = []
    for span in severities.split(','):
        first, last = int(span[0]), int(span[-1])
        if first > last:
            raise _refused(entry)
        conditions += [Condition(name, k) for k in range(first, last + 1)]
    return conditions


def _composed(words: str, entry: object) -> Condition:
    """Return several corruptions at once, in the order written."""
    parts = []
    for word in words.split(JOINED):
        name, _, severity = (part.strip() for part in word.partition(':'))
        if name not in CORRUPTIONS or severity not in SINGLE:
            raise _refused(entry)
        parts.append(Condition(name, int(severity)))
    if len({part.corruption for part in parts}) < len(parts):
        raise ConfigurationError(
            f'conditions: {entry!r} has a corruption twice', 'give each once, at one severity'
        )
    return Condition.of(parts)


def _refused(entry: object) -> ConfigurationError:
    """Return the error for an entry of another form."""
    return ConfigurationError(
        f'conditions: {entry!r} is not a condition', f'Allowed: {allowed_form()}'
    )
