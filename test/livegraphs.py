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

"""Whole live graphs: the nodes of a configuration, a thread each here or a process each."""

import dataclasses
import os
import signal
import subprocess
import threading
from collections import Counter
from contextlib import suppress

from worlds import wait_for

from vlm_misalign_ros.app.graph import build_graph
from vlm_misalign_ros.app.processes import command_of
from vlm_misalign_ros.core.records.account import AccountingRecord, LateRecord
from vlm_misalign_ros.core.records.schema import FrameRecord
from vlm_misalign_ros.core.records.store import RECORDS, read_records
from vlm_misalign_ros.core.settings.configuration import parse
from vlm_misalign_ros.core.stamps import parse_stamp
from vlm_misalign_ros.nodes import composed, runtime
from vlm_misalign_ros.wire import topics

DEADLINE = 3.0


def plain(checkpoints):
    """Return a small live configuration that drops nothing, with a recorder."""
    every = {'policy': 'every_frame', 'queue_size': 64, 'reliability': 'reliable'}
    deep = {'subscription': {'depth': 1000}, 'publisher': {'depth': 1000}}
    return {
        'qos_overrides': {f'/{topic}': deep for topic in topics.IMAGES[:6]},
        'corruption': {'condition': 'motion_blur:2', **every},
        'segmentation': {
            'model': f'transformers:{checkpoints["segformer"]}',
            'input_height': 64,
            **every,
        },
        'vlms': {'clip': {'model': f'open_clip:local-dir:{checkpoints["clip"]}', **every}},
        'monitor': {'deadline': DEADLINE, 'pictures': 0, 'reliability': 'reliable'},
        'record': True,
    }


class LiveGraph:
    """
    The nodes that `vlm-misalign run` would start of a live configuration (a mapping).

    rclpy has to be initialised. `end` stops them as Ctrl-C does, the monitor last, so that all
    that is under way is written down.
    """

    def __init__(self, data, folder):
        self.folder = folder
        graph = build_graph(parse({'mode': 'live', **data}), folder)
        rules = [f'{source}:={target}' for source, target in graph.remappings]
        self.nodes, self.codes, self._stops, self._threads = {}, {}, {}, {}
        for spec in graph.nodes:
            self.nodes[spec.name] = composed.build_node(
                dataclasses.asdict(spec), graph.namespace, rules
            )
        for name, node in self.nodes.items():
            stop = self._stops[name] = threading.Event()
            thread = threading.Thread(target=self._spin, args=(name, node, stop), name=name)
            self._threads[name] = thread
            thread.start()

    def _spin(self, name, node, stop):
        self.codes[name] = runtime.spin(node, stop.is_set)

    @property
    def monitor(self):
        return self.nodes['monitor']

    def settle(self, pictures, patience=3 * DEADLINE):
        """Wait until so many pictures are in a state, or none has got into one for long."""
        closed = -1
        while closed < self.monitor.closed < pictures:
            closed = self.monitor.closed
            with suppress(AssertionError):
                wait_for(lambda: self.monitor.closed >= pictures, patience)

    def stop(self, name):
        self._stops[name].set()
        self._threads[name].join(30)

    def end(self):
        for name in (*(name for name in self.nodes if name != 'monitor'), 'monitor'):
            self.stop(name)
        for node in self.nodes.values():
            node.destroy_node()


def records_of(folder):
    """Return the records of frames, and the sums in the last line."""
    found = list(read_records(folder / RECORDS))
    assert isinstance(found[-1], AccountingRecord)
    return [record for record in found if isinstance(record, FrameRecord)], found[-1]


def counted(folder, part):
    """Return how many frames are in each state by the records, with those that came late."""
    states = {}
    for record in read_records(folder / RECORDS):
        if isinstance(record, FrameRecord):
            entry = record.segmentation if part == 'segmentation' else record.models[part]
            states[record.epoch, record.stamp] = entry.status.value
        elif isinstance(record, LateRecord):
            told = 'confidence' if record.passed and part == 'segmentation' else part
            whose = record.part.removeprefix('vlm:')
            if whose == told and states.get((record.epoch, record.stamp)) == 'missing':
                states[record.epoch, record.stamp] = 'dropped' if record.passed else 'late'
    return Counter(states.values())


def frames_of(records):
    """Return {(epoch, stamp): record}; no frame has two."""
    found = {(record.epoch, parse_stamp(record.stamp)): record for record in records}
    assert len(found) == len(records), 'a picture is in two states'
    return found


class ProcessGraph:
    """The same, a process for each node, which may be told anything that a process can be told."""

    def __init__(self, data, folder):
        self.folder = folder
        (folder / 'log').mkdir(parents=True)
        self.graph = build_graph(parse({'mode': 'live', **data}), folder)
        self.specs = {spec.name: spec for spec in self.graph.nodes}
        self.running = {}

    def start(self, *names, **options):
        """Start nodes; `options` are those of subprocess.Popen."""
        for name in names or self.specs:
            with open(self.log(name), 'ab') as log:
                self.running[name] = subprocess.Popen(
                    command_of(self.specs[name], self.graph, self.folder),
                    stdout=log,
                    stderr=log,
                    env=os.environ,
                    **options,
                )

    def log(self, name):
        return self.folder / 'log' / f'{name}.log'

    def said(self, name):
        return self.log(name).read_text(encoding='utf-8', errors='replace')

    def meet(self, node, seconds=90.0):
        """Wait until `node` sees all that is running at its work."""
        made = {
            'monitor': topics.MONITOR_FRAME,
            'corruption': topics.DEGRADED_CONDITION,
            'segmentation': topics.SEGMENTATION_CONFIDENCE,
            'recorder': topics.RECORDER_FRAME,
        }
        for name, process in self.running.items():
            topic = made.get(name) or topics.vlm_description(name.removeprefix('vlm_'))

            def there(topic=topic, process=process, name=name):
                assert process.poll() is None, self.said(name)
                return node.count_publishers(topic)

            wait_for(there, seconds)
        models = [name for name in self.running if name.startswith(('vlm_', 'segm'))]
        wait_for(lambda: node.count_subscribers(topics.DEGRADED_IMAGE) >= len(models), seconds)

    def tell(self, name, number):
        self.running[name].send_signal(number)

    def kill(self, name, node):
        """Kill a node as the kernel does, and wait until the graph knows."""
        process = self.running.pop(name)
        process.kill()
        process.wait(20)
        wait_for(lambda: name not in node.get_node_names(), 60)

    def end(self, number=signal.SIGINT):
        """Ask every node to end, the monitor last; return {name: exit code}."""
        codes = {}
        for name in sorted(self.running, key=lambda name: name == 'monitor'):
            with suppress(ProcessLookupError):
                self.tell(name, signal.SIGCONT)
                self.tell(name, number)
            codes[name] = self.running[name].wait(60)
        return codes

    def clear(self):
        for process in self.running.values():
            if process.poll() is None:
                process.kill()
            process.wait(20)
