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

"""A model that cannot be loaded: one line with the cause, and what helps against that cause."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
import transformers as tf
from safetensors.torch import load_file, save_file
from tiny import contrasts, llavas, qwens
from tiny.matrix import make

from vlm_misalign_ros.core.errors import ConfigurationError, ModelError
from vlm_misalign_ros.core.models.factory import load_vlm
from vlm_misalign_ros.core.models.load_faults import explained, missing_package

pytestmark = pytest.mark.heavy
WEIGHTS = 'model.safetensors'


@pytest.fixture(scope='module')
def llava(tmp_path_factory):
    return make(llavas.llava, tmp_path_factory.mktemp('llava') / 'llava')


@pytest.fixture(scope='module')
def siglip(tmp_path_factory):
    return make(contrasts.hf_siglip, tmp_path_factory.mktemp('siglip') / 'siglip')


@pytest.fixture
def spoilt(llava, tmp_path):
    return shutil.copytree(llava, tmp_path / 'spoilt')


def fault_of(text, **options):
    with pytest.raises((ModelError, ConfigurationError)) as caught:
        load_vlm(text, max_new_tokens=2, **options)
    assert '\n' not in str(caught.value) and len(str(caught.value)) < 1500
    return caught.value


@pytest.mark.parametrize(
    'error, cause, remedy',
    [
        (torch.OutOfMemoryError('CUDA out of memory. Tried 20 GiB'), 'does not fit', 'bfloat16'),
        (MemoryError(), 'does not fit into the memory', 'quantization_config'),
        (
            RuntimeError('[enforce fail] Error code 12 (Cannot allocate memory)'),
            'does not fit into the memory',
            'device_map',
        ),
        (KeyError('weird'), "KeyError: 'weird'", None),
        (ValueError('some\nlines of\ntext'), 'some lines of text', None),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_loading_raises(llava, monkeypatch, error, cause, remedy):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr(tf.AutoModelForMultimodalLM, 'from_pretrained', fails)
    fault = fault_of(f'transformers:{llava}')
    assert cause in fault.what
    if remedy is None:
        assert fault.remedy == ''
    else:
        assert remedy in fault.remedy


@pytest.mark.parametrize(
    'error, remedy',
    [
        (torch.OutOfMemoryError('CUDA out of memory. Tried 20 GiB'), 'give a smaller model'),
        (ModuleNotFoundError("No module named 'triton'"), 'pip install triton'),
        (RuntimeError('some kernel'), 'the model cannot be used as it is'),
    ],
)
def test_what_the_first_answer_raises(llava, monkeypatch, error, remedy):
    """Weights may fit where an answer does not, and kernels are looked for when they are used."""

    def fails(*_, **__):
        raise error

    monkeypatch.setattr(tf.LlavaForConditionalGeneration, 'generate', fails)
    assert fault_of(f'transformers:{llava}').remedy.startswith(remedy)


def test_a_package_that_smolvlm_needs_is_named_with_its_command(tmp_path, monkeypatch):
    from transformers.models.smolvlm import processing_smolvlm

    folder = make(qwens.smolvlm, tmp_path / 'smolvlm')
    load_vlm(f'transformers:{folder}', max_new_tokens=1)
    monkeypatch.setattr(processing_smolvlm, 'num2words', None)
    fault = fault_of(f'transformers:{folder}')
    assert fault.what.endswith('the package num2words is not installed')
    assert fault.remedy == 'pip install num2words'
    root = Path(__file__).resolve().parents[3]
    if (root / 'setup.py').is_file() and 'SmolVLM' in (root / 'config/evaluate.yaml').read_text():
        assert "'num2words" in (root / 'setup.py').read_text()


@pytest.mark.parametrize(
    'said, package',
    [
        ("No module named 'flash_attn.layers'", 'flash-attn'),
        ("No module named 'google.protobuf'", 'protobuf'),
        ('Package `num2words` is required to run SmolVLM processor.', 'num2words'),
        ('Using `bitsandbytes` needs it: `pip install -U bitsandbytes>=0.46.1`', 'bitsandbytes'),
        ('requires the PyAV library but it was not found', 'PyAV'),
        ('sentencepiece is not installed', 'sentencepiece'),
        ('`tiktoken` is not installed', 'tiktoken'),
        ('num2words has not been installed', 'num2words'),
        (
            'This modeling file requires the following packages that were not found in your '
            'environment: flash_attn, einops. Run `pip install flash_attn einops`',
            'flash-attn',
        ),
        ('It wants a library which is not installed', ''),
        ('Run `pip install git+https://example.org/some/thing`', ''),
        ('cannot import name x from y', ''),
    ],
)
def test_the_package_that_an_import_error_asks_for(said, package):
    assert missing_package(said) == package
    if not package:
        assert explained(ImportError(said)) == (said, '')


def test_files_of_the_processor_and_the_tokenizer(spoilt):
    text = f'transformers:{spoilt}'
    (spoilt / 'tokenizer.json').write_text('{')
    assert f'{spoilt / "tokenizer.json"} cannot be read' in fault_of(text).what
    (spoilt / 'tokenizer.json').unlink()
    (spoilt / 'tokenizer_config.json').unlink()
    assert 'files of its tokenizer' in fault_of(text).remedy
    (spoilt / 'processor_config.json').unlink()
    assert 'files of its processor' in fault_of(text).remedy


def test_weights_that_are_missing_not_finite_or_of_another_shape(llava, siglip, tmp_path):
    for number, (source, form) in enumerate(
        ((llava, 'transformers:'), (siglip, 'transformers-clip:'))
    ):
        folder = shutil.copytree(source, tmp_path / str(number))
        whole = load_file(folder / WEIGHTS)
        key = next(name for name in whole if name.endswith('k_proj.weight'))
        # The library has other names for some parts than its files.
        part = key[key.index('layers') :]

        def fault(changed, folder=folder, form=form):
            save_file(changed, folder / WEIGHTS, metadata={'format': 'pt'})
            return fault_of(f'{form}{folder}').what

        without = {name: value for name, value in whole.items() if name != key}
        assert re.search(rf'lack 1 weight \([\w.]*{part}\)', fault(without))
        nothing = {**whole, key: torch.full_like(whole[key], float('nan'))}
        assert re.search(rf'not finite in 1 weight \([\w.]*{part}\)', fault(nothing))
        assert 'another shape than its configuration' in fault(
            {**whole, key: whole[key][:4].clone()}
        )


@pytest.mark.parametrize(
    'change, cause, remedy',
    [
        ({'model_type': 'newest_vl'}, 'does not recognize', 'pip install -U transformers'),
        (
            {'model_type': 'newest_vl', 'auto_map': {'AutoConfig': 'conf.C'}},
            'custom code',
            'trust_remote_code: true',
        ),
        ({'model_type': None}, 'model_type', 'check its config.json'),
    ],
)
def test_a_configuration_of_another_kind(spoilt, change, cause, remedy):
    path = spoilt / 'config.json'
    config = {**json.loads(path.read_text()), **change}
    path.write_text(json.dumps({name: value for name, value in config.items() if value}))
    fault = fault_of(f'transformers:{spoilt}')
    assert cause in fault.what and remedy in fault.remedy


def test_a_chat_template_that_is_none(spoilt):
    for text, cause in (
        ('{% for x in %}', 'Expected an expression'),
        ('hello', 'are not in what'),
    ):
        (spoilt / 'chat_template.jinja').write_text(text)
        fault = fault_of(f'transformers:{spoilt}')
        assert 'the chat template of model' in fault.what and cause in fault.what


def test_a_template_that_takes_text_alone_is_served(spoilt, llava):
    """Older templates put the content of a message together as text."""
    (spoilt / 'chat_template.jinja').write_text(
        "{{ bos_token }}{% for m in messages %}{{ m['role'] + ': ' + m['content'] }}{% endfor %}"
    )
    model = load_vlm(f'transformers:{spoilt}', max_new_tokens=3).model
    assert model._asker.text('is it safe ?', 'be careful') == (
        '<s>system: be carefuluser: <image>\nis it safe ?'
    )
    from tiny.matrix import rgb, scene

    ids = model._inputs([rgb(scene())], 'is it safe ?')['input_ids'][0]
    assert int((ids == 1).sum()) == 1
    assert int((ids == model._asker.tokenizer.image_token_id).sum()) == 16


def test_the_other_family_is_named(llava, siglip):
    assert f'transformers-clip:{siglip}' in fault_of(f'transformers:{siglip}').remedy
    assert 'transformers:NAME_OR_DIRECTORY' in fault_of(f'transformers-clip:{llava}').remedy
