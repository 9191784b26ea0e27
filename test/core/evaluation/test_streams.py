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

"""Random streams: every picture ends in exactly one state for every model, whatever comes."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm_misalign_ros.core.evaluation.session import Session
from vlm_misalign_ros.core.records.account import LateRecord
from vlm_misalign_ros.core.records.schema import FrameRecord, Status
from vlm_misalign_ros.core.records.store import RECORDS, read_records
from vlm_misalign_ros.core.report.summary import ALL, summarise
from vlm_misalign_ros.core.settings.nodes import MonitorParameters
from vlm_misalign_ros.core.types import Applied, Condition, Description, Kind, Mention

pytestmark = pytest.mark.heavy

SECOND = 1_000_000_000
STEP = SECOND // 10
MODELS = ('m', 'n')
NAMES = ('condition', 'labels', 'segmentation', 'vlm:m', 'vlm:n')
SHARED = ('condition', 'labels')


def value(part, variant):
    """Return one of the contents that a part can have."""
    if part == 'condition':
        return Applied(Condition(), variant)
    if part == 'labels':
        labels = np.full((32, 64), 7 + variant, np.uint8)
        labels[0] = 6
        return labels
    if part == 'segmentation':
        return np.full((32, 64), variant, np.uint8)
    said = (Mention.ASSERTED, Mention.DENIED, Mention.HEDGED)[variant]
    return Description(part, Kind.CONTRASTIVE, '', mentions={'car': said})


event = st.tuples(
    st.integers(0, 4),
    st.sampled_from(NAMES),
    st.sampled_from([0, 0, 0, 0, 1, 2]),
    st.sampled_from([0.0, 0.0, 0.0, 0.4, 1.1]),
)
streams = st.lists(event, max_size=60)
whole = st.permutations([(s, p, 0, 0.0) for s in range(4) for p in NAMES])


def expected_pictures(events):
    """Return by stamp how many pictures were sent: contents of the condition, 1 at least."""
    contents = defaultdict(set)
    for number, part, variant, _ in events:
        if part != 'labels':
            contents[number] |= {variant} if part == 'condition' else set()
    return {number: max(1, len(found)) for number, found in contents.items()}


def play(events, folder='', **chosen):
    session = Session(
        MonitorParameters(
            models=MODELS,
            run_folder=str(folder),
            **{
                'lockstep': False,
                'source': False,
                'instances': False,
                'confidence': False,
                'pictures': 0,
                'deadline': 1.0,
                **chosen,
            },
        ),
        name='run',
        log=lambda text: None,
    )
    now, closed = 0.0, []
    for number, part, variant, wait in events:
        now += wait
        closed += session.expire(now)
        closed += session.add((10 + number) * STEP * 10, part, value(part, variant), now)
    closed += session.end(now)
    return session, closed


@given(st.one_of(streams, whole, st.tuples(whole, streams).map(lambda two: two[0] + two[1])))
def test_the_states_of_every_model_add_up_to_the_pictures_that_were_sent(events):
    session, _ = play(events)
    sent = sum(expected_pictures(events).values())
    assert session.closed == sent
    for name in (*MODELS, 'segmentation'):
        assert sum(session.accounting[name].values()) == sent
        assert all(count >= 0 for count in session.accounting[name].values())


@given(st.one_of(streams, st.tuples(whole, streams).map(lambda two: two[0] + two[1])))
def test_what_was_doubled_is_not_scored_and_the_sums_are_those_of_the_records(
    tmp_path_factory, events
):
    folder = tmp_path_factory.mktemp('stream')
    session, _ = play(events, folder)
    records = list(read_records(folder / RECORDS))
    found = [record for record in records if isinstance(record, FrameRecord)]
    contents = defaultdict(lambda: defaultdict(set))
    for number, part, variant, _ in events:
        contents[number][part].add(variant)
    assert len({record.stamp for record in found}) == len(found)
    for record in found:
        number = int(record.stamp.partition('.')[0]) - 10
        several = {part for part, variants in contents[number].items() if len(variants) > 1}
        for name in MODELS:
            doubled = not several.isdisjoint({*SHARED, f'vlm:{name}'})
            assert (record.models[name].status is Status.DOUBLED) is doubled
        doubled = not several.isdisjoint({*SHARED, 'segmentation'})
        assert (record.segmentation.status is Status.DOUBLED) is doubled
    rows = {row.model: row for row in summarise(records) if row.condition == ALL}
    for name in MODELS:
        if name in rows:
            states = {s.value: n for s, n in rows[name].by_status.items() if n}
            assert states == {s: n for s, n in session.accounting[name].items() if n}
            numerator = session.metrics()[f'total: {name}']['hallucination_rate/numerator']
            assert rows[name].counts.hallucinated == int(numerator)
    late = {(r.stamp, r.part) for r in records if isinstance(r, LateRecord)}
    assert len(late) == sum(isinstance(r, LateRecord) for r in records)


@given(whole)
def test_the_order_of_arrival_changes_no_record(tmp_path_factory, order):
    first, second = (tmp_path_factory.mktemp('order') for _ in range(2))
    play(sorted(order), first)
    play(order, second)
    one, other = (
        {r.stamp: r for r in read_records(folder / RECORDS) if isinstance(r, FrameRecord)}
        for folder in (first, second)
    )
    assert one == other and len(one) == 4


frame = st.permutations(NAMES[1:]).flatmap(
    lambda order: st.integers(0, len(order)).map(lambda kept: ('condition', *order[:kept]))
)
loop = st.dictionaries(st.sampled_from([0, 1, 2, 30, 31, 60]), frame, min_size=1)


@given(st.lists(loop, min_size=1, max_size=4), st.sampled_from([0.0, 0.4, 1.1]))
def test_every_picture_is_in_a_state_whatever_gaps_a_looped_recording_has(loops, wait):
    """A loop that begins less than 10 s before the end of the last one is no jump."""
    events, sent, newest = [], 0, None
    seen = set()
    for stretch in loops:
        numbers = sorted(stretch)
        for number in numbers:
            if newest is not None and number < newest - 10:
                newest, seen = number, set()
            newest = number if newest is None else max(newest, number)
            sent += number not in seen
            seen.add(number)
            events += [(number, part, 0, 0.0) for part in stretch[number]]
            events[-1] = (*events[-1][:3], wait)
    session, _ = play(events)
    assert session.closed == sent
    for name in (*MODELS, 'segmentation'):
        assert sum(session.accounting[name].values()) == sent


@given(streams)
def test_no_part_gets_lost_from_the_count(events):
    kept, finish = [], Session._finish

    def counted(self, joined, epoch):
        kept.extend(joined.parts)
        return finish(self, joined, epoch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, '_finish', counted)
        session, _ = play(events)
    found = session._stretches.current.join.counters
    others = sum(found[name] for name in ('late', 'unneeded', 'repeated', 'doubled'))
    assert found['received'] == len(events) == len(kept) + others
