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
The node graph of a run, described once, as data.

The command-line runner and the launch files both start exactly this.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.records.manifest import told_classes
from vlm_misalign_ros.core.settings.configuration import Configuration
from vlm_misalign_ros.core.settings.nodes import MonitorParameters
from vlm_misalign_ros.core.settings.outside import read_outside
from vlm_misalign_ros.core.settings.parameters import table
from vlm_misalign_ros.core.settings.ros import OVERRIDES, nearest
from vlm_misalign_ros.wire import topics
from vlm_misalign_ros.wire.ended import Loss, what_follows
from vlm_misalign_ros.wire.transports import COMPRESSED, COMPRESSED_DEPTH
from vlm_misalign_ros.wire.truths import remapped

PACKAGE = 'vlm_misalign_ros'
MARGIN = 8.0
"""Seconds beyond its deadline in which a frame closes."""


@dataclass(frozen=True)
class NodeSpec:
    """One node of the graph."""

    name: str
    """Node name, and the name of its log."""
    executable: str
    """File in lib/vlm_misalign_ros, for `ros2 run` and launch."""
    module: str
    """Python module with the node class and `main()`."""
    class_name: str
    parameters: dict[str, Any]
    ends_run: bool = False
    """The run is over when this node exits, and its exit code is the run's."""

    def ended(self, code: int, closed: int, sent_all: bool = False, **known: Any) -> Loss | None:
        """Return what its end means for the run; see `what_follows`."""
        return what_follows(self.name, self.executable, code, closed, sent_all, **known)


@dataclass(frozen=True)
class Graph:
    """Nodes, remappings and namespace of a run."""

    nodes: tuple[NodeSpec, ...]
    namespace: str
    remappings: tuple[tuple[str, str], ...]
    arguments: tuple[str, ...] = ()
    """What every process gets behind `--ros-args`, such as a log level."""
    elsewhere: tuple[NodeSpec, ...] = ()
    """Nodes of the run that another machine starts."""

    @property
    def patience(self) -> float:
        """For how many seconds no frame may close once all are sent."""
        monitor = next(spec for spec in self.nodes if spec.ends_run)
        return float(monitor.parameters.get('deadline', MonitorParameters().deadline)) + MARGIN


def _changed(parameters: Any) -> dict[str, Any]:
    """Return the parameters that differ from their defaults, as ROS takes them."""
    return {
        entry.name: list(value) if isinstance(value, tuple) else value
        for entry in table(type(parameters))
        if (value := getattr(parameters, entry.name)) != entry.default
    }


def full_name(namespace: str, remap: Mapping[str, str], topic: str) -> str:
    """Return the full name of a topic of a run, remapped and in its namespace."""
    name = remap.get(topic, topic)
    if name.startswith('/'):
        return name
    return '/'.join(['', *(part for part in (namespace.strip('/'), name) if part)])


def topics_of(configuration: Configuration) -> list[str]:
    """Return the full names of all topics of a run, sorted, those of packed pictures with them."""
    outside = read_outside(configuration.monitor.outside)
    own = [topics.vlm_description(n) for n in configuration.monitor.models if n not in outside]
    rules = remapped(configuration)
    images, others = (
        [full_name(configuration.namespace, rules, name) for name in names]
        for names in (topics.IMAGES, [*topics.OTHERS, *own, *(o.topic for o in outside.values())])
    )
    packed = [f'{name}/{ending}' for name in images for ending in (COMPRESSED, COMPRESSED_DEPTH)]
    return sorted({*images, *packed, *others})


def check_names(configuration: Configuration) -> None:
    """
    Raise ConfigurationError for a rule, or QoS, of a topic that is none of the run's.

    ROS takes it without a word, and it changes nothing.
    """
    own = topics_of(dataclasses.replace(configuration, remap={}))
    for source in configuration.remap:
        if full_name(configuration.namespace, {}, source) not in own:
            raise ConfigurationError(
                f'remap has {source!r}, which is no topic of this run' + nearest(source, own),
                'give the name that it has without the rule',
            )
    names = topics_of(configuration)
    for parameter in configuration.ros.qos_overrides:
        topic = parameter.removeprefix(f'{OVERRIDES}.').partition('.')[0]
        if topic not in names:
            raise ConfigurationError(
                f'{OVERRIDES} has {topic!r}, which is no topic of this run'
                + nearest(topic, names),
                'give the full name, in the namespace',
            )


def spec_of(kind: str, parameters: Any, name: str = '', ends_run: bool = False) -> NodeSpec:
    """Return the entry of a node of a kind with its parameters."""
    return NodeSpec(
        name or kind,
        kind,
        f'{PACKAGE}.nodes.{kind}',
        kind.capitalize(),
        _changed(parameters),
        ends_run,
    )


def build_graph(configuration: Configuration, run_folder: Path, begin: int | None = None) -> Graph:
    """
    Return the graph of a run that writes into `run_folder`.

    With `begin` it goes on with what is there, from the frame of that number, from 0.
    """
    chosen = configuration
    monitor = dataclasses.replace(
        chosen.monitor,
        run_folder=str(run_folder.absolute()),
        resumed=begin is not None,
        segmentation_classes=told_classes(run_folder) or chosen.monitor.segmentation_classes,
    )
    nodes = [spec_of('monitor', monitor, ends_run=True), spec_of('corruption', chosen.corruption)]
    if chosen.recorder is not None:
        nodes.append(
            spec_of(
                'recorder',
                dataclasses.replace(chosen.recorder, path=str(run_folder.absolute() / 'bag')),
            )
        )
    if chosen.segmentation is not None:
        nodes.append(spec_of('segmentation', chosen.segmentation))
    if chosen.reference is not None:
        nodes.append(spec_of('reference', chosen.reference))
    nodes.extend(spec_of('vlm', vlm, name=f'vlm_{vlm.name}') for vlm in chosen.vlms)
    if chosen.replay is not None:
        nodes.append(spec_of('replay', dataclasses.replace(chosen.replay, begin=begin or 0)))
    if chosen.annotator is not None:
        nodes.append(spec_of('annotator', chosen.annotator))
    shared = chosen.ros.parameters()
    nodes = [dataclasses.replace(spec, parameters={**spec.parameters, **shared}) for spec in nodes]
    return Graph(
        tuple(spec for spec in nodes if spec.name not in chosen.elsewhere),
        chosen.namespace,
        tuple(remapped(chosen).items()),
        tuple(chosen.ros.arguments()),
        tuple(spec for spec in nodes if spec.name in chosen.elsewhere),
    )
