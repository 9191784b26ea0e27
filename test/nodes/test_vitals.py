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
"""What /diagnostics says of a node and of a topic: alive, hung, paused, stale."""

import pytest

from vlm_misalign_ros.nodes import diagnosing, vitals
from vlm_misalign_ros.nodes.vitals import Level, Vitals
from vlm_misalign_ros.nodes.watching import Endpoint, Listened

S = 10**9


@pytest.fixture
def clock(monkeypatch):
    """Return a clock that a test moves."""

    class Clock:
        now = 100.0

        def monotonic(self):
            return self.now

    made = Clock()
    monkeypatch.setattr(vitals, 'time', made)
    return made


def test_a_node_that_has_seen_nothing_is_stale_and_one_that_answers_is_well(clock):
    found = Vitals(hung_after=10.0)
    assert found.told() == vitals.Told(Level.STALE, 'no picture has come yet', found.told().values)
    found.came()
    found.begin(7 * S, 0.25)
    clock.now += 2
    told = found.told(waiting=3)
    assert (told.level, told.text) == (Level.OK, 'works on its first frame')
    assert told.values['working_on'] == '7.000000000' and told.values['waiting'] == '3'
    assert told.values['working_seconds'] == '2.000'
    found.end(7 * S, 2.5)
    told = found.told()
    assert (told.level, told.text) == (Level.OK, 'answered frame 7.000000000')
    assert told.values['work_seconds'] == '2.0000'
    assert told.values['queue_seconds'] == '0.2500'
    assert told.values['result_seconds'] == '2.5000'
    assert told.values['last_stamp'] == '7.000000000' and told.values['working_on'] == ''


def test_a_node_is_hung_while_it_works_on_one_frame_for_too_long(clock):
    found = Vitals(hung_after=10.0)
    found.came()
    found.begin(7 * S, 0.0)
    clock.now += 10
    assert found.told().level is Level.OK
    clock.now += 1
    found.came()
    found.pass_over()
    told = found.told()
    assert (told.level, told.text) == (Level.ERROR, 'hung: works on frame 7.000000000 for 11 s')
    assert told.values['dropped'] == '1'
    found.end(7 * S, None)
    assert found.told().level is Level.OK and found.told().values['result_seconds'] == 'nan'


def test_failures_pauses_silence_and_causes_are_told(clock):
    found = Vitals(hung_after=10.0)
    found.came()
    found.begin(7 * S, 0.0)
    found.fail('out of memory')
    assert found.told().text == 'the last frame failed: out of memory'
    assert found.told().level is Level.WARN and found.told().values['failed'] == '1'
    found.begin(8 * S, 0.0)
    found.end(8 * S, None)
    assert found.told().level is Level.OK
    clock.now += 6
    assert (found.told().level, found.told().text) == (Level.STALE, 'no picture for 6 s')
    found.idle = 'its node is paused'
    assert found.told().level is Level.WARN and 'paused' in found.told().text
    found.cause = 'no such model'
    assert (found.told().level, found.told().text) == (Level.ERROR, 'no such model')


class Graph:
    """A graph with a publisher, or with none."""

    def __init__(self, there=True):
        self.there = there

    def resolve(self, topic):
        return f'/{topic}'

    def publishers(self, topic):
        return [Endpoint('/bridge', 'x/msg/Y', True)] if self.there else []

    def listeners(self, topic):
        return []

    def topics(self):
        return {}


def entry(outside=False, **more):
    made = Listened('vlm:m', 'm', 'vlm/m/description', 'x/msg/Y', 'monitor', outside)
    for name, value in more.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    'there, listened, level, words',
    [
        (False, entry(), Level.ERROR, 'nobody publishes it'),
        (True, entry(), Level.STALE, 'nothing has come yet'),
        (True, entry(last=3 * S, messages=4), Level.OK, 'brought frame 3.000000000'),
        (True, entry(messages=4), Level.OK, 'brought an answer'),
        (True, entry(last=3 * S, since=93.0), Level.WARN, 'nothing for 7 s'),
        (
            True,
            entry(last=3 * S, since=80.0, frame=4 * S, named=15.0),
            Level.ERROR,
            'no answer for 20 s, since frame 4.000000000',
        ),
        (
            True,
            entry(outside=True, last=3 * S, since=80.0, named=15.0),
            Level.ERROR,
            'nothing for 20 s: its publisher /bridge is there and sends nothing',
        ),
    ],
)
def test_a_topic_is_alive_stale_late_or_hung(there, listened, level, words):
    told = diagnosing.of_topic(listened, Graph(there), 100.0)
    assert (told.level, told.text) == (level, words)
    assert told.values['alive'] == str(int(there))
    assert told.values['hung'] == str(int(there and listened.named > 0))
    assert told.values['last_stamp'] == ('3.000000000' if listened.last else '')


def test_a_model_is_judged_by_its_coverage():
    rolling = {'coverage/metric_value': '0.5', 'result_seconds/metric_value': '0.7', 'other': '1'}
    told = diagnosing.of_model(0.4, 10, 0.5, rolling, '4 scored, 6 dropped')
    assert told.level is Level.ERROR
    assert told.text == 'coverage 0.400 over 10 frames: 4 scored, 6 dropped'
    assert told.values == {
        'coverage': '0.4',
        'rolling_coverage/metric_value': '0.5',
        'rolling_result_seconds/metric_value': '0.7',
    }
    assert diagnosing.of_model(0.5, 10, 0.5, {}, '').level is Level.OK
    assert diagnosing.of_model(float('nan'), 0, 0.5, {}, '').level is Level.STALE


def test_agreement_is_told_by_how_much_was_compared():
    own = {'self_added/metric_value': '0.25', 'self_added/max': '1.0', 'asked': '9'}
    told = diagnosing.of_agreement(4, 10, 0.5, own)
    assert told.level is Level.ERROR
    assert told.text == '4 of 10 frames compared with their clean picture (0.400)'
    assert told.values == {'compared': '0.4', 'rolling_self_added/metric_value': '0.25'}
    assert diagnosing.of_agreement(5, 10, 0.5, {}).level is Level.OK
    assert diagnosing.of_agreement(0, 0, 0.5, {}).level is Level.STALE
