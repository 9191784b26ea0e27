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

"""Segmentation networks in files, ONNX and TorchScript: what they answer, and what is refused."""

import builtins
import importlib.util
import shutil
import warnings

import numpy as np
import onnx
import pytest
import torch
import yaml
from onnx import TensorProto, helper, numpy_helper

from vlm_misalign_ros.core.errors import ConfigurationError, MisalignError, ModelError
from vlm_misalign_ros.core.labels.classes import CLASSES, IGNORE
from vlm_misalign_ros.core.models import card
from vlm_misalign_ros.core.models.factory import (
    check,
    classes_of,
    load_segmentation,
    local_hash,
    parse,
)
from vlm_misalign_ros.core.types import Role

NAMES = ['road', 'sky', 'lane marking', 'car']
TRAIN_IDS = np.array([0, 10, IGNORE, 13], np.uint8)
ROWS, COLUMNS = 64, 128
WEIGHTS = np.array(
    [[0.7, -0.4, 0.1], [-0.6, 0.2, 0.8], [0.3, 0.9, -0.5], [-0.2, -0.7, 0.4]], np.float32
)
BIAS = np.array([0.05, -0.1, 0.0, 0.1], np.float32)
PLAIN = {
    'size': [ROWS, COLUMNS],
    'mean': [0.485, 0.456, 0.406],
    'std': [0.229, 0.224, 0.225],
    'classes': NAMES,
}


@pytest.fixture(scope='module')
def picture():
    """Return noise, BGR uint8 (64, 128, 3)."""
    return np.random.default_rng(5).integers(0, 256, (ROWS, COLUMNS, 3), np.uint8)


def graph(path, layout='NCHW', tail='', size=(ROWS, COLUMNS), external=False, dtype=np.float32):
    """Write scores = W x + b of every pixel as ONNX."""
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    if layout == 'NCHW':
        first, last, given = [1, 3, *size], [1, 4, *size], WEIGHTS[:, :, None, None]
        nodes = [helper.make_node('Conv', ['x', 'w', 'b'], ['scores'])]
    else:
        first, last, given = [1, *size, 3], [1, *size, 4], WEIGHTS.T
        nodes = [
            helper.make_node('MatMul', ['x', 'w'], ['product']),
            helper.make_node('Add', ['product', 'b'], ['scores']),
        ]
    axis = 1 if layout == 'NCHW' else 3
    outputs = [helper.make_tensor_value_info('scores', kind, last)]
    if tail == 'softmax':
        nodes.append(helper.make_node('Softmax', ['scores'], ['chances'], axis=axis))
        outputs = [helper.make_tensor_value_info('chances', kind, last)]
    elif tail == 'labels':
        nodes.append(helper.make_node('ArgMax', ['scores'], ['labels'], axis=axis, keepdims=0))
        outputs = [helper.make_tensor_value_info('labels', TensorProto.INT64, [1, *size])]
    elif tail == 'two':
        nodes.append(helper.make_node('Neg', ['scores'], ['worse']))
        outputs.insert(0, helper.make_tensor_value_info('worse', kind, last))
    model = helper.make_model(
        helper.make_graph(
            nodes,
            'g',
            [helper.make_tensor_value_info('x', kind, first)],
            outputs,
            [
                numpy_helper.from_array(given.astype(dtype), 'w'),
                numpy_helper.from_array(BIAS.astype(dtype), 'b'),
            ],
        ),
        opset_imports=[helper.make_opsetid('', 18)],
        ir_version=9,
    )
    onnx.save(
        model,
        str(path),
        save_as_external_data=external,
        location=f'{path.name}.data',
        size_threshold=0,
    )


class Linear(torch.nn.Module):
    """The same network for TorchScript."""

    def __init__(self, form, layout='NCHW'):
        super().__init__()
        self.form, self.last = form, layout == 'NHWC'
        self.weight = torch.nn.Parameter(torch.from_numpy(WEIGHTS)[:, :, None, None])
        self.bias = torch.nn.Parameter(torch.from_numpy(BIAS))

    def forward(self, x):
        x = x.permute(0, 3, 1, 2) if self.last else x
        scores = torch.nn.functional.conv2d(x, self.weight, self.bias)
        scores = scores.permute(0, 2, 3, 1) if self.last else scores
        if self.form == 'dict':
            return {'worse': -scores, 'scores': scores}
        return (scores, -scores) if self.form == 'tuple' else scores


def script(path, form='tensor', layout='NCHW'):
    shape = (1, 3, ROWS, COLUMNS) if layout == 'NCHW' else (1, ROWS, COLUMNS, 3)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', FutureWarning)
        traced = torch.jit.trace(Linear(form, layout), torch.zeros(shape), strict=False)
    traced.save(str(path))


def write(folder, family, changes=None, **network):
    """Write a network and its card; return the string that names it."""
    path = folder / ('net.onnx' if family == 'onnx' else 'net.pt')
    (graph if family == 'onnx' else script)(path, **network)
    (folder / 'net.yaml').write_text(yaml.safe_dump({**PLAIN, **(changes or {})}))
    return f'{family}:{path}'


def wanted(picture, values=PLAIN, scale=1 / 255, bgr=False):
    """Return train ids by hand, and where the best class is clear of rounding."""
    channels = picture if bgr else picture[:, :, ::-1]
    x = (channels.astype(float) * scale - values['mean']) / values['std']
    scores = x @ WEIGHTS.T.astype(float) + BIAS
    first, second = np.sort(scores)[..., -1], np.sort(scores)[..., -2]
    return TRAIN_IDS[scores.argmax(-1)], first - second > 1e-4 * np.abs(first)


def equal(found, expected):
    labels, clear = expected
    assert clear.mean() > 0.99 and len(np.unique(labels)) == 4
    return np.array_equal(found.labels[clear], labels[clear])


# What they answer -------------------------------------------------------------------------------


@pytest.mark.parametrize('family', ['onnx', 'torchscript'])
@pytest.mark.parametrize('layout', ['NCHW', 'NHWC'])
@pytest.mark.parametrize('channels', ['rgb', 'bgr'])
def test_masks_are_those_of_the_formula(family, layout, channels, tmp_path, picture):
    text = write(tmp_path, family, {'layout': layout, 'channels': channels}, layout=layout)
    found = load_segmentation(text).segment(picture)
    assert equal(found, wanted(picture, bgr=channels == 'bgr'))
    assert not equal(found, wanted(picture, bgr=channels != 'bgr'))
    assert found.lacking == tuple(name for name in CLASSES if name not in NAMES)
    assert set(found.entropies) == {'road', 'sky', 'car'}


@pytest.mark.parametrize('family', ['onnx', 'torchscript'])
def test_values_are_those_of_the_card(family, tmp_path, picture):
    values = {'mean': [103.5, 116.3, 123.7], 'std': [57.4, 57.1, 58.4]}
    text = write(tmp_path, family, {**values, 'scale': 1.0})
    assert equal(load_segmentation(text).segment(picture), wanted(picture, values, 1.0))


def test_what_a_card_leaves_out_is_the_plain_value(tmp_path, picture):
    write(tmp_path, 'onnx', size=('h', 'w'))
    (tmp_path / 'net.yaml').write_text(yaml.safe_dump({'size': 'any', 'classes': NAMES}))
    found = load_segmentation(f'onnx:{tmp_path / "net.onnx"}', input_height=ROWS).segment(picture)
    assert equal(found, wanted(picture, {'mean': 0.0, 'std': 1.0}))


def test_a_picture_of_another_size_is_brought_to_the_network_and_its_mask_back(tmp_path, picture):
    text = write(tmp_path, 'onnx')
    # Each pixel four times: made smaller by area it is the picture itself.
    large = picture.repeat(4, 0).repeat(4, 1)
    found = load_segmentation(text).segment(large)
    assert found.labels.shape == large.shape[:2]
    expected, clear = wanted(picture)
    # Where the network's pixel has its centre (rows 1.5 of 4) the mask is that pixel's or of one
    # that is interpolated beside it: a majority by far, and not all.
    same = found.labels[1::4, 1::4] == expected
    assert same[clear].mean() > 0.6
    assert (np.roll(found.labels, 8, 1)[1::4, 1::4] == expected)[clear].mean() < 0.5


@pytest.mark.parametrize('height, rows', [(32, 32), (64, 64), (0, 96)])
def test_a_network_of_any_size_is_given_the_height_that_is_asked_for(height, rows, tmp_path):
    text = write(tmp_path, 'onnx', {'size': 'any'}, size=('h', 'w'))
    model = load_segmentation(text, input_height=height)
    prepared = model.model.preprocessing.prepare(np.zeros((96, 192, 3), np.uint8))
    assert prepared.size == (rows, 2 * rows)
    assert model.segment(np.eye(96, 192)[..., None].repeat(3, 2).astype(np.uint8)) is not None


def test_probabilities_are_as_sure_as_their_logits(tmp_path, picture):
    (tmp_path / 'a').mkdir()
    (tmp_path / 'b').mkdir()
    logits = load_segmentation(write(tmp_path / 'a', 'onnx')).segment(picture)
    text = write(tmp_path / 'b', 'onnx', {'output': 'probabilities'}, tail='softmax')
    chances = load_segmentation(text).segment(picture)
    assert (logits.labels == chances.labels).mean() > 0.999
    assert chances.entropy == pytest.approx(logits.entropy, abs=1e-4)
    assert chances.confidence == pytest.approx(logits.confidence, abs=1e-4)
    assert 0.05 < logits.entropy < 0.95


@pytest.mark.parametrize('form', ['dict', 'tuple'])
def test_the_scores_may_be_one_of_several_outputs(form, tmp_path, picture):
    changes = {'name': 'scores'} if form == 'dict' else {}
    text = write(tmp_path, 'torchscript', changes, form=form)
    assert equal(load_segmentation(text).segment(picture), wanted(picture))


def test_an_output_of_onnx_is_chosen_by_its_name(tmp_path, picture):
    text = write(tmp_path, 'onnx', {'name': 'scores'}, tail='two')
    assert equal(load_segmentation(text).segment(picture), wanted(picture))
    text = write(tmp_path, 'onnx', tail='two')
    assert not equal(load_segmentation(text).segment(picture), wanted(picture))


def test_a_network_of_half_precision_is_given_what_it_takes(tmp_path, picture):
    text = write(tmp_path, 'onnx', dtype=np.float16)
    labels, _ = wanted(picture)
    assert (load_segmentation(text).segment(picture).labels == labels).mean() > 0.99


@pytest.mark.parametrize('dtype', ['bfloat16', 'float16'])
def test_torchscript_computes_in_the_arithmetic_that_is_asked_for(dtype, tmp_path, picture):
    model = load_segmentation(write(tmp_path, 'torchscript'), dtype=dtype)
    labels, _ = wanted(picture)
    agreement = (model.segment(picture).labels == labels).mean()
    assert 0.98 < agreement < 1.0
    assert next(model.model._network.parameters()).dtype == getattr(torch, dtype)


def test_the_same_twice(tmp_path, picture):
    text = write(tmp_path, 'onnx')
    one, two = (load_segmentation(text, threads=n).segment(picture) for n in (1, 2))
    assert np.array_equal(one.labels, two.labels) and one.entropy == two.entropy


# Classes ----------------------------------------------------------------------------------------


def test_a_card_may_map_its_classes(tmp_path, picture):
    text = write(tmp_path, 'onnx', {'label_map': {'lane marking': 'road', 3: 'ignore'}})
    found = load_segmentation(text).segment(picture)
    labels, clear = wanted(picture)
    table = np.arange(256, dtype=np.uint8)
    table[IGNORE], table[13] = 0, IGNORE
    assert np.array_equal(found.labels[clear], table[labels][clear])
    assert classes_of(parse(text), '').known == ('road', 'sky')


def test_a_label_map_of_the_run_goes_before_that_of_the_card(tmp_path):
    text = write(tmp_path, 'onnx', {'label_map': {'lane marking': 'road'}})
    path = tmp_path / 'mine.yaml'
    path.write_text('lane marking: terrain\n')
    assert classes_of(parse(text), str(path)).train_ids == (0, 10, 9, 13)
    assert classes_of(parse(text), '').train_ids == (0, 10, 0, 13)


def test_classes_by_index_may_leave_some_out(tmp_path):
    text = write(tmp_path, 'onnx', {'classes': {0: 'road', 1: 'sky', 3: 'car'}})
    assert classes_of(parse(text), '').train_ids == (0, 10, IGNORE, 13)


def test_a_card_that_is_written_reads_the_same(tmp_path):
    told = card.Card(
        None, (0.1, 0.2, 0.3), (1.0, 2.0, 3.0), 0.5, 'bgr', 'NHWC', 'probabilities', 'y',
        {0: 'road', 2: 'sky'}, {0: 'road', 2: 'ignore'},
    )  # fmt: skip
    told.write(tmp_path / 'net.yaml')
    assert card.read(tmp_path / 'net.onnx') == told


# What is refused --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    'changes, named',
    [
        ({'sise': [64, 128]}, "has the key 'sise'. did you mean 'size'"),
        ({'size': None}, 'has size None. expected [rows, columns] of 1 to 8192, or any'),
        ({'size': [64]}, 'has size [64]'),
        ({'size': [64.0, 128]}, 'has size [64.0, 128]'),
        ({'size': [0, 128]}, 'has size [0, 128]'),
        ({'size': [64, 9000]}, 'has size [64, 9000]'),
        ({'mean': 0.5}, 'has mean 0.5. expected three numbers'),
        ({'mean': [0.5, 0.5]}, 'has mean [0.5, 0.5]'),
        ({'mean': ['a', 0, 0]}, 'expected a number'),
        ({'mean': [float('nan'), 0, 0]}, 'expected a number'),
        ({'mean': [True, 0, 0]}, 'expected a number'),
        ({'std': [0, 1, 1]}, 'has std [0, 1, 1]. expected a number above 0'),
        ({'scale': -1}, 'has scale -1. expected a number above 0'),
        ({'layout': 'CHW'}, "has layout 'CHW'. expected NCHW or NHWC"),
        ({'channels': 'grey'}, 'expected rgb or bgr'),
        ({'output': 'labels'}, 'expected logits or probabilities'),
        ({'name': 3}, 'has name 3'),
        ({'classes': None}, 'has classes None'),
        ({'classes': []}, 'has classes []'),
        ({'classes': {'road': 0}}, "has classes {'road': 0}"),
        ({'classes': [1, 2]}, 'has classes [1, 2]'),
        ({'classes': ['cat', 'dog']}, 'does not know a single class'),
        ({'label_map': 'ade21k'}, "has label_map 'ade21k'. expected one of ade20k"),
        ({'label_map': 3}, 'has label_map 3'),
        ({'label_map': {'tram': 'train'}}, "names the class 'tram'"),
        ({'label_map': {'car': 'cart'}}, "maps 'car' to 'cart'. did you mean 'car'"),
        ({'label_map': {'car': 3}}, "maps 'car' to 3"),
    ],
)
def test_a_card_that_will_not_do_is_named(changes, named, tmp_path):
    text = write(tmp_path, 'onnx', changes)
    with pytest.raises(MisalignError) as raised:
        load_segmentation(text)
    assert named in str(raised.value) and '\n' not in str(raised.value)
    with pytest.raises(MisalignError):
        check(parse(text), Role.SEGMENTATION)
        classes_of(parse(text), '')


@pytest.mark.parametrize(
    'content, named',
    [
        (b'', 'is no mapping'),
        (b'- a', 'is no mapping'),
        (b'{', 'cannot be read'),
        (b'\xff\xfe\x00', 'cannot be read'),
        (b'? [a, b]\n: c', 'cannot be read'),
        (b'size: any\nsize: any', "'size' comes twice"),
        (b'a: !!python/object/apply:os.getcwd []', 'cannot be read'),
        (b'[' * 5000, 'cannot be read'),
        (b'a: ' + b'x' * (1 << 20), 'is larger than'),
        (None, 'has no net.yaml beside it'),
    ],
)
def test_what_is_no_card_is_refused(content, named, tmp_path):
    text = write(tmp_path, 'onnx')
    (tmp_path / 'net.yaml').unlink()
    if content is not None:
        (tmp_path / 'net.yaml').write_bytes(content)
    with pytest.raises(ModelError) as raised:
        check(parse(text), Role.SEGMENTATION)
    assert named in str(raised.value) and len(str(raised.value)) < 500


@pytest.mark.parametrize('family', ['onnx', 'torchscript'])
def test_a_file_that_is_no_network_is_refused(family, tmp_path):
    text = write(tmp_path, family)
    path = parse(text).file
    whole = path.read_bytes()
    for content in (b'', b'garbage', whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(ModelError) as raised:
            load_segmentation(text)
        assert str(path) in str(raised.value) and '\n' not in str(raised.value)
    path.unlink()
    with pytest.raises(ModelError, match='does not exist'):
        check(parse(text), Role.SEGMENTATION)


@pytest.mark.parametrize(
    'changes, network, named',
    [
        ({'size': [32, 64]}, {}, 'its card says NCHW of size (32, 64)'),
        ({'size': 'any'}, {}, 'its card says NCHW of size any'),
        ({}, {'layout': 'NHWC'}, 'its card says NCHW'),
        ({'layout': 'NHWC'}, {}, 'its card says NHWC'),
        ({'name': 'logits'}, {}, "has no output 'logits'. it has ['scores']"),
        ({'classes': NAMES[:3]}, {}, 'gives 4 class scores and names 3 classes'),
        ({}, {'tail': 'labels'}, 'are expected, not labels'),
    ],
)
def test_a_card_of_another_network_is_refused_as_it_loads(changes, network, named, tmp_path):
    text = write(tmp_path, 'onnx', changes, **network)
    with pytest.raises(ModelError) as raised:
        load_segmentation(text)
    assert named in str(raised.value)


def test_a_name_among_outputs_that_have_none_is_refused(tmp_path):
    text = write(tmp_path, 'torchscript', {'name': 'main'}, form='tuple')
    with pytest.raises(ModelError, match="gives 2 outputs without names; its YAML names 'main'"):
        load_segmentation(text)


def test_a_network_with_nan_is_refused_as_it_loads(tmp_path):
    text = write(tmp_path, 'onnx')
    model = onnx.load(tmp_path / 'net.onnx')
    model.graph.initializer[1].CopyFrom(
        numpy_helper.from_array(np.full(4, np.nan, np.float32), 'b')
    )
    onnx.save(model, tmp_path / 'net.onnx')
    with pytest.raises(ModelError, match='not finite or all the same'):
        load_segmentation(text)


def test_arithmetic_that_onnx_does_not_take_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="parameter 'dtype' is 'bfloat16'"):
        load_segmentation(write(tmp_path, 'onnx'), dtype='bfloat16')


def test_a_gpu_that_onnxruntime_cannot_use_is_refused(tmp_path, monkeypatch):
    import onnxruntime

    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: ['CPUExecutionProvider'])
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 1)
    text = write(tmp_path, 'onnx')
    with pytest.raises(ConfigurationError, match='pip install onnxruntime-gpu'):
        load_segmentation(text, device='cuda:0')
    # Left to itself it takes what there is.
    assert load_segmentation(text, device='auto') is not None


def test_a_gpu_that_onnxruntime_has_is_asked_for_by_its_number(monkeypatch):
    import onnxruntime

    from vlm_misalign_ros.core.models.exported import _providers

    both = ['CUDAExecutionProvider', 'CPUExecutionProvider']
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: both)
    for device, number in (('auto', '0'), ('cuda', '0'), ('cuda:1', '1')):
        assert _providers(device) == [(both[0], {'device_id': number}), both[1]]
    assert _providers('cpu') == both[1:]


@pytest.mark.parametrize('family', ['onnx', 'torchscript'])
def test_it_describes_nothing(family, tmp_path):
    text = write(tmp_path, family)
    with pytest.raises(ModelError, match='which only segments'):
        check(parse(text), Role.VLM)


@pytest.mark.parametrize('lacking', ['onnx', 'onnxruntime'])
def test_a_package_that_is_missing_is_named_with_its_command(lacking, tmp_path, monkeypatch):
    text = write(tmp_path, 'onnx')
    plain = importlib.util.find_spec
    imported = builtins.__import__

    def refuse(name, *given, **named):
        if name.partition('.')[0] == lacking:
            raise ModuleNotFoundError(name)
        return imported(name, *given, **named)

    monkeypatch.setattr(
        'vlm_misalign_ros.core.models.families.exported.find_spec',
        lambda name: None if name == lacking else plain(name),
    )
    monkeypatch.setattr(builtins, '__import__', refuse)
    with pytest.raises(ModelError) as raised:
        check(parse(text), Role.SEGMENTATION)
    assert f'needs {lacking}, which is not installed. pip install onnx' in str(raised.value)
    (tmp_path / 'script').mkdir()
    check(parse(write(tmp_path / 'script', 'torchscript')), Role.SEGMENTATION)


# The hash ---------------------------------------------------------------------------------------


def flip(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize('changed', ['net.onnx', 'net.yaml', 'net.onnx.data'])
def test_the_hash_covers_every_file_that_counts(changed, tmp_path, picture):
    text = write(tmp_path, 'onnx', external=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        'net.onnx', 'net.onnx.data', 'net.yaml',
    ]  # fmt: skip
    assert equal(load_segmentation(text).segment(picture), wanted(picture))
    before = local_hash(parse(text))
    assert len(before) == 64
    other = tmp_path / 'copy'
    other.mkdir()
    for path in tmp_path.glob('net.*'):
        shutil.copy(path, other)
    # Where it lies is no part of it, nor is what lies beside it.
    (other / 'notes.txt').write_text('mine')
    assert local_hash(parse(f'onnx:{other / "net.onnx"}')) == before
    if changed == 'net.yaml':
        (tmp_path / changed).write_text((tmp_path / changed).read_text() + '\nscale: 1.0\n')
    elif changed == 'net.onnx':
        model = onnx.load(tmp_path / changed, load_external_data=False)
        model.producer_version = '2'
        onnx.save(model, tmp_path / changed)
    else:
        flip(tmp_path / changed)
    assert local_hash(parse(text)) != before


def test_weights_that_are_not_there_are_named(tmp_path):
    text = write(tmp_path, 'onnx', external=True)
    (tmp_path / 'net.onnx.data').unlink()
    with pytest.raises(
        ModelError, match=r"keeps weights in 'net\.onnx\.data', which is not there"
    ):
        check(parse(text), Role.SEGMENTATION)


@pytest.mark.parametrize('way', ['parent', 'absolute', 'link'])
def test_weights_outside_the_folder_are_refused(way, tmp_path):
    (tmp_path / 'in').mkdir()
    text = write(tmp_path / 'in', 'onnx', external=True)
    data = tmp_path / 'in' / 'net.onnx.data'
    outside = tmp_path / 'secret'
    data.rename(outside)
    if way == 'link':
        data.symlink_to(outside)
    else:
        model = onnx.load(tmp_path / 'in' / 'net.onnx', load_external_data=False)
        for tensor in model.graph.initializer:
            for entry in tensor.external_data:
                if entry.key == 'location':
                    entry.value = '../secret' if way == 'parent' else str(outside)
        (tmp_path / 'in' / 'net.onnx').write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match='lies outside its folder'):
        check(parse(text), Role.SEGMENTATION)


def test_external_data_of_constants_and_of_graphs_within_are_seen(tmp_path):
    """Of an If within a graph: not among the initializers of the outer one."""
    text = write(tmp_path, 'onnx')
    model = onnx.load(tmp_path / 'net.onnx')
    tensor = numpy_helper.from_array(np.zeros(4, np.float32), 'c')
    onnx.external_data_helper.set_external_data(tensor, 'hidden.bin')
    tensor.ClearField('raw_data')
    tensor.data_location = TensorProto.EXTERNAL
    inner = helper.make_graph(
        [helper.make_node('Constant', [], ['c'], value=tensor)],
        'inner',
        [],
        [helper.make_tensor_value_info('c', TensorProto.FLOAT, [4])],
    )
    model.graph.node.append(
        helper.make_node('If', ['never'], ['d'], then_branch=inner, else_branch=inner)
    )
    (tmp_path / 'net.onnx').write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match=r"'hidden\.bin', which is not there"):
        check(parse(text), Role.SEGMENTATION)
