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

"""What benchmarks tell of runs: by hand, and nothing of what was seen is left out."""

from types import SimpleNamespace

import numpy as np
import pytest


@pytest.fixture(scope='module')
def endurance(load):
    """Return benchmarks/endurance.py."""
    return load('endurance')


def look(second, busy, **processes):
    """Return what is written down of one look: of each process seconds of CPU, and held memory."""
    return {
        'time': float(second),
        'hours': second / 3600,
        'busy': busy,
        'processes': {
            name: {'cpu': cpu, 'anonymous': held, 'threads': 2, 'files': 3}
            for name, (cpu, held) in processes.items()
        },
    }


def test_cores_of_others_are_those_of_the_machine_less_what_processes_took(endurance):
    """By hand: the machine used 3 s in each 2 s; ours 1 + 1, then 1 + 1 with one not seen once."""
    looks = [
        look(0, 100, a=(50, 1), b=(10, 1)),
        look(2, 103, a=(51, 1), b=(11, 1)),
        look(4, 106, a=(52, 1)),
        look(6, 109, a=(53, 1), b=(13, 1)),
    ]
    # Between looks of which one found b not, its second is among the others'.
    assert endurance.others_of(looks).tolist() == [0.5, 1.0, 1.0, 1.0]


def test_a_process_that_ended_on_the_way_is_told(endurance):
    looks = [
        look(second, 0.0, stays=(0, 5), **{'ends': (0, second)} if second < 40 else {})
        for second in range(100)
    ]
    ends, stays = endurance.memory_rows(looks)
    assert ends == '| ends | 0.00 | 39.00 | in 40 of 100 looks | 2 to 2 | 3 to 3 |'
    assert stays.startswith('| stays | 5.00 | 5.00 | 0.000 [')


def test_times_of_few_frames_are_told_without_a_slope(endurance):
    looks = [look(second, 0.0) for second in (0, 100)]
    many = np.array([np.linspace(0, 100 / 3600, 60), np.full(60, 7.0)])
    few, none = many[:, :47], many[:, :0]
    times = {'in many': many, 'in few': few, 'in none': none}
    rows = list(endurance.latency_rows(times, looks, np.array([0.5, 1.0])))
    assert rows[0] == '| in few | 47 | 7.0 | 7.0 | – | – |'
    assert rows[1].startswith('| in many | 60 | 7.0 | 7.0 | 0.000 [')
    assert rows[2] == '| in none | 0 | – | – | – | – |'


def test_the_page_has_a_place_for_each_run(endurance):
    page = endurance.DOCUMENT.read_text(encoding='utf-8')
    for kind in endurance.SIZE:
        assert 'made' in endurance.between(page, kind, 'made')


class Running:
    """A run that writes so many frames before each look, and ends."""

    def __init__(self, path, *counts):
        self.path, self.counts, self.clock = path, list(counts), 0.0

    def poll(self):
        self.clock += 0.5
        with open(self.path, 'ab') as file:
            file.write(b'{"kind":"frame"}\n' * self.counts.pop(0))
        return None if self.counts else 0


@pytest.mark.parametrize(
    'counts, rate',
    [
        # From the first frames, at 1 s, to the last, at 2 s: 6 more in a second.
        ((0, 2, 0, 6, 0), 6.0),
        # What came with the end counts.
        ((1, 0, 3), 3.0),
        ((0, 4, 0), None),
        ((0, 0), None),
    ],
)
def test_the_rate_of_a_run_is_from_its_first_frames_to_its_last(
    load, tmp_path, monkeypatch, counts, rate
):
    timing = load('timing')
    run = Running(tmp_path / 'records.jsonl', *counts)
    clock = SimpleNamespace(monotonic=lambda: run.clock, sleep=lambda seconds: None)
    monkeypatch.setattr(timing, 'time', clock)
    assert timing.frame_rate(run, run.path) == rate
