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

"""Pseudo-labels: a data set with a model's labels, which says so, and what a run says of it."""

from types import SimpleNamespace

import numpy as np
import pytest
from segmenters import make

from made import frame_record
from vlm_misalign_ros.app import cli
from vlm_misalign_ros.core.datasets import open_dataset
from vlm_misalign_ros.core.errors import ConfigurationError, DatasetError
from vlm_misalign_ros.core.evaluation import pseudo
from vlm_misalign_ros.core.evaluation.pseudo import Asked, pseudo_label
from vlm_misalign_ros.core.evaluation.replaying import protocol_of
from vlm_misalign_ros.core.files import read_json
from vlm_misalign_ros.core.labels.classes import BY_NAME, CLASSES
from vlm_misalign_ros.core.report.evidence import Evidence
from vlm_misalign_ros.core.types import Protocol
from vlm_misalign_ros.core.world import generate

EGO, ROAD, SKY = (BY_NAME[name].id for name in ('ego vehicle', 'road', 'sky'))


class Halves:
    """A segmentation model that sees sky (train id 10) above road (0)."""

    lacking = ()

    def segment(self, bgr):
        labels = np.zeros(bgr.shape[:2], np.uint8)
        labels[: len(labels) // 2] = 10
        return SimpleNamespace(labels=labels, lacking=self.lacking)


@pytest.fixture
def drives(tmp_path):
    """Return a folder of two drives, of which one frame each has labels."""
    root = tmp_path / 'drives'
    generate(root, 6, seed=1, width=64, height=32, sequence_length=3)
    for path in sorted(root.glob('gtFine/*/*/*_gtFine_*')):
        if '_000002_gtFine' not in path.name:
            path.unlink()
    return root


@pytest.fixture
def made(drives, tmp_path, monkeypatch):
    """Return the data set with pseudo-labels, and the content of its file."""
    monkeypatch.setattr(pseudo, 'load_segmentation', lambda model, **options: Halves())
    asked = Asked(str(drives), tmp_path / 'pseudo', 'miniature:segformer')
    return open_dataset, asked, pseudo_label(asked)


def test_every_frame_has_the_models_labels_but_for_the_car_itself(drives, made):
    opened, asked, content = made
    found, plain = opened(asked.out, sequences=True), opened(drives, sequences=True)
    assert [entry.key for entry in found.entries] == [entry.key for entry in plain.entries]
    shown = plain.read(2).labels == EGO
    assert 0 < shown.sum() < shown.size / 4
    for index, frame in enumerate(found):
        wanted = np.full((32, 64), ROAD, np.uint8)
        wanted[:16] = SKY
        # The hood is where the labelled frames, of one camera or another, mostly have it.
        differs = frame.labels != wanted
        assert set(frame.labels[differs].tolist()) == {EGO}
        np.testing.assert_array_equal(frame.image, plain.read(index).image)
        assert frame.camera == plain.read(index).camera
        assert frame.instances is None
    assert (content['frames'], content['hood_from']) == (6, 2)
    assert content['model'] == 'miniature:segformer' and len(content['model_sha256']) == 64
    assert read_json(asked.out / 'pseudo_labels.json', '') == {**content, 'cities': []}


def test_a_replay_of_it_says_so(made):
    opened, asked, _ = made
    assert protocol_of(opened(asked.out, sequences=True)) is Protocol.PSEUDO
    assert protocol_of(opened(asked.out, sequences=True), hold=5) is Protocol.PSEUDO_HELD


def test_the_data_set_itself_is_left_as_it_was(drives, made):
    assert protocol_of(open_dataset(drives, sequences=True)) is Protocol.SINGLE
    assert len(list(drives.glob('gtFine/*/*/*_labelIds.png'))) == 2
    assert not (drives / 'pseudo_labels.json').exists()


def test_what_will_not_do_is_refused(drives, made, tmp_path):
    _, asked, _ = made
    with pytest.raises(DatasetError, match='is there already'):
        pseudo_label(asked)
    again = Asked(str(asked.out), tmp_path / 'again', asked.model)
    with pytest.raises(DatasetError, match='has pseudo-labels already'):
        pseudo_label(again)
    (asked.out / 'pseudo_labels.json').write_text('[')
    with pytest.raises(DatasetError, match='cannot be read'):
        pseudo_label(again)
    with pytest.raises(ConfigurationError, match='layout'):
        split = pseudo.split_place
        try:
            pseudo.split_place = lambda place: ('other', drives)
            pseudo_label(Asked('other:x', tmp_path / 'x', asked.model))
        finally:
            pseudo.split_place = split


def test_a_model_that_cannot_tell_every_class_is_refused_at_its_first_frame(
    drives, tmp_path, monkeypatch
):
    """Its labels would say of each frame that there is no rider, and a model that saw one lied."""
    few = Halves()
    few.lacking = ('rider', 'train')
    monkeypatch.setattr(pseudo, 'load_segmentation', lambda model, **options: few)
    asked = Asked(str(drives), tmp_path / 'pseudo', 'miniature:segformer')
    with pytest.raises(
        ConfigurationError, match="'miniature:segformer' cannot tell rider, train, .* all 19"
    ):
        pseudo_label(asked)
    assert not asked.out.exists()


def test_where_its_files_tell_what_it_lacks_it_is_not_even_loaded(drives, tmp_path, monkeypatch):
    names = [f'my {name}' if name == 'rider' else name for name in CLASSES]
    model = make('segformer', tmp_path / 'segformer', names)
    loaded = []
    monkeypatch.setattr(pseudo, 'load_segmentation', lambda text, **options: loaded.append(text))
    asked = Asked(str(drives), tmp_path / 'pseudo', f'transformers:{model}')
    with pytest.raises(ConfigurationError, match='cannot tell rider,'):
        pseudo_label(asked)
    assert not loaded and not asked.out.exists()


def test_the_verdict_notes_that_the_truth_is_a_models():
    both = frame_record(protocol='pseudo-labels, hold-frame')
    (note,) = Evidence.of([both, both, frame_record()]).notes()
    assert note.startswith('the labels of 2 frames')
    records = [frame_record(protocol='pseudo-labels'), frame_record()]
    (note,) = Evidence.of(records).notes()
    assert note.startswith("the labels of 1 frame are a segmentation model's")
    # Of a frame that no model labelled there is nothing to say.
    assert Evidence.of([frame_record(protocol='pseudo-labels', truth=None)]).notes() == []
    assert Evidence.of([frame_record(protocol='hold-frame')]).notes() == []


def test_the_verb_says_what_it_did(drives, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pseudo, 'load_segmentation', lambda model, **options: Halves())
    out = tmp_path / 'by verb'
    words = ['pseudo', str(drives), str(out), '--model', 'miniature:segformer', '--limit', '4']
    assert cli.main(words) == 0
    told = capsys.readouterr().out
    assert '4 frames in' in told and 'from 1 labelled frames' in told
    assert cli.main(words) == 2
