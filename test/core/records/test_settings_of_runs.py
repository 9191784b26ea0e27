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

"""Which settings of the evaluation keep runs apart: the same in a merge and for a new monitor."""

import json
from dataclasses import replace

import pytest

from made import frame_record
from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.evaluation.resuming import fingerprint
from vlm_misalign_ros.core.records.ending import Ending, changed, read_ending, write_ending
from vlm_misalign_ros.core.records.merge import merge
from vlm_misalign_ros.core.records.store import RECORDS, RecordWriter
from vlm_misalign_ros.core.settings.nodes import EvaluationParameters
from vlm_misalign_ros.core.settings.parameters import table

SETTINGS = [entry for entry in table(EvaluationParameters) if entry.name != 'models']
VERDICT = ('limits', 'minimum_coverage', 'minimum_scenes')
UNRECORDED = (*VERDICT, 'pictures', 'window')


def another(value):
    """Return another value of the type of a parameter."""
    if isinstance(value, bool):
        return not value
    return ('another',) if isinstance(value, tuple) else value + type(value)(1)


def a_run(folder, stamp, monitor):
    folder.mkdir()
    writer = RecordWriter(folder / RECORDS)
    writer.write(frame_record(stamp=f'{stamp}.000000000', key=f'key_{stamp}'))
    writer.close()
    tell(folder, monitor)
    return folder


def tell(folder, monitor):
    (folder / 'manifest.json').write_text(json.dumps({'configuration': {'monitor': monitor}}))
    (folder / 'config.yaml').write_text('{}')


@pytest.mark.parametrize('entry', SETTINGS, ids=lambda entry: entry.name)
def test_what_a_record_says_depends_on_every_setting_but_five(tmp_path, entry):
    plain = EvaluationParameters()
    value = another(entry.default)
    free = entry.name in UNRECORDED
    same = fingerprint(replace(plain, **{entry.name: value})) == fingerprint(plain)
    assert same == free
    one = a_run(tmp_path / 'one', 1, {entry.name: entry.default})
    other = a_run(tmp_path / 'other', 2, {entry.name: value})
    if free:
        assert merge(tmp_path / 'both', [one, other]) == 2
    else:
        with pytest.raises(ConfigurationError, match=entry.name):
            merge(tmp_path / 'both', [one, other])


@pytest.mark.parametrize('entry', SETTINGS, ids=lambda entry: entry.name)
def test_sealed_is_what_decides_the_verdict_over_the_same_records(tmp_path, entry):
    folder = a_run(tmp_path / 'run', 1, {entry.name: entry.default})
    write_ending(folder, Ending())
    assert changed(folder, read_ending(folder)) == []
    tell(folder, {entry.name: another(entry.default)})
    decides = entry.name in (*VERDICT, 'truth')
    assert changed(folder, read_ending(folder)) == (['manifest.json'] if decides else [])
