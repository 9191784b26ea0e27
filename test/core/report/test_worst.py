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

"""Which frames count as the worst, and in which order the report shows them."""

import re
from itertools import permutations

import numpy as np
import pytest

from made import frame_record
from vlm_misalign_ros.core.records.pictures import WorstPictures
from vlm_misalign_ros.core.report.page import write_report
from vlm_misalign_ros.core.report.verdict import Status, Verdict

SECOND = 1_000_000_000
GREY = np.full((16, 32, 3), 90, np.uint8)


def kept(folder, keep, entries, mask=None):
    """Return the stamps whose pictures are left after (score, stamp) came in this order."""
    pictures = WorstPictures(folder, keep)
    for score, stamp in entries:
        pictures.consider(score, stamp, GREY, mask)
    return sorted(int(path.stem.partition('_')[0]) for path in folder.glob('*.jpg'))


@pytest.mark.parametrize('order', permutations(range(4)))
def test_the_highest_scores_are_kept_and_of_equal_ones_the_first_stamps(tmp_path, order):
    entries = [(2.0, 5), (1.0, 7), (1.0, 6), (1.0, 8)]
    assert kept(tmp_path, 2, [entries[place] for place in order]) == [5, 6]


def test_a_higher_score_drives_out_the_last_stamp_of_the_lowest(tmp_path):
    assert kept(tmp_path, 3, [(1.0, 1), (1.0, 2), (1.0, 3), (1.5, 9)]) == [1, 2, 9]


def test_a_frame_that_is_not_wrong_is_not_kept(tmp_path):
    assert kept(tmp_path, 3, [(0.0, 1), (0.5, 2)]) == [2]
    assert kept(tmp_path / 'none', 0, [(3.0, 1)]) == []


def test_a_picture_that_is_driven_out_takes_its_mask_along(tmp_path):
    mask = np.zeros((16, 32), np.uint8)
    kept(tmp_path, 1, [(1.0, 1), (2.0, 2)], mask)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        '00000000000000000002.jpg',
        '00000000000000000002_mask.jpg',
    ]


def frame(second, **counts):
    return frame_record(
        stamp=f'{second}.000000000',
        key=f'frame_{second}',
        models={'m': {'status': 'scored', 'score': {'counts': counts}}},
    )


def shown(folder, records, without=()):
    """Return the frames in the order in which the report shows them."""
    pictures = WorstPictures(folder / 'pictures', keep=100)
    for record in records:
        second = int(record.stamp.partition('.')[0])
        if second not in without:
            pictures.consider(1.0, second * SECOND, GREY, None)
    write_report(folder, records, [], Verdict(Status.PASS), {'models': {}})
    page = (folder / 'report.html').read_text(encoding='utf-8')
    return [int(number) for number in re.findall('<b>frame_([0-9]+)</b>', page)]


def test_the_report_shows_the_worst_frames_first_and_equal_ones_by_their_stamp(tmp_path):
    records = [
        frame(10, hallucinated=1),
        frame(2, omitted=1),
        # A judgement of safe where it is not weighs twice.
        frame(30, false_safe=1),
        frame(4, hallucinated=1, omitted=2),
        frame(9, hallucinated=1, omitted=1),
    ]
    assert shown(tmp_path, records) == [4, 9, 30, 2, 10]
    assert shown(tmp_path, records[::-1]) == [4, 9, 30, 2, 10]


def test_the_report_shows_only_frames_that_a_picture_was_kept_of(tmp_path):
    records = [frame(1, omitted=1), frame(2, omitted=2), frame(3, omitted=3)]
    assert shown(tmp_path, records, without=(2,)) == [3, 1]
