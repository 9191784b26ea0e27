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
An hour of a camera at 10 Hz through the whole graph, and what grows meanwhile.

`accelerated` has 36,000 pictures replayed as fast as the graph takes them, with untrained models
of the smallest size. `real_time` has a camera of 10 Hz and every miniature but `temporal` with the
policy `latest`, for ten minutes after the tables of the monitor are full, or after seven minutes
in which they are not yet. Both are `vlm-misalign run`, a process each node; the memory of each is
read from /proc every two seconds. `write` tells both in docs/endurance.md.

    python benchmarks/endurance.py accelerated
    python benchmarks/endurance.py real_time
    python benchmarks/endurance.py write
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from growth import BATCHES, slope
from results import between

from vlm_misalign_ros.app.progress import Records
from vlm_misalign_ros.core.models.untrained import create_untrained
from vlm_misalign_ros.core.records.schema import FrameRecord
from vlm_misalign_ros.core.records.store import RECORDS, read_records
from vlm_misalign_ros.core.stamps import NANO, parse_stamp
from vlm_misalign_ros.core.world import generate

OUT = Path('runs') / 'endurance'
RATE = 10.0
"""Hz, of the stamps of one and of the pictures of the other."""
HOUR = 36_000
"""Frames of an hour."""
DOCUMENT = Path(__file__).resolve().parent.parent / 'docs' / 'endurance.md'
BLOCK = 6
"""Looks between which CPU time is taken: it is told in steps of 10 ms."""
EVERY = 2.0
"""Seconds from one look at the processes to the next."""
SCENES = 200
HOLD = 180
"""Pictures of each scene in a row: 36,000 are an hour at 10 Hz."""
SIZE = {'accelerated': (128, 64), 'real_time': (256, 128)}
FULL = 8400
"""Frames after which the tables of the monitor are full: its largest keeps 8,192 stamps."""
SETTLED = 20.0
"""Seconds after which the camera of the measured part has all that it needs."""
FILLING = 30.0
"""Hz of the camera until then, in real time."""
PATIENCE = 420.0
"""Seconds after which it is measured all the same."""
MEASURED = 600.0
SAMPLES = 'samples.jsonl'
CYCLE = (('clean', 4), ('motion_blur:2', 2), ('low_light:3', 2), ('occlusion:2', 2))
"""What the scenario goes through again and again, so that no stretch of it is heavier."""
MINIATURES: dict[str, dict[str, Any]] = {
    'clip': {'model': 'miniature:clip', 'calibration': 'own'},
    'siglip': {'model': 'miniature:siglip', 'calibration': 'own'},
    'llava': {'model': 'miniature:llava'},
    'paligemma': {'model': 'miniature:paligemma', 'prompt': 'default'},
    'grounded': {'model': 'miniature:grounded', 'input': 'image+objects'},
}
CLI = [sys.executable, '-m', 'vlm_misalign_ros.app.cli']


def configuration(kind: str, folder: Path, hold: int) -> dict[str, Any]:
    """Draw the scenes of a run, and return its configuration."""
    width, height = SIZE[kind]
    scenes, scenario = folder / 'scenes', folder / 'scenario.yaml'
    generate(scenes, SCENES, seed=11, width=width, height=height)
    segments = [{'condition': name, 'seconds': length} for name, length in CYCLE]
    scenario.write_text(yaml.safe_dump({'repeat': True, 'segments': segments}))
    if kind == 'accelerated':
        made = create_untrained(folder / 'checkpoints', seed=0)
        return {
            'mode': 'evaluation',
            'replay': {
                'dataset': str(scenes),
                'scenario': str(scenario),
                'hold': hold,
                'rate': RATE,
                'max_in_flight': 4,
                'depth': False,
            },
            'segmentation': {'model': f'transformers:{made["segformer"]}', 'input_height': 64},
            'vlms': {'clip': {'model': f'open_clip:local-dir:{made["clip"]}'}},
        }
    return {
        'mode': 'live',
        'corruption': {'scenario': str(scenario)},
        'segmentation': {'model': 'miniature:segformer', 'input_height': 128},
        'vlms': MINIATURES,
        'annotate': True,
    }


def camera(scenes: Path, rate: float) -> list[str]:
    """Return the command of a camera that goes through the scenes without end."""
    values = ('mode:=real_time', f'rate:={rate}', 'loop:=true', 'conditions:=[clean]')
    command = [sys.executable, '-m', 'vlm_misalign_ros.nodes.replay', '--ros-args']
    command += ['-p', f'dataset:={scenes}', '-p', 'depth:=false', '-r', '__node:=camera']
    return [*command, *(word for value in values for word in ('-p', value))]


# What there is to see of a process ---------------------------------------------------------------


def named(pid: int) -> str:
    """Return the name of a node's process by its command line; `run` of who started them."""
    words = Path(f'/proc/{pid}/cmdline').read_text().split('\0')
    found = [word.removeprefix('__node:=') for word in words if word.startswith('__node:=')]
    return found[0] if found else 'run'


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    found = []
    for task in Path(f'/proc/{pid}/task').iterdir():
        found += [int(word) for word in (task / 'children').read_text().split()]
    return found


def look(pid: int) -> dict[str, float]:
    """Return memory in MiB, threads, open files and seconds of CPU of a process."""
    status = dict(
        line.split(':\t', 1) for line in Path(f'/proc/{pid}/status').read_text().splitlines()
    )
    times = Path(f'/proc/{pid}/stat').read_text().rpartition(') ')[2].split()
    return {
        'rss': int(status['VmRSS'].split()[0]) / 1024,
        'anonymous': int(status['RssAnon'].split()[0]) / 1024,
        'threads': int(status['Threads']),
        'files': len(os.listdir(f'/proc/{pid}/fd')),
        'cpu': (int(times[11]) + int(times[12])) / os.sysconf('SC_CLK_TCK'),
    }


def machine_busy() -> float:
    """Return the seconds of CPU that were used by anybody since the machine started."""
    words = Path('/proc/stat').read_text().split('\n', 1)[0].split()[1:]
    used = [int(word) for word in words[:8]]
    return (sum(used) - used[3] - used[4]) / os.sysconf('SC_CLK_TCK')


class Watched:
    """A run under way: who takes part, and what is written down of them."""

    def __init__(self, folder: Path, command: list[str]) -> None:
        """Start the run; what everybody says goes to `terminal.txt`."""
        self._folder = folder
        self._said = open(folder / 'terminal.txt', 'wb')
        self._out = open(folder / SAMPLES, 'w', encoding='utf-8')
        self._records = Records(folder / 'run' / RECORDS)
        self._others: list[subprocess.Popen[bytes]] = []
        self.run = self._start(command)
        self.began = time.monotonic()

    def _start(self, command: list[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, stdout=self._said, stderr=self._said)

    def add(self, command: list[str]) -> None:
        """Start another process beside it."""
        self._others.append(self._start(command))

    def end_others(self) -> None:
        """End what was started beside it."""
        for process in self._others:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
        self._others = []

    def watch(self, measured: bool, seconds: float = float('inf'), frames: int = 2**62) -> None:
        """Write down every two seconds how all are, until so much has gone by or it has ended."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.run.poll() is None:
            count = self._records.read()[1]
            if count > frames:
                return
            seen = {}
            beside = [process.pid for process in self._others]
            for pid in [self.run.pid, *beside, *children(self.run.pid)]:
                try:
                    seen[named(pid)] = look(pid)
                except (OSError, KeyError):
                    # It has ended meanwhile, or is about to.
                    continue
            entry = {
                'time': time.monotonic() - self.began,
                'frames': count,
                'measured': measured,
                'busy': machine_busy(),
                'processes': seen,
            }
            self._out.write(json.dumps(entry) + '\n')
            self._out.flush()
            time.sleep(EVERY)

    def end(self) -> int:
        """End all of it; return the exit code of the run."""
        self.end_others()
        if self.run.poll() is None:
            self.run.send_signal(signal.SIGINT)
        code = self.run.wait(600)
        self._said.close()
        self._out.close()
        return code


def run(kind: str, seconds: float, hold: int) -> int:
    """Run the graph, and write down how it was."""
    folder = OUT / kind
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / 'config.yaml'
    config.write_text(yaml.safe_dump(configuration(kind, folder.absolute(), hold)))
    command = [*CLI, 'run', str(config), '--out', str(folder), '--name', 'run', '--overwrite']
    # Its records would be counted as those of the new run until they are gone.
    shutil.rmtree(folder / 'run', ignore_errors=True)
    watched = Watched(folder, command)
    try:
        if kind == 'accelerated':
            watched.watch(measured=False, frames=FULL)
            watched.watch(measured=True)
        else:
            for rate, measured in ((FILLING, False), (RATE, True)):
                watched.add(camera(folder / 'scenes', rate))
                frames = 2**62 if measured else FULL
                watched.watch(measured, seconds if measured else PATIENCE, frames)
                watched.end_others()
    finally:
        code = watched.end()
    begun = time.monotonic()
    subprocess.run([*CLI, 'report', str(folder / 'run')], stdout=subprocess.DEVNULL, check=False)
    told = {
        'seconds': begun - watched.began,
        'report_seconds': time.monotonic() - begun,
        'exit_code': code,
        'machine': f'{os.cpu_count()} cores, {platform.machine()}',
    }
    (folder / 'told.json').write_text(json.dumps(told, indent=1))
    return code


# What grew --------------------------------------------------------------------------------------


def read_samples(folder: Path) -> list[dict[str, Any]]:
    """
    Return what was written down of a run while it was measured, each with `hours` of the camera.

    Accelerated, those are its frames, of which the second half is measured, up to the last.
    """
    read = [json.loads(line) for line in (folder / SAMPLES).read_text().splitlines()]
    measured = [entry for entry in read if entry['measured'] and len(entry['processes']) > 3]
    # A camera that has just been started is no part of it.
    measured = [entry for entry in measured if entry['time'] > measured[0]['time'] + SETTLED]
    if folder.name == 'accelerated':
        # Once the last frame has closed the results are made, which is another work.
        last = read[-1]['frames']
        measured = [entry for entry in measured if last / 2 <= entry['frames'] < last]
    for entry in measured:
        by_frames = folder.name == 'accelerated'
        entry['hours'] = entry['frames'] / HOUR if by_frames else entry['time'] / 3600
    return measured


def others_of(samples: list[dict[str, Any]]) -> np.ndarray:
    """
    Return how many cores everybody else used between one look and the next, (N,).

    What a process took is known between two looks that both found it.
    """
    used = []
    for first, last in pairwise(samples):
        before, after = first['processes'], last['processes']
        own = sum(after[name]['cpu'] - before[name]['cpu'] for name in set(before) & set(after))
        used.append((last['busy'] - first['busy'] - own) / (last['time'] - first['time']))
    return np.array([*used, used[-1]])


def cpu_rows(samples: list[dict[str, Any]]) -> Iterator[str]:
    """
    Yield a line of the table of what each process takes of the CPU time of all of them.

    A busy machine makes all slower alike; one that has more and more to do takes a larger share.
    """
    names = sorted(set(samples[0]['processes']) & set(samples[-1]['processes']))
    blocks = [samples[at : at + BLOCK] for at in range(0, len(samples) - BLOCK + 1, BLOCK - 1)]
    hours, shares, a_frame = [], [], []
    for block in blocks:
        first, last = block[0], block[-1]
        seen = [set(entry['processes']) >= set(names) for entry in (first, last)]
        if not all(seen) or first['frames'] == last['frames']:
            continue
        used = np.array(
            [last['processes'][name]['cpu'] - first['processes'][name]['cpu'] for name in names]
        )
        hours.append((first['hours'] + last['hours']) / 2)
        shares.append(100 * used / used.sum())
        a_frame.append(1e3 * used / (last['frames'] - first['frames']))
    for name, share, milliseconds in zip(
        names, np.array(shares).T, np.array(a_frame).T, strict=True
    ):
        grown = slope(np.array(hours), share)
        yield f'| {name} | {milliseconds.mean():.2f} | {share.mean():.2f} | {grown} |'


def memory_rows(samples: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a line of the table of each process; no slope of one that was not there throughout."""
    hours = np.array([entry['hours'] for entry in samples])
    for name in sorted({name for entry in samples for name in entry['processes']}):
        seen = [entry['processes'].get(name) for entry in samples]
        there = np.array([one is not None for one in seen])
        found = [one for one in seen if one is not None]
        held = np.array([one['anonymous'] for one in found])
        whole = len(found) >= 0.9 * len(samples)
        grown = slope(hours[there], held) if whole else f'in {len(found)} of {len(samples)} looks'
        handles = ' to '.join(str(k(one['threads'] for one in found)) for k in (min, max))
        files = ' to '.join(str(k(one['files'] for one in found)) for k in (min, max))
        yield (f'| {name} | {held[0]:.2f} | {held[-1]:.2f} | {grown} | {handles} | {files} |')


def latencies(frames: Iterable[FrameRecord]) -> dict[str, list[tuple[float, float]]]:
    """Return {what: [(hours by the stamp, milliseconds)]} of all times in records."""
    found: dict[str, list[tuple[float, float]]] = {}
    for frame in frames:
        hours = parse_stamp(frame.stamp) / NANO / 3600
        timing = frame.timing
        told = {'frame open': timing.open_seconds}
        for name, entry in (
            ('in the queue of', timing.queue_seconds),
            ('in', timing.model_seconds),
            ('from stamp to answer of', timing.result_seconds),
        ):
            told |= {f'{name} {model}': seconds for model, seconds in entry.items()}
        for what, seconds in told.items():
            if seconds is not None:
                found.setdefault(what, []).append((hours, 1e3 * seconds))
    return found


def measured_times(folder: Path, samples: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Return {what: (hours, milliseconds)}, (2, N), of the frames that were measured."""
    records = read_records(folder / 'run' / RECORDS)
    found = latencies(record for record in records if isinstance(record, FrameRecord))
    first, last = samples[0]['hours'], samples[-1]['hours']
    # Stamps of a camera are those of the clock; the last frame closes as the last look is taken.
    behind = max(hours for hours, _ in found['frame open']) - last
    times = {what: np.array(pairs).T for what, pairs in found.items()}
    for what, (hours, _) in times.items():
        hours -= behind
        times[what] = times[what][:, (hours >= first) & (hours <= last)]
    return times


def latency_rows(
    times: dict[str, np.ndarray], samples: list[dict[str, Any]], load: np.ndarray
) -> Iterator[str]:
    """Yield a line of the table of each kind of time; no slopes where there are too few."""
    at = [entry['hours'] for entry in samples]
    for what, (hours, values) in sorted(times.items()):
        if not len(values):
            yield f'| {what} | 0 | – | – | – | – |'
            continue
        middle, most = np.percentile(values, (50, 95))
        slopes = '– | –'
        if len(values) >= 4 * BATCHES:
            beside = np.interp(hours, at, load)
            slopes = f'{slope(hours, values)} | {slope(hours, values, beside)}'
        yield f'| {what} | {len(values)} | {middle:.1f} | {most:.1f} | {slopes} |'


def section(kind: str) -> Iterator[str]:
    """Yield the lines that tell of one run."""
    folder = OUT / kind
    told = json.loads((folder / 'told.json').read_text())
    samples = read_samples(folder)
    first, last = samples[0], samples[-1]
    times = measured_times(folder, samples)
    frames = times['frame open'].shape[1]
    rate = frames / (last['time'] - first['time'])
    load = others_of(samples)
    records = read_records(folder / 'run' / RECORDS)
    whole = sum(isinstance(record, FrameRecord) for record in records)
    low, high = np.percentile(load, (5, 95))
    yield (
        f'{whole} frames; measured over the last {frames} of them, which took '
        f'{last["time"] - first["time"]:.0f} s ({rate:.1f} frames/s), on {told["machine"]}, of '
        f'which others used {load.mean():.2f} on average (5 % to 95 %: {low:.2f} to {high:.2f}). '
        f'The report of all {whole} frames was made in '
        f'{told["report_seconds"]:.1f} s.'
    )
    yield ''
    yield '| process | MiB at first | at last | MiB an hour [95 %] | threads | open files |'
    yield '|---|---|---|---|---|---|'
    yield from memory_rows(samples)
    yield ''
    yield '| time | frames | median, ms | 95 % | ms an hour [95 %] | beside the load of others |'
    yield '|---|---|---|---|---|---|'
    yield from latency_rows(times, samples, load)
    if kind == 'accelerated':
        yield ''
        yield '| process | CPU, ms a frame | % of all | % points an hour [95 %] |'
        yield '|---|---|---|---|'
        yield from cpu_rows(samples)


def write() -> int:
    """Put the tables of the runs that there are into docs/endurance.md."""
    page = DOCUMENT.read_text(encoding='utf-8')
    for kind in SIZE:
        if (OUT / kind / 'told.json').is_file():
            page = between(page, kind, '\n'.join(section(kind)))
    DOCUMENT.write_text(page, encoding='utf-8')
    return 0


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('what', choices=(*SIZE, 'write'))
    parser.add_argument('--seconds', type=float, default=MEASURED, help='of real_time')
    parser.add_argument('--hold', type=int, default=HOLD, help='of accelerated, pictures a scene')
    arguments = parser.parse_args()
    if arguments.what == 'write':
        return write()
    # A run in the background is ended by SIGTERM, as one in front is by Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return run(arguments.what, arguments.seconds, arguments.hold)


if __name__ == '__main__':
    sys.exit(main())
