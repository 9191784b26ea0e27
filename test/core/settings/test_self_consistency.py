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


"""`self_consistency` in a configuration: who is asked twice, and what cannot be measured so."""

import pytest

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.evaluation.parts import LABELS, Wanted, needs, taken
from vlm_misalign_ros.core.settings.configuration import parse

PLAIN = {
    'mode': 'live',
    'segmentation': {'model': 'miniature:segformer'},
    'vlms': {'a': {'model': 'miniature:clip'}, 'b': {'model': 'miniature:llava'}},
}


def asked(**changes):
    found = parse({**PLAIN, **changes})
    return [vlm.self_consistency for vlm in found.vlms], found.segmentation.self_consistency


def test_nobody_is_asked_twice_unless_it_is_said():
    assert asked() == ([False, False], False)


def test_one_line_is_for_every_model_that_says_nothing_else():
    assert asked(self_consistency=True) == ([True, True], True)
    own = {'a': {'model': 'miniature:clip', 'self_consistency': False}, 'b': PLAIN['vlms']['b']}
    assert asked(self_consistency=True, vlms=own) == ([False, True], True)
    alone = {'a': {'model': 'miniature:clip', 'self_consistency': True}, 'b': PLAIN['vlms']['b']}
    assert asked(vlms=alone) == ([True, False], False)


def test_it_is_true_or_false():
    with pytest.raises(ConfigurationError, match='self_consistency'):
        parse({**PLAIN, 'self_consistency': 'yes please'})


@pytest.mark.parametrize(
    'changes, named',
    [
        ({}, 'a, b, segmentation'),
        ({'self_consistency': True, 'vlms': {'m': {'topic': '/answers'}}}, 'm'),
        (
            {
                'self_consistency': True,
                'vlms': {'a': {'model': 'miniature:llava', 'input': 'overlay'}},
            },
            'a',
        ),
    ],
)
def test_without_truth_a_model_that_is_asked_once_is_refused(changes, named):
    with pytest.raises(ConfigurationError, match=f'false, and {named} cannot be measured'):
        parse({**PLAIN, **changes, 'monitor': {'truth': False}})


def test_without_truth_no_frame_waits_for_labels_or_their_like():
    found = parse({**PLAIN, 'self_consistency': True, 'monitor': {'truth': False, 'depth': True}})
    wanted = Wanted.by(found.monitor)
    assert {LABELS, 'instances', 'depth'} & {*taken(wanted), *needs(wanted, {})} == set()
    wanted = Wanted.by(parse(PLAIN).monitor)
    assert {LABELS, 'instances'} <= {*taken(wanted)} & {*needs(wanted, {})}
