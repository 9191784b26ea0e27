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
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from msgspec import structs

from vlm_misalign_ros.app.cli import main
from vlm_misalign_ros.app.exporting_runs import Choice, Told, seen_frames
from vlm_misalign_ros.app.in_process import InProcess
from vlm_misalign_ros.core.checksums import checksum
from vlm_misalign_ros.core.corruptions import CORRUPTIONS, Effect
from vlm_misalign_ros.core.datasets import open_dataset
from vlm_misalign_ros.core.errors import DatasetError, FrameError
from vlm_misalign_ros.core.evaluation import remasking
from vlm_misalign_ros.core.evaluation.engine import Models
from vlm_misalign_ros.core.evaluation.lanes import open_lanes
from vlm_misalign_ros.core.labels.classes import CLASSES
from vlm_misalign_ros.core.metrics.confusion import confusion, to_cells
from vlm_misalign_ros.core.models.answering import CheckedSegmentation, CheckedVlm
from vlm_misalign_ros.core.models.factory import load_segmentation, local_hash
from vlm_misalign_ros.core.models.factory import parse as parse_model
from vlm_misalign_ros.core.records.schema import SegmentationEntry, Status, encode
from vlm_misalign_ros.core.records.store import RECORDS, read_frames
from vlm_misalign_ros.core.settings.configuration import parse
from vlm_misalign_ros.core.settings.nodes import segmentation_options
from vlm_misalign_ros.core.types import Description, Judgement, Kind, Mention, Segmented

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


class Moody:
    """A corruption of anybody's that fails on pictures of some checksums."""

    covers = False
    fails: set = set()

    def apply(self, image, severity, rng):
        if checksum(image) in self.fails:
            raise ZeroDivisionError(f'not this one {image.shape}')
        return Effect(255 - image)


@pytest.fixture
def moody(monkeypatch):
    found = Moody()
    monkeypatch.setitem(CORRUPTIONS._builtin, 'moody', 'nowhere')
    monkeypatch.setitem(CORRUPTIONS._loaded, 'moody', found)
    return found


def a_run(place, conditions=CONDITIONS, **more):
    """Return folder and plain configuration of a run over two streets, not begun yet."""
    folder = place / 'runs' / 'a'
    (folder / 'log').mkdir(parents=True)
    plain = {
        'replay': {'dataset': 'streets', 'conditions': conditions, 'limit': 2},
        'vlms': {'a': {'model': 'miniature:clip'}},
        'monitor': {'pictures': 0},
        **more,
    }
    (folder / 'config.yaml').write_text(yaml.safe_dump(plain))
    (folder / 'manifest.json').write_text(json.dumps({'configuration': plain}))
    return folder, plain


def done(folder, plain, monkeypatch, model=None, segmentation=None):
    """Run, with a model made by hand."""
    chosen = parse(plain)
    (vlm,) = chosen.vlms
    lanes = open_lanes(CheckedVlm('by hand', model or Sees()), vlm)
    models = Models(segmentation, ((vlm, lanes),))
    monkeypatch.setattr(Models, 'load', lambda configuration: models)
    frames = 2 * len(plain['replay']['conditions'])
    InProcess(chosen, folder, frames).run(open('/dev/null', 'w'))


@pytest.fixture
def streets(scenes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(scenes, tmp_path / 'streets'))


@pytest.fixture
def finished(streets, tmp_path, monkeypatch):
    """Return a run over a copy of the scenes, and what its model was shown."""
    model = Sees()
    folder, plain = a_run(tmp_path)
    done(folder, plain, monkeypatch, model)
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


def spoil(path):
    picture = cv2.imread(str(path))
    picture[0, 0] ^= 1
    cv2.imwrite(str(path), picture)


def test_other_pictures_are_left_out_and_told(finished, streets, capsys):
    folder, _ = finished
    first, second = sorted(streets.rglob('*_leftImg8bit.png'))[:2]
    spoil(first)
    told = Told()
    seen = list(seen_frames(folder, Choice(), told))
    assert len({one.record.key for one in seen}) == 1 and len(seen) == 3
    assert told.left.number == 3 and "is another picture than the run's" in told.left.first
    # With nothing left there is no export, and the reason why.
    spoil(second)
    words = ['export', str(folder), '--format', 'coco', '--out', 'out']
    assert main(words) == 2 and not Path('out').exists()
    error = capsys.readouterr().err
    assert 'that can be shown' in error and "another picture than the run's" in error
    assert error.count('\n') == 1


def test_a_picture_that_cannot_be_read_is_left_out(finished, streets):
    folder, _ = finished
    path = min(streets.rglob('*_leftImg8bit.png'))
    data = path.read_bytes()
    path.write_bytes(data[:100] + bytes(len(data) - 120) + data[-20:])
    told = Told()
    assert len(list(seen_frames(folder, Choice(), told))) == 3 and told.left.number == 3


@pytest.mark.parametrize('kind', ['coco', 'fiftyone'])
def test_a_frame_whose_degradation_failed_is_left_out_and_told(
    streets, tmp_path, monkeypatch, moody, capsys, kind
):
    frames = list(open_dataset('streets', limit=2))
    folder, plain = a_run(tmp_path, ['clean', 'moody:2', 'moody:4'])
    moody.fails = {checksum(frames[0].image)}
    done(folder, plain, monkeypatch)
    records = list(read_frames(folder / RECORDS))
    assert sum(record.image is None for record in records) == 2
    words = ['export', str(folder), '--format', kind, '--out', str(tmp_path / kind)]
    assert main(words) == 0
    (note,) = [line for line in capsys.readouterr().out.splitlines() if 'note' in line]
    assert note.startswith('note: 2 frames left out: the picture could not be degraded: ')
    assert 'ZeroDivisionError: not this one' in note
    pictures = [path for path in (tmp_path / kind).rglob('*.png') if 'fields' not in path.parts]
    told = sorted(record.image for record in records if record.image)
    assert sorted(checksum(cv2.imread(str(path))) for path in pictures) == told


def test_one_that_fails_only_by_now_is_left_out(streets, tmp_path, monkeypatch, moody):
    frames = list(open_dataset('streets', limit=2))
    folder, plain = a_run(tmp_path, ['clean', 'moody:2'])
    done(folder, plain, monkeypatch)
    moody.fails = {checksum(frames[1].image)}
    told = Told()
    seen = list(seen_frames(folder, Choice(), told))
    assert len(seen) == 3 and told.left.number == 1 and 'ZeroDivisionError' in told.left.first


def test_a_data_set_that_fails_in_whatever_way_costs_its_frames(finished, monkeypatch):
    folder, _ = finished

    def read(dataset, position):
        if position:
            raise PermissionError(13, 'Permission denied')
        return plain(dataset, position)

    kind = type(open_dataset('streets'))
    plain = kind.read
    monkeypatch.setattr(kind, 'read', read)
    told = Told()
    assert len(list(seen_frames(folder, Choice(), told))) == 3
    assert 'cannot be made again: PermissionError' in told.left.first


# Masks -----------------------------------------------------------------------------------------


@dataclasses.dataclass
class Segments:
    """A segmentation by brightness; `shift` makes another one of it."""

    shift: int = 0
    sure: float = 0.9
    fails: bool = False

    def segment(self, bgr):
        if self.fails:
            raise FrameError('no mask today')
        labels = (bgr[..., 0] // 32).astype(np.uint8)
        labels.flat[: self.shift] = 18
        entropies = {CLASSES[value]: 0.25 for value in np.unique(labels)}
        return Segmented(labels, 0.5, self.sure, entropies)


@pytest.fixture
def segmented(streets, tmp_path, monkeypatch):
    """Return the folder of a run with masks, and what will be loaded to make them again."""
    folder, plain = a_run(tmp_path, segmentation={'model': 'transformers:seg'})
    (tmp_path / 'seg').mkdir()
    (tmp_path / 'seg' / 'config.json').write_text('{"a": 1}')
    manifest = {
        'configuration': plain,
        'models': {
            'segmentation': {
                'model': 'transformers:seg',
                'sha256': local_hash(parse_model('transformers:seg')),
            }
        },
    }
    (folder / 'manifest.json').write_text(json.dumps(manifest))
    done(folder, plain, monkeypatch, segmentation=CheckedSegmentation('by hand', Segments()))
    model = Segments()
    monkeypatch.setattr(
        remasking, 'load_segmentation', lambda text, **_: CheckedSegmentation(text, model)
    )
    return folder, model


MASKS = Choice(masks=True)


def test_masks_are_made_again_as_the_run_had_them(segmented):
    folder, _ = segmented
    assert all(one.mask is None for one in seen_frames(folder, Choice()))
    told = Told()
    seen = list(seen_frames(folder, MASKS, told))
    assert len(seen) == 6
    for one in seen:
        assert np.array_equal(one.mask, one.picture[..., 0] // 32)
        assert to_cells(confusion(one.labels, one.mask)) == one.record.segmentation.cells
    (note,) = told.notes()
    assert note.startswith('6 masks were made again by transformers:seg in ')


@pytest.mark.parametrize(
    ('changed', 'why'),
    [
        ({'shift': 2000}, 'pixels at least lie elsewhere in its confusion matrix'),
        ({'sure': 0.8}, 'its confidence is 0.8, and was 0.9'),
        ({'fails': True}, 'no mask today'),
    ],
)
def test_another_mask_is_never_given_out(segmented, changed, why):
    folder, model = segmented
    vars(model).update(changed)
    told = Told()
    seen = list(seen_frames(folder, MASKS, told))
    assert len(seen) == 6 and all(one.mask is None for one in seen)
    assert '0 masks were made again' in told.notes()[0]
    assert any(why in note and 'without a mask' in note for note in told.notes()[1:])


def test_a_mask_without_truth_is_known_by_how_sure_it_is(segmented):
    folder, model = segmented
    records = [
        structs.replace(
            record,
            truth=None,
            segmentation=structs.replace(
                record.segmentation, status=Status.UNMATCHED, cells=[], frame_iou=None
            ),
        )
        for record in read_frames(folder / RECORDS)
    ]
    (folder / RECORDS).write_bytes(b''.join(encode(record) + b'\n' for record in records))
    assert all(one.mask is not None for one in seen_frames(folder, MASKS))
    model.sure = 0.9001
    assert all(one.mask is None for one in seen_frames(folder, MASKS))


@pytest.mark.parametrize('status', [Status.MISSING, Status.DROPPED, Status.DOUBLED])
def test_a_frame_that_had_no_mask_gets_none(segmented, status):
    folder, _ = segmented
    records = [
        structs.replace(record, segmentation=SegmentationEntry(status, None, None, []))
        for record in read_frames(folder / RECORDS)
    ]
    (folder / RECORDS).write_bytes(b''.join(encode(record) + b'\n' for record in records))
    told = Told()
    assert all(one.mask is None for one in seen_frames(folder, MASKS, told))
    assert f'6 frames without a mask: the run has none of it ({status.value})' in told.notes()


def test_a_model_that_is_another_by_now_is_refused(segmented, tmp_path, capsys):
    folder, _ = segmented
    words = ['export', str(folder), '--format', 'coco', '--out', 'out', '--masks']
    assert main(words) == 0
    images = json.loads(Path('out/annotations/stuff.json').read_text())['images']
    assert all(image['segmented'] for image in images)
    shutil.rmtree('out')
    (tmp_path / 'seg' / 'config.json').write_text('{"a": 2}')
    assert main(words) == 2 and not Path('out').exists()
    error = capsys.readouterr().err
    assert 'transformers:seg has the hash' in error and 'leave out --masks' in error
    (folder / 'manifest.json').unlink()
    assert main(words) == 2 and 'does not tell its segmentation' in capsys.readouterr().err


def test_a_run_without_segmentation_has_no_masks_to_make(finished, capsys):
    folder, _ = finished
    words = ['export', str(folder), '--format', 'fiftyone', '--out', 'out', '--masks']
    assert main(words) == 2 and 'has no segmentation model' in capsys.readouterr().err
    assert main([*words[:3], 'mlflow', *words[4:]]) == 2
    assert '--masks is given for the format mlflow' in capsys.readouterr().err


@pytest.mark.heavy
def test_masks_of_a_network_come_out_the_same(streets, tmp_path, monkeypatch):
    folder, plain = a_run(tmp_path, segmentation={'model': 'miniature:segformer'})
    hashed = local_hash(parse_model('miniature:segformer'))
    told = {'segmentation': {'model': 'miniature:segformer', 'sha256': hashed}}
    (folder / 'manifest.json').write_text(json.dumps({'models': told}))
    options = segmentation_options(parse(plain).segmentation)
    loaded = load_segmentation('miniature:segformer', **options)
    done(folder, plain, monkeypatch, segmentation=loaded)
    assert all(one.mask is not None for one in seen_frames(folder, MASKS))


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
