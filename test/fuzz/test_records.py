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

"""Run folders that somebody changed: `report`, `merge` and `diff` say so or refuse."""

import json
import shutil

import pytest

from fuzz.command import call, case
from fuzz.spoiling import spoil_bytes, spoil_json, spoil_lines
from made import frame_record
from vlm_misalign_ros.core.records.account import AccountingRecord, DoubledRecord, LateRecord
from vlm_misalign_ros.core.records.ending import ENDING, Ending, write_ending
from vlm_misalign_ros.core.records.schema import SCHEMA, RunRecord
from vlm_misalign_ros.core.records.store import RECORDS, RecordWriter

pytestmark = pytest.mark.heavy

SCENES = 22
LIMIT = 'hallucination_rate <= 1'
FILES = (RECORDS, RECORDS, RECORDS, 'manifest.json', 'manifest.json', ENDING, 'verdict.json')
COUNTS = {'frames': 1, 'assertions': 2, 'required': 2, 'hazards_judged': 1, 'unsafe': 1}


def a_run(folder, first, doubled=False):
    """Write a run of SCENES scenes under a limit that it keeps; return its folder."""
    folder.mkdir()
    writer = RecordWriter(folder / RECORDS)
    writer.write(RunRecord(SCHEMA, folder.name, ['m']))
    for number in range(first, first + SCENES):
        record = frame_record(
            stamp=f'{1 + 20 * number}.000000000',
            sequence=f's{number}',
            key=f'k{number}',
            index=number,
            condition='low_light:3' if number % 2 else 'clean',
            models={'m': {'status': 'scored', 'score': {'counts': COUNTS}}},
        )
        writer.write(record)
    writer.write(LateRecord('1.000000000', 'vlm:m'))
    if doubled:
        writer.write(DoubledRecord('21.000000000', 'labels', ['/a', '/b']))
    states = {'m': {'scored': SCENES}, 'segmentation': {'scored': SCENES}}
    writer.write(AccountingRecord(states, {'received': 99}, {'complete': SCENES}))
    writer.close()
    monitor = {'limits': [LIMIT], 'minimum_coverage': 0.95, 'minimum_scenes': 5}
    manifest = {
        'configuration': {'monitor': monitor, 'segmentation': {'model': 'x'}},
        'models': {'m': {'role': 'vlm', 'sha256': 'a'}},
        'expected_frames': SCENES,
        'machine': {'cpus': 2},
    }
    (folder / 'manifest.json').write_text(json.dumps(manifest, indent=2))
    (folder / 'config.yaml').write_text('{}')
    write_ending(folder, Ending(SCENES, notes=['slow']))
    call('report', folder)
    return folder


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    """Return three sound runs, the last of which is over the frames of the first."""
    folder = tmp_path_factory.mktemp('runs')
    return [a_run(folder / 'a', 0), a_run(folder / 'b', 100), a_run(folder / 'c', 0)]


def ask(verb, folder, runs, out):
    """Return how a verb ends on a run folder beside others."""
    if verb == 'report':
        return call('report', folder)
    if verb == 'worse':
        limit = f'hallucination_rate@clean not worse than {folder} by 0.9'
        return call('report', runs[2], '--limit', limit)
    if verb == 'merge':
        return call('merge', out, folder, runs[1])
    return call('diff', folder, runs[2])


@pytest.mark.parametrize('verb', ['report', 'worse', 'merge', 'diff'])
def test_sound_runs_pass(verb, runs, tmp_path):
    """Else a fuzz that never sees PASS would prove nothing."""
    ended = ask(verb, runs[0], runs, tmp_path / 'out')
    assert ended.code == 0 and (verb == 'diff' or 'verdict: PASS' in ended.out), ended


def spoil(rng, folder):
    """Spoil one file of a run; return its name, or '' where nothing came of it."""
    name = FILES[rng.integers(len(FILES))]
    path = folder / name
    before = path.read_bytes()
    if rng.random() < 0.05:
        path.unlink()
        return name
    kinds = [spoil_bytes, spoil_lines] if name == RECORDS else [spoil_bytes, spoil_json]
    path.write_bytes(kinds[rng.integers(2)](rng, before))
    return '' if path.read_bytes() == before else name


def judged(folder):
    """Return what of a manifest decides a verdict; None where it cannot be read."""
    try:
        found = json.loads((folder / 'manifest.json').read_bytes())
        return found['configuration']['monitor'], found['expected_frames']
    except (KeyError, TypeError, ValueError, OSError, RecursionError):
        return None


def play(numbers, runs, tmp_path):
    """Spoil a run and ask about it, once a number; return how often each code came."""
    codes = dict.fromkeys(range(5), 0)
    kept = {name: (runs[2] / name).read_bytes() for name in set(FILES)}
    for number in numbers:
        rng = case('records', number)
        folder, out = tmp_path / f'spoilt{number}', tmp_path / f'out{number}'
        shutil.copytree(runs[0], folder)
        name = spoil(rng, folder)
        # What makes pages takes a hundred times as long as what refuses or compares.
        verb = str(rng.choice(['report', 'worse', 'merge', 'diff'], p=[0.3, 0.1, 0.2, 0.4]))
        ended = ask(verb, folder, runs, out)
        codes[ended.code] += 1
        told = (number, verb, name, ended)
        if ended.code == 2 and verb == 'merge':
            assert not out.exists(), told
        if verb == 'diff':
            # Two identical runs differ where records do, and a file of none holds none.
            assert ended.code in ((0, 1, 2) if name == RECORDS else (0,)), told
        elif name == RECORDS:
            # Whatever was changed: lost, doubled, moved, or one digit of one count.
            assert ended.code in (1, 2, 3, 4) and 'verdict: PASS' not in ended.out, told
        elif ended.code == 0 and name in ('manifest.json', ENDING) and verb == 'report':
            # Nothing that the verdict hangs on had changed.
            assert judged(folder) == judged(runs[0]) and (folder / ENDING).exists(), told
            assert 'verdict: PASS' in ended.out, told
        shutil.rmtree(folder)
        shutil.rmtree(out, ignore_errors=True)
        for name, data in kept.items():
            if (runs[2] / name).read_bytes() != data:
                (runs[2] / name).write_bytes(data)
    return codes


def test_whatever_was_changed_is_said_or_refused(runs, tmp_path):
    codes = play(range(40), runs, tmp_path)
    assert codes[2] > 5 and codes[3], codes


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_whatever_was_changed_in_many_ways_is_said_or_refused(runs, tmp_path):
    codes = play(range(40, 340), runs, tmp_path)
    assert codes[2] > 40 and codes[3] > 15, codes
