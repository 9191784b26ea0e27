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
How fast a sweep is, in one process and in several, and what loop and graph take for the same.

The plain loop takes one model after the other, and for each decodes, degrades and asks: what is
written first by hand. The sweep decodes and degrades once for all models, scores, and writes
records, tables and report. By the clock, after loading for the loop, with loading for the sweep;
the graph from its first frame to its last. `demo` is the grid of `vlm-misalign demo`.

    python benchmarks/sweep.py --models demo --jobs 1 2 --graph

Given no --jobs, it stops after the loop. --device puts every model there, cuda say.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from engine import configured, graph, options, scenes

from vlm_misalign_ros.app.sweeping import Sweep
from vlm_misalign_ros.core.corruptions import degrade, parse_conditions
from vlm_misalign_ros.core.evaluation.asker import Asker, Shown
from vlm_misalign_ros.core.evaluation.engine import Models
from vlm_misalign_ros.core.evaluation.replaying import open_replayed
from vlm_misalign_ros.core.records.store import RECORDS, difference
from vlm_misalign_ros.core.settings.configuration import (
    Configuration,
    find_config,
    parse,
    read_yaml,
)
from vlm_misalign_ros.wire.environment import prepare_process


def plain(chosen: Configuration, models: Models) -> None:
    """Decode, degrade and infer for each model by itself."""
    assert chosen.replay is not None and models.segmentation is not None
    askers = [asker for _, found in models.vlms for lane in found for asker in lane.askers]
    infers: list[Callable[[np.ndarray], object]] = [models.segmentation.segment]
    infers += [partial(_ask, asker) for asker in askers]
    for infer in infers:
        for frame in open_replayed(chosen.replay):
            for condition in parse_conditions(list(chosen.replay.conditions)):
                infer(degrade(frame.image, condition, chosen.seed, frame.key).image)


def _ask(asker: Asker, image: np.ndarray) -> object:
    return asker.answer(Shown((image,)))


def chosen_grid(kind: str, scenes: Path, work: Path, device: str) -> dict[str, Any]:
    """Return a configuration with the models of a kind on a device, over scenes."""
    if kind != 'demo':
        data = configured(kind, scenes, work)
    else:
        data = dict(read_yaml(find_config('demo')))
        data['replay'] = {**data['replay'], 'dataset': str(scenes)}
    data['segmentation'] = {**data['segmentation'], 'device': device}
    data['vlms'] = {name: {**vlm, 'device': device} for name, vlm in data['vlms'].items()}
    return data


def timed(sweep: Sweep, jobs: int) -> tuple[float, float]:
    """Return the seconds from the first frame to the last, and of everything."""
    moments: list[float] = []
    begin = time.perf_counter()
    sweep.work(jobs, lambda count, what: moments.append(time.perf_counter()))
    sweep.conclude()
    return moments[-1] - begin, time.perf_counter() - begin


def main() -> None:
    """Measure and print."""
    parser = options(__doc__, ('tiny', 'miniature', 'demo'), frames=16)
    parser.add_argument('--jobs', type=int, nargs='*', default=[1, 2])
    parser.add_argument('--device', default='auto')
    chosen = parser.parse_args()
    prepare_process()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        streets = scenes(work, chosen.frames, chosen.width)
        data = chosen_grid(chosen.models, streets, work, chosen.device)
        configuration = parse(data)
        assert configuration.replay is not None
        conditions = parse_conditions(list(configuration.replay.conditions))
        count = chosen.frames * len(conditions)
        print(
            f'{chosen.models} on {chosen.device}, {count} frames of '
            f'{chosen.width} x {chosen.width // 2}',
            flush=True,
        )
        models = Models.load(configuration)
        begin = time.perf_counter()
        plain(configuration, models)
        took = time.perf_counter() - begin
        print(
            f'plain loop        {took:6.1f} s, {count / took:.1f} frames/s, nothing scored',
            flush=True,
        )
        folders = []
        for jobs in chosen.jobs:
            sweep = Sweep(data, work / f'jobs-{jobs}', print)
            made, whole = timed(sweep, jobs)
            print(
                f'sweep, {jobs} processes {made:6.1f} s with loading, '
                f'{count / made:.1f} frames/s; '
                f'{whole:.1f} s with report',
                flush=True,
            )
            folders.append(sweep.runs[0].folder)
        if chosen.graph:
            rate = graph(data, work)
            print(f'graph             {count / rate:6.1f} s, {rate:.1f} frames/s')
            folders.append(work / 'graph')
        for folder in folders[1:]:
            print(f'differences: {len(difference(folders[0] / RECORDS, folder / RECORDS))}')


if __name__ == '__main__':
    main()
