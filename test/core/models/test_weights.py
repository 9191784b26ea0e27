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

"""Checkpoints that are spoiled: each is refused by name, or does not matter and is used."""

import json
import logging
import re
import shutil

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file

from vlm_misalign_ros.core.errors import ModelError
from vlm_misalign_ros.core.models.factory import check, load_segmentation, load_vlm, parse
from vlm_misalign_ros.core.models.weights import check_values, keys_of, named, poison
from vlm_misalign_ros.core.types import Role

pytestmark = pytest.mark.heavy

WEIGHTS = {
    'segformer': 'model.safetensors',
    'llava': 'model.safetensors',
    'captioner': 'model.safetensors',
    'clip': 'open_clip_model.safetensors',
}
EACH = pytest.mark.parametrize('name', WEIGHTS)


def text_of(folder, name):
    return ('open_clip:local-dir:' if name == 'clip' else 'transformers:') + str(folder)


def load(folder, name):
    if name == 'segformer':
        return load_segmentation(text_of(folder, name), input_height=64)
    return load_vlm(text_of(folder, name), max_new_tokens=4)


def check_only(folder, name):
    check(parse(text_of(folder, name)), Role.SEGMENTATION if name == 'segformer' else Role.VLM)


@pytest.fixture
def copied(checkpoints, tmp_path):
    """Return a function that copies a checkpoint and changes its weights."""

    def make(name, change=lambda state: None):
        folder = shutil.copytree(checkpoints[name], tmp_path / name, dirs_exist_ok=True)
        path = folder / WEIGHTS[name]
        state = load_file(path)
        change(state)
        save_file(state, path, metadata={'format': 'pt'})
        return folder

    return make


def floating(state):
    return [key for key, value in state.items() if value.is_floating_point() and value.ndim > 1]


# Files ---------------------------------------------------------------------------------------


@EACH
@pytest.mark.parametrize(
    'spoil, words',
    [
        (lambda data: b'', 'is empty'),
        (lambda data: data[: len(data) // 2], 'damaged or cut off'),
        (lambda data: data[:-1], 'damaged or cut off'),
        (lambda data: data[:7], 'damaged or cut off'),
        (lambda data: b'\xff' * 4096, 'damaged or cut off'),
        (lambda data: b'version https://git-lfs.github.com/spec/v1\noid sha256:0', 'Git LFS'),
    ],
)
def test_a_file_of_weights_that_is_none_is_refused_before_it_is_loaded(copied, name, spoil, words):
    folder = copied(name)
    path = folder / WEIGHTS[name]
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(ModelError, match=f'{WEIGHTS[name]}.*{words}'):
        check_only(folder, name)


def sharded(folder):
    """Cut the weights of a checkpoint into two files with an index."""
    whole = folder / 'model.safetensors'
    state = load_file(whole)
    keys = sorted(state)
    places = {key: f'model-0000{1 + k % 2}-of-00002.safetensors' for k, key in enumerate(keys)}
    for shard in set(places.values()):
        part = {key: state[key] for key in keys if places[key] == shard}
        save_file(part, folder / shard, metadata={'format': 'pt'})
    whole.unlink()
    (folder / 'model.safetensors.index.json').write_text(
        json.dumps({'metadata': {}, 'weight_map': places})
    )
    return folder


def test_a_checkpoint_in_shards_opens_and_one_that_lacks_a_shard_is_refused(copied):
    folder = sharded(copied('segformer'))
    picture = np.random.default_rng(0).integers(0, 256, (64, 128, 3), np.uint8)
    assert load(folder, 'segformer').segment(picture).labels.shape == (64, 128)
    (folder / 'model-00002-of-00002.safetensors').unlink()
    with pytest.raises(ModelError, match='1 of 2 files that are not there: model-00002-of-00002'):
        check_only(folder, 'segformer')
    (folder / 'model.safetensors.index.json').write_text('[]')
    with pytest.raises(ModelError, match=r'index\.json is no index of weights'):
        check_only(folder, 'segformer')


def as_pickle(folder):
    """Turn a checkpoint's safetensors into a pickle."""
    whole = folder / 'model.safetensors'
    torch.save(load_file(whole), folder / 'pytorch_model.bin')
    whole.unlink()
    return folder / 'pytorch_model.bin'


def test_a_pickle_of_tensors_opens_and_a_cut_one_is_refused(copied):
    folder = copied('segformer')
    path = as_pickle(folder)
    load(folder, 'segformer')
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelError, match=r'pytorch_model\.bin is cut off after \d+ bytes'):
        check_only(folder, 'segformer')


def test_what_lies_beside_the_weights_that_are_taken_does_not_matter(copied):
    """Folders of a hub hold the weights of every format, or what is left of them."""
    folder = copied('segformer')
    (folder / 'pytorch_model.bin').write_bytes(b'version https://git-lfs.github.com/spec/v1')
    index = {'weight_map': {'a': 'pytorch_model-00001-of-00009.bin'}}
    (folder / 'pytorch_model.bin.index.json').write_text(json.dumps(index))
    load(folder, 'segformer')
    folder = copied('clip')
    (folder / 'open_clip_pytorch_model.bin').write_bytes(b'')
    load(folder, 'clip')


def test_a_checkpoint_in_numbers_that_need_another_library_is_refused(copied):
    folder = copied('segformer')
    path = folder / 'config.json'
    config = json.loads(path.read_text())
    config['quantization_config'] = {'quant_method': 'bitsandbytes', 'load_in_8bit': True}
    path.write_text(json.dumps(config))
    with pytest.raises(ModelError, match='cannot be loaded: .*(bitsandbytes|accelerate)'):
        load(folder, 'segformer')


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), 'w')


@pytest.mark.parametrize('name, file', [('segformer', 'pytorch_model.bin'), ('clip', 'x.bin')])
def test_a_pickle_that_runs_code_is_refused_and_runs_none(copied, tmp_path, name, file):
    folder = copied(name)
    (folder / WEIGHTS[name]).unlink()
    torch.save({'weight': Touch(tmp_path / 'ran')}, folder / file)
    with pytest.raises(ModelError, match='cannot be loaded'):
        load(folder, name)
    assert not (tmp_path / 'ran').exists()


# Keys ----------------------------------------------------------------------------------------


@EACH
def test_weights_that_an_answer_needs_and_the_file_lacks_are_refused_by_name(copied, name):
    taken = []

    def drop(state):
        for key in sorted(floating(state))[:6]:
            taken.append(key)
            del state[key]

    folder = copied(name, drop)
    with pytest.raises(ModelError) as caught:
        load(folder, name)
    message = str(caught.value)
    assert str(folder) in message
    if name == 'clip':
        assert 'Missing key(s)' in message and taken[0] in message
    else:
        # BLIP's captioner ties one bias to another, and lacks both.
        count = 7 if name == 'captioner' else 6
        assert f'{count} weights' in message and f'and {count - 4} more' in message
        assert 'they would be random' in message
        assert sum(key.rpartition('.')[2] in message for key in taken) >= 1


@pytest.mark.parametrize('name', ['segformer', 'llava', 'captioner'])
def test_one_weight_less_is_refused_wherever_it_lies(copied, name, tmp_path):
    """Each tensor of the first and the last quarter in turn; what does not matter is told."""
    whole = load_file(copied(name) / WEIGHTS[name])
    keys = sorted(whole)
    for key in keys[:: max(1, len(keys) // 6)]:
        folder = copied(name, lambda state, key=key: state.pop(key))
        try:
            load(folder, name)
        except ModelError as error:
            assert re.search(r'lack (1 weight|2 weights) \(.*random', str(error)), key
        else:
            assert unused(name, key), key
        shutil.rmtree(folder)


def unused(name, key):
    """Return whether no answer depends on a weight, by what the architectures do with it."""
    return {
        # CLIP's pooled output is not what LLaVA takes; BLIP's captioner keeps a pooler too. A
        # bias of the keys adds the same to every score of a query, which its softmax forgets.
        'llava': 'post_layernorm' in key,
        'captioner': 'pooler' in key or 'position_ids' in key or key.endswith('key.bias'),
        'segformer': 'num_batches_tracked' in key or key.endswith('key.bias'),
    }[name]


def test_weights_that_no_answer_depends_on_may_be_missing_and_are_named(copied, caplog):
    """CLIP's last norm works on the pooled output, which LLaVA does not use."""
    whole = load_file(copied('llava') / WEIGHTS['llava'])
    (norm,) = [key for key in whole if key.endswith('post_layernorm.weight')]
    folder = copied('llava', lambda state: state.pop(norm))
    with caplog.at_level(logging.WARNING):
        model = load(folder, 'llava')
    assert any('lack 1 weight' in line and 'post_layernorm' in line for line in caplog.messages)
    # What is missing is NaN, never random: if it mattered after all, no answer would come of it.
    state = model.model._model.state_dict()
    poisoned = [key for key in state if key.endswith('post_layernorm.weight')]
    assert poisoned and all(state[key].isnan().all() for key in poisoned)


def test_tied_weights_are_not_missing(tmp_path, checkpoints):
    from transformers import AutoModelForImageTextToText

    folder = shutil.copytree(checkpoints['llava'], tmp_path / 'tied')
    config = json.loads((folder / 'config.json').read_text())
    config['tie_word_embeddings'] = config['text_config']['tie_word_embeddings'] = True
    (folder / 'config.json').write_text(json.dumps(config))
    model = AutoModelForImageTextToText.from_pretrained(folder)
    model.tie_weights()
    model.save_pretrained(folder)
    assert not any('lm_head' in key for key in keys_of(folder / 'model.safetensors'))
    assert load(folder, 'llava').model.unfilled == frozenset()


def test_weights_of_another_shape_are_refused_with_both_shapes(copied):
    def change(state):
        state['decode_head.classifier.weight'] = torch.zeros(7, 48, 1, 1)

    folder = copied('segformer', change)
    with pytest.raises(ModelError, match=r'1 weight \(decode_head.classifier.weight\)') as caught:
        load(folder, 'segformer')
    assert '(7, 48, 1, 1)' in str(caught.value) and '(19, 48, 1, 1)' in str(caught.value)


def test_weights_that_nobody_uses_are_named_and_do_no_harm(copied, caplog):
    folder = copied('segformer', lambda state: state.update({'auxiliary.weight': torch.ones(3)}))
    with caplog.at_level(logging.WARNING):
        load(folder, 'segformer')
    assert any('1 weight (auxiliary.weight) that it does not use' in m for m in caplog.messages)


def test_a_sigmoid_model_without_its_bias_is_refused(copied):
    folder = copied('clip')
    path = folder / 'open_clip_config.json'
    config = json.loads(path.read_text())
    config['model_cfg'].update(init_logit_bias=-10.0)
    path.write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r'lack 1 weight \(logit_bias\)'):
        load(folder, 'clip')


def test_an_open_clip_folder_whose_weights_it_cannot_find_is_refused(copied):
    """open_clip finds no .pt in a folder; without its own check it would go on at random."""
    folder = copied('clip')
    torch.save(load_file(folder / WEIGHTS['clip']), folder / 'model.pt')
    (folder / WEIGHTS['clip']).unlink()
    with pytest.raises(ModelError, match='cannot be loaded'):
        load(folder, 'clip')


# Values --------------------------------------------------------------------------------------


@EACH
@pytest.mark.parametrize('value', [float('nan'), float('inf'), float('-inf')])
def test_a_weight_that_is_not_finite_is_refused_by_name(copied, name, value):
    spoiled = []

    def spoil(state):
        key = sorted(floating(state))[-1]
        state[key].view(-1)[-1] = value
        spoiled.append(key)

    folder = copied(name, spoil)
    with pytest.raises(ModelError, match='not finite in 1 weight') as caught:
        load(folder, name)
    assert spoiled[0].rpartition('.')[0].rpartition('.')[2] in str(caught.value)


@EACH
def test_weights_of_zero_only_are_refused(copied, name):
    folder = copied(name, lambda state: [value.zero_() for value in state.values()])
    with pytest.raises(ModelError, match='weights of zero only'):
        load(folder, name)


def test_a_head_of_zeros_tells_no_class_from_another(copied):
    def zero(state):
        state['decode_head.classifier.weight'].zero_()
        state['decode_head.classifier.bias'].zero_()

    with pytest.raises(ModelError, match='all the same.*trial on a grey picture'):
        load(copied('segformer', zero), 'segformer')


def test_a_head_of_zeros_tells_no_word_from_another(copied):
    with pytest.raises(ModelError, match='the next word.*all the same'):
        load(
            copied(
                'llava',
                lambda state: [
                    state[key].zero_() for key in state if key.endswith('lm_head.weight')
                ],
            ),
            'llava',
        )


def test_a_tower_of_no_direction_is_refused(copied):
    with pytest.raises(ModelError, match='embeds the picture with a length of 0.0, not 1'):
        load(copied('clip', lambda state: state['visual.proj'].zero_()), 'clip')
    with pytest.raises(ModelError, match='embeds .* with a length of nan, not 1'):
        load(copied('clip', lambda state: state['text_projection'].zero_()), 'clip')


def test_what_half_precision_cannot_hold_is_refused_with_the_remedy(copied):
    def spoil(state):
        state['decode_head.classifier.weight'].view(-1)[0] = 1e6

    folder = copied('segformer', spoil)
    load(folder, 'segformer')
    with pytest.raises(ModelError, match='not finite.*give bfloat16 or float32'):
        load_segmentation(text_of(folder, 'segformer'), dtype='float16', input_height=64)


def test_values_of_a_module_by_hand():
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    check_values('m', model)
    model.register_buffer('mask', torch.full((2, 2), float('-inf')))
    check_values('m', model)
    model[1].running_var[1] = float('nan')
    with pytest.raises(ModelError, match=r'1 weight \(1.running_var\)'):
        check_values('m', model)
    check_values('m', model, {'1.running_var'})
    with torch.device('meta'):
        model[0] = torch.nn.Linear(3, 2)
    with pytest.raises(ModelError, match=r'2 weights \(0.bias, 0.weight\) on the meta device'):
        check_values('m', model, {'1.running_var'})


def test_poison_fills_what_is_missing_and_nothing_else():
    model = torch.nn.Sequential(
        torch.nn.Linear(2, 2), torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2)
    )
    model[1].weight = model[0].weight
    found = poison(model, {'0.bias', '1.weight', '2.num_batches_tracked', 'of nobody'})
    assert found == {'0.bias'}
    assert model[0].bias.isnan().all() and model[0].weight.isfinite().all()
    assert model[2].num_batches_tracked == 0


@pytest.mark.parametrize(
    'count, text',
    [
        (1, '1 weight (k0)'),
        (4, '4 weights (k0, k1, k2, k3)'),
        (6, '6 weights (k0, k1, k2, k3 and 2 more)'),
    ],
)
def test_names_of_weights_are_bounded(count, text):
    assert named({f'k{place}' for place in range(count)}) == text


def test_open_clip_itself_refuses_what_it_should(copied):
    """The refusal of missing keys rests on open_clip's strict loading."""
    folder = copied('clip', lambda state: state.pop('visual.conv1.weight'))
    with pytest.raises(RuntimeError, match='Missing key'):
        open_clip.create_model_from_pretrained(f'local-dir:{folder}')
