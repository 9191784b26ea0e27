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

"""Records that a later line takes back, and what a run's own records show of its data."""

import pytest
from msgspec import structs

from made import frame_record
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.evaluation.parts import (
    CONFIDENCE,
    PICTURES,
    RECORDER,
    SEGMENTATION,
    vlm_part,
)
from vlm_misalign_ros.core.records import settled
from vlm_misalign_ros.core.records.account import AccountingRecord, DoubledRecord, LateRecord
from vlm_misalign_ros.core.records.merge import merge
from vlm_misalign_ros.core.records.schema import SCHEMA, FrameRecord, RunRecord, Status, decode
from vlm_misalign_ros.core.records.settled import settle
from vlm_misalign_ros.core.records.store import (
    RECORDS,
    RecordFile,
    RecordWriter,
    difference,
    read_records,
    settled_lines,
)
from vlm_misalign_ros.core.report.evidence import Evidence
from vlm_misalign_ros.core.report.summary import ALL, summarise
from vlm_misalign_ros.core.report.table import tables
from vlm_misalign_ros.core.report.verdict import Status as Outcome

SCORED = {'status': 'scored', 'score': {'counts': {'frames': 1, 'assertions': 3}}}


def frame(number, **more):
    return frame_record(
        stamp=f'{number}.000000000',
        index=number,
        key=f'k{number}',
        models={'m': SCORED, 'n': SCORED},
        **more,
    )


def doubled(number, part, **more):
    return DoubledRecord(f'{number}.000000000', part, ['/a', '/b'], **more)


def write(folder, records):
    writer = RecordWriter(folder / RECORDS)
    for record in (RunRecord(SCHEMA, 'r', ['m', 'n']), *records):
        writer.write(record)
    writer.close()
    return folder / RECORDS


def states(record):
    return [entry.status.value for entry in (*record.models.values(), record.segmentation)]


def test_the_names_of_parts_are_those_of_the_join():
    assert settled._ANSWER + 'm' == vlm_part('m')
    assert set(settled._MASK) == {SEGMENTATION, CONFIDENCE}
    assert set(settled._PICTURE) == set(PICTURES) and settled._NOBODY == (RECORDER,)


def test_a_line_takes_back_what_stands_before_and_behind_it():
    records = [
        doubled(1, 'labels'),
        frame(1),
        frame(2),
        frame(3),
        doubled(2, 'vlm:m'),
        doubled(3, 'confidence'),
        doubled(4, 'labels'),
    ]
    one, two, three = (r for r in settle(records) if isinstance(r, FrameRecord))
    assert states(one) == ['doubled', 'doubled', 'doubled'] and one.truth is None
    assert states(two) == ['doubled', 'scored', 'scored'] and two.truth is not None
    assert states(three) == ['scored', 'scored', 'doubled']
    assert three.segmentation.frame_iou is None
    assert [r for r in settle(records) if not isinstance(r, FrameRecord)] == [
        r for r in records if not isinstance(r, FrameRecord)
    ]


def test_a_mismatch_is_told_in_the_frame_itself_and_takes_nothing_back():
    (found,) = (
        r
        for r in settle([frame(1), doubled(1, 'vlm:m', mismatch=True, count=0)])
        if isinstance(r, FrameRecord)
    )
    assert found == frame(1)


def test_a_segmentation_that_was_not_asked_for_is_not_doubled():
    record = frame(1, segmentation={'status': 'not asked', 'frame_iou': None})
    found = next(iter(settle([record, doubled(1, 'labels')])))
    assert states(found) == ['doubled', 'doubled', 'not asked']


def test_pictures_of_one_stamp_are_counted_by_what_is_sent_once_for_each():
    records = [
        frame(1),
        doubled(1, 'condition', count=1),
        doubled(1, 'condition', count=2),
        doubled(1, 'image', count=1),
        doubled(1, 'labels', count=7),
    ]
    found = next(iter(settle(records)))
    assert found.pictures == 3
    # Whatever the line of the frame had counted itself is not counted again.
    again = next(iter(settle([structs.replace(found, pictures=3), *records[1:]])))
    assert again.pictures == 3


def test_stamps_of_another_epoch_or_run_are_other_frames():
    records = [frame(1), frame(1, epoch=1), doubled(1, 'labels', epoch=1)]
    first, second, _ = settle(records)
    assert states(first)[0] == 'scored' and states(second)[0] == 'doubled'
    records = [frame(1, run='a'), frame(1, run='b'), doubled(1, 'labels', run='b')]
    first, second, _ = settle(records)
    assert states(first)[0] == 'scored' and states(second)[0] == 'doubled'


def test_two_frames_with_one_stamp_are_both_doubled():
    first, second = settle([frame(1), structs.replace(frame(1), key='other')])
    assert states(first) == states(second) == ['doubled'] * 3
    assert 'several frames' in first.problem


def test_every_reader_of_a_file_gets_what_stands_in_the_end(tmp_path):
    path = write(tmp_path, [frame(1), frame(2), doubled(2, 'condition')])
    once = list(read_records(path))
    assert list(RecordFile(path)) == once == list(RecordFile(path))
    assert [decode(line, place) for place, line in settled_lines(path)] == once
    (row, *_) = (row for row in summarise(once) if (row.condition, row.model) == (ALL, 'm'))
    assert (row.frames, row.scored, row.by_status[Status.DOUBLED]) == (3, 1, 2)
    assert row.counts.assertions == 3
    assert [len(table) for table in tables(once)] == [1, 1]
    other = write(tmp_path / 'other', [frame(1), frame(2)])
    assert b''.join(line for _, line in settled_lines(other)) == other.read_bytes()
    assert any('doubled' in line for line in difference(path, other))


def test_merging_takes_along_what_was_doubled_and_late(tmp_path):
    runs = []
    for name, start in (('a', 1), ('b', 11)):
        folder = tmp_path / name
        late = LateRecord(f'{start + 2}.000000000', 'vlm:m')
        missing = structs.replace(frame(start + 2), models={'m': frame(1).models['m']})
        missing = structs.replace(
            missing,
            models={'m': structs.replace(missing.models['m'], status=Status.MISSING, score=None)},
        )
        write(folder, [frame(start), frame(start + 1), doubled(start, 'condition'), missing, late])
        (folder / 'manifest.json').write_text('{}')
        (folder / 'config.yaml').write_text('')
        runs.append(folder)
    assert merge(tmp_path / 'both', runs) == 6
    records = list(read_records(tmp_path / 'both' / RECORDS))
    (row,) = (row for row in summarise(records) if (row.condition, row.model) == (ALL, 'm'))
    found = {state.value: count for state, count in row.by_status.items() if count}
    assert found == {'doubled': 4, 'scored': 2, 'late': 2}
    (check,) = Evidence.of(records).checks()
    assert check.status is Outcome.INVALID and check.data and '2 frames' in check.message


@pytest.mark.parametrize(
    'protocol, merged',
    [
        ('hold-frame', True),
        ('pseudo-labels, hold-frame', True),
        ('labelled sequence', False),
        ('pseudo-labels', False),
    ],
)
def test_a_frame_that_is_held_is_in_its_run_several_times(tmp_path, protocol, merged):
    runs = []
    for name, key in (('a', 'k1'), ('b', 'k2')):
        held = [frame_record(key=key, stamp=f'{n}.000000000', protocol=protocol) for n in (1, 2)]
        write(tmp_path / name, held)
        (tmp_path / name / 'manifest.json').write_text('{}')
        (tmp_path / name / 'config.yaml').write_text('')
        runs.append(tmp_path / name)
    if merged:
        assert merge(tmp_path / 'both', runs) == 4
        with pytest.raises(RecordError, match='frame k1 under clean is in'):
            merge(tmp_path / 'twice', [runs[0], tmp_path / 'both'])
    else:
        with pytest.raises(RecordError, match='frame k1 under clean is in'):
            merge(tmp_path / 'both', runs)


# Evidence --------------------------------------------------------------------------------------


def checks(records):
    return [(check.status, check.data, check.message) for check in Evidence.of(records).checks()]


def test_clean_data_pass_with_one_check_and_no_note():
    ((status, data, _),) = checks([frame(1), frame(2)])
    assert (status, data) == (Outcome.PASS, False)
    assert Evidence.of([frame(1), frame(2)]).notes() == []


def test_each_kind_of_part_is_told_with_its_frames_and_publishers():
    records = [frame(1), doubled(1, 'labels'), doubled(1, 'labels', count=2)]
    records += [frame(2), doubled(2, 'labels'), doubled(2, 'vlm:m', mismatch=True)]
    found = checks(list(settle(records)))
    assert found == [
        (
            Outcome.INVALID,
            True,
            'labels came twice with other content in 2 frames, from /a and /b',
        ),
        (Outcome.INVALID, True, 'vlm:m was of another picture in 1 frame, from /a and /b'),
    ]


def test_doubled_frames_without_a_line_make_the_run_invalid_too():
    first, second = settle([frame(1), structs.replace(frame(1), key='other')])
    ((status, data, message),) = checks([first, second])
    assert (status, data) == (Outcome.INVALID, True) and '1 frame came twice' in message


def test_two_clocks_that_take_turns_are_no_looped_recording():
    looped = [frame(number, epoch=epoch) for epoch in range(4) for number in range(6)]
    assert checks(looped)[0][0] is Outcome.PASS
    assert any('jumped back 3 times' in note for note in Evidence.of(looped).notes())
    mixed = [frame(number, epoch=epoch) for epoch in range(4) for number in range(2)]
    ((status, data, message),) = checks(mixed)
    assert (status, data) == (Outcome.INVALID, True) and 'two clocks' in message


def test_pictures_that_never_came_are_estimated_from_the_records_alone():
    records = [frame(number) for number in range(30) if number not in (11, 12, 20)]
    (note,) = Evidence.of(records).notes()
    assert 'about 3 pictures never came' in note and '1 s apart' in note


def test_repeated_parts_are_told():
    account = AccountingRecord({}, {'received': 9, 'repeated': 4}, {})
    (note,) = Evidence.of([frame(1), account]).notes()
    assert note.startswith('4 parts came again with the same content')
