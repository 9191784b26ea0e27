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
A scripted scenario: which degradation a drive meets when, from a file.

    segments:
      - {condition: clean, seconds: 5}
      - {condition: "low_light:2 + motion_blur:1", seconds: 3}
      - {condition: low_light, ramp: [1, 5], seconds: 10}
      - {condition: clean}

Time is header time from the scenario's beginning, the first frame (`begin: sequence`: of each
sequence of a data set). What a frame meets depends on that alone, and so do all random draws: a
replay and a live run whose frames come at the same times degrade them alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import yaml

from vlm_misalign_ros.core.corruptions.conditions import single_condition
from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.files import sha256_of
from vlm_misalign_ros.core.stamps import NANO
from vlm_misalign_ros.core.types import JOINED, Condition

_KEYS = ('begin', 'repeat', 'segments')
_SEGMENT = ('condition', 'seconds', 'ramp')
_BEGIN = ('run', 'sequence')
_MOST_SEGMENTS = 1000
_LONGEST = 86_400.0
"""Seconds of a segment at most: a day."""
_LARGEST = 1_000_000
"""Bytes of a file at most."""


@dataclass(frozen=True)
class Segment:
    """One stretch of a scenario."""

    steps: tuple[Condition, ...]
    """Conditions of equal length, one after the other; several in a ramp."""
    length: int | None
    """Nanoseconds; None for a last one without end."""

    def at(self, time: int) -> Condition:
        """Return the condition so many nanoseconds after it began."""
        if self.length is None:
            return self.steps[0]
        return self.steps[time * len(self.steps) // self.length]


@dataclass(frozen=True)
class Scenario:
    """Segments in a row; the last condition stays, unless they repeat."""

    segments: tuple[Segment, ...]
    repeat: bool = False
    each_sequence: bool = False
    """Whether it begins anew with each sequence of a data set; else once, with the run."""
    path: str = ''
    sha256: str = ''

    @property
    def length(self) -> int | None:
        """Return the nanoseconds of all segments; None without an end."""
        lengths = [segment.length for segment in self.segments]
        return None if None in lengths else sum(length or 0 for length in lengths)

    @property
    def conditions(self) -> list[Condition]:
        """Return the conditions that it goes through, each once, in order."""
        return list(dict.fromkeys(step for segment in self.segments for step in segment.steps))

    def at(self, time: int) -> Condition:
        """Return the condition so many nanoseconds, from 0, after its beginning."""
        if self.repeat and self.length:
            time %= self.length
        for segment in self.segments:
            if segment.length is None or time < segment.length:
                return segment.at(time)
            time -= segment.length
        return self.segments[-1].steps[-1]


class Playing:
    """A scenario as it is played: what each frame meets, and what seeds its draws."""

    def __init__(self, scenario: Scenario) -> None:
        """Begin with the first frame that is asked about."""
        self._scenario = scenario
        self._begin: int | None = None
        self._sequence = ''

    def take(self, stamp: int, sequence: str = '') -> tuple[Condition, str]:
        """
        Return the condition of the frame of a stamp, nanoseconds, and the text that seeds it.

        Where it begins with each sequence, `sequence` tells where that is. A stamp before the
        beginning is a new beginning: time has jumped.
        """
        new = self._scenario.each_sequence and sequence != self._sequence
        if self._begin is None or stamp < self._begin or new:
            self._begin, self._sequence = stamp, sequence
        time = stamp - self._begin
        return self._scenario.at(time), seeding(
            time, sequence if self._scenario.each_sequence else ''
        )


def seeding(time: int, sequence: str = '') -> str:
    """Return what seeds the draws of a frame, nanoseconds after the beginning, of a sequence."""
    return f'{sequence}+{time}' if sequence else f'{time}'


def load_scenario(path: Path) -> Scenario:
    """Read a scenario; ConfigurationError names the file and the segment that will not do."""
    try:
        if path.stat().st_size > _LARGEST:
            raise ConfigurationError(
                f'scenario {path} has {path.stat().st_size} bytes', f'{_LARGEST} at most'
            )
        data = yaml.safe_load(path.read_text(encoding='utf-8'))
    except FileNotFoundError as error:
        raise ConfigurationError(
            f'scenario {path} does not exist', 'docs/corruptions.md has an example'
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise ConfigurationError(f'scenario {path} cannot be read: {error}') from error
    return parse_scenario(data, str(path), sha256_of(path))


def parse_scenario(data: Any, name: str, sha256: str = '') -> Scenario:
    """Return the scenario in plain data, a mapping or a list of segments; `name` is for errors."""
    if isinstance(data, list):
        data = {'segments': data}
    if not isinstance(data, Mapping):
        raise ConfigurationError(
            f'scenario {name} holds a {type(data).__name__}', 'expected a list of segments'
        )
    for key in data:
        if key not in _KEYS:
            raise ConfigurationError(
                f'scenario {name} has {str(key)[:80]!r}', 'known: ' + ', '.join(_KEYS)
            )
    begin, repeat = data.get('begin', _BEGIN[0]), data.get('repeat', False)
    if begin not in _BEGIN or not isinstance(repeat, bool):
        raise ConfigurationError(
            f'scenario {name} has begin {begin!r} and repeat {repeat!r}',
            f'begin: {" or ".join(_BEGIN)}; repeat: true or false',
        )
    told = data.get('segments')
    if not isinstance(told, list) or not 0 < len(told) <= _MOST_SEGMENTS:
        raise ConfigurationError(
            f'scenario {name} has no list of segments', f'give 1 to {_MOST_SEGMENTS}'
        )
    segments = tuple(
        _segment(entry, f'segment {number} of scenario {name}', open_end=number == len(told))
        for number, entry in enumerate(told, 1)
    )
    if repeat and segments[-1].length is None:
        raise ConfigurationError(
            f'segment {len(told)} of scenario {name} has no seconds, and it repeats',
            'give the last segment seconds, or repeat: false',
        )
    return Scenario(segments, repeat, begin == 'sequence', name, sha256)


def _segment(entry: Any, where: str, open_end: bool) -> Segment:
    """Return one segment; only with `open_end` may it have no seconds."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get('condition'), str):
        raise ConfigurationError(
            f'{where} is {str(entry)[:80]!r}', 'give {condition: NAME:SEVERITY, seconds: N}'
        )
    for key in entry:
        if key not in _SEGMENT:
            raise ConfigurationError(
                f'{where} has {str(key)[:80]!r}', 'known: ' + ', '.join(_SEGMENT)
            )
    length = _length(entry.get('seconds'), where, open_end)
    try:
        steps = _steps(entry['condition'], entry.get('ramp'))
    except ConfigurationError as error:
        raise ConfigurationError(f'{where}: {error.what}', error.remedy) from error
    if length is None and len(steps) > 1:
        raise ConfigurationError(f'{where} is a ramp without seconds', 'say how long it takes')
    return Segment(steps, length)


def _length(seconds: Any, where: str, open_end: bool) -> int | None:
    if seconds is None and open_end:
        return None
    number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if not number or not isfinite(seconds) or not 0 < seconds <= _LONGEST:
        raise ConfigurationError(
            f'{where} has seconds {str(seconds)[:80]!r}',
            f'give more than 0 and {_LONGEST:g} at most; only the last may have none',
        )
    # A nanosecond at least: a step of a ramp has to have a length.
    return max(round(float(seconds) * NANO), 1)


def _steps(condition: str, ramp: Any) -> tuple[Condition, ...]:
    """Return the conditions of a segment; in a ramp parts without a severity take each in turn."""
    if ramp is None:
        return (single_condition(condition),)
    bounds = ramp if isinstance(ramp, Sequence) and not isinstance(ramp, str) else ()
    if len(bounds) != 2 or any(type(end) is not int or not 1 <= end <= 5 for end in bounds):
        raise ConfigurationError(f'ramp {str(ramp)[:80]!r} is none', 'give two severities, [1, 5]')
    parts = [part.strip() for part in condition.split(JOINED)]
    if all(':' in part for part in parts):
        raise ConfigurationError(
            f'{condition!r} says its severity, and has a ramp',
            'leave the severity of what rises away, as in low_light + motion_blur:1',
        )
    first, last = bounds
    step = 1 if last >= first else -1
    return tuple(
        single_condition(
            JOINED.join(part if ':' in part else f'{part}:{severity}' for part in parts)
        )
        for severity in range(first, last + step, step)
    )
