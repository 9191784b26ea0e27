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

"""Which frames are one scene, whatever order they come in."""

import random
from dataclasses import dataclass

import numpy as np
import pytest

from vlm_misalign_ros.core.metrics.scenes import Rule, Scenes, place, scene_sums, scenes_of


@dataclass(frozen=True)
class Frame:
    """What scenes read of a record."""

    key: str
    stamp: str = '0.000000000'
    sequence: str = ''
    dataset: str = 'streets'
    index: int | None = 0
    run: str | None = None


def live(seconds, run=None):
    whole, part = divmod(round(seconds * 1e9), 10**9)
    stamp = f'{whole}.{part:09d}'
    return Frame(stamp, stamp, '', '', None, run)


def city(name, sequence, frame, stamp='1.000000000'):
    return Frame(f'{name}_{sequence:06d}_{frame:06d}', stamp, f'{name}_{sequence:06d}')


def scenes(frames):
    return scenes_of(frames).tolist()


def test_frames_of_one_drive_less_than_ten_seconds_apart_are_one_scene():
    assert scenes([live(s) for s in (0, 4, 9.9, 10, 19.9, 20, 300)]) == [0, 0, 0, 1, 1, 2, 3]
    # A drive without a break does not grow into one scene: each ends 10 s after it began.
    assert max(scenes([live(k / 10) for k in range(600)])) == 5


def test_ten_copies_of_a_live_frame_are_one_scene():
    assert scenes([live(20 * k + copy / 10) for k in range(5) for copy in range(10)]) == [
        k for k in range(5) for _ in range(10)
    ]


def test_two_merged_drives_are_apart_even_where_their_stamps_are_near():
    assert scenes([live(1, 'a'), live(2, 'b'), live(3, 'a')]) == [0, 1, 0]


def test_a_snippet_is_one_scene_and_a_long_sequence_has_many():
    assert scenes([city('aachen', 0, k) for k in range(30)]) == [0] * 30
    # Frankfurt's sequences go on for thousands of frames; one of 30 is labelled.
    assert scenes([city('frankfurt', 0, k) for k in (294, 576, 1016)]) == [0, 1, 2]
    # A snippet of it begins anywhere: 275 to 304 is one, though 300 lies between.
    assert scenes([city('frankfurt', 0, k) for k in range(275, 305)]) == [0] * 30
    assert scenes([city('aachen', k, 19) for k in range(3)]) == [0, 1, 2]
    assert scenes([city('aachen', 0, 19), city('ulm', 0, 19)]) == [0, 1]


def test_a_data_set_may_tell_the_times_of_its_frames():
    frames = [
        Frame(f'{k}@{second}', sequence='scene-61')
        for k, second in enumerate(
            ['1532402927.6', '1532402937.5', '1532402937.6', '1532402947.5']
        )
    ]
    assert scenes(frames) == [0, 0, 1, 1] and place(frames[0]).rule is Rule.TIME
    # The same second of another drive is another scene; of no sequence the name says which drive.
    assert scenes([Frame('a@3', sequence='x'), Frame('a@3', sequence='y')]) == [0, 1]
    assert scenes([Frame('a@3'), Frame('a@4.5'), Frame('b@3'), Frame('@3'), Frame('@12.9')]) == [
        1,
        1,
        2,
        0,
        0,
    ]
    assert place(Frame('a@b')).rule is Rule.FRAME


def test_the_stamps_of_a_replay_are_the_replays_own():
    """The same frame under other conditions comes at other times, and near frames far apart."""
    frames = [city('ulm', 3, 19, '1.000000000'), city('ulm', 3, 19, '900.000000000')]
    frames += [city('ulm', 4, 19, '1.100000000')]
    assert scenes(frames) == [0, 0, 1]


def test_a_sequence_without_times_is_one_scene_and_a_frame_without_one_is_its_own():
    named = [Frame(f'{k}', sequence='drive 7') for k in range(3)]
    assert scenes(named) == [0, 0, 0] and place(named[0]).rule is Rule.SEQUENCE
    # A layout that puts everything into one sequence of the data set's name says nothing.
    for sequence in ('', 'streets'):
        apart = [Frame(f'{k}', sequence=sequence) for k in (0, 1, 1)]
        assert scenes(apart) == [0, 1, 1] and place(apart[0]).rule is Rule.FRAME
    other = [Frame('1', dataset='a'), Frame('1', dataset='b')]
    assert scenes(other) == [0, 1]


@pytest.mark.parametrize('seed', range(5))
def test_the_order_decides_nothing(seed):
    frames = [live(3 * k) for k in range(20)] + [city('ulm', 1, 11 * k) for k in range(20)]
    shuffled = frames.copy()
    random.Random(seed).shuffle(shuffled)
    told = dict(zip(shuffled, scenes(shuffled), strict=True))
    assert [told[frame] for frame in frames] == scenes(frames)


def test_a_frame_is_counted_once_and_cities_are_coarser():
    found = Scenes()
    frames = [city('ulm', 0, 19), city('ulm', 1, 19), city('bonn', 0, 19), live(5), live(50)]
    assert [found.add(frame) for frame in [*frames, *frames]] == [0, 1, 2, 3, 4] * 2
    assert len(found) == 5
    numbers, cities = found.numbers(), found.cities()
    assert len(set(numbers)) == 5 and len(set(cities)) == 3
    assert cities[0] == cities[1] and cities[3] == cities[4]
    assert found.rules() == {Rule.SNIPPET: 3, Rule.TIME: 2}
    assert Scenes().numbers().tolist() == []


def test_stamps_that_stand_still_are_one_scene():
    assert scenes([live(0), live(0)]) == [0, 0]


def test_sums_by_scene_by_hand():
    places = np.array([2, 0, 2])
    assert scene_sums(places, np.array([1, 2, 4])).tolist() == [2, 0, 5]
    assert scene_sums(places, np.array([[1, 0.5], [2, 0], [4, 1]]), 4).tolist() == [
        [2, 0],
        [0, 0],
        [5, 1.5],
        [0, 0],
    ]
    none = np.zeros(0, np.int64)
    assert scene_sums(none, none).shape == (0,)
    assert scene_sums(none, np.zeros((0, 2)), 3).tolist() == [[0, 0]] * 3
    assert scene_sums(none, none, 2).dtype == np.float64
