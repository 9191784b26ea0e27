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
Nodes outside, simulated: a thousand answers of each, every one of which names its picture.

What a record joined is held against what the node was shown: by stamps, jitter and latencies that
are drawn here, and that the rules know nothing of but what their parameters say.
"""

import heapq
import re
from collections import Counter

import numpy as np
import pytest

from maps import plain
from vlm_misalign_ros.core.evaluation.placing import Claim
from vlm_misalign_ros.core.evaluation.session import Session
from vlm_misalign_ros.core.records.schema import AccountingRecord, FrameRecord
from vlm_misalign_ros.core.records.store import RECORDS, read_records
from vlm_misalign_ros.core.settings.nodes import MonitorParameters
from vlm_misalign_ros.core.settings.outside import OutsideVlmParameters, build_outside, to_text
from vlm_misalign_ros.core.types import Applied, Condition, Description, Kind, Mention

NANO = 1_000_000_000
ANSWERS = 1000
PERIOD = 0.1
LABELS = plain()
START = 1_790_000_000.0


def entry(name, **chosen):
    return to_text(build_outside(OutsideVlmParameters, {'name': name, **chosen}, name))


class Street:
    """A camera of 10 Hz with jitter, and when each of its degraded pictures is published."""

    def __init__(self, seed, count=ANSWERS, jitter=0.002, delay=(0.016, 0.024)):
        self.rng = rng = np.random.default_rng(seed)
        self.stamps = self.camera(0.0, count, jitter)
        self.shown = np.maximum.accumulate(self.stamps + rng.uniform(*delay, count))
        self.jitter, self.delay = jitter, delay

    def camera(self, phase, count, jitter):
        ideal = START + np.arange(count) * PERIOD + phase
        return ideal + self.rng.uniform(-jitter, jitter, count)

    def newest(self, when):
        """Return the picture that was the newest published at a time."""
        return int(np.searchsorted(self.shown, when, 'right')) - 1


def text(index):
    return f'Picture {index} shows a car on the road ahead.'


def ns(seconds):
    return round(float(seconds) * NANO)


# Each node yields (when its answer comes, header stamp or None, the picture that it was shown).


def unstamped(street, low=0.25, high=0.31):
    """Answers every picture, on a String."""
    for index, shown in enumerate(street.shown):
        yield shown + street.rng.uniform(low, high), None, index


def copying(street):
    """Answers every picture after up to a second, with the picture's stamp."""
    for index, shown in enumerate(street.shown):
        yield shown + street.rng.uniform(0.05, 1.0), street.stamps[index], index


def timed(street):
    """Answers every picture, stamped with the time of day."""
    for index, shown in enumerate(street.shown):
        when = shown + street.rng.uniform(0.30, 0.36)
        yield when + street.rng.uniform(0.0, 0.05), when, index


def of_six(street, phases=None):
    """Looks at the newest frame of each of six cameras; its stamp is that of the oldest."""
    count, rng = len(street.stamps), street.rng
    phases = np.arange(1, 6) * PERIOD / 6 if phases is None else phases
    others = [street.camera(phase, count + 2, street.jitter) for phase in phases]
    seen = [stamps + rng.uniform(*street.delay, count + 2) for stamps in others]
    for look in street.shown + rng.uniform(0, PERIOD, count):
        index = street.newest(look)
        places = [np.searchsorted(arrivals, look, 'right') - 1 for arrivals in seen]
        if min(places) < 0:
            continue
        stamps = [stamps[place] for stamps, place in zip(others, places, strict=True)]
        yield look + rng.uniform(0.5, 1.5), min(street.stamps[index], *stamps), index


def looking(street):
    """Looks at the newest picture ten times a second, and stamps its answer with that time."""
    for look in street.shown + street.rng.uniform(0, PERIOD, len(street.shown)):
        yield look + street.rng.uniform(0.2, 1.2), look, street.newest(look)


NODES = {
    'unstamped': (unstamped, {'rule': 'published', 'latency': 0.28, 'tolerance': 0.031}),
    'copying': (copying, {'rule': 'exact'}),
    # From the picture's own stamp: the camera's 16 to 24 ms come to the model's 300 to 360.
    'timed': (timed, {'rule': 'published', 'latency': 0.35, 'tolerance': 0.035}),
    'of_six': (of_six, {'rule': 'oldest', 'cameras': 6, 'period': PERIOD, 'tolerance': 0.012}),
    'looking': (
        looking,
        {'rule': 'nearest_before', 'latency': 0.02, 'tolerance': 0.005, 'bound': 0.2},
    ),
    'ours': (copying, {'rule': 'exact'}),
}


class Run:
    """A live session that hears pictures, truth and nodes outside in the order of time."""

    def __init__(self, folder, entries, deadline=4.0):
        self.folder = folder
        self.log = []
        self.session = Session(
            MonitorParameters(
                models=tuple(entries),
                outside=tuple(entry(name, topic='/a', **rule) for name, rule in entries.items()),
                run_folder=str(folder),
                lockstep=False,
                source=False,
                instances=False,
                segmentation=False,
                pictures=0,
                deadline=deadline,
            ),
            log=self.log.append,
        )
        self.events = []
        self.answers = Counter()

    def at(self, when, act):
        heapq.heappush(self.events, (when, len(self.events), act))

    def show(self, street, lost=()):
        for index, shown in enumerate(street.shown):
            self.at(shown, lambda now, index=index: self._picture(street, index, now))

    def _picture(self, street, index, now):
        stamp = ns(street.stamps[index])
        applied = Applied(Condition('clean', 0), 1)
        self.session.add(stamp, 'condition', applied, now, '', ns(now))
        self.session.add(stamp, 'labels', LABELS, now, '', ns(now))

    def hear(self, name, answers):
        for when, stamp, index in answers:
            self.answers[name] += 1
            self.at(when, lambda now, n=name, s=stamp, i=index: self.say(n, text(i), s, now))

    def say(self, name, said, stamp, now):
        part = f'vlm:{name}'
        stamp = None if stamp is None else ns(stamp)
        if name == 'ours':
            told = Description('x', Kind.GENERATIVE, said, mentions={'car': Mention.ASSERTED})
            claim = Claim(lambda: told, stamp, ns(now))
        else:
            claim = self.session.outside.claim(part, said, stamp, ns(now))
        self.session.answer(part, claim, now)

    def end(self):
        """Play everything, as a monitor with a tick of 0.1 s would; return the frames' records."""
        tick = START
        while self.events:
            when, _, act = heapq.heappop(self.events)
            while tick < when:
                self.session.expire(tick)
                tick += 0.1
            act(when)
        self.session.expire(tick + 100)
        self.session.end(tick + 100)
        records = list(read_records(self.folder / RECORDS))
        self.counted = next(r for r in records if isinstance(r, AccountingRecord)).frames
        return [record for record in records if isinstance(record, FrameRecord)]


def joined(records, street, name):
    """Return (right, wrong) joins of a model, by the picture that each text names."""
    index_of = {ns(stamp): index for index, stamp in enumerate(street.stamps)}
    right = wrong = 0
    for record in records:
        found = record.models[name]
        if found.answer is None:
            continue
        seconds, _, rest = record.stamp.partition('.')
        index = index_of[int(seconds) * NANO + int(rest)]
        named = int(re.search(r'Picture (\d+)', found.answer.text)[1])
        right += named == index
        wrong += named != index
    return right, wrong


def accounted(run, name):
    """Return how many answers came to which end, all of them."""
    ends = ('placed', 'ambiguous', 'without_picture', 'surplus')
    return {end: run.counted.get(f'{end}/{name}', 0) for end in ends}


@pytest.mark.parametrize('seed', range(3))
def test_a_thousand_answers_of_each_node_and_none_is_joined_to_another_picture(tmp_path, seed):
    street = Street(seed)
    run = Run(tmp_path, {name: rule for name, (_, rule) in NODES.items()})
    run.show(street)
    for name, (node, _) in NODES.items():
        run.hear(name, node(street))
    records = run.end()
    assert len(records) == ANSWERS
    for name in NODES:
        right, wrong = joined(records, street, name)
        ends = accounted(run, name)
        assert wrong == 0, name
        assert sum(ends.values()) == run.answers[name] >= ANSWERS - 2
        statuses = Counter(record.models[name].status for record in records)
        assert sum(statuses.values()) == ANSWERS
        assert right == ends['placed'] - run.counted.get('doubled', 0) or name in (
            'of_six',
            'looking',
        )
        print(seed, name, right, ends, dict(statuses))
