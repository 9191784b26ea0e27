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

"""The golden run: records, summary, analysis and degraded pictures stay what they were."""

import json

import pandas as pd
import pytest

from golden import replaying

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope='module')
def evaluated(tmp_path_factory):
    folder = tmp_path_factory.mktemp('golden') / 'run'
    replaying.run(folder)
    return folder


def kept(name):
    return replaying.frames_of(replaying.HERE / f'{name}.jsonl.gz')


def assert_same(found, wanted, place=''):
    """Compare plain data to the last digit, and name the first place that differs."""
    if isinstance(wanted, dict):
        assert isinstance(found, dict) and found.keys() == wanted.keys(), place
        for key in wanted:
            assert_same(found[key], wanted[key], f'{place}.{key}')
    elif isinstance(wanted, list):
        assert isinstance(found, list) and len(found) == len(wanted), place
        for number, (one, other) in enumerate(zip(found, wanted, strict=True)):
            assert_same(one, other, f'{place}[{number}]')
    else:
        assert found == wanted, place


def test_the_records_are_the_golden_ones(evaluated):
    found = replaying.frames_of(evaluated / 'records.jsonl')
    assert len(found) == 4 * 17
    assert_same(found, kept('records'))


def test_the_summary_is_the_golden_one(evaluated):
    found, wanted = (pd.read_csv(folder / 'summary.csv') for folder in (evaluated, replaying.HERE))
    pd.testing.assert_frame_equal(found, wanted, rtol=1e-12)


def assert_close(found, wanted, place=''):
    """Compare plain data whose floats went through a library's sums."""
    if isinstance(wanted, dict):
        assert isinstance(found, dict) and found.keys() == wanted.keys(), place
        for key in wanted:
            assert_close(found[key], wanted[key], f'{place}.{key}')
    elif isinstance(wanted, float):
        assert found == pytest.approx(wanted, rel=1e-9, abs=1e-12), place
    else:
        assert found == wanted, place


def test_the_analysis_is_the_golden_one(evaluated):
    found, wanted = (
        json.loads((folder / 'analysis.json').read_text())
        for folder in (evaluated, replaying.HERE)
    )
    assert_close(found, wanted)


def test_every_degraded_picture_is_the_golden_one():
    found = replaying.picture_hashes()
    wanted = json.loads((replaying.HERE / 'pictures.json').read_text())
    assert {name for name in wanted if found.get(name) != wanted[name]} == set()
    assert found.keys() == wanted.keys()


@pytest.mark.heavy
def test_the_bag_of_the_run_gives_the_golden_records(tmp_path):
    replaying.analyse_bag(replaying.write_bag(tmp_path / 'bag', live=False), tmp_path / 'out')
    assert_same(replaying.frames_of(tmp_path / 'out' / 'records.jsonl'), kept('records'))


@pytest.fixture(scope='module')
def live_bag(tmp_path_factory):
    return replaying.write_bag(tmp_path_factory.mktemp('live') / 'bag', live=True)


@pytest.mark.heavy
def test_a_live_bag_gives_the_golden_records(live_bag, tmp_path):
    replaying.analyse_bag(live_bag, tmp_path / 'out')
    found = replaying.frames_of(tmp_path / 'out' / 'records.jsonl')
    assert len(found) == 12
    assert_same(found, kept('live'))


def test_what_was_live_gives_the_same_records_offline(tmp_path):
    replaying.live_session(tmp_path / 'live')
    assert_same(kept('live'), replaying.frames_of(tmp_path / 'live' / 'records.jsonl'))


@pytest.mark.heavy
def test_the_miniatures_still_say_what_they_said():
    """Kernels differ between processors, so that a few texts and states may."""
    answers = replaying.Answers()
    said = same = 0
    sources = [
        entry
        for entry in replaying.plan()
        if entry[1].condition.name in ('clean', 'motion_blur:3', 'occlusion:5', 'blank')
    ]
    for source, mask, descriptions in replaying.ask(sources):
        labels, _, wanted = answers.of(replaying.frame_name(source))
        assert (mask.labels == labels).mean() > 0.99
        for name, answer in descriptions.items():
            old = wanted[name]
            said += 3
            same += (
                (answer.text == old.text)
                + (answer.mentions == old.mentions)
                + (answer.judgement is old.judgement)
            )
    assert said == 4 * 4 * 4 * 3 and same >= 0.95 * said
