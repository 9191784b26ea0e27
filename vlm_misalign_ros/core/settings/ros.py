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

"""What every node of a run has from ROS itself: clock, log level, QoS overrides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from vlm_misalign_ros.core.errors import ConfigurationError

LOG_LEVELS = ('debug', 'info', 'warn', 'error', 'fatal')
OVERRIDES = 'qos_overrides'
"""Where ROS has the QoS of single topics, as a section and as the beginning of parameters."""
_ENDS = ('publisher', 'subscription')
_POLICIES: dict[str, tuple[str, ...]] = {
    'reliability': ('reliable', 'best_effort', 'system_default'),
    'history': ('keep_last', 'keep_all', 'system_default'),
    'depth': (),
}
"""What a node of this package lets be overridden, with the choices; a depth is a number."""
MOST_DEPTH = 10000


@dataclass(frozen=True)
class RosSettings:
    """Settings of ROS that hold for every node of a run."""

    use_sim_time: bool = False
    """Take the time from /clock, which a simulator or a bag publishes."""
    log_level: str = ''
    """One of LOG_LEVELS; empty: as ROS has it, info."""
    qos_overrides: dict[str, str | int] = field(default_factory=dict)
    """By parameter of ROS, `qos_overrides./TOPIC.subscription.reliability`."""

    def parameters(self) -> dict[str, Any]:
        """Return what each node gets of it as parameters of ROS."""
        clock: dict[str, Any] = {'use_sim_time': True} if self.use_sim_time else {}
        return {**clock, **self.qos_overrides}

    def arguments(self) -> list[str]:
        """Return what each process gets of it behind `--ros-args`."""
        return ['--log-level', self.log_level] if self.log_level else []


def read_ros(data: Mapping[str, Any]) -> RosSettings:
    """
    Return the settings that a configuration has at its top.

    Raises ConfigurationError for a value of another type, a level or a policy that there is not.
    """
    clock = data.get('use_sim_time', False)
    if not isinstance(clock, bool):
        raise ConfigurationError(
            f"parameter 'use_sim_time' is {clock!r}", 'give a value of type bool'
        )
    level = data.get('log_level', '')
    if level and level not in LOG_LEVELS:
        raise ConfigurationError(
            f"parameter 'log_level' is {level!r}", 'choose one of ' + ', '.join(LOG_LEVELS)
        )
    return RosSettings(clock, level or '', _overrides(data.get(OVERRIDES) or {}))


def _overrides(found: Any) -> dict[str, str | int]:
    if not isinstance(found, Mapping):
        raise ConfigurationError(
            f'section {OVERRIDES!r} is {found!r}', 'expected topics with publisher or subscription'
        )
    flat: dict[str, str | int] = {}
    for topic, ends in found.items():
        where = f'{OVERRIDES} of {topic!r}'
        if not isinstance(topic, str) or not topic.startswith('/'):
            raise ConfigurationError(f'{where} names no topic', 'give its full name, from /')
        for end, policies in _mapping(ends, where).items():
            _known(end, _ENDS, where)
            for policy, value in _mapping(policies, f'{where}, {end},').items():
                _known(policy, tuple(_POLICIES), f'{where}, {end},')
                flat[f'{OVERRIDES}.{topic}.{end}.{policy}'] = _policy(policy, value, where)
    return flat


def _mapping(found: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(found, Mapping):
        raise ConfigurationError(f'{where} is {found!r}', 'expected a mapping')
    return found


def _known(name: Any, names: tuple[str, ...], where: str) -> None:
    if name not in names:
        raise ConfigurationError(f'{where} has {name!r}', 'known: ' + ', '.join(names))


def _policy(name: str, value: Any, where: str) -> str | int:
    choices = _POLICIES[name]
    if choices:
        if value in choices:
            return str(value)
        raise ConfigurationError(
            f'{where}: {name} is {value!r}', 'choose one of ' + ', '.join(choices)
        )
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MOST_DEPTH:
        return value
    raise ConfigurationError(f'{where}: {name} is {value!r}', f'allowed: 1 to {MOST_DEPTH}')


def nearest(name: str, names: list[str], least: float = 0.6) -> str:
    """
    Return ` (did you mean NAME?)` for the nearest of some names; empty where none is near.

    `least` is the least likeness, as difflib has it, 0 to 1.
    """
    near = get_close_matches(name, names, 1, least)
    return f' (did you mean {near[0]!r}?)' if near else ''
