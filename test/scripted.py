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

"""What data/scripted_drive.txt says of each tenth of a second, and what it works out by hand."""

import json
import re
from pathlib import Path

import pytest

TEXT = (Path(__file__).parent / 'data' / 'scripted_drive.txt').read_text()
LINE = re.compile(r'([\d.]+)\s+([\d.]+)\s+(\w+) ?(.*)')
RATE = 10
"""Frames a second."""


def scripted(what):
    """Return (from, to, text) of the lines of the script that tell of something, in tenths."""
    lines = (LINE.fullmatch(line) for line in TEXT.splitlines())
    return [
        (round(float(line[1]) * RATE), round(float(line[2]) * RATE), line[4])
        for line in lines
        if line and line[3] == what
    ]


def by_hand(what):
    """Return the numbers that were worked out by hand."""
    (line,) = (line for line in TEXT.splitlines() if line.startswith(f'{what} '))
    return [float(word) for word in line.removeprefix(what).split()]


def during(what, tenth):
    """Return the texts of all lines about something that hold then."""
    return [text for begin, end, text in scripted(what) if begin <= tenth < end]


FRAMES = scripted('meets')[-1][1]


def write_scenario(path):
    """Write what the pictures meet as a scenario; return its path."""
    segments = [{'condition': text, 'seconds': (e - b) / RATE} for b, e, text in scripted('meets')]
    path.write_text(json.dumps(segments))
    return path


def holds_what_is_by_hand(figures, figure):
    """Hold one figure of a model over all conditions against the hand calculation."""
    found = figures[figure]
    if figure == 'time_to_hazard':
        assert (found['durations'], found['ended']) == (2, 2)
        # Of two, the first is the median, and the other the longest.
        assert [found['value'], found['longest']] == pytest.approx(by_hand('detected'))
    elif figure == 'recovery_judgement':
        assert (found['durations'], found['ended']) == (1, 1)
        assert [found['value']] == pytest.approx(by_hand('recovered'))
    elif figure == 'hallucination_run':
        assert [found['value']] == pytest.approx(by_hand('made up for'))
    else:
        told = {'hallucination_persistence': 'made up again', 'judgement_flicker': 'flickered'}
        assert [found['numerator'], found['denominator']] == by_hand(told[figure])


BY_HAND = (
    'time_to_hazard',
    'recovery_judgement',
    'hallucination_run',
    'hallucination_persistence',
    'judgement_flicker',
)
