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

"""Scripted scenarios: what a frame meets when, by hand; and several corruptions at once."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm_misalign_ros.core.corruptions import degrade, parse_conditions, seed_of, single_condition
from vlm_misalign_ros.core.corruptions.degrading import check_condition
from vlm_misalign_ros.core.corruptions.scenario import Playing, load_scenario, parse_scenario
from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.evaluation.replaying import played, schedule
from vlm_misalign_ros.core.types import Condition, Protocol, Source
from vlm_misalign_ros.wire.values import source_from_values, source_to_values

SECOND = 10**9
NIGHT = """
# clear 5 s, night 2 with blur 1 for 3 s, clear
segments:
  - {condition: clean, seconds: 5}
  - {condition: low_light:2 + motion_blur:1, seconds: 3}
  - {condition: clean}
"""


def night(tmp_path, text=NIGHT):
    path = tmp_path / 'night.yaml'
    path.write_text(text)
    return load_scenario(path)


def at(scenario, seconds):
    return scenario.at(round(seconds * SECOND)).name


@pytest.mark.parametrize(
    'seconds, name',
    [
        (0, 'clean'),
        (4.999, 'clean'),
        (5, 'low_light:2+motion_blur:1'),
        (7.999999999, 'low_light:2+motion_blur:1'),
        (8, 'clean'),
        (8000, 'clean'),
    ],
)
def test_a_segment_begins_where_the_one_before_it_ends(tmp_path, seconds, name):
    assert at(night(tmp_path), seconds) == name


def test_a_ramp_gives_each_severity_the_same_time():
    found = parse_scenario(
        [{'condition': 'low_light', 'ramp': [1, 5], 'seconds': 10}, {'condition': 'clean'}], 'x'
    )
    names = [at(found, second / 2) for second in range(22)]
    assert names == [f'low_light:{1 + n // 4}' for n in range(20)] + ['clean'] * 2


def test_a_ramp_may_fall_and_keeps_the_parts_that_say_their_severity():
    found = parse_scenario(
        [{'condition': 'occlusion + motion_blur:1', 'ramp': [3, 2], 'seconds': 2}], 'x'
    )
    assert [at(found, t) for t in (0, 1)] == [
        'occlusion:3+motion_blur:1',
        'occlusion:2+motion_blur:1',
    ]


def test_segments_repeat_where_they_say_so():
    found = parse_scenario(
        {
            'repeat': True,
            'segments': [
                {'condition': 'clean', 'seconds': 1},
                {'condition': 'low_light:1', 'seconds': 2},
            ],
        },
        'x',
    )
    assert [at(found, t) for t in range(7)] == ['clean', *['low_light:1'] * 2] * 2 + ['clean']
    once = parse_scenario([{'condition': 'low_light:1', 'seconds': 2}], 'x')
    assert at(once, 100) == 'low_light:1'


@pytest.mark.parametrize(
    'data, told',
    [
        ('clean', 'holds a str'),
        ({'segment': []}, "'segment'"),
        ([], 'no list of segments'),
        (['clean'], 'segment 1 of scenario x'),
        ([{'condition': 'clean', 'seconds': 0}], 'segment 1 of scenario x has seconds'),
        ([{'condition': 'clean', 'seconds': float('nan')}], 'segment 1'),
        ([{'condition': 'clean', 'seconds': True}], 'segment 1'),
        ([{'condition': 'clean'}, {'condition': 'clean'}], 'segment 1 of scenario x has seconds'),
        ([{'condition': 'fog:1', 'seconds': 1}], "segment 1 of scenario x: conditions: 'fog:1'"),
        ([{'condition': 'low_light:1-3', 'seconds': 1}], 'names 3 conditions'),
        ([{'condition': 'low_light', 'seconds': 1}], 'segment 1'),
        ([{'condition': 'low_light', 'ramp': [0, 5], 'seconds': 1}], 'ramp'),
        ([{'condition': 'low_light', 'ramp': [1, 2, 3], 'seconds': 1}], 'ramp'),
        ([{'condition': 'low_light:2', 'ramp': [1, 5], 'seconds': 1}], 'says its severity'),
        ([{'condition': 'clean', 'ramp': [1, 5], 'seconds': 1}], 'segment 1'),
        ([{'condition': 'low_light', 'ramp': [1, 5]}], 'ramp without seconds'),
        ([{'condition': 'clean', 'second': 1}], "segment 1 of scenario x has 'second'"),
        ({'begin': 'never', 'segments': [{'condition': 'clean'}]}, 'begin'),
        ({'repeat': True, 'segments': [{'condition': 'clean'}]}, 'segment 1 of scenario x has no'),
    ],
)
def test_what_will_not_do_is_refused_by_segment(data, told):
    with pytest.raises(ConfigurationError, match='scenario x') as caught:
        parse_scenario(data, 'x')
    assert told in str(caught.value)


def test_a_file_that_is_none_is_refused_by_name(tmp_path):
    with pytest.raises(ConfigurationError, match='does not exist'):
        load_scenario(tmp_path / 'nowhere.yaml')
    path = tmp_path / 'broken.yaml'
    path.write_text('a: [')
    with pytest.raises(ConfigurationError, match=r'broken\.yaml cannot be read'):
        load_scenario(path)
    path.write_text('#' * 1_000_001)
    with pytest.raises(ConfigurationError, match='bytes'):
        load_scenario(path)
    assert len(night(tmp_path).sha256) == 64


@given(st.lists(st.integers(0, 20 * SECOND), min_size=1, max_size=30), st.integers(0, 10**18))
def test_it_depends_on_the_time_since_the_first_frame_alone(times, begin):
    found = parse_scenario([{'condition': 'low_light', 'ramp': [1, 5], 'seconds': 7}], 'x')
    one, other = Playing(found), Playing(found)
    one.take(0)
    other.take(begin)
    assert [one.take(time) for time in times] == [other.take(begin + time) for time in times]


def test_time_that_jumps_back_begins_anew(tmp_path):
    playing = Playing(night(tmp_path))
    names = [playing.take(t * SECOND)[0].name for t in (100, 106, 50, 55)]
    assert names == ['clean', 'low_light:2+motion_blur:1'] * 2


def test_it_begins_with_each_sequence_where_it_says_so(tmp_path):
    playing = Playing(night(tmp_path, 'begin: sequence\n' + NIGHT))
    found = [
        playing.take(t * SECOND, drive)
        for t, drive in ((0, 'a'), (6, 'a'), (7, 'b'), (11, 'b'), (12, 'b'))
    ]
    assert [condition.name for condition, _ in found] == [
        'clean',
        'low_light:2+motion_blur:1',
        'clean',
        'clean',
        'low_light:2+motion_blur:1',
    ]
    assert [draw for _, draw in found] == [
        'a+0',
        'a+6000000000',
        'b+0',
        'b+4000000000',
        'b+5000000000',
    ]


class Entry:
    def __init__(self, number, drive='d_000000'):
        self.key, self.sequence, self.city = f'{drive}_{number:06d}', drive, 'd'


class Frames:
    name = 'd'

    def __init__(self, *entries):
        self.entries = entries

    def __len__(self):
        return len(self.entries)


def test_replay_and_live_meet_the_same_and_draw_the_same(tmp_path):
    frames = Frames(*(Entry(number) for number in range(90)))
    replayed, live = Playing(night(tmp_path)), Playing(night(tmp_path))
    met, seen = [], []
    for index, (_, source) in enumerate(schedule(frames, [Condition()])):
        stamp = SECOND + index * SECOND // 10
        source = played(source, stamp, replayed)
        # As the corruption node has it from camera/source, and, live, from the stamp alone.
        told, _ = source_from_values(source_to_values(source))
        met.append((told.condition, told.draw or told.key))
        seen.append(live.take(stamp))
    assert met == seen
    assert [condition.name for condition, _ in met] == (
        ['clean'] * 50 + ['low_light:2+motion_blur:1'] * 30 + ['clean'] * 10
    )
    assert len({draw for _, draw in met}) == 90


def test_held_frames_come_in_a_row_and_are_drawn_anew():
    frames = Frames(Entry(19), Entry(49))
    found = [
        source for _, source in schedule(frames, parse_conditions('clean; low_light:2'), hold=3)
    ]
    assert [source.key[-2:] for source in found] == ['19'] * 3 + ['49'] * 3 + ['19'] * 3 + [
        '49'
    ] * 3
    assert [source.index for source in found] == list(range(12))
    assert {source.total for source in found} == {12}
    assert [source.draw for source in found[:3]] == ['', 'd_000000_000019+1', 'd_000000_000019+2']
    assert {source.protocol for source in found} == {Protocol.HELD}


@pytest.mark.parametrize(
    'numbers, protocol',
    [((19, 20, 21), Protocol.LABELLED), ((19, 49, 79), Protocol.SINGLE), ((19,), Protocol.SINGLE)],
)
def test_a_replay_says_whether_its_frames_follow_on_each_other(numbers, protocol):
    found = schedule(Frames(*(Entry(number) for number in numbers)), [Condition()])
    assert {source.protocol for _, source in found} == {protocol}


def test_frames_without_labels_are_no_labelled_sequence():
    entries = [Entry(number) for number in range(3)]
    for entry in entries:
        entry.labels = None
    assert next(schedule(Frames(*entries), [Condition()]))[1].protocol is Protocol.SINGLE


def test_several_at_once_are_written_with_a_plus():
    found = single_condition(' low_light:2 +motion_blur: 1')
    assert found == Condition('low_light:2+motion_blur:1', 2)
    assert found.name == 'low_light:2+motion_blur:1'
    assert found.parts == (Condition('low_light', 2), Condition('motion_blur', 1))
    both = parse_conditions('clean, low_light:2 + motion_blur:1; occlusion:1,2')
    assert [entry.name for entry in both] == [
        'clean',
        'low_light:2+motion_blur:1',
        'occlusion:1',
        'occlusion:2',
    ]


@pytest.mark.parametrize(
    'text',
    [
        'low_light:2 + clean',
        'low_light:2 + blank',
        'low_light:1-2 + motion_blur:1',
        'low_light + motion_blur:1',
        'low_light:2 + low_light:1',
        'low_light:2 +',
        '+',
        'low_light:6 + motion_blur:1',
    ],
)
def test_what_is_none_of_several_is_refused(text):
    with pytest.raises(ConfigurationError):
        parse_conditions([text])


@pytest.mark.parametrize(
    'condition',
    [
        Condition('low_light:2+fog:1', 2),
        Condition('low_light:2+clean', 2),
        Condition('low_light:2+motion_blur:1', 5),
        Condition('low_light:2+', 2),
        Condition('low_light:x+motion_blur:1', 1),
    ],
)
def test_what_a_stranger_asks_for_is_checked(condition):
    with pytest.raises(ConfigurationError):
        check_condition(condition)


def street():
    return np.random.default_rng(5).integers(0, 255, (64, 128, 3), np.uint8)


def test_several_are_applied_in_order_each_drawing_what_it_draws_alone():
    both = single_condition('low_light:2 + motion_blur:1')
    found = degrade(street(), both, 3, 'k')
    dark = degrade(street(), Condition('low_light', 2), 3, 'k')
    wanted = degrade(dark.image, Condition('motion_blur', 1), 3, 'k')
    np.testing.assert_array_equal(found.image, wanted.image)
    assert found.applied.condition == both
    assert found.applied.seed == seed_of(3, 'k', 'low_light')
    assert found.applied.parameters == {
        **{f'low_light.{name}': value for name, value in dark.applied.parameters.items()},
        **{f'motion_blur.{name}': value for name, value in wanted.applied.parameters.items()},
    }
    assert found.occluder is None and not found.applied.covers
    one, other = (
        degrade(street(), single_condition(text), 3, 'k').image
        for text in ('motion_blur:5 + low_light:2', 'low_light:2 + motion_blur:5')
    )
    assert not np.array_equal(one, other)


def test_what_one_of_several_covers_is_covered():
    found = degrade(street(), single_condition('low_light:2 + occlusion:3'), 3, 'k')
    dark = degrade(street(), Condition('low_light', 2), 3, 'k')
    alone = degrade(dark.image, Condition('occlusion', 3), 3, 'k')
    np.testing.assert_array_equal(found.occluder, alone.occluder)
    assert found.applied.covers


def test_what_seeds_a_frame_travels_with_its_source():
    source = Source('d', 's', 'k', 0, 1, 0, Condition(), protocol=Protocol.HELD, draw='k+1')
    assert source_from_values(source_to_values(source))[0] == source
    plain = {name: value for name, value in source_to_values(source).items()}
    for name in ('protocol', 'draw'):
        del plain[name]
    # As recordings of earlier versions have it.
    told = source_from_values(plain)[0]
    assert (told.protocol, told.draw) == (Protocol.SINGLE, '')


def test_the_example_of_the_documentation_is_a_scenario():
    docs = Path(__file__).resolve().parents[3] / 'docs' / 'corruptions.md'
    text = docs.read_text(encoding='utf-8').partition('```yaml\n')[2].partition('```')[0]
    import yaml

    assert len(parse_scenario(yaml.safe_load(text), 'docs').conditions) > 2
