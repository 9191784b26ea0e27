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

"""Run folders that were changed after the run had ended."""

import json

import msgspec
import pytest

from made import frame_record
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.records.account import LateRecord
from vlm_misalign_ros.core.records.ending import (
    ENDING,
    Ending,
    changed,
    read_ending,
    tell_ending,
    write_ending,
)
from vlm_misalign_ros.core.records.merge import merge
from vlm_misalign_ros.core.records.schema import SCHEMA, RunRecord
from vlm_misalign_ros.core.records.store import RECORDS, RecordWriter
from vlm_misalign_ros.core.report.finalise import finalise
from vlm_misalign_ros.core.report.verdict import Status


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Leave out what these tests are not about: the analysis and the page take seconds."""
    monkeypatch.setattr('vlm_misalign_ros.core.report.finalise.analyse_records', lambda *_: {})
    monkeypatch.setattr('vlm_misalign_ros.core.report.finalise.write_report', lambda *_: None)


def a_run(folder, first=0, **monitor):
    """Write a run of 25 scenes that keeps its limits; return its folder."""
    folder.mkdir()
    writer = RecordWriter(folder / RECORDS)
    writer.write(RunRecord(SCHEMA, folder.name, ['m']))
    counts = {'frames': 1, 'required': 2, 'omitted': 1}
    for number in range(first, first + 25):
        writer.write(
            frame_record(
                stamp=f'{20 * number}.000000000',
                key=f'k{number}',
                models={'m': {'status': 'scored', 'score': {'counts': counts}}},
            )
        )
    writer.write(LateRecord('1.000000000', 'vlm:m'))
    writer.close()
    settings = {'limits': ['critical_omission_rate <= 0.5'], 'minimum_scenes': 20, **monitor}
    manifest = {'configuration': {'monitor': settings}, 'machine': {'cpus': 2}}
    (folder / 'manifest.json').write_text(json.dumps(manifest))
    (folder / 'config.yaml').write_text('{}')
    write_ending(folder, Ending(25))
    return folder


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


CHANGES = [
    (RECORDS, '"required":2', '"required":6'),
    (RECORDS, '"stamp":"20.', '"stamp":"21.'),
    (
        RECORDS,
        '{"kind":"late","stamp":"1.000000000","part":"vlm:m","epoch":0,"passed":false}\n',
        '',
    ),
    ('manifest.json', '<= 0.5', '<= 0.9'),
    ('manifest.json', '"minimum_scenes": 20', '"minimum_scenes": 2'),
    ('manifest.json', '"limits"', '"limit_"'),
]


@pytest.mark.parametrize('name, old, new', CHANGES)
def test_a_run_that_was_changed_since_is_invalid_whatever_was_changed(tmp_path, name, old, new):
    folder = a_run(tmp_path / 'run')
    assert finalise(folder).status is Status.PASS
    change(folder / name, old, new)
    found = finalise(folder)
    assert (found.status, found.exit_code) == (Status.INVALID, 3)
    assert any(f'{name} is not as the run left it' in reason for reason in found.reasons)
    assert 'files were changed' in [check.short for check in found.wrong]


def test_what_decides_nothing_may_change(tmp_path):
    """A run that moved to another machine is the same run."""
    folder = a_run(tmp_path / 'run')
    change(folder / 'manifest.json', '"cpus": 2', '"cpus": 64')
    assert changed(folder, read_ending(folder)) == []
    assert finalise(folder).status is Status.PASS


def test_a_run_that_lost_its_records_is_refused(tmp_path):
    folder = a_run(tmp_path / 'run')
    (folder / RECORDS).unlink()
    assert changed(folder, read_ending(folder)) == [RECORDS]
    with pytest.raises(RecordError, match='records.jsonl cannot be read'):
        finalise(folder)


@pytest.mark.parametrize('name, old, new', CHANGES[:4])
def test_a_run_that_was_changed_is_neither_merged_nor_compared_with(tmp_path, name, old, new):
    one, other = a_run(tmp_path / 'one'), a_run(tmp_path / 'other', first=100)
    again = a_run(
        tmp_path / 'again', limits=[f'critical_omission_rate not worse than {one} by 0.9']
    )
    assert finalise(again).status is Status.PASS
    change(one / name, old, new)
    with pytest.raises(RecordError, match=f'{name} is not as the run left it'):
        merge(tmp_path / 'both', [one, other])
    assert not (tmp_path / 'both').exists()
    found = finalise(again)
    assert found.status is Status.INVALID
    assert any(f'its {name} is not as it left it' in reason for reason in found.reasons)


def test_what_was_told_while_a_run_went_on_is_no_ending_of_it(tmp_path):
    """A model ends, the run goes on, and is then killed."""
    folder, other = a_run(tmp_path / 'run'), a_run(tmp_path / 'other', first=100)
    (folder / 'ending.json').unlink()
    tell_ending(folder, None, ['llava ended with exit code 2'])
    found = finalise(folder)
    assert found.status is Status.INVALID and 'llava ended with exit code 2' in found.notes
    assert any('did not end by itself' in reason for reason in found.reasons)
    merge(tmp_path / 'both', [folder, other])
    assert finalise(tmp_path / 'both').status is Status.INVALID
    tell_ending(folder, 'replay ended with signal 9', [])
    assert any('replay ended with signal 9' in reason for reason in finalise(folder).reasons)


def test_a_merged_run_is_sealed_too(tmp_path):
    parts = [a_run(tmp_path / 'one'), a_run(tmp_path / 'other', first=100)]
    merge(tmp_path / 'both', parts)
    assert finalise(tmp_path / 'both').status is Status.PASS
    change(tmp_path / 'both' / RECORDS, '"required":2', '"required":6')
    assert finalise(tmp_path / 'both').status is Status.INVALID


@pytest.mark.parametrize('field', msgspec.structs.fields(Ending), ids=lambda field: field.name)
def test_an_ending_that_lacks_a_field_or_has_another_is_refused(tmp_path, field):
    folder = a_run(tmp_path / 'run')
    kept = json.loads((folder / ENDING).read_text())
    value = kept.pop(field.name)
    for spoilt in (kept, {**kept, field.name + '_': value}):
        (folder / ENDING).write_text(json.dumps(spoilt))
        with pytest.raises(RecordError, match=f'ending.json cannot be read: .*{field.name}'):
            finalise(folder)


@pytest.mark.parametrize('stamp', ['missing', '', '5', '1.5', '٣.000000000', '1.000000000\\n'])
def test_a_stamp_that_is_none_is_refused_with_its_line(tmp_path, stamp):
    folder = a_run(tmp_path / 'run')
    change(folder / RECORDS, '"stamp":"20.000000000"', f'"stamp":"{stamp}"')
    with pytest.raises(RecordError, match=r'records.jsonl, line 3 is no record'):
        finalise(folder)


@pytest.mark.parametrize(
    'section',
    [
        {'models': 'x'},
        {'models': {'m': 7}},
        {'models': {'m': {'calibration': [1]}}},
        {'severities': [1]},
        {'severities': {'measured': 'x'}},
        {'configuration': {'monitor': {'limits': 5}}},
        {'configuration': {'monitor': {'minimum_coverage': '1'}}},
        {'configuration': {'monitor': {'minimum_scenes': None}}},
        {'configuration': {'monitor': {}, 'corruption': 'x'}},
        {'configuration': {'monitor': {}, 'vlms': ['x']}},
        {'configuration': {'monitor': {}, 'vlms': 4}},
        {'configuration': {'monitor': {}, 'segmentation': ['x']}},
    ],
)
def test_a_manifest_with_other_sections_is_not_merged(tmp_path, section):
    one, other = a_run(tmp_path / 'one'), a_run(tmp_path / 'other', first=100)
    (one / ENDING).unlink()
    (one / 'manifest.json').write_text(json.dumps(section))
    with pytest.raises(RecordError, match='manifest.json is no manifest: Expected'):
        merge(tmp_path / 'both', [one, other])
