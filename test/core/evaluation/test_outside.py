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
import time
from collections import Counter
from functools import partial

import numpy as np
import pytest
from msgspec import structs

from maps import plain
from vlm_misalign_ros.core.evaluation.placing import Claim
from vlm_misalign_ros.core.evaluation.session import Session
from vlm_misalign_ros.core.records.schema import AccountingRecord, FrameRecord
from vlm_misalign_ros.core.records.store import RECORDS, comparable, difference, read_records
from vlm_misalign_ros.core.settings.nodes import MonitorParameters
from vlm_misalign_ros.core.settings.outside import (
    OutsideMaskParameters,
    OutsideVlmParameters,
    build_outside,
    to_text,
)
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
        frames = (record for record in records if isinstance(record, FrameRecord))
        return sorted(frames, key=lambda record: (record.epoch, record.stamp))


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


def statuses(records, name):
    return {
        status.value: count
        for status, count in Counter(record.models[name].status for record in records).items()
    }


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
        # Every picture is in one state, and only what was joined is scored.
        assert sum(statuses(records, name).values()) == ANSWERS
        assert statuses(records, name)['scored'] == right
    # Where the rule leaves no doubt, everything is joined but the first pictures' answers.
    for name in ('unstamped', 'copying', 'timed', 'ours'):
        assert accounted(run, name)['placed'] >= ANSWERS - 1, name
    assert accounted(run, 'of_six')['placed'] >= ANSWERS - 5
    # A node that looks within 5 ms of a new picture may have either: 10 ms of every 100.
    assert 50 <= accounted(run, 'looking')['ambiguous'] <= 150
    assert statuses(records, 'looking')['unscorable'] > 0


def test_cameras_in_any_phase_leave_some_answers_in_doubt_and_none_wrong(tmp_path):
    for seed in range(3):
        street = Street(seed)
        phases = np.sort(street.rng.uniform(0, PERIOD, 5))
        rule = {'rule': 'oldest', 'period': PERIOD, 'tolerance': 0.012}
        run = Run(tmp_path / str(seed), {'of_six': rule})
        run.show(street)
        run.hear('of_six', of_six(street, phases))
        records = run.end()
        right, wrong = joined(records, street, 'of_six')
        assert wrong == 0 and right > 0
        assert sum(accounted(run, 'of_six').values()) == run.answers['of_six']


def test_a_tolerance_that_is_too_wide_joins_nothing_and_says_why(tmp_path):
    street = Street(0, count=100)
    wide = {'rule': 'published', 'latency': 0.28, 'tolerance': 0.12}
    run = Run(tmp_path, {'m': wide})
    run.show(street)
    run.hear('m', unstamped(street))
    records = run.end()
    assert joined(records, street, 'm') == (0, 0)
    assert accounted(run, 'm')['ambiguous'] >= 98
    assert statuses(records, 'm')['unscorable'] >= 98
    problems = [record.models['m'].problem for record in records if record.models['m'].problem]
    assert all(re.match(r'an answer fits \d+ pictures by its arrival', t) for t in problems)
    assert any(format_of(street.stamps[50]) in text for text in problems)


def format_of(seconds):
    return f'{ns(seconds) // NANO}.{ns(seconds) % NANO:09d}'


def test_of_a_node_that_answers_once_the_order_tells_what_a_wide_tolerance_does_not(tmp_path):
    street = Street(0, count=200)
    wide = {'rule': 'published', 'latency': 0.28, 'tolerance': 0.085}
    found = {}
    for once in (False, True):
        run = Run(tmp_path / str(once), {'m': {**wide, 'once': once}})
        run.show(street)
        run.hear('m', unstamped(street))
        right, wrong = joined(run.end(), street, 'm')
        assert wrong == 0
        found[once] = right
    assert found[True] > found[False] > 0


def in_lockstep(folder, time, late):
    """Return the records of two frames, and those alone: a model and a mask, told by `time`."""
    rule = {'topic': '/a', 'rule': 'published', 'time': time, 'latency': 0.2, 'tolerance': 0.1}
    mask = build_outside(OutsideMaskParameters, {'name': 'segmentation', **rule}, 'mask')
    session = Session(
        MonitorParameters(
            models=('m',),
            outside=(entry('m', **rule), to_text(mask)),
            run_folder=str(folder),
            source=False,
            instances=False,
            confidence=False,
            pictures=0,
            deadline=5.0,
        ),
        log=lambda text: None,
    )
    for second in (2, 3):
        stamp, now = second * NANO, 10.0 * second
        session.add(stamp, 'labels', LABELS, now)
        session.add(stamp, 'condition', Applied(Condition(), 0), now, '', ns(now))
        when = now + 0.2 + late
        told = stamp + ns(0.25) if time == 'stamp' else None
        claim = session.outside.claim('vlm:m', 'A car.', told, ns(when))
        session.answer('vlm:m', claim, when)
        session.answer('segmentation', Claim(partial(np.zeros_like, LABELS), told, ns(when)), when)
        session.expire(when + 3.0)
    session.end(100.0)
    path = folder / RECORDS
    return path, [record for record in read_records(path) if isinstance(record, FrameRecord)]


@pytest.mark.parametrize('time, offsets', [('arrival', {}), ('stamp', {'segmentation': 0.25})])
def test_how_long_a_node_took_is_no_difference_between_two_runs(tmp_path, time, offsets):
    one, records = in_lockstep(tmp_path / 'one', time, 0.0)
    other, later = in_lockstep(tmp_path / 'other', time, 0.01)
    assert difference(one, other) == []
    assert len(records) == len(later) == 2
    for record, again in zip(records, later, strict=True):
        assert record.models['m'].status.value == record.segmentation.status.value == 'scored'
        assert record.offsets == again.offsets == offsets
        placings = [entry.models['m'].answer.placing for entry in (record, again)]
        wanted = [0.2, 0.21] if time == 'arrival' else [0.25, 0.25]
        assert [placing.seconds for placing in placings] == pytest.approx(wanted)


def test_by_another_stamp_or_another_rule_an_answer_is_another(tmp_path):
    """What is left out is the time of the node alone."""
    _, (record, _) = in_lockstep(tmp_path / 'a', 'arrival', 0.0)
    _, (stamped, _) = in_lockstep(tmp_path / 's', 'stamp', 0.0)

    def joined_by(frame, **changed):
        model = frame.models['m']
        placing = structs.replace(model.answer.placing, **changed)
        answer = structs.replace(model.answer, placing=placing)
        return structs.replace(frame, models={'m': structs.replace(model, answer=answer)})

    assert comparable(joined_by(record, seconds=9.0)) == comparable(record)
    assert comparable(joined_by(record, window=9.0)) != comparable(record)
    assert comparable(joined_by(record, rule='exact')) != comparable(record)
    assert comparable(joined_by(stamped, seconds=9.0)) != comparable(stamped)


@pytest.mark.parametrize('name', NODES)
def test_answers_that_are_lost_or_come_twice_move_none_to_another_picture(tmp_path, name):
    street = Street(7, count=300)
    node, rule = NODES[name]
    answers = list(node(street))
    kept = [one for one in answers if street.rng.random() > 0.3]
    again = [(when + 0.01, stamp, index) for when, stamp, index in kept[::5]]
    run = Run(tmp_path, {name: rule})
    run.show(street)
    run.hear(name, kept if rule.get('rule') == 'published' else [*kept, *again])
    records = run.end()
    right, wrong = joined(records, street, name)
    assert wrong == 0 and right >= 150
    assert sum(accounted(run, name).values()) == run.answers[name]
    assert not any('other content' in line for line in run.log)


def test_a_message_whose_time_misses_the_rule_is_counted_and_told_once(tmp_path):
    street = Street(1, count=50)
    run = Run(tmp_path, {'m': {'rule': 'published', 'latency': 0.28, 'tolerance': 0.02}})
    run.show(street)
    run.hear('m', ((shown + 0.33, None, index) for index, shown in enumerate(street.shown)))
    records = run.end()
    assert statuses(records, 'm') == {'missing': 50}
    # 0.33 - 0.28 s beside: half a period from either of two pictures.
    assert accounted(run, 'm')['without_picture'] == 50
    told = [line for line in run.log if 'fits no picture' in line]
    assert len(told) == 1 and 'rule published looks from -0.300 s to -0.260 s' in told[0]


def test_an_answer_behind_the_deadline_is_late_for_its_own_picture(tmp_path):
    street = Street(2, count=30)
    run = Run(tmp_path, {'m': {'rule': 'published', 'latency': 1.5, 'tolerance': 0.04}}, 1.0)
    run.show(street)
    run.hear('m', ((shown + 1.5, None, index) for index, shown in enumerate(street.shown)))
    run.end()
    states = {k: v for k, v in run.session.accounting['m'].items() if v}
    assert states == {'late': 30 - states.get('missing', 0)} | (
        {'missing': states['missing']} if 'missing' in states else {}
    )
    assert states['late'] >= 29


def test_a_picture_that_has_its_own_answer_is_not_spoilt_by_one_in_doubt(tmp_path):
    run = Run(tmp_path, {'m': {'rule': 'published', 'latency': 0.5, 'tolerance': 0.08}})
    street = Street(0, count=4, jitter=0.0, delay=(0.0, 0.0))
    run.show(street)
    times = street.shown
    # The first is midway between pictures 1 and 2; the second is plainly of picture 2.
    run.hear('m', [(times[1] + 0.55, None, 1), (times[2] + 0.49, None, 2)])
    records = run.end()
    found = [record.models['m'] for record in records]
    states = [entry.status.value for entry in found]
    assert states == ['missing', 'unscorable', 'scored', 'missing']
    assert 'fits 2 pictures' in found[1].problem
    placing = found[2].answer.placing
    assert (placing.rule, placing.time) == ('published', 'arrival')
    assert placing.seconds == pytest.approx(0.49) and placing.window == pytest.approx(0.16)


def test_an_answer_that_comes_after_a_picture_was_given_up_is_counted_and_takes_nothing_back(
    tmp_path,
):
    run = Run(tmp_path, {'m': {'rule': 'published', 'latency': 0.5, 'tolerance': 0.08}})
    street = Street(0, count=4, jitter=0.0, delay=(0.0, 0.0))
    run.show(street)
    _, first, second, _ = street.shown
    run.hear('m', [(first + 0.55, None, 1)])
    # Five seconds later than its like, by a rule that would have to be wrong by as much.
    run.at(
        second + 5.0,
        lambda now: run.session.answer('vlm:m', Claim(lambda: None, None, ns(second + 0.49)), now),
    )
    run.end()
    assert accounted(run, 'm') == {'placed': 0, 'ambiguous': 1, 'without_picture': 0, 'surplus': 1}
    states = {key: value for key, value in run.session.accounting['m'].items() if value}
    assert states == {'unscorable': 2, 'missing': 2}


def test_a_flood_is_bounded_counted_and_ends_nothing(tmp_path):
    street = Street(3, count=20)
    rules = {name: NODES[name][1] for name in ('unstamped', 'copying', 'looking')}
    run = Run(tmp_path, rules)
    run.show(street)
    for name in rules:
        for index, shown in enumerate(street.shown):
            for number in range(500):
                stamp = None if name == 'unstamped' else street.stamps[index]
                run.answers[name] += 1
                run.at(
                    shown + 0.28 + number * 1e-5,
                    lambda now, n=name, s=stamp, i=number: run.say(n, f'{i} cars.', s, now),
                )
    began = time.monotonic()
    records = run.end()
    assert time.monotonic() - began < 60
    assert len(records) == 20
    for name in rules:
        assert sum(accounted(run, name).values()) == 500 * 20
        # Eight of a picture are read at most, and two of other content spoil it.
        assert accounted(run, name)['placed'] <= 8 * 20
        assert sum(run.session.accounting[name].values()) == 20


def test_answers_of_before_a_jump_in_time_are_not_joined_to_what_comes_after(tmp_path):
    street = Street(4, count=40)
    run = Run(tmp_path, {'copying': NODES['copying'][1], 'timed': NODES['timed'][1]})
    run.show(street)
    run.hear('copying', copying(street))
    run.hear('timed', timed(street))
    # The recording begins again from a minute before, with other pictures.
    early = Street(5, count=40)
    early.stamps = early.stamps - 60.0
    early.shown = early.shown + 4.05
    run.show(early)
    records = run.end()
    assert len(records) == 80
    assert {record.epoch for record in records} == {0, 1}
    for name in ('copying', 'timed'):
        answered = [record for record in records if record.models[name].answer is not None]
        assert {record.epoch for record in answered} == {0}
        right, wrong = joined(answered, street, name)
        assert wrong == 0 and right >= 30


def test_a_mask_is_placed_like_an_answer(tmp_path):
    street = Street(6, count=200)
    mask = OutsideMaskParameters
    run = Run.__new__(Run)
    run.folder, run.log, run.events, run.answers = tmp_path, [], [], Counter()
    text = to_text(
        build_outside(
            mask,
            {
                'name': 'segmentation',
                'topic': '/m',
                'rule': 'published',
                'latency': 0.35,
                'tolerance': 0.035,
            },
            'm',
        )
    )
    run.session = Session(
        MonitorParameters(
            models=(),
            outside=(text,),
            run_folder=str(tmp_path),
            lockstep=False,
            source=False,
            instances=False,
            pictures=0,
            deadline=4.0,
        ),
        log=run.log.append,
    )
    run.show(street)
    for when, stamp, index in timed(street):
        # As many pixels of car, train id 13, as the picture's number.
        shown = np.zeros(LABELS.size, np.uint8)
        shown[LABELS.shape[1] : LABELS.shape[1] + index] = 13
        claim = Claim(partial(np.reshape, shown, LABELS.shape), ns(stamp), ns(when))
        run.at(when, lambda now, c=claim: run.session.answer('segmentation', c, now))
    records = run.end()
    index_of = {format_of(stamp): index for index, stamp in enumerate(street.stamps)}
    scored = [r for r in records if r.segmentation.status.value == 'scored']
    assert len(scored) >= 199
    for record in scored:
        car = sum(pixels for _, predicted, pixels in record.segmentation.cells if predicted == 13)
        assert car == index_of[record.stamp]
        assert 0.3 < record.offsets['segmentation'] < 0.4
