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

"""What a data set says of its frames arrives with them, and decides what can be scored."""

import json

import numpy as np
import pytest

from vlm_misalign_ros.core.about import NOTHING, About
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.evaluation.holding import hold
from vlm_misalign_ros.core.evaluation.join import Closing, Joined
from vlm_misalign_ros.core.evaluation.parts import LABELS
from vlm_misalign_ros.core.labels.classes import BY_NAME
from vlm_misalign_ros.core.labels.telling import EVERYTHING, Telling
from vlm_misalign_ros.core.types import Condition, Presence, Source
from vlm_misalign_ros.wire.about import about_from_values, about_to_values


def test_nothing_said_is_nothing_sent():
    assert about_to_values(NOTHING) == {}
    assert about_from_values({}) is NOTHING
    assert Telling.of(NOTHING) is EVERYTHING


def test_what_is_merged_or_lacking_is_told_by_label_ids():
    told = Telling.of(About(('rider',), (('dynamic', ('car',)),)))
    assert BY_NAME['rider'].id not in told.gives
    assert told.stands_for(5) == {5, 26} and told.stands_for(24) == {24}
    assert 'rider' not in told.told and 'car' in told.told


@pytest.mark.parametrize(
    ('values', 'words'),
    [
        ({'lacking': '["dragon"]'}, "'lacking' has 'dragon'"),
        ({'lacking': '{"car": 1}'}, 'no list of labels'),
        ({'lacking': '[1]'}, "has '1'"),
        ({'merged': '["car"]'}, "'merged' is no JSON object"),
        ({'merged': '{"car": "bus"}'}, 'no list of labels'),
        ({'merged': '{"dragon": []}'}, "has 'dragon'"),
        ({'recorded': '[]'}, "'recorded' is no JSON object"),
        ({'recorded': '{"beta": 0.02}'}, 'at most 16 texts'),
        ({'recorded': json.dumps({str(i): 'x' for i in range(17)})}, 'at most 16 texts'),
        ({'recorded': '{"a": "1", "a": "2"}'}, 'a key comes twice'),
    ],
)
def test_what_strangers_say_instead_is_refused(values, words):
    with pytest.raises(RecordError, match=words):
        about_from_values(values)


def test_hostile_conditions_are_one_bounded_line():
    found = about_from_values(
        {'recorded': json.dumps({'weather\n\x1b[31m': 'fog\r\n' + 'x' * 500})}
    )
    ((name, value),) = found.recorded
    assert '\n' not in name + value and '\x1b' not in name and len(value) <= 64


@pytest.mark.parametrize('about', [NOTHING, About(merged=(('dynamic', ('car', 'truck')),))])
def test_a_class_that_labels_may_hide_is_not_absent(about, scenes):
    from vlm_misalign_ros.core.datasets import open_dataset
    from vlm_misalign_ros.core.truth.read import TruthSettings

    frame = open_dataset(scenes).read(0)
    labels = frame.labels.copy()
    vehicles = np.isin(labels, [BY_NAME[name].id for name in ('car', 'truck', 'bus', 'trailer')])
    labels[vehicles] = BY_NAME['dynamic'].id
    labels[-8:, :8] = BY_NAME['dynamic'].id
    source = Source('d', 's', 'k', 0, 1, 0, Condition(), about=about)
    joined = Joined(1, {LABELS: labels}, (), Closing.COMPLETE)
    held = hold(joined, source, None, (), TruthSettings())
    states = held.truth.seen.scene
    wanted = Presence.ABSENT if about is NOTHING else Presence.TOLERATED
    assert {states[name] for name in ('car', 'truck')} == {wanted}
    assert states['train'] is Presence.ABSENT
