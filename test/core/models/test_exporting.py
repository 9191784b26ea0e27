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

"""Exporting segmentation models: what is kept answers as the model itself, the rest is refused."""

import builtins
import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from segmenters import make

from vlm_misalign_ros.app import cli
from vlm_misalign_ros.core.errors import MisalignError, ModelError
from vlm_misalign_ros.core.labels.classes import CLASSES
from vlm_misalign_ros.core.models import exporting
from vlm_misalign_ros.core.models.card import path_of
from vlm_misalign_ros.core.models.exporting import export
from vlm_misalign_ros.core.models.factory import load_segmentation, model_hash, parse
from vlm_misalign_ros.core.world import render_scene

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.filterwarnings('ignore::FutureWarning', 'ignore::DeprecationWarning'),
]
SIZE = (64, 128)


@pytest.fixture(scope='module')
def segformer(tmp_path_factory):
    """Return a tiny SegFormer."""
    return make('segformer', tmp_path_factory.mktemp('tiny') / 'segformer')


@pytest.fixture(scope='module')
def street():
    """Return smooth colours with noise of another size than the input, BGR uint8 (96, 192, 3)."""
    rng = np.random.default_rng(4)
    coarse = rng.integers(0, 256, (12, 24, 3), np.uint8)
    smooth = cv2.resize(coarse, (192, 96), interpolation=cv2.INTER_CUBIC).astype(int)
    return np.clip(smooth + rng.integers(-40, 40, smooth.shape), 0, 255).astype(np.uint8)


def same(found, wanted):
    """Return the share of equal pixels of two masks of more than one class that are as sure."""
    assert len(np.unique(wanted.labels)) > 1
    assert found.entropy == pytest.approx(wanted.entropy, abs=1e-3)
    assert found.confidence == pytest.approx(wanted.confidence, abs=1e-3)
    return (found.labels == wanted.labels).mean()


@pytest.mark.parametrize('form', ['onnx', 'torchscript'])
def test_what_is_exported_answers_as_the_model_itself(form, segformer, street, tmp_path):
    found = export(f'transformers:{segformer}', form, tmp_path, SIZE)
    assert found.agreement > 0.999 and found.pictures == 4 and found.classes > 2
    text = f'{form}:{found.file}'
    wanted = load_segmentation(f'transformers:{segformer}', input_height=SIZE[0]).segment(street)
    assert same(load_segmentation(text).segment(street), wanted) > 0.999
    names = {path.name for path in tmp_path.iterdir()}
    assert names - {'segformer.onnx.data'} == {found.file.name, 'segformer.yaml'}


def test_the_same_model_is_exported_to_the_same_bytes(segformer, tmp_path):
    hashes = {
        model_hash(parse(f'onnx:{export(f"transformers:{segformer}", "onnx", out, SIZE).file}'))
        for out in (tmp_path / 'a', tmp_path / 'b')
    }
    assert len(hashes) == 1
    content = b''.join(path.read_bytes() for path in (tmp_path / 'a').iterdir())
    # Nothing of this machine is in it.
    for place in (Path(torch.__file__).parent, Path(exporting.__file__).parent, tmp_path):
        assert str(place).encode() not in content


OTHERS = [
    *((name, 'onnx') for name in ('upernet', 'beit', 'mobilevit', 'mobilenet_v2', 'sapiens2')),
    *((name, 'torchscript') for name in ('upernet', 'beit', 'mobilevit')),
    *((name, 'torchscript') for name in ('mobilenet_v2', 'sapiens2')),
    *((name, 'torchscript') for name in ('mask2former', 'maskformer', 'oneformer', 'detr')),
]


@pytest.mark.slow
@pytest.mark.parametrize('family, form', OTHERS)
def test_other_families_are_exported(family, form, street, tmp_path):
    folder = make(family, tmp_path / family)
    found = export(f'transformers:{folder}', form, tmp_path / 'out', SIZE)
    wanted = load_segmentation(f'transformers:{folder}', input_height=SIZE[0]).segment(street)
    assert same(load_segmentation(f'{form}:{found.file}').segment(street), wanted) > 0.999


def test_the_miniature_exported_is_the_miniature(tmp_path):
    found = export('miniature:segformer', 'onnx', tmp_path, (256, 512))
    ours = load_segmentation('miniature:segformer', input_height=256)
    theirs = load_segmentation(f'onnx:{found.file}')
    for index in range(3):
        # Of another city than the pictures at the export.
        scene = render_scene(11, index, 512, 256).image
        assert same(theirs.segment(scene), ours.segment(scene)) > 0.999
    card = yaml.safe_load(path_of(found.file).read_text())
    assert card['size'] == [256, 512] and list(card['classes'].values()) == list(CLASSES)


def test_a_model_that_its_exporter_changes_is_compared_as_it_was(segformer, tmp_path, monkeypatch):
    """torch.onnx.export(dynamo=False) leaves what it is given in training mode, at times."""
    plain = torch.jit.trace

    def change_and_trace(scores, *given, **named):
        with torch.no_grad():
            scores.network.decode_head.classifier.weight.mul_(-1)
        return plain(scores, *given, **named)

    monkeypatch.setattr(torch.jit, 'trace', change_and_trace)
    with pytest.raises(ModelError) as raised:
        export(f'transformers:{segformer}', 'torchscript', tmp_path, SIZE)
    assert f'gives other masks than transformers:{segformer}' in str(raised.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    'spoil, named',
    [
        (lambda scores: scores.roll(1, 1), 'gives other masks than'),
        (lambda scores: scores * 3, 'is surer or less sure than'),
    ],
)
def test_what_answers_otherwise_is_not_kept(spoil, named, segformer, tmp_path, monkeypatch):
    earlier = export(f'transformers:{segformer}', 'torchscript', tmp_path, SIZE)
    before = model_hash(parse(f'torchscript:{earlier.file}'))
    plain = exporting._Scores.forward
    monkeypatch.setattr(
        exporting._Scores, 'forward', lambda self, pixel_values: spoil(plain(self, pixel_values))
    )
    with pytest.raises(ModelError, match=named):
        export(f'transformers:{segformer}', 'torchscript', tmp_path, SIZE)
    # What was there stays as it was.
    assert model_hash(parse(f'torchscript:{earlier.file}')) == before
    assert len(list(tmp_path.iterdir())) == 2


def test_the_classes_go_with_it(street, tmp_path):
    names = ['vehicle' if name == 'car' else f'my {name}' for name in CLASSES]
    folder = make('segformer', tmp_path / 'named', names)
    path = tmp_path / 'map.yaml'
    path.write_text(
        yaml.safe_dump(
            {f'my {name}': name for name in CLASSES if name not in ('car', 'sky')}
            | {'vehicle': 'truck'}
        )
    )
    text = f'transformers:{folder}'
    found = export(text, 'torchscript', tmp_path / 'out', SIZE, str(path))
    path.unlink()
    model = load_segmentation(f'torchscript:{found.file}')
    assert model.classes.lacking == ('sky', 'car')
    assert model.segment(street).lacking == ('sky', 'car')


@pytest.mark.parametrize('family', ['dpt', 'eomt'])
def test_preprocessing_that_cannot_be_written_down_is_refused(family, tmp_path):
    folder = make(family, tmp_path / family)
    with pytest.raises(ModelError, match="its preprocessing is the processor's own"):
        export(f'transformers:{folder}', 'torchscript', tmp_path / 'out', SIZE)
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
    'model, words, named',
    [
        ('miniature:clip', {}, 'clip'),
        ('open_clip:ViT-B-32/openai', {}, 'has no segmentation models'),
        ('nothing', {}, 'is not understood'),
        (None, {'form': 'tflite'}, "the format is 'tflite'. give onnx or torchscript"),
        (None, {'size': (100, 200)}, 'the size is 100 x 200. give rows and columns'),
        (None, {'size': (0, 0)}, 'the size is 0 x 0'),
        (None, {'label_map': 'nowhere.yaml'}, "label_map 'nowhere.yaml' cannot be read"),
    ],
)
def test_what_cannot_be_exported_is_refused(model, words, named, segformer, tmp_path):
    given = {'form': 'torchscript', 'out': tmp_path / 'out', 'size': SIZE, **words}
    with pytest.raises(MisalignError) as raised:
        export(model or f'transformers:{segformer}', **given)
    assert named in str(raised.value)
    assert not (tmp_path / 'out').exists()


def test_what_is_exported_is_not_exported_again(segformer, tmp_path):
    found = export(f'transformers:{segformer}', 'torchscript', tmp_path, SIZE)
    with pytest.raises(ModelError, match='give one of transformers'):
        export(f'torchscript:{found.file}', 'onnx', tmp_path, SIZE)


def test_what_an_exporter_raises_is_one_line(segformer, tmp_path, monkeypatch):
    def fail(*given, **named):
        try:
            raise KeyError('aten::strange')
        except KeyError as error:
            raise RuntimeError('\x1b[96mstep 3/3\x1b[0m\nof many') from error

    monkeypatch.setattr(torch.onnx, 'export', fail)
    with pytest.raises(ModelError, match=r"to onnx: KeyError 'aten::strange'\. try the other"):
        export(f'transformers:{segformer}', 'onnx', tmp_path, SIZE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('lacking', ['onnx', 'onnxruntime', 'onnxscript'])
def test_a_package_that_is_missing_is_named_with_its_command(
    lacking, segformer, tmp_path, monkeypatch
):
    plain, imported = importlib.util.find_spec, builtins.__import__

    def refuse(name, *given, **named):
        if name.partition('.')[0] == lacking:
            raise ModuleNotFoundError(name)
        return imported(name, *given, **named)

    monkeypatch.setattr(
        importlib.util, 'find_spec', lambda name: None if name == lacking else plain(name)
    )
    monkeypatch.setattr(builtins, '__import__', refuse)
    with pytest.raises(ModelError) as raised:
        export(f'transformers:{segformer}', 'onnx', tmp_path, SIZE)
    assert f'needs {lacking}, which is not installed. pip install onnx' in str(raised.value)


# The verb ---------------------------------------------------------------------------------------


def test_the_verb_says_what_it_wrote_and_how_well_it_agrees(segformer, tmp_path, capsys):
    words = f'export transformers:{segformer} --format onnx --size 64x128 --out {tmp_path}'
    assert cli.main(words.split()) == 0
    told = capsys.readouterr()
    assert f'{tmp_path}/segformer.onnx and segformer.yaml' in told.out
    assert 'of the pixels equal at least, on 4 pictures with' in told.out
    assert told.out.splitlines()[-1] == f'use it as onnx:{tmp_path}/segformer.onnx'
    assert load_segmentation(told.out.split()[-1]).preprocessing.told == 'resized to 128 x 64'


@pytest.mark.parametrize(
    'words, named',
    [
        (['--size', '64'], "'64' is no size, such as 512x1024"),
        (['--size', '100x200'], 'the size is 100 x 200'),
        (['--format', 'tflite'], 'tflite'),
        (['--out', '/proc/nothing'], '/proc/nothing cannot be made'),
    ],
)
def test_what_the_verb_cannot_do_is_one_line(words, named, segformer, tmp_path, capsys):
    given = f'export transformers:{segformer} --format torchscript --size 64x128 --out {tmp_path}'
    try:
        code = cli.main([*given.split(), *words])
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    error = capsys.readouterr().err
    assert named in error and 'Traceback' not in error
