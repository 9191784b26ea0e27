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
What the in-process engine costs beside its models, and how fast the graph is with the same.

Three ways over the same frames: a bare loop (decode, degrade, segment, ask, and nothing kept), the
engine with its session into a run folder, and, with --graph, the nodes over ROS in lockstep. The
first two take turns, --repeats times, and their seconds are those of this process, so that other
programs matter less; those of the graph are by the clock, from its first frame to its last.

    python benchmarks/engine.py --models tiny --graph
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from timing import frame_rate

from vlm_misalign_ros.core.corruptions import degrade, parse_conditions
from vlm_misalign_ros.core.evaluation.asker import Shown
from vlm_misalign_ros.core.evaluation.engine import Engine, Models, replayed
from vlm_misalign_ros.core.evaluation.lanes import Lane
from vlm_misalign_ros.core.evaluation.replaying import open_replayed
from vlm_misalign_ros.core.evaluation.session import Session
from vlm_misalign_ros.core.models.untrained import create_untrained
from vlm_misalign_ros.core.records.store import RECORDS
from vlm_misalign_ros.core.settings.configuration import Configuration, parse
from vlm_misalign_ros.core.world import generate
from vlm_misalign_ros.wire.environment import prepare_process

CONDITIONS = ['clean', 'motion_blur:3', 'low_light:3', 'occlusion:3']


def configured(kind: str, scenes: Path, work: Path) -> dict[str, Any]:
    """Return a configuration with a segmentation and two models of a kind."""
    if kind == 'miniature':
        segmentation = 'miniature:segformer'
        vlms = {'clip': {'model': 'miniature:clip', 'calibration': 'own'}}
        vlms['llava'] = {'model': 'miniature:llava'}
    else:
        made = create_untrained(work / 'checkpoints')
        segmentation = f'transformers:{made["segformer"]}'
        vlms = {
            'clip': {'model': f'open_clip:local-dir:{made["clip"]}'},
            'captioner': {'model': f'transformers:{made["captioner"]}', 'max_new_tokens': 12},
        }
    return {
        'mode': 'evaluation',
        'replay': {'dataset': str(scenes), 'conditions': CONDITIONS, 'max_in_flight': 4},
        'segmentation': {'model': segmentation, 'input_height': 128},
        'vlms': vlms,
        'monitor': {'deadline': 300.0},
    }


def bare(chosen: Configuration, models: Models) -> int:
    """Decode, degrade, segment and ask, each once; return how many pictures there were."""
    assert chosen.replay is not None and models.segmentation is not None
    lanes: list[Lane] = [lane for _, found in models.vlms for lane in found]
    count = 0
    for frame in open_replayed(chosen.replay):
        for condition in parse_conditions(CONDITIONS):
            image = degrade(frame.image, condition, chosen.seed, frame.key).image
            models.segmentation.segment(image)
            for lane in lanes:
                for asker in lane.askers:
                    asker.answer(Shown((image,)))
            count += 1
    return count


def engine(chosen: Configuration, models: Models, folder: Path) -> int:
    """Run the engine into a folder; return how many frames closed."""
    assert chosen.replay is not None
    monitor = dataclasses.replace(chosen.monitor, run_folder=str(folder))
    session = Session(monitor, log=lambda text: None)
    frames = replayed(chosen.replay, open_replayed(chosen.replay))
    for _ in Engine(chosen, models, say=lambda text: None).run(frames, session):
        pass
    session.end(0.0)
    return session.closed


def graph(data: dict[str, Any], work: Path) -> float:
    """Run the nodes; return frames a second from the first frame to the last."""
    path = work / 'graph.yaml'
    path.write_text(yaml.safe_dump({**data, 'name': 'graph', 'out': str(work)}))
    command = [sys.executable, '-m', 'vlm_misalign_ros.app.cli', 'run', str(path)]
    with open(work / 'graph.log', 'w', encoding='utf-8') as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        rate = frame_rate(process, work / 'graph' / RECORDS)
    if process.returncode or rate is None:
        raise SystemExit((work / 'graph.log').read_text())
    return rate


def options(told: str | None, kinds: Sequence[str], frames: int) -> argparse.ArgumentParser:
    """Return the arguments of a benchmark with models of some kinds over scenes."""
    parser = argparse.ArgumentParser(description=told)
    parser.add_argument('--models', choices=kinds, default='tiny')
    parser.add_argument('--frames', type=int, default=frames)
    parser.add_argument('--width', type=int, default=1024)
    parser.add_argument('--graph', action='store_true')
    return parser


def scenes(work: Path, frames: int, width: int) -> Path:
    """Return the folder of so many scenes, twice as wide as high."""
    generate(work / 'scenes', frames, seed=3, width=width, height=width // 2)
    return work / 'scenes'


def main() -> None:
    """Measure and print."""
    parser = options(__doc__, ('tiny', 'miniature'), frames=10)
    parser.add_argument('--repeats', type=int, default=3)
    chosen = parser.parse_args()
    prepare_process()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        data = configured(chosen.models, scenes(work, chosen.frames, chosen.width), work)
        configuration = parse(data)
        models = Models.load(configuration)
        took: dict[str, list[float]] = {'bare loop': [], 'engine': []}
        clock: dict[str, list[float]] = {way: [] for way in took}
        for turn in range(chosen.repeats + 1):
            for way in took:
                begin, start = time.process_time(), time.perf_counter()
                if way == 'engine':
                    count = engine(configuration, models, work / f'engine-{turn}')
                else:
                    count = bare(configuration, models)
                # The first turn warms up.
                if turn:
                    took[way].append((time.process_time() - begin) / count)
                    clock[way].append(count / (time.perf_counter() - start))
        print(f'{chosen.models}, {count} frames of {chosen.width} x {chosen.width // 2}')
        medians = {way: statistics.median(found) for way, found in took.items()}
        for way, seconds in medians.items():
            fastest = max(clock[way])
            print(
                f'{way:10} {fastest:8.1f} frames/s by the clock at best, '
                f'{1000 * seconds:.1f} ms of processor a frame'
            )
        print(f'engine over bare loop: {medians["engine"] / medians["bare loop"]:.2f}')
        if chosen.graph:
            print(f'graph      {graph(data, work):8.1f} frames/s by the clock, all processes')


if __name__ == '__main__':
    main()
