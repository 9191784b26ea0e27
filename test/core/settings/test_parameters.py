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

"""Parameter tables and configurations: what is refused, and in which words."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.settings import configuration
from vlm_misalign_ros.core.settings.documenting import document
from vlm_misalign_ros.core.settings.parameters import build, parameter, table


@dataclass(frozen=True)
class Sample:
    rate: float = parameter(10.0, 'frames a second', minimum=0.1, maximum=100)
    depth: int = parameter(5, 'queue', minimum=1)
    mode: str = parameter('a', 'which', choices=('a', 'b'))
    loop: bool = parameter(False, 'again')
    names: tuple[str, ...] = parameter((), 'many')


def test_defaults_types_and_descriptions_come_from_one_table():
    rows = {row.name: row for row in table(Sample)}
    assert rows['rate'].type is float and rows['rate'].maximum == 100
    assert rows['names'].type is tuple and rows['mode'].choices == ('a', 'b')
    assert build(Sample, {}, 'x') == Sample()


def test_integers_pass_as_floats_and_a_string_as_a_list_of_one():
    assert build(Sample, {'rate': 3, 'names': 'one'}, 'x') == Sample(rate=3.0, names=('one',))


@pytest.mark.parametrize(
    'values, words',
    [
        ({'rates': 1.0}, ("no parameter 'rates'", 'rate')),
        ({'rate': 1000.0}, ("'rate'", '1000.0', '0.1 to 100')),
        ({'rate': float('nan')}, ("'rate'", 'nan')),
        ({'depth': 0}, ("'depth'", 'from 1')),
        ({'depth': True}, ("'depth'", 'int')),
        ({'depth': 1.5}, ("'depth'", 'int')),
        ({'mode': 'c'}, ("'mode'", "'c'", 'a, b')),
        ({'loop': 1}, ("'loop'", 'bool')),
        ({'names': [1]}, ("'names'", 'list of strings')),
    ],
)
def test_a_wrong_value_is_refused_by_name(values, words):
    with pytest.raises(ConfigurationError) as caught:
        build(Sample, values, 'the sample')
    assert all(word in str(caught.value) for word in (*words, 'the sample'))


GOOD = {
    'replay': {'dataset': 'd', 'conditions': ['clean', 'occlusion:2']},
    'segmentation': {'model': 'transformers:x'},
    'vlms': {'one': {'model': 'open_clip:a/b'}, 'two': {'model': 'transformers:y'}},
}


def test_a_configuration_becomes_typed_parameters_of_every_node():
    chosen = configuration.parse({**GOOD, 'seed': 7, 'record': True})
    assert chosen.corruption.seed == 7 and chosen.corruption.follow_source
    assert chosen.monitor.models == ('one', 'two') and chosen.monitor.recorder
    assert chosen.recorder is not None and chosen.recorder.models == ('one', 'two')
    assert [vlm.policy for vlm in chosen.vlms] == ['every_frame'] * 2


def test_a_live_run_takes_the_newest_frame_and_waits_for_no_source():
    live = {key: GOOD[key] for key in ('segmentation', 'vlms')}
    chosen = configuration.parse({**live, 'mode': 'live'})
    assert chosen.replay is None and not chosen.monitor.source and not chosen.monitor.lockstep
    assert {vlm.policy for vlm in chosen.vlms} == {'latest'}
    assert chosen.monitor.reliability == 'best_effort'


@pytest.mark.parametrize(
    'change, words',
    [
        ({'mode': 'fast'}, ("'mode'", "'fast'")),
        ({'seed': -1}, ("'seed'", '-1')),
        ({'seed': True}, ("'seed'",)),
        ({'vlms': {}}, ("'vlms'",)),
        ({'vlms': {'a b': {'model': 'x'}}}, ("'a b'",)),
        ({'vlms': {'a': {'modle': 'x'}}}, ("'modle'", 'vlms.a')),
        ({'speling': 1}, ("'speling'",)),
        ({'replay': {'conditions': ['fog:3']}}, ('fog',)),
        ({'replay': {'mode': 'real_time'}}, ('lockstep',)),
        ({'monitor': {'deadline': 'soon'}}, ("'deadline'", "'soon'")),
        ({'monitor': {'models': ['x']}}, ("'models'", 'set by the run itself')),
        ({'corruption': ['x']}, ("'corruption'", 'mapping')),
    ],
)
def test_a_wrong_configuration_is_refused_by_name(change, words):
    with pytest.raises(ConfigurationError) as caught:
        configuration.parse({**GOOD, **change})
    assert all(word in str(caught.value) for word in words)


def test_overrides_walk_into_sections_and_leave_the_original_alone():
    data = {'replay': {'limit': 1}}
    changed = configuration.override(data, ['replay.limit=3', 'seed=4', 'vlms.a.model=x:y'])
    assert changed == {'replay': {'limit': 3}, 'seed': 4, 'vlms': {'a': {'model': 'x:y'}}}
    assert data == {'replay': {'limit': 1}}


@pytest.mark.parametrize('entry', ['replay.limit', '=3', 'replay.limit.deep=1', 'seed=[1'])
def test_a_broken_override_is_refused_with_its_text(entry):
    with pytest.raises(ConfigurationError) as caught:
        configuration.override({'replay': {'limit': 1}}, [entry])
    assert entry in str(caught.value)


def test_the_shipped_configurations_are_valid():
    for name in ('demo', 'evaluate', 'live'):
        configuration.parse(configuration.read_yaml(configuration.find_config(name)))


def test_an_unknown_configuration_names_itself():
    with pytest.raises(ConfigurationError, match='nowhere'):
        configuration.read_yaml(configuration.find_config('nowhere'))


def test_the_table_in_the_docs_is_what_the_nodes_declare():
    docs = Path(__file__).resolve().parents[3] / 'docs' / 'parameters.md'
    assert docs.read_text() == document()
