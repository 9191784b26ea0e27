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
What `bag analyse` costs beside what cannot be spared: reading the bytes, and scoring the frames.

A run of the graph over synthetic scenes is recorded by its own recorder, and copied into SQLite.
In turns, each in a process of its own and with the files in the page cache:

    bytes       the file read through, a megabyte at a time
    matrix      the same, and a confusion matrix of each frame
    evaluator   the same, and `Evaluator.evaluate` of each frame in a bare loop: truth, mask and
                answers, all in memory
    analyse     `bag analyse`: reading, joining, scoring, records, summaries, report

Seconds are those of the process (user and system), since other programs matter less to them.
Frames of the bare loops are those of the bag: a few of them, scored again and again by turns, so
that no scene stays and none is spared.

    python benchmarks/bags.py --frames 1000
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import yaml

CONDITIONS = ['clean', 'motion_blur:3', 'low_light:3', 'occlusion:3']
KEPT = 16
"""Frames that the bare loops go round."""
BLOCK = 1 << 20
WAYS = ('bytes', 'matrix', 'evaluator', 'analyse')


def record(work: Path, frames: int, width: int, compression: str) -> Path:
    """Run the graph over scenes with untrained models, and return the bag of it."""
    from vlm_misalign_ros.core.models.untrained import create_untrained
    from vlm_misalign_ros.core.world import generate

    scenes = -(-frames // len(CONDITIONS))
    generate(work / 'scenes', scenes, seed=3, width=width, height=width // 2)
    made = create_untrained(work / 'checkpoints')
    vlms = {
        'clip': {'model': f'open_clip:local-dir:{made["clip"]}'},
        'captioner': {'model': f'transformers:{made["captioner"]}', 'max_new_tokens': 12},
    }
    data = {
        'mode': 'evaluation',
        'name': 'graph',
        'out': str(work),
        'replay': {'dataset': str(work / 'scenes'), 'conditions': CONDITIONS},
        'segmentation': {'model': f'transformers:{made["segformer"]}', 'input_height': 128},
        'vlms': vlms,
        'monitor': {'deadline': 300.0, 'pictures': 0},
        'record': True,
        'recorder': {'compression': compression},
    }
    path = work / 'graph.yaml'
    path.write_text(yaml.safe_dump(data), encoding='utf-8')
    command = [sys.executable, '-m', 'vlm_misalign_ros.app.cli', 'run', str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return work / 'graph' / 'bag'


def as_sqlite(bag: Path, target: Path) -> Path:
    """Copy a bag, message by message, into SQLite; by rosbags, which is none of ours."""
    from rosbags.rosbag2 import Reader, StoragePlugin, Writer

    with (
        Reader(bag) as source,
        Writer(target, version=8, storage_plugin=StoragePlugin.SQLITE3) as out,
    ):
        known = {
            one.id: out.add_connection(
                one.topic, one.msgtype, msgdef=one.msgdef.data, rihs01=one.digest
            )
            for one in source.connections
        }
        for one, arrival, data in source.messages():
            out.write(known[one.id], arrival, data)
    return target


class _Enough(Exception):
    """So many frames were taken."""


def taken(bag: Path, config: Path, out: Path) -> list[Callable[[], object]]:
    """Return the first evaluations that an analysis of the bag asks for, each to be made again."""
    from vlm_misalign_ros.bags import analyse as library
    from vlm_misalign_ros.core.evaluation.evaluator import Evaluator
    from vlm_misalign_ros.core.settings.configuration import parse, read_yaml
    from vlm_misalign_ros.core.settings.nodes import EvaluationParameters
    from vlm_misalign_ros.core.settings.parameters import table

    monitor = parse(read_yaml(config)).monitor
    parameters = EvaluationParameters(
        **{entry.name: getattr(monitor, entry.name) for entry in table(EvaluationParameters)}
    )
    found: list[Callable[[], object]] = []
    evaluate = Evaluator.evaluate

    def listening(*given: Any, **named: Any) -> Any:
        found.append(partial(evaluate, *given, **named))
        if len(found) == KEPT:
            raise _Enough
        return evaluate(*given, **named)

    Evaluator.evaluate = listening  # type: ignore[method-assign]
    try:
        with suppress(_Enough):
            library.analyse(bag, out, parameters)
    finally:
        Evaluator.evaluate = evaluate  # type: ignore[method-assign]
    return found


def matrices(bag: Path) -> list[Callable[[], object]]:
    """Return what makes the confusion matrix of each of the first frames of a bag."""
    from vlm_misalign_ros.bags.reading import open_bag
    from vlm_misalign_ros.core.labels.classes import to_train_ids
    from vlm_misalign_ros.core.metrics.confusion import confusion

    names = ('/ground_truth/labels', '/segmentation/labels')
    with open_bag(bag) as source:
        maps: dict[str, list[Any]] = {name: [] for name in names}
        for raw in source.messages(names):
            message = source.decode(raw)
            maps[raw.topic].append(to_train_ids(message.data.reshape(message.height, -1)))
            if min(map(len, maps.values())) >= KEPT:
                break
    return [partial(confusion, *pair) for pair in zip(*maps.values(), strict=False)]


def analyse(bag: Path, config: Path, out: Path) -> None:
    """Analyse as the command line does."""
    from vlm_misalign_ros.app.cli import main

    words = [str(bag), '--config', str(config), '--out', str(out)]
    if main(['bag', 'analyse', *words]):
        raise SystemExit(f'{bag} cannot be analysed')


def one(way: str, bag: Path, config: Path, frames: int) -> dict[str, float]:
    """Do one of the ways once; return seconds of the process, of the clock, and MiB at most."""
    with tempfile.TemporaryDirectory() as name:
        out = Path(name)
        work: list[Callable[[], object]] = []
        if way == 'matrix':
            work = matrices(bag)
        elif way == 'evaluator':
            work = taken(bag, config, out / 'first')
        before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        if way == 'analyse':
            analyse(bag, config, out / 'all')
        else:
            for path in sorted(bag.iterdir()):
                with open(path, 'rb', buffering=0) as file:
                    while file.read(BLOCK):
                        pass
            for number in range(frames if work else 0):
                work[number % len(work)]()
        after, took = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter() - began
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    # That of the process alone: ru_maxrss begins with what its parent had.
    status = Path('/proc/self/status').read_text(encoding='ascii').split()
    return {'cpu': cpu, 'clock': took, 'memory': int(status[status.index('VmHWM:') + 1]) / 1024}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--frames', type=int, default=1000)
    parser.add_argument('--width', type=int, default=2048)
    parser.add_argument('--repeats', type=int, default=3)
    parser.add_argument('--compression', choices=('none', 'zstd'), default='none')
    parser.add_argument('--work', default='', help='keep the bag here, and take one that is there')
    parser.add_argument('--one', nargs=4, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        way, bag, config, frames = chosen.one
        print(json.dumps(one(way, Path(bag), Path(config), int(frames))))
        return
    with tempfile.TemporaryDirectory() as name:
        work = Path(chosen.work or name)
        work.mkdir(parents=True, exist_ok=True)
        mcap, sqlite = work / 'graph' / 'bag', work / 'sqlite'
        if not mcap.exists():
            record(work, chosen.frames, chosen.width, chosen.compression)
        if not sqlite.exists():
            as_sqlite(mcap, sqlite)
        for bag in (mcap, sqlite):
            tell(bag, work / 'graph' / 'config.yaml', chosen.frames, chosen.repeats)


def tell(bag: Path, config: Path, frames: int, repeats: int) -> None:
    """Go the four ways in turn, and print what they took."""
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(repeats):
        for way, results in found.items():
            words = [sys.executable, __file__, '--one', way, str(bag), str(config), str(frames)]
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(done.stderr)
            results.append(json.loads(done.stdout.splitlines()[-1]))
    size = sum(path.stat().st_size for path in bag.iterdir())
    print(f'{bag}: {frames} frames, {size / 1e9:.2f} GB')
    for way, results in found.items():
        cpu, clock, memory = (
            statistics.median(entry[key] for entry in results)
            for key in ('cpu', 'clock', 'memory')
        )
        print(f'  {way:10} {cpu:8.2f} s of CPU {clock:8.2f} s by the clock {memory:7.0f} MiB')
    for way in ('evaluator', 'matrix'):
        ratios = [
            mine['cpu'] / other['cpu']
            for mine, other in zip(found['analyse'], found[way], strict=True)
        ]
        print(f'  analyse / {way}: {statistics.median(ratios):.2f}')


if __name__ == '__main__':
    main()
