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
ROS parameter files: what they say of the nodes of a run, as entries of its configuration.

So that a file that a stack shares goes through the same checks, and into the same manifest, as
everything else. Wildcards are those of ROS: `*` is one part of a name, `**` any number of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.settings.annotator import AnnotatorParameters
from vlm_misalign_ros.core.settings.fixed import FIXED
from vlm_misalign_ros.core.settings.nodes import (
    CorruptionParameters,
    MonitorParameters,
    RecorderParameters,
    ReferenceParameters,
    ReplayParameters,
    SegmentationParameters,
    VlmParameters,
)
from vlm_misalign_ros.core.settings.outside import is_outside
from vlm_misalign_ros.core.settings.parameters import table
from vlm_misalign_ros.core.settings.ros import OVERRIDES, nearest

MARK = 'ros__parameters'
_NODES: dict[str, type] = {
    'monitor': MonitorParameters,
    'corruption': CorruptionParameters,
    'segmentation': SegmentationParameters,
    'reference': ReferenceParameters,
    'recorder': RecorderParameters,
    'annotator': AnnotatorParameters,
    'replay': ReplayParameters,
}
VLM = 'vlm_'
"""Before the name of a model, in that of its node."""
_DEEPEST = 32


def with_params_file(data: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """
    Return the mapping of a configuration with what a ROS parameter file says laid over it.

    Nodes are found by their full names, in the namespace of the configuration; those of others
    are passed over. Raises ConfigurationError for a file that cannot be read or names no node of
    the run, and for a parameter that the node it is given to does not have.
    """
    result: dict[str, Any] = yaml.safe_load(yaml.safe_dump(dict(data))) or {}
    space = str(result.get('namespace') or '').strip('/')
    nodes = dict(_nodes(result))
    taken = False
    for pattern, parameters in _read(path):
        exact = '*' not in pattern
        expression = _expression(pattern)
        for node, kind in nodes.items():
            full = '/' + '/'.join(part for part in (space, node) if part)
            if expression.fullmatch(full):
                taken = True
                _lay(result, node, kind, parameters, f'{path}: {pattern}' if exact else '')
    if not taken:
        raise ConfigurationError(
            f'params_file {path} is for no node of this run',
            f'its nodes are {", ".join(nodes)}' + (f' in /{space}' if space else ''),
        )
    return result


def _nodes(data: Mapping[str, Any]) -> Iterator[tuple[str, type]]:
    """Yield name and parameters of each node that a configuration may start."""
    idle = {'replay'} if data.get('mode') == 'live' else set()
    if not isinstance(data.get('segmentation'), dict) or is_outside(data['segmentation']):
        idle.add('segmentation')
    if not isinstance(data.get('reference'), dict):
        idle.add('reference')
    yield from ((name, kind) for name, kind in _NODES.items() if name not in idle)
    # What is no mapping, or no name, is refused where all sections are.
    vlms = data.get('vlms')
    for name, chosen in vlms.items() if isinstance(vlms, dict) else ():
        if isinstance(name, str) and isinstance(chosen, dict) and not is_outside(chosen):
            yield f'{VLM}{name}', VlmParameters


def _read(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Return (pattern of nodes, parameters by name) in the order of a file."""
    try:
        found = yaml.safe_load(path.expanduser().read_text(encoding='utf-8'))
    except FileNotFoundError as error:
        raise ConfigurationError(f'params_file {path} does not exist') from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise ConfigurationError(f'params_file {path} cannot be read: {error}') from error
    entries = list(_entries(found, '', path)) if isinstance(found, Mapping) else []
    if not entries:
        raise ConfigurationError(
            f'params_file {path} has no parameters', f'expected NODE: {MARK}: NAME: VALUE'
        )
    return entries


def _entries(
    found: Mapping[str, Any], place: str, path: Path, depth: int = 0
) -> Iterator[tuple[str, dict[str, Any]]]:
    if depth > _DEEPEST:
        raise ConfigurationError(f'params_file {path} is nested too deep')
    for key, value in found.items():
        if key == MARK:
            if not place or not isinstance(value, Mapping):
                raise ConfigurationError(
                    f'params_file {path}: {MARK} of {place or "no node"} is no mapping of one'
                )
            yield place, dict(_flat(value, ''))
        elif isinstance(value, Mapping):
            yield from _entries(value, f'{place}/{str(key).strip("/")}', path, depth + 1)


def _flat(found: Mapping[str, Any], prefix: str, depth: int = 0) -> Iterator[tuple[str, Any]]:
    for key, value in found.items():
        name = f'{prefix}{key}'
        if isinstance(value, Mapping) and depth < _DEEPEST:
            yield from _flat(value, f'{name}.', depth + 1)
        else:
            yield name, value


def _expression(pattern: str) -> re.Pattern[str]:
    """Return what matches the full names of the nodes that a pattern of ROS is for."""
    parts = []
    for part in pattern.strip('/').split('/'):
        parts.append(
            '(/[^/]+)*' if part == '**' else '/' + re.escape(part).replace(r'\*', '[^/]+')
        )
    return re.compile(''.join(parts))


def _lay(
    result: dict[str, Any], node: str, kind: type, parameters: Mapping[str, Any], exact: str
) -> None:
    """
    Lay parameters over the section of a node; `exact` names what is for this node alone.

    What the run sets itself is none that a node of a pattern has: a stack's file means others.
    """
    passed = () if exact else FIXED.get(kind, ())
    names = [entry.name for entry in table(kind) if entry.name not in passed]
    for name, value in parameters.items():
        if name == 'use_sim_time':
            result[name] = value
        elif name.startswith(f'{OVERRIDES}.'):
            _override(result, name, value)
        elif name in names:
            if isinstance(value, list):
                # ROS has no empty list of strings, and takes one empty string for it.
                value = [entry for entry in value if entry != '']
            _section(result, node)[name] = value
        elif exact:
            raise ConfigurationError(
                f'{exact} has no parameter {name!r}{nearest(name, names)}',
                'docs/parameters.md has those of each node',
            )


def _section(result: dict[str, Any], node: str) -> dict[str, Any]:
    """Return the section of a node, made where it has none."""
    found: dict[str, Any]
    if node not in _NODES:
        found = result['vlms'][node.removeprefix(VLM)]
        return found
    return _mapping(result, node, node)


def _mapping(place: dict[str, Any], name: str, section: str) -> dict[str, Any]:
    """Return the mapping `name` in a mapping of a section, made where there is none."""
    if place.get(name) is None:
        place[name] = {}
    if not isinstance(place[name], dict):
        raise ConfigurationError(f'section {section!r} is {place[name]!r}', 'expected a mapping')
    found: dict[str, Any] = place[name]
    return found


def _override(result: dict[str, Any], name: str, value: Any) -> None:
    """Lay the QoS of one topic, `qos_overrides./TOPIC.END.POLICY`, over the section."""
    topic, _, rest = name.removeprefix(f'{OVERRIDES}.').partition('.')
    end, _, policy = rest.partition('.')
    place = result
    for part in (OVERRIDES, topic, end):
        place = _mapping(place, part, OVERRIDES)
    place[policy] = value
