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

"""Several bags scored at once: one summary, and nothing is scored twice."""

import os
import shutil

import pytest
import yaml

from golden import replaying
from vlm_misalign_ros.app import analysing
from vlm_misalign_ros.app.analysing import JOB, Job, names, score_all
from vlm_misalign_ros.app.cli import main
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.files import write_json
from vlm_misalign_ros.core.records.ending import ENDING, MANIFEST
from vlm_misalign_ros.core.records.schema import FrameRecord
from vlm_misalign_ros.core.records.store import RECORDS, read_records

CONFIG = {
    'vlms': {name: {'model': f'miniature:{name}'} for name in replaying.MODELS},
    'segmentation': {'model': 'miniature:segformer'},
    'monitor': {'pictures': 0},
    'replay': {'dataset': str(replaying.SCENES)},
}


def test_every_bag_has_a_name_of_its_own(tmp_path):
    bags = [tmp_path / name for name in ('a/bag', 'b/bag', 'x.mcap', 'y/x.db3', 'all', 'c/a')]
    assert names(bags) == ['a', 'b', 'x', 'x_2', 'all_', 'a_2']


def test_several_bags_need_a_folder(tmp_path, capsys):
    assert main(['analyse', str(tmp_path / 'a'), str(tmp_path / 'b')]) == 2
    assert '2 bags have no folder for results. give --out' in capsys.readouterr().err


def test_an_analysis_that_was_made_alone_is_not_taken_away(tmp_path):
    bag = tmp_path / 'a.mcap'
    bag.write_bytes(b'1')
    job = Job(bag, tmp_path / 'out' / 'a')
    job.out.mkdir(parents=True)
    write_json(job.out / MANIFEST, {'bag': str(bag)})
    (job.out / 'report.html').write_text('whole')
    with pytest.raises(RecordError, match='was not made as one of several'):
        score_all([job, job], tmp_path / 'out', 1)
    assert (job.out / 'report.html').read_text() == 'whole'


def test_a_bag_that_changed_since_is_not_taken_for_scored(tmp_path):
    bag = tmp_path / 'bag'
    bag.mkdir()
    file = bag / 'bag_0.mcap'
    file.write_bytes(b'1')
    job = Job(bag, tmp_path / 'out' / 'a')
    job.out.mkdir(parents=True)
    write_json(job.out / MANIFEST, {'bag': str(bag)})
    write_json(job.out / JOB, analysing._told(job))
    assert analysing._state(job) is analysing.State.DONE
    before = file.stat().st_mtime_ns
    for content, time in ((b'12', before), (b'2', before + 10**9)):
        file.write_bytes(content)
        os.utime(file, ns=(time, time))
        with pytest.raises(RecordError, match='an analysis with another content of the bag'):
            score_all([job, job], tmp_path / 'out', 1)


def frames(folder):
    return [r for r in read_records(folder / RECORDS) if isinstance(r, FrameRecord)]


@pytest.mark.heavy
@pytest.mark.timeout(600)
def test_several_bags_give_one_summary_and_go_on_where_they_were_stopped(tmp_path, capsys):
    conditions = {'a': ('clean',), 'b': ('low_light:3',)}
    for name, some in conditions.items():
        replaying.write_bag(tmp_path / name / 'bag', live=False, conditions=some)
        (tmp_path / name / 'config.yaml').write_text(yaml.safe_dump(CONFIG))
    out = tmp_path / 'out'
    words = ['analyse', str(tmp_path / 'a' / 'bag'), str(tmp_path / 'b' / 'bag')]
    words += ['--out', str(out), '--jobs', '2']
    assert main(words) in (0, 3)
    assert [len(frames(out / name)) for name in ('a', 'b', 'all')] == [4, 4, 8]
    assert {frame.condition.name for frame in frames(out / 'all')} == {'clean', 'low_light:3'}
    # Of two the one is done, the other was killed in the middle, as it wrote its third frame.
    whole = (out / 'b' / RECORDS).read_bytes()
    for name in (JOB, ENDING, 'report.html'):
        (out / 'b' / name).unlink()
    os.truncate(out / 'b' / RECORDS, sum(map(len, whole.splitlines(keepends=True)[:3])) + 99)
    kept = [(out / name / RECORDS).stat() for name in ('a', 'b')]
    capsys.readouterr()
    assert main(words) in (0, 3)
    again = [(out / name / RECORDS).stat() for name in ('a', 'b')]
    assert again[0].st_mtime_ns == kept[0].st_mtime_ns and again[1].st_ino == kept[1].st_ino
    assert (out / 'b' / RECORDS).read_bytes() == whole
    assert (out / 'b' / 'report.html').is_file() and len(frames(out / 'all')) == 8
    # By other settings it is another analysis.
    capsys.readouterr()
    assert main([*words, 'monitor.stopping_distance=30']) == 2
    assert 'holds an analysis with another overrides' in capsys.readouterr().err
    shutil.rmtree(tmp_path / 'b' / 'bag')
    assert main([*words[:3], '--out', str(tmp_path / 'other')]) == 2
    assert 'b/bag does not exist' in capsys.readouterr().err
