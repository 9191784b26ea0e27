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

"""What a configuration passes on to the libraries: taken, checked, or refused by name."""

import shutil

import numpy as np
import pytest
import torch
import transformers as tf
from safetensors.torch import load_file, save_file
from tiny import contrasts, llavas, qwens
from tiny.matrix import make, rgb, scene

from vlm_misalign_ros.core.errors import ConfigurationError, ModelError
from vlm_misalign_ros.core.models.factory import load_vlm
from vlm_misalign_ros.core.models.library_options import (
    generation_options,
    mapping_of,
    model_options,
    processor_options,
)
from vlm_misalign_ros.core.settings.nodes import VlmParameters
from vlm_misalign_ros.core.settings.parameters import build


@pytest.mark.parametrize(
    'value, expected',
    [
        ({}, {}),
        ('', {}),
        ('  ', {}),
        ('{"num_beams": 3}', {'num_beams': 3}),
        ({'length_penalty': 1, 'use_cache': True}, {'length_penalty': 1.0, 'use_cache': True}),
    ],
)  # fmt: skip
def test_a_mapping_is_given_as_one_or_as_json(value, expected):
    assert generation_options(value) == expected
    text = build(VlmParameters, {'generation_kwargs': value}, 'vlms.m').generation_kwargs
    assert isinstance(text, str) and generation_options(text) == expected


@pytest.mark.parametrize(
    'read, value, words',
    [
        (model_options, {'trust_remote_code': True}, "'trust_remote_code' in model_kwargs.*code"),
        (processor_options, {'trust_remote_code': True}, 'run code of its own'),
        (model_options, {'token': 'hf_x'}, 'hf auth login'),
        (model_options, {'dtype': 'float16'}, 'a parameter dtype'),
        (model_options, {'use_safetensors': False}, 'safetensors are preferred'),
        (model_options, {'attn_implementation': 'someone/kernels'}, 'run code of its own'),
        (model_options, {'device_mapp': 'auto'}, "no 'device_mapp'.*known: attn_impl"),
        (model_options, {'device_map': 3}, "'device_map'.*str or mapping"),
        (generation_options, {'do_sample': True}, 'differ from run to run'),
        (generation_options, {'temperature': 0.7}, 'differ from run to run'),
        (generation_options, {'custom_generate': 'x/y'}, 'run code'),
        (generation_options, {'max_new_tokens': 5}, 'a parameter max_new_tokens'),
        (generation_options, {'num_beams': True}, "'num_beams'.*type int"),
        (generation_options, {'num_beams': 0}, "'num_beams'.*from 1"),
        (generation_options, {'early_stopping': 1}, 'type bool'),
        (generation_options, '[1]', 'give a mapping'),
        (generation_options, '{', 'no JSON'),
        (generation_options, {1: 2}, 'give a mapping'),
        (generation_options, '{"a": NaN}', 'JSON'),
        (generation_options, ' ' * 20_001 + '{}', 'at most 20000'),
        (processor_options, {'batch_size': 4}, 'one frame at a time'),
        (processor_options, {'size': float('inf')}, 'JSON'),
    ],
)
def test_what_is_refused_is_named(read, value, words):
    with pytest.raises(ConfigurationError, match=words):
        read(value)


def test_a_parameter_says_where_a_mapping_is_wrong():
    with pytest.raises(ConfigurationError, match="'do_sample' in generation_kwargs"):
        build(VlmParameters, {'generation_kwargs': {'do_sample': True}}, 'vlms.m')
    assert mapping_of({'b': [1, {'c': None}]}, 'x') == {'b': [1, {'c': None}]}


@pytest.fixture(scope='module')
def llava(tmp_path_factory):
    return make(llavas.llava, tmp_path_factory.mktemp('llava') / 'llava')


def reference(folder, words, **options):
    processor = tf.AutoProcessor.from_pretrained(folder)
    model = tf.AutoModelForMultimodalLM.from_pretrained(folder).eval()
    asked = {'role': 'user', 'content': [{'type': 'image', 'image': rgb(scene())},
                                         {'type': 'text', 'text': words}]}  # fmt: skip
    inputs = processor.apply_chat_template(
        [asked], tokenize=True, return_dict=True, return_tensors='pt', add_generation_prompt=True
    )
    with torch.inference_mode():
        tokens = model.generate(**inputs, max_new_tokens=10, do_sample=False, **options)[0]
    length = inputs['input_ids'].shape[1]
    return processor, model, inputs, tokens, processor.decode(
        tokens[length:], skip_special_tokens=True
    )  # fmt: skip


@pytest.mark.heavy
@pytest.mark.parametrize(
    'options', [{'num_beams': 3}, {'repetition_penalty': 5.0}, {'no_repeat_ngram_size': 1}]
)
def test_options_of_generate_reach_it(llava, options):
    model = load_vlm(
        f'transformers:{llava}',
        max_new_tokens=10,
        field_of_view='native',
        generation_kwargs=options,
    )
    words = model.model._prompt.text
    assert model.describe(scene()).text == reference(llava, words, **options)[-1].strip()
    assert model.model._yes_no is not None


@pytest.mark.heavy
def test_along_beams_the_likelihoods_are_those_of_the_tokens_that_were_said(llava):
    """The network, given the answer as a whole, has the same at each of its tokens."""
    model = load_vlm(
        f'transformers:{llava}',
        max_new_tokens=10,
        field_of_view='native',
        generation_kwargs={'num_beams': 4, 'length_penalty': 0.5},
    ).model
    words = model._prompt.text
    inputs = model._inputs([rgb(scene())], words)
    with torch.inference_mode():
        tokens, chances = model._decoder.answer(inputs, 10)
        given = {
            **inputs,
            'input_ids': tokens[None],
            'attention_mask': torch.ones_like(tokens)[None],
        }
        rows = model._model(**given).logits[0].float().log_softmax(-1)  # fmt: skip
    length = inputs['input_ids'].shape[1]
    new = tokens[length:]
    forced = [float(rows[length + k - 1, token]) for k, token in enumerate(new)]
    said = [float(chances[k, token]) for k, token in enumerate(new)]
    assert said == pytest.approx(forced, abs=1e-4)


@pytest.mark.heavy
def test_options_of_the_network_reach_it(llava):
    model = load_vlm(
        f'transformers:{llava}',
        max_new_tokens=1,
        dtype='auto',
        model_kwargs='{"attn_implementation": "eager"}',
    ).model
    assert model._model.config._attn_implementation == 'eager'
    assert model._dtype == torch.float32


@pytest.mark.heavy
@pytest.mark.parametrize(
    'options',
    [
        {'device_map': 'auto'},
        {
            'device_map': {
                'model.vision_tower': 'cpu',
                'model.multi_modal_projector': 'cpu',
                'model.language_model': 'disk',
                'lm_head': 'cpu',
            }
        },
        {'device_map': 'auto', 'max_memory': {'cpu': '60KB'}},
    ],
    ids=['here', 'a part on disk', 'all on disk'],
)
def test_weights_that_lie_elsewhere_give_the_same_answer(llava, tmp_path, options):
    """What does not fit is fetched layer by layer; its values are checked all the same."""
    own = load_vlm(f'transformers:{llava}', max_new_tokens=8).describe(scene())
    if len(options) > 1 or not isinstance(options['device_map'], str):
        options = {**options, 'offload_folder': str(tmp_path / 'off')}
    model = load_vlm(f'transformers:{llava}', max_new_tokens=8, model_kwargs=options)
    assert any(value.is_meta for value in model.model._model.parameters()) is (len(options) > 1)
    answer = model.describe(scene())
    assert (answer.text, answer.judgement_score) == (own.text, own.judgement_score)
    folder = shutil.copytree(llava, tmp_path / 'spoilt')
    whole = load_file(folder / 'model.safetensors')
    key = next(name for name in whole if name.endswith('layers.1.mlp.up_proj.weight'))
    for value, words in ((float('nan'), 'not finite in 1 weight'), (None, 'lack 1 weight')):
        spoilt = {name: entry for name, entry in whole.items() if name != key}
        if value is not None:
            spoilt[key] = torch.full_like(whole[key], value)
        save_file(spoilt, folder / 'model.safetensors', metadata={'format': 'pt'})
        with pytest.raises(ModelError, match=words):
            load_vlm(f'transformers:{folder}', max_new_tokens=8, model_kwargs=options)


@pytest.mark.heavy
@pytest.mark.parametrize('form', ['transformers', 'transformers-clip'])
def test_a_folder_has_no_revision(llava, form):
    with pytest.raises(ConfigurationError, match='is a folder, which has no revision'):
        load_vlm(f'{form}:{llava}', model_kwargs={'revision': 'abc'})


@pytest.mark.heavy
def test_dtype_auto_is_that_of_the_weights(llava, tmp_path):
    network = tf.AutoModelForMultimodalLM.from_pretrained(llava, dtype=torch.bfloat16)
    network.save_pretrained(tmp_path)
    tf.AutoProcessor.from_pretrained(llava).save_pretrained(tmp_path)
    for dtype, expected in (('auto', torch.bfloat16), ('float32', torch.float32)):
        model = load_vlm(f'transformers:{tmp_path}', max_new_tokens=1, dtype=dtype).model
        assert model._dtype == expected and model._model.dtype == expected


@pytest.mark.heavy
def test_settings_of_the_processor_reach_it(tmp_path):
    folder = make(qwens.qwen2_vl, tmp_path / 'qwen')
    sizes = {}
    for pixels in (28 * 28 * 4, 28 * 28 * 16):
        model = load_vlm(
            f'transformers:{folder}',
            max_new_tokens=1,
            processor_kwargs={'min_pixels': 28 * 28 * 4, 'max_pixels': pixels},
        ).model
        grid = model._inputs([rgb(scene())], 'x')['image_grid_thw'][0].tolist()
        sizes[pixels] = np.prod(grid) // 4
    # By hand: patches of 14 x 14, four of them merged: one for each 28 x 28 pixels at most.
    assert sizes[28 * 28 * 4] <= 4 < sizes[28 * 28 * 16] <= 16
    with pytest.raises(ConfigurationError, match="no setting 'min_pixel'.*min_pixels"):
        load_vlm(f'transformers:{folder}', processor_kwargs={'min_pixel': 3})
    with pytest.raises(ModelError):
        load_vlm(f'transformers:{folder}', processor_kwargs={'size': 'big'})


@pytest.mark.heavy
def test_a_family_refuses_what_it_has_no_use_for(checkpoints, tmp_path):
    with pytest.raises(ConfigurationError, match="'open_clip' take no processor_kwargs"):
        load_vlm(f'open_clip:local-dir:{checkpoints["clip"]}', processor_kwargs={'size': 3})
    for text in ('openai:m', 'mask_reader'):
        with pytest.raises(ConfigurationError, match='take no model_kwargs'):
            load_vlm(text, base_url='http://127.0.0.1:9/v1', model_kwargs={'revision': 'x'})
    folder = make(contrasts.hf_siglip, tmp_path / 'siglip')
    with pytest.raises(ConfigurationError, match='take no generation_kwargs'):
        load_vlm(f'transformers-clip:{folder}', generation_kwargs={'num_beams': 2})
    wide = {'height': 32, 'width': 64}
    assert load_vlm(f'transformers-clip:{folder}', model_kwargs={'attn_implementation': 'eager'})
    with pytest.raises(ModelError, match='trial'):
        # A picture that the network was not made for.
        load_vlm(f'transformers-clip:{folder}', processor_kwargs={'size': wide})
