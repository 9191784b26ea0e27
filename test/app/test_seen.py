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

"""The frames of a run, drawn again from its data set: what its models saw, to the last bit."""

import dataclasses
import json
import shutil

import cv2
import numpy as np
import pytest
import yaml
from msgspec import structs

from vlm_misalign_ros.app.cli import main
from vlm_misalign_ros.app.exporting_runs import Choice, seen_frames
from vlm_misalign_ros.app.in_process import InProcess
from vlm_misalign_ros.core.checksums import checksum
from vlm_misalign_ros.core.datasets import open_dataset
from vlm_misalign_ros.core.errors import DatasetError, RecordError
from vlm_misalign_ros.core.evaluation.engine import Models
from vlm_misalign_ros.core.evaluation.lanes import open_lanes
from vlm_misalign_ros.core.models.answering import CheckedVlm
from vlm_misalign_ros.core.records.schema import encode
from vlm_misalign_ros.core.records.store import RECORDS, read_frames
from vlm_misalign_ros.core.settings.configuration import parse
from vlm_misalign_ros.core.types import Description, Judgement, Kind, Mention

CONDITIONS = ['clean', 'low_light:2', 'occlusion:3']


@dataclasses.dataclass
class Sees:
    """Keeps the checksum of every picture that it is shown."""

    kind = Kind.GENERATIVE
    shown: list = dataclasses.field(default_factory=list)

    def describe(self, query):
        self.shown.append(checksum(query.picture))
        car = {'car': Mention.ASSERTED}
        return Description('x', self.kind, 'A car.', car, {}, {}, Judgement.UNSAFE, None)


@pytest.fixture
def finished(scenes, tmp_path, monkeypatch):
    """Return a run over a copy of the scenes, and what its model was shown."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(scenes, tmp_path / 'streets')
    folder, model = tmp_path / 'runs' / 'a', Sees()
    (folder / 'log').mkdir(parents=True)
    plain = {
        'replay': {'dataset': 'streets', 'conditions': CONDITIONS, 'limit': 2},
        'vlms': {'a': {'model': 'miniature:clip'}},
        'monitor': {'pictures': 0},
    }
    (folder / 'config.yaml').write_text(yaml.safe_dump(plain))
    (folder / 'manifest.json').write_text(json.dumps({'configuration': plain}))
    chosen = parse(plain)
    (vlm,) = chosen.vlms
    models = Models(None, ((vlm, open_lanes(CheckedVlm('by hand', model), vlm)),))
    monkeypatch.setattr(Models, 'load', lambda configuration: models)
    InProcess(chosen, folder, 6).run(open('/dev/null', 'w'))
    # Asks are tried out on pictures of their own before.
    return folder, model.shown[-6:]


def test_they_are_the_pictures_that_the_model_was_shown(finished):
    folder, shown = finished
    seen = list(seen_frames(folder, Choice()))
    assert [one.record.condition.name for one in seen] == [n for n in CONDITIONS for _ in range(2)]
    # The engine goes frame by frame, the records pass by pass.
    again = [checksum(one.picture) for one in seen]
    assert sorted(again) == sorted(shown) and again[::2] + again[1::2] == shown
    frames = list(open_dataset('streets', limit=2))
    for number, one in enumerate(seen):
        assert one.record == list(read_frames(folder / RECORDS))[number]
        assert np.array_equal(one.labels, frames[number % 2].labels)
        assert np.array_equal(one.instances, frames[number % 2].instances)
        assert np.array_equal(one.clean, frames[number % 2].image)


def test_a_run_in_real_time_has_the_stamps_of_the_clock(finished):
    folder, _ = finished
    before = [one.picture for one in seen_frames(folder, Choice())]
    records = list(read_frames(folder / RECORDS))
    with open(folder / RECORDS, 'wb') as stream:
        for number, record in enumerate(records):
            stamp = f'{1_700_000_000 + number}.123456789'
            stream.write(encode(structs.replace(record, stamp=stamp)) + b'\n')
    again = [one.picture for one in seen_frames(folder, Choice())]
    assert len(again) == 6 and all(map(np.array_equal, again, before))


def test_only_what_is_wanted_comes(finished):
    folder, _ = finished
    names = [
        (one.record.condition.name, one.record.key)
        for one in seen_frames(folder, Choice(('occlusion:3', 'clean'), 3))
    ]
    assert [name for name, _ in names] == ['clean', 'clean', 'occlusion:3']


def test_a_data_set_that_is_elsewhere_by_now(finished, tmp_path, monkeypatch):
    folder, _ = finished
    (tmp_path / 'other').mkdir()
    monkeypatch.chdir(tmp_path / 'other')
    # Found above the run; then nowhere; then where it is said to be.
    assert len(list(seen_frames(folder, Choice()))) == 6
    (tmp_path / 'streets').rename(tmp_path / 'moved')
    with pytest.raises(DatasetError, match=r'streets of the run .* is not there.*--dataset PLACE'):
        list(seen_frames(folder, Choice()))
    moved = Choice(dataset=str(tmp_path / 'moved'))
    assert len(list(seen_frames(folder, moved))) == 6


def test_other_pictures_are_refused(finished, tmp_path):
    folder, _ = finished
    path = min((tmp_path / 'streets').rglob('*_leftImg8bit.png'))
    picture = cv2.imread(str(path))
    picture[0, 0] ^= 1
    cv2.imwrite(str(path), picture)
    with pytest.raises(RecordError, match="is another picture than the run's"):
        list(seen_frames(folder, Choice()))


def test_an_export_is_there_whole_or_not_at_all(finished, tmp_path, capsys):
    folder, _ = finished
    out = tmp_path / 'out'
    words = ['export', str(folder), '--format', 'coco', '--out', str(out)]
    assert main([*words, '--condition', 'fog:1']) == 2 and not out.exists()
    assert 'has no frame under fog:1' in capsys.readouterr().err
    assert main(words) == 0
    pictures = sorted((out / 'images').rglob('*.png'))
    told = sorted(record.image for record in read_frames(folder / RECORDS))
    assert sorted(checksum(cv2.imread(str(path))) for path in pictures) == told
    assert main(words) == 2 and 'exists' in capsys.readouterr().err
    assert not [path for path in tmp_path.iterdir() if path.name.startswith('.')]
