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

"""`bag record`: the recorder alone on a live graph."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlm_misalign_ros.app.cli.parser import PROGRAM, add_overrides
from vlm_misalign_ros.core.errors import ConfigurationError

if TYPE_CHECKING:
    from vlm_misalign_ros.app.graph import Graph

HELP = 'record a live graph into a bag: camera, ground truth and what the nodes of a run make'
EXAMPLES = """
vlm-misalign bag record drive --topic camera/image_raw:=/front/image_raw --seconds 60
vlm-misalign bag record drive --config live.yaml source_images=true
"""

RECORDER = 'recorder'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('out', help='folder of the bag to write')
    add_overrides(parser, 'parameters of the recorder, such as images=false models=[clip]')
    parser.add_argument(
        '--config', default='', help='live configuration: its models, remappings and namespace'
    )
    parser.add_argument('--namespace', default='', help='namespace of the graph')
    parser.add_argument(
        '--topic',
        action='append',
        default=[],
        metavar='RULE',
        help='remapping, such as camera/image_raw:=/front/image_raw; may be given again',
    )
    parser.add_argument(
        '--seconds', type=float, default=0.0, help='end after so many (default: with Ctrl-C)'
    )


def run(arguments: argparse.Namespace) -> int:
    """Record until it is stopped, and tell what came."""
    from vlm_misalign_ros.app.cli.bag.telling import needs_ros
    from vlm_misalign_ros.bags.places import parse_topics
    from vlm_misalign_ros.bags.whole import refuse_present

    out = Path(arguments.out)
    refuse_present(out)
    graph = _graph(arguments, out)
    remap = {**dict(graph.remappings), **parse_topics(arguments.topic)}
    with needs_ros():
        from vlm_misalign_ros.nodes.alone import run_alone
    rules = [f'{source}:={target}' for source, target in remap.items()]
    print(f'{PROGRAM}: recording into {out}; Ctrl-C ends it', file=sys.stderr)
    (spec,) = (dataclasses.asdict(entry) for entry in graph.nodes if entry.name == RECORDER)
    namespace = arguments.namespace or graph.namespace
    code = run_alone(spec, namespace, rules, arguments.seconds, graph.arguments)
    if not code:
        _tell(out)
    return code


def _graph(arguments: argparse.Namespace, out: Path) -> Graph:
    """Return a graph whose recorder is that of the configuration's run, or of a bare camera."""
    from vlm_misalign_ros.app.graph import Graph, build_graph, spec_of
    from vlm_misalign_ros.core.settings.configuration import (
        find_config,
        override,
        parse,
        read_yaml,
    )
    from vlm_misalign_ros.core.settings.nodes import RecorderParameters
    from vlm_misalign_ros.core.settings.parameters import build, table

    given: dict[str, Any] = override({}, arguments.overrides)
    if 'path' in given:
        raise ConfigurationError("parameter 'path' is given", 'the first argument is the folder')
    path = {'path': str(out.absolute())}
    if not arguments.config:
        values = {'source': False, 'source_images': True, **given, **path}
        chosen = build(RecorderParameters, values, RECORDER)
        return Graph((spec_of(RECORDER, chosen),), '', ())
    data = read_yaml(find_config(arguments.config))
    found = parse({**data, 'record': True})
    known = {
        entry.name: getattr(found.recorder, entry.name) for entry in table(RecorderParameters)
    }
    chosen = build(RecorderParameters, {**known, **given}, RECORDER)
    graph = build_graph(dataclasses.replace(found, recorder=chosen), out.parent)
    nodes = (
        dataclasses.replace(entry, parameters={**entry.parameters, **path})
        for entry in graph.nodes
        if entry.name == RECORDER
    )
    return dataclasses.replace(graph, nodes=tuple(nodes))


def _tell(out: Path) -> None:
    from vlm_misalign_ros.bags.reading import open_bag

    with open_bag(out) as bag:
        for name, topic in sorted(bag.topics.items()):
            if topic.count:
                print(f'{topic.count:>7}  {name}')
        print(f'{out}: {bag.count} messages')
