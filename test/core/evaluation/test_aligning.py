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

"""Ground truth beside its pictures: named where it is not joined, joined where that is allowed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from maps import plain
from vlm_misalign_ros.core.evaluation.aligning import Aligner, Beside, nearest, say
from vlm_misalign_ros.core.evaluation.session import Session
from vlm_misalign_ros.core.records.account import AccountingRecord, OffsetEntry
from vlm_misalign_ros.core.records.schema import FrameRecord, Status
from vlm_misalign_ros.core.records.store import RECORDS, read_records
from vlm_misalign_ros.core.report.evidence import Evidence
from vlm_misalign_ros.core.settings.nodes import MonitorParameters
from vlm_misalign_ros.core.types import Applied, Camera, Condition, Description, Kind, Mention

MS = 1_000_000
SECOND = 1000 * MS
LABELS = plain()
ANSWER = Description('m', Kind.CONTRASTIVE, '', mentions={'car': Mention.ASSERTED})


def mutual(pictures, truths, slop):
    """Return {truth: picture}, each the other's nearest, by brute force."""

    def best(stamp, others):
        near = [other for other in others if abs(other - stamp) <= slop]
        return min(near, key=lambda other: (abs(other - stamp), other), default=None)

    pairs = {truth: best(truth, pictures) for truth in truths}
    return {t: p for t, p in pairs.items() if p is not None and best(p, truths) == t}


def interleaved(pictures, truths, order):
    """Return (stamp, part) in an order that keeps each topic's own."""
    lines = {'condition': sorted(pictures), 'labels': sorted(truths)}
    for part in order:
        if lines[part]:
            yield lines[part].pop(0), part
    for part, rest in lines.items():
        yield from ((stamp, part) for stamp in rest)


def aligned(events, slop):
    aligner = Aligner(slop / SECOND, 1e9)
    found = {}
    for stamp, part in events:
        for placed in aligner.add(stamp, part, stamp, 0.0, ''):
            if placed.part == 'labels':
                found[placed.value] = (placed.stamp, placed.offset)
    for placed in aligner.flush():
        found[placed.value] = (placed.stamp, placed.offset)
    return found


stamps = st.sets(st.integers(0, 120), max_size=24)


@given(stamps, stamps, st.integers(1, 12), st.lists(st.sampled_from(['condition', 'labels'])))
def test_each_truth_joins_the_picture_that_is_its_nearest_and_whose_nearest_it_is(
    pictures, truths, slop, order
):
    found = aligned(interleaved(pictures, truths, order), slop)
    pairs = mutual(pictures, truths, slop)
    assert found == {t: (pairs.get(t, t), t - pairs.get(t, t)) for t in truths}
    joined = list(pairs.values())
    assert len(joined) == len(set(joined))


@given(stamps, st.integers(0, 120), st.integers(0, 20))
def test_the_nearest_stamp_is_that_of_a_search_tree(found, stamp, reach):
    place = nearest(sorted(found), stamp, reach)
    if not found:
        assert place is None
        return
    distance, _ = cKDTree(np.array(sorted(found), float)[:, None]).query([float(stamp)])
    assert (place is not None) == (distance <= reach)
    assert place is None or abs(place - stamp) == distance


def test_without_slop_nothing_is_moved_or_held_back():
    aligner = Aligner(0.0, 1.0)
    (placed,) = aligner.add(5, 'labels', 'l', 0.0, 'w')
    assert (placed.stamp, placed.offset, placed.publisher) == (5, 0, 'w')
    assert aligner.flush() == []


def test_an_equal_stamp_joins_at_once():
    aligner = Aligner(0.01, 1.0)
    assert aligner.add(5 * SECOND, 'labels', 'l', 0.0, '') == []
    placed = aligner.add(5 * SECOND, 'condition', 'c', 0.0, '')
    assert sorted(entry.value for entry in placed) == ['c', 'l']


def test_what_waits_too_long_is_decided_by_what_there_is():
    aligner = Aligner(0.01, patience=2.0)
    aligner.add(SECOND, 'condition', 'c', 0.0, '')
    assert aligner.add(SECOND + 3 * MS, 'labels', 'l', 1.0, '') == []
    assert aligner.expire(2.9) == []
    (placed,) = aligner.expire(3.0)
    assert (placed.stamp, placed.offset) == (SECOND, 3 * MS)


def test_a_repetition_goes_where_the_first_one_went():
    aligner = Aligner(0.01, 1.0)
    for number in (1, 2, 3):
        aligner.add(number * SECOND, 'condition', 'c', 0.0, '')
    aligner.add(SECOND + 3 * MS, 'labels', 'first', 0.0, '')
    moved = aligner.add(2 * SECOND + 3 * MS, 'labels', 'next', 0.0, '')
    assert [(entry.value, entry.stamp) for entry in moved] == [('first', SECOND)]
    (again,) = aligner.add(SECOND + 3 * MS, 'labels', 'other', 0.0, '')
    assert (again.stamp, again.offset) == (SECOND, 3 * MS)


def test_memory_is_bounded():
    aligner = Aligner(0.01, 1e9)
    placed = []
    for number in range(5000):
        placed += aligner.add(number * SECOND, 'labels', number, 0.0, '')
    (line,) = aligner._lines.values()
    assert len(line.waiting) == 64 and len(line.stamps) <= 256 and len(line.placed) <= 256
    assert len(placed) == 5000 - 64
    beside = Beside()
    for number in range(20000):
        beside.closed(number * SECOND, ['condition'], ['labels'])
        beside.closed(number * SECOND + 3 * MS, ['labels'], ['condition'])
    assert len(beside._loose['labels']) <= 2048 and len(beside._lacking['labels']) <= 2048
    assert len(beside._offsets['labels']) <= 4096
    entry = beside.told()['labels']
    assert (entry.pictures, entry.beside, entry.seconds) == (20000, 20000, 0.003)


# In a session ----------------------------------------------------------------------------------


def session(folder, log=print, **chosen):
    return Session(
        MonitorParameters(
            models=('m',),
            run_folder=str(folder),
            source=False,
            instances=False,
            segmentation=False,
            pictures=0,
            lockstep=False,
            deadline=1.0,
            **chosen,
        ),
        log=log,
    )


def play(run, offset, count=30, exact=(), camera=None):
    """Send pictures at 10 Hz with labels `offset` beside them, but for those of `exact`."""
    for number in range(count):
        stamp = (100 + number) * SECOND // 10
        now = number / 10
        run.expire(now)
        if camera is not None:
            run.add(stamp + offset, 'camera', camera(number), now)
        run.add(stamp, 'condition', Applied(Condition(), number), now)
        run.add(stamp + (0 if number in exact else offset), 'labels', LABELS, now)
        run.add(stamp, 'vlm:m', ANSWER, now)
    run.end(count / 10)


@pytest.mark.parametrize(
    'offset, words', [(3 * MS, 'trail images by 3 ms'), (-25 * MS, 'lead images by 25 ms')]
)
def test_labels_beside_their_pictures_are_named_and_not_scored(tmp_path, offset, words):
    log = []
    run = session(tmp_path, log.append)
    play(run, offset, exact=(4,))
    states = {state: count for state, count in run.accounting['m'].items() if count}
    assert states == {'scored': 1, 'unmatched': 29} and run.closed == 30
    assert run.counters['truth_without_picture'] == 29
    assert [line for line in log if f'ground_truth/labels {words}' in line and 'slop' in line]
    records = list(read_records(tmp_path / RECORDS))
    last = records[-1]
    assert isinstance(last, AccountingRecord)
    assert last.offsets == {'labels': OffsetEntry(30, 29, 29, offset / SECOND)}
    (note,) = [text for text in Evidence.of(records).notes() if 'ground_truth' in text]
    assert f'ground_truth/labels {words} in 29 of 30 frames' in note


def test_the_sentence_says_how_many_frames_agree():
    entry = OffsetEntry(30, 29, 29, 0.003)
    assert say('ground_truth/labels', entry) == (
        'ground_truth/labels trail images by 3 ms in 29 of 30 frames'
    )


def test_a_few_frames_that_lost_their_truth_at_the_start_make_no_note():
    """Labels and pictures that others lost lie beside each other by any time."""
    account = AccountingRecord({}, {}, {}, offsets={'labels': OffsetEntry(73, 9, 2, 0.45)})
    assert Evidence.of([account]).notes() == []


def test_truth_that_came_long_before_its_picture_is_not_beside_it():
    beside = Beside()
    for stamp in range(SECOND, 31 * SECOND, SECOND):
        beside.closed(stamp, ('labels',), ())
        beside.closed(stamp, ('condition',), ('labels',))
    assert beside.told() == {}


def test_truth_that_is_there_makes_no_note(tmp_path):
    run = session(tmp_path)
    play(run, 0)
    records = list(read_records(tmp_path / RECORDS))
    assert records[-1].offsets == {}
    assert not any('ground_truth' in note for note in Evidence.of(records).notes())


@pytest.mark.parametrize('offset', [3 * MS, -3 * MS])
def test_with_slop_they_are_joined_and_the_records_say_by_how_much(tmp_path, offset):
    run = session(tmp_path, slop=0.005)
    play(run, offset, exact=(4,))
    assert {s: n for s, n in run.accounting['m'].items() if n} == {'scored': 30}
    records = list(read_records(tmp_path / RECORDS))
    found = [record for record in records if isinstance(record, FrameRecord)]
    assert [record.models['m'].status for record in found] == [Status.SCORED] * 30
    beside = [record.offsets for record in found]
    assert beside.count({}) == 1 and beside.count({'labels': offset / SECOND}) == 29
    (note,) = [text for text in Evidence.of(records).notes() if 'slop' in text]
    assert '29 frames' in note and f'{offset / MS:+.3g} ms' in note


def test_slop_that_is_too_small_joins_nothing(tmp_path):
    run = session(tmp_path, slop=0.002)
    play(run, 3 * MS)
    assert {s: n for s, n in run.accounting['m'].items() if n} == {'unmatched': 30}


def test_with_slop_a_camera_beside_the_picture_is_that_pictures(tmp_path):
    run = session(tmp_path, slop=0.005)
    labels = LABELS.copy()
    labels[14:24, 28:36] = 26

    def camera(height):
        return Camera(64, 32, 155.0, 155.0, 32.0, 8.0, mount_height=height)

    run.add(1 * SECOND + 3 * MS, 'camera', camera(1.2), 0.0)
    run.add(2 * SECOND + 3 * MS, 'camera', camera(1.5), 0.0)
    for number in (1, 2, 3):
        run.add(number * SECOND, 'condition', Applied(Condition(), 1), 0.0)
        run.add(number * SECOND, 'labels', labels, 0.0)
        run.add(number * SECOND, 'vlm:m', ANSWER, 0.0)
    run.end(0.0)
    found = [r for r in read_records(tmp_path / RECORDS) if isinstance(r, FrameRecord)]
    assert [record.truth.nearest for record in found] == pytest.approx([12.0, 15.0, 15.0])


def test_labels_joined_beside_and_labels_of_the_same_stamp_cannot_both_be_meant(tmp_path):
    run = session(tmp_path, slop=0.005)
    for number in (1, 2, 3):
        run.add(number * SECOND, 'condition', Applied(Condition(), 1), 0.0)
        run.add(number * SECOND, 'vlm:m', ANSWER, 0.0)
    run.add(1 * SECOND + 3 * MS, 'labels', LABELS, 0.0)
    run.add(1 * SECOND + 3 * MS, 'labels', LABELS + 1, 0.0)
    run.end(0.0)
    assert run.accounting['m']['doubled'] == 1
