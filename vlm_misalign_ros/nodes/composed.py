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

"""Several nodes in one process, each on an executor and thread of its own."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import threading
from pathlib import Path
from typing import Any

import rclpy
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions

from vlm_misalign_ros.core.errors import ExitCode
from vlm_misalign_ros.core.records.ending import tell_ending
from vlm_misalign_ros.nodes import lifeline, runtime
from vlm_misalign_ros.wire.ended import what_follows
from vlm_misalign_ros.wire.telling import tell


def build_node(spec: dict[str, Any], namespace: str, remappings: list[str]) -> Any:
    """Return the node that a graph entry (a NodeSpec as a mapping) describes."""
    kind = getattr(importlib.import_module(spec['module']), spec['class_name'])
    overrides = [Parameter(name, value=value) for name, value in spec['parameters'].items()]
    arguments = ['--ros-args', '-r', f'__node:={spec["name"]}']
    for rule in remappings:
        arguments += ['-r', rule]
    return kind(
        namespace=namespace or None,
        parameter_overrides=overrides,
        cli_args=arguments,
        use_global_arguments=False,
    )


def main() -> int:
    """Run the graph in a JSON file until the node that ends the run has finished."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('graph', help='JSON: nodes, namespace, remappings')
    path = parser.parse_args().graph
    stop = lifeline.catch_signals()
    lifeline.hold(stop.on_lost, True, ExitCode.ERROR)
    try:
        with open(path, encoding='utf-8') as stream:
            return _run(json.load(stream), stop)
    except BaseException as error:  # noqa: B036  (SystemExit of a library says 1, which is FAIL)
        return lifeline.report_failure('composed', error, stop.interrupted)
    finally:
        lifeline.deafen()


class _Until:
    """Asks one node to end when the process is asked to, or another node has ended the run."""

    def __init__(self, stop: lifeline.Stopping, ending: threading.Event) -> None:
        self._stop = stop
        self._ending = ending

    def __call__(self) -> bool:
        return self._stop() or self._ending.is_set()

    @property
    def abandoned(self) -> bool:
        return self._stop.abandoned


class _Losses:
    """What befalls the nodes of a graph while the run goes on."""

    def __init__(self, nodes: list[Any], graph: dict[str, Any]) -> None:
        self._last = [
            pair for pair in zip(nodes, graph['nodes'], strict=True) if pair[1]['ends_run']
        ]
        self._lock = threading.Lock()
        """Nodes end in threads of their own."""
        self._notes: list[str] = []
        self.survived: set[str] = set()
        """Names of the nodes without which the run went on."""

    def take(self, spec: dict[str, Any], code: int, reason: str) -> bool:
        """Take note that a node has ended by itself; return whether the run ends with it."""
        with self._lock:
            closed = max((node.closed for node, _ in self._last), default=0)
            loss = what_follows(
                spec['name'], spec['executable'], code, closed, sent_all=True, reason=reason
            )
            if loss is None:
                return False
            if loss.ends_run:
                for node, _ in self._last:
                    node.cause = node.cause or loss.line
                return True
            self._notes.append(loss.line)
            self.survived.add(spec['name'])
            tell(loss.line)
            for _, last in self._last:
                if folder := last['parameters'].get('run_folder'):
                    tell_ending(Path(folder), None, self._notes)
            return False


def _run(graph: dict[str, Any], stop: lifeline.Stopping) -> int:
    """Run the nodes of a graph, a thread each; return the exit code."""
    rclpy.init(
        args=['--ros-args', *graph.get('arguments', [])],
        signal_handler_options=SignalHandlerOptions.NO,
    )
    nodes: list[Any] = []
    codes: dict[str, int] = {}
    ending = threading.Event()
    rules = [f'{source}:={target}' for source, target in graph['remappings']]

    def run(node: Any, spec: dict[str, Any]) -> None:
        code: int = ExitCode.ERROR
        until = _Until(stop, ending)
        reason = ''
        try:
            code = runtime.spin(node, until)
            reason = str(node.failure or '')
        except BaseException as error:  # noqa: B036  (a thread would hide SystemExit)
            code = lifeline.report_failure(spec['name'], error)
            reason = f'{type(error).__name__}: {error}'
        finally:
            codes[spec['name']] = code
            if spec['ends_run'] or (not until() and losses.take(spec, code, reason)):
                ending.set()

    try:
        # One after the other: importing transformers from several threads at once is not safe.
        for spec in graph['nodes']:
            try:
                node = build_node(spec, graph['namespace'], rules)
            except Exception as error:
                return lifeline.report_failure(spec['name'], error)
            nodes.append(node)
        stop.starting = False
        losses = _Losses(nodes, graph)
        threads = [
            threading.Thread(target=run, args=pair, name=pair[1]['name'])
            for pair in zip(nodes, graph['nodes'], strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(0.2)
    finally:
        for node in nodes:
            node.destroy_node()
        rclpy.try_shutdown()
    last = [codes.pop(spec['name']) for spec in graph['nodes'] if spec['ends_run']]
    failed = [code for name, code in codes.items() if code and name not in losses.survived]
    return failed[0] if failed else max(last, default=0)


if __name__ == '__main__':
    sys.exit(main())
