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
A run with its model on another machine, for which two network namespaces stand in on this one.

Each has one end of a virtual cable, an address of its own and a /dev/shm of its own, so that
nothing but the network is between them. The same evaluation runs three times, with everything
in one namespace twice, and with the model in the other; `vlm-misalign diff` holds the records
against each other. Needs the right to make namespaces (root), iproute2 and util-linux.

    python benchmarks/two_hosts.py
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from endurance import CLI
from timing import frame_rate

from vlm_misalign_ros.core.records.store import RECORDS
from vlm_misalign_ros.core.world import generate

HERE, THERE = 'misalign_here', 'misalign_there'
ADDRESSES = {HERE: '10.213.77.1/24', THERE: '10.213.77.2/24'}
MODEL = 'clip'
OWN_MEMORY = 'mount -t tmpfs tmpfs /dev/shm && exec "$@"'
"""Shared memory that the other namespace does not see, as on another machine."""


def ip(*words: str) -> str:
    """Run `ip`; return what it prints."""
    done = subprocess.run(['ip', *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f'ip {" ".join(words)}: {done.stderr.strip()}')
    return done.stdout


@contextmanager
def cable() -> Iterator[None]:
    """Make two namespaces with a cable between them, and remove them again."""
    made = []
    try:
        for name in ADDRESSES:
            ip('netns', 'add', name)
            made.append(name)
        ends = {HERE: 'misalign0', THERE: 'misalign1'}
        ip('link', 'add', ends[HERE], 'type', 'veth', 'peer', 'name', ends[THERE])
        for name, address in ADDRESSES.items():
            ip('link', 'set', ends[name], 'netns', name)
            ip('-n', name, 'addr', 'add', address, 'dev', ends[name])
            ip('-n', name, 'link', 'set', 'lo', 'up')
            ip('-n', name, 'link', 'set', ends[name], 'up')
            # Discovery begins with a multicast, which has to have a way out.
            ip('-n', name, 'route', 'add', '224.0.0.0/4', 'dev', ends[name])
        yield
    finally:
        for name in made:
            ip('netns', 'del', name)


def inside(name: str, command: list[str]) -> list[str]:
    """Return a command that runs in a namespace."""
    return ['ip', 'netns', 'exec', name, 'unshare', '-m', 'sh', '-c', OWN_MEMORY, '-', *command]


def sent(name: str) -> int:
    """Return the bytes that have left a namespace over the cable."""
    words = ip('-n', name, '-s', 'link', 'show', 'type', 'veth')
    found = re.search(r'TX:.*\n\s*(\d+)', words)
    if found is None:
        raise SystemExit(f'ip tells no bytes sent: {words}')
    return int(found[1])


def configuration(folder: Path, scenes: int, width: int) -> dict[str, Any]:
    """Draw scenes; return the configuration of a run over them."""
    generate(folder / 'scenes', scenes, seed=5, width=width, height=width // 2)
    return {
        'mode': 'evaluation',
        'replay': {
            'dataset': str(folder / 'scenes'),
            'conditions': ['clean', 'motion_blur:3', 'low_light:3', 'occlusion:3'],
            'max_in_flight': 4,
        },
        'segmentation': {'model': 'miniature:segformer', 'input_height': 256},
        'vlms': {MODEL: {'model': 'miniature:clip', 'calibration': 'own'}},
        'monitor': {'deadline': 60.0},
    }


def run(folder: Path, name: str, apart: bool) -> float:
    """Run the evaluation, with the model in the other namespace or not; return frames a second."""
    config = str(folder / 'config.yaml')
    given = [f'elsewhere={[f"vlm_{MODEL}"] if apart else []}']
    environment = {**os.environ, 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'SUBNET'}
    command = [*CLI, 'run', config, *given, '--out', str(folder), '--name', name]
    started = []
    with open(folder / f'{name}.txt', 'wb') as said:
        started.append(
            subprocess.Popen(inside(HERE, command), stdout=said, stderr=said, env=environment)
        )
        if apart:
            node = [*CLI, 'run', config, *given, '--node', f'vlm_{MODEL}']
            started.append(
                subprocess.Popen(inside(THERE, node), stdout=said, stderr=said, env=environment)
            )
        try:
            rate = frame_rate(started[0], folder / name / RECORDS)
        finally:
            for process in started:
                if process.poll() is None:
                    process.send_signal(signal.SIGINT)
                    process.wait(60)
    if started[0].returncode or rate is None:
        raise SystemExit((folder / f'{name}.txt').read_text())
    return rate


def main() -> int:
    """Run, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--scenes', type=int, default=24)
    parser.add_argument('--width', type=int, default=512)
    arguments = parser.parse_args()
    # What is ended from outside tidies up, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as text, cable():
        folder = Path(text)
        made = configuration(folder, arguments.scenes, arguments.width)
        (folder / 'config.yaml').write_text(yaml.safe_dump(made))
        for name, apart in (('one', False), ('two', True), ('again', False)):
            before = sent(HERE)
            rate = run(folder, name, apart)
            crossed = (sent(HERE) - before) / 1e6
            print(f'{name}: {rate:.1f} frames/s, {crossed:.1f} MB over the cable', flush=True)
        code = 0
        for other in ('two', 'again'):
            compared = [*CLI, 'diff', str(folder / 'one'), str(folder / other)]
            code = max(code, subprocess.run(compared, check=False).returncode)
    return code


if __name__ == '__main__':
    sys.exit(main())
