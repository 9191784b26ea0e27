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

"""No table of a session grows: what can be reached from it stays as much, however long it runs."""

import gc
from collections import Counter
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType

import numpy as np
import pytest

from vlm_misalign_ros.core.evaluation.aligning import Aligner
from vlm_misalign_ros.core.evaluation.cameras import Cameras
from vlm_misalign_ros.core.evaluation.join import StampJoin
from vlm_misalign_ros.core.evaluation.ledger import Ledger
from vlm_misalign_ros.core.evaluation.period import Lost
from vlm_misalign_ros.core.evaluation.session import Session
from vlm_misalign_ros.core.settings.nodes import MonitorParameters
from vlm_misalign_ros.core.types import (
    Applied,
    Camera,
    Condition,
    Description,
    Failed,
    Kind,
    Mention,
    Passed,
)

STEP = 100_000_000
FRAMES = 400
"""Of one stretch: several times what each table holds here."""
_LEAVES = (type, ModuleType, FunctionType, BuiltinFunctionType, MethodType)


@pytest.fixture(autouse=True)
def small_tables(monkeypatch):
    """Let every table be full after few frames; its bound is a constant of its class."""
    monkeypatch.setattr(StampJoin, 'CLOSED_KEPT', 64)
    monkeypatch.setattr(Ledger, 'KEPT', 64)
    monkeypatch.setattr(Aligner, 'KEPT', 8)
    monkeypatch.setattr(Cameras, 'KEPT', 16)
    monkeypatch.setattr(Lost, 'BLOCK', 32)


def reachable(root):
    """Return how many objects can be reached from one, by type; classes and functions end it."""
    seen, found, waiting = {id(root)}, Counter(), [root]
    while waiting:
        one = waiting.pop()
        found[type(one).__name__] += 1
        for other in gc.get_referents(one):
            if id(other) not in seen and not isinstance(other, _LEAVES):
                seen.add(id(other))
                waiting.append(other)
    return found


def labels_of(number):
    labels = np.full((32, 64), 7 + number % 2, np.uint8)
    labels[0] = 6
    return labels


def answer(number):
    said = (Mention.ASSERTED, Mention.DENIED)[number % 2]
    return Description('m', Kind.CONTRASTIVE, f'answer {number}', mentions={'car': said})


def told_of(number):
    """Return the parts of a frame in order; now and then one lacks, fails, or comes again."""
    parts = [
        ('condition', Applied(Condition(), number)),
        ('labels', labels_of(number)),
        ('segmentation', np.full((32, 64), number % 19, np.uint8)),
        ('vlm:m', answer(number)),
        ('vlm:n', Failed('it would not') if number % 13 == 0 else answer(number)),
    ]
    if number % 17 == 0:
        return parts[1:2]
    if number % 11 == 0:
        parts.append(('labels', labels_of(number + 1)))
    if number % 5 == 0:
        parts[3] = ('vlm:m', Passed(f'frame {number} was passed over'))
    if number % 7 == 0:
        parts.pop(1)
    return parts


class Drive:
    """A session, and frames of 10 Hz that are fed to it."""

    def __init__(self, **chosen):
        given = {'lockstep': False, 'source': False, 'instances': False, 'confidence': False}
        self.session = Session(
            MonitorParameters(
                models=('m', 'n'), pictures=0, deadline=0.35, window=2.0, **{**given, **chosen}
            ),
            log=lambda text: None,
        )
        self._number = 0

    def go(self, frames, jumps):
        for _ in range(frames):
            self._number = number = self._number + 1
            stamp = 10**12 + (number % jumps if jumps else number) * STEP
            now = number / 10
            self.session.expire(now)
            camera = Camera(64, 32, 100.0 + number % 7, 100.0, 32.0, 16.0)
            self.session.add(stamp, 'camera', camera, now, 'simulator')
            for part, value in told_of(number):
                self.session.add(stamp, part, value, now, f'publisher of {part}')
            if number % 19 == 0:
                # An answer that nobody waits for any longer.
                self.session.add(stamp - 8 * STEP, 'vlm:m', answer(number), now)


@pytest.mark.parametrize(
    'chosen, jumps',
    [({}, 0), ({'slop': 0.02}, 0), ({}, 300)],
    ids=['as it is', 'with slop', 'time jumps'],
)
def test_no_table_of_a_session_grows(chosen, jumps):
    drive = Drive(**chosen)
    drive.go(FRAMES, jumps)
    before = reachable(drive.session)
    drive.go(2 * FRAMES, jumps)
    after = reachable(drive.session)
    grown = {name: after[name] - before[name] for name in after if after[name] > before[name]}
    # One object of each frame would be 800; tables are emptied in blocks of up to 64.
    assert sum(after.values()) - sum(before.values()) < FRAMES / 2, grown
    assert max(grown.values(), default=0) < FRAMES / 2, grown


def test_a_table_that_grows_would_show(monkeypatch):
    monkeypatch.setattr(Ledger, 'KEPT', 10**9)
    drive = Drive()
    drive.go(FRAMES, 0)
    before = sum(reachable(drive.session).values())
    drive.go(2 * FRAMES, 0)
    assert sum(reachable(drive.session).values()) - before > 2 * FRAMES
