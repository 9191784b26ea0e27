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

"""Which frames of an interrupted run stand, worked out by hand on rows of frames."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.evaluation.going_on import (
    CORRUPTION,
    Turn,
    graph_order,
    guarded_names,
    in_process_order,
    refuse_endless,
    what_stands,
)
from vlm_misalign_ros.core.evaluation.verifying import UNDEGRADED
from vlm_misalign_ros.core.records.account import DoubledRecord
from vlm_misalign_ros.core.records.schema import (
    AnswerEntry,
    Closing,
    ConditionEntry,
    FrameRecord,
    ModelEntry,
    SegmentationEntry,
    Status,
    TimingEntry,
)
from vlm_misalign_ros.core.settings.configuration import parse
from vlm_misalign_ros.core.types import WHOLE, Judgement, Kind

ANSWER = AnswerEntry(Kind.GENERATIVE, 'a car', {}, {}, Judgement.SAFE, None, 'p', False, WHOLE)


def frame(index, state='.', closed=Closing.COMPLETE, pictures=1):
    """Return a frame that was answered (`.`), failed on (`f`) or passed over (`-`)."""
    entry = {
        '.': ModelEntry(Status.SCORED, ANSWER),
        'f': ModelEntry(Status.MISSING, error='no'),
        '-': ModelEntry(Status.DROPPED, problem='no mask'),
    }[state]
    return FrameRecord(
        4,
        f'{index + 1}.000000000',
        index,
        'd',
        's',
        str(index),
        0,
        ConditionEntry('clean', 0, 'clean', 0, {}),
        closed,
        [],
        None,
        SegmentationEntry(Status.NOT_ASKED, None, None, []),
        {'m': entry},
        TimingEntry({}),
        pictures=pictures,
    )


def order(count, starts=lambda index: True):
    return [Turn(index, index // 2, starts(index)) for index in range(count)]


def stands(records, starts=lambda index: True, guarded=('m',), total=20):
    found = what_stands(records, order(total, starts), guarded)
    assert sorted(found.kept) == list(range(len(found.kept)))
    assert found.first.index == len(found.kept)
    return len(found.kept), found.again


@pytest.mark.parametrize(
    'row, kept, again',
    [
        ('....', 4, 0),
        # How long a row of failures was is not known: before its first.
        ('...ff', 3, 2),
        ('...ff.', 6, 0),
        ('fff', 0, 3),
        # Whom nobody asked has neither failed nor not.
        ('..f---', 2, 4),
        ('..f-.-', 6, 0),
        ('.f.f.', 5, 0),
        ('', 0, 0),
    ],
)
def test_it_begins_where_nothing_was_failing(row, kept, again):
    assert stands([frame(*at) for at in enumerate(row)]) == (kept, again)


def test_a_model_that_may_fail_for_ever_is_nothing_to_look_at():
    assert stands([frame(at, 'f') for at in range(5)], guarded=()) == (5, 0)


def test_pictures_that_could_not_be_degraded_are_a_row_of_failures():
    told = {'.': {'image': 'a'}, 'f': {'problem': f'{UNDEGRADED}: no noise'}, '-': {}}
    for row, kept in (('...ff', 3), ('...ff.', 6), ('..f--', 2), ('.f.', 3)):
        rows = [structs.replace(frame(at), **told[state]) for at, state in enumerate(row)]
        assert stands(rows, guarded=(CORRUPTION,)) == (kept, len(row) - kept)


def test_it_begins_only_where_all_that_is_shown_of_earlier_frames_can_be_had():
    rows = [frame(at) for at in range(8)]
    assert stands(rows, lambda index: index % 3 == 0) == (6, 2)
    assert stands(rows[:2], lambda index: index % 3 == 0) == (0, 2)


def test_of_a_run_with_all_its_frames_the_last_is_made_anew():
    assert stands([frame(at) for at in range(20)]) == (19, 1)


@pytest.mark.parametrize(
    'spoilt',
    [
        [frame(3, closed=Closing.DEADLINE)],
        [frame(3, closed=Closing.END)],
        [frame(3, pictures=2)],
        [frame(3), frame(3)],
        [frame(3), DoubledRecord('4.000000000', 'vlm:m', ['a', 'b'], 1)],
        [],
    ],
    ids=['deadline', 'end', 'two pictures', 'twice', 'doubled', 'never came'],
)
def test_what_is_not_whole_is_made_anew_and_all_behind_it(spoilt):
    rows = [frame(at) for at in range(8) if at != 3]
    kept, _ = stands([*rows, *spoilt])
    assert kept == 3


@given(
    st.lists(st.sampled_from('..f-'), min_size=1, max_size=15),
    st.integers(1, 4),
    st.integers(1, 4),
)
def test_a_row_of_failures_is_counted_on_as_if_nothing_had_been_cut(states, most, every):
    """Whoever begins behind what stands with no failure counted ends at the same frame."""

    def ends(row, begin):
        failures = 0
        for at in range(begin, len(row)):
            failures = {'f': failures + 1, '.': 0, '-': failures}[row[at]]
            if failures == most:
                return at
        return None

    kept, _ = stands([frame(*at) for at in enumerate(states)], lambda i: i % every == 0)
    found = ends(states, 0)
    assert found is None or found < kept or ends(states, kept) == found
    assert not (found is None and ends(states, kept) is not None)


LLAVA = {'a': {'model': 'miniature:llava'}}


def test_what_ends_after_some_failures_is_looked_at():
    chosen = configured()[0]
    assert guarded_names(chosen) == ['a', CORRUPTION]
    forever = {'vlms': {'a': {**LLAVA['a'], 'max_failures': 0}}, 'corruption': {'max_failures': 0}}
    assert guarded_names(parse({**chosen.raw, **forever})) == []


def configured(sequences='xxyyy', vlms=None, **replay):
    """Return a configuration, and a data set of a frame for each letter, which is its sequence."""
    conditions = ['clean', 'low_light:1']
    replay = {'dataset': 'd', 'conditions': conditions, **replay}
    chosen = parse({'replay': replay, 'vlms': vlms or LLAVA})
    entries = [SimpleNamespace(key=f'{at}', sequence=s) for at, s in enumerate(sequences)]

    class Dataset:
        name = 'd'

        def __len__(self):
            return len(entries)

    dataset = Dataset()
    dataset.entries = entries
    return chosen, dataset


def starts(turns):
    return [turn.index for turn in turns if turn.starts]


def test_in_one_process_a_run_begins_with_a_picture_under_all_conditions():
    turns = list(in_process_order(*configured()))
    assert [turn.index for turn in turns] == [0, 5, 1, 6, 2, 7, 3, 8, 4, 9]
    assert [turn.position for turn in turns] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert starts(turns) == [0, 1, 2, 3, 4]
    held = list(in_process_order(*configured('xy', hold=2)))
    assert [turn.index for turn in held] == [0, 1, 4, 5, 2, 3, 6, 7]
    assert starts(held) == [0, 2]


def test_the_graph_begins_where_no_past_frame_is_shown():
    assert starts(graph_order(*configured())) == list(range(10))
    past = {'a': {'model': 'miniature:llava', 'asks': {'b': {'frames': 1, 'stride': 2}}}}
    assert starts(graph_order(*configured(vlms=past))) == [0, 2, 5, 7]
    # A frame that is held is a sequence of its own.
    assert starts(graph_order(*configured('xx', past, hold=2))) == [0, 2, 4, 6]
    assert starts(graph_order(*configured('x', past, hold=2))) == [0, 2]


@pytest.mark.parametrize('ordered', [in_process_order, graph_order])
def test_frames_beyond_the_end_of_a_run_are_none(ordered):
    chosen, dataset = configured()
    limited = parse({**chosen.raw, 'monitor': {'frames': 7}})
    found = [turn.index for turn in ordered(limited, dataset)]
    assert sorted(found) == list(range(7))


@pytest.mark.parametrize(
    'more, why',
    [
        ({'mode': 'live', 'replay': None}, 'it is live'),
        ({'monitor': {'label_encoding': 'auto'}}, 'label_encoding auto learns'),
        ({'monitor': {'duration': 5.0}}, 'monitor.duration'),
        ({'record': True}, 'it records a bag'),
        ({'elsewhere': ['vlm_a']}, 'vlm_a is on another machine'),
        ({'vlms': {**LLAVA, 'b': {'topic': '/b', 'type': 'std_msgs/msg/String'}}}, 'b is a model'),
    ],
)
def test_what_cannot_be_gone_on_with_says_why(more, why):
    data = {**configured()[0].raw, **more}
    data = {name: value for name, value in data.items() if value is not None}
    with pytest.raises(RecordError, match=why) as told:
        refuse_endless(parse(data))
    assert str(told.value).endswith('give its configuration and --overwrite in place of --resume')
