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

"""
Tiny untrained contrastive checkpoints of many families, in the formats that they have on disk.

Those of open_clip have its configuration, with text towers of a few layers; the picture towers are
the classes of timm that the published models have, made small where they are large.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import open_clip
import timm
import torch
import transformers as tf
from safetensors.torch import save_file
from timm.models import register_model

from tiny.llavas import SIZE, VISION
from tiny.words import words

_IMAGENET = {'mean': [0.5, 0.5, 0.5], 'std': [0.5, 0.5, 0.5]}
_CLIP = {'mean': [0.48145466, 0.4578275, 0.40821073], 'std': [0.26862954, 0.26130258, 0.27577711]}
_TEXT = {'context_length': 77, 'vocab_size': 49408, 'width': 32, 'heads': 2, 'layers': 2}
_WORDS = {
    **_TEXT,
    'context_length': 64,
    'hf_tokenizer_name': 'local',
    'no_causal_mask': True,
    'proj_bias': True,
    'pool_type': 'last',
    'norm_kwargs': {'eps': 1e-6},
}


_SMALL = {'img_size': SIZE, 'patch_size': 8, 'embed_dim': 32, 'depth': 2, 'num_heads': 2}


def _small(name: str, options: dict[str, Any], **sizes: Any) -> Any:
    options = {key: value for key, value in options.items() if not key.startswith('pretrained')}
    return timm.create_model(name, **{**_SMALL, **sizes, **options})


@register_model
def tiny_siglip(**options: Any) -> Any:
    """Return the tower of SigLIP, small."""
    return _small('vit_base_patch16_siglip_224', options)


@register_model
def tiny_eva_clip(**options: Any) -> Any:
    """Return the tower of EVA-02 CLIP, small."""
    return _small('eva02_base_patch16_clip_224', options, ref_feat_shape=(4, 4))


@register_model
def tiny_pe_core(**options: Any) -> Any:
    """Return the tower of PE-Core, small."""
    return _small(
        'vit_pe_core_base_patch16_224', options, ref_feat_shape=(4, 4), attn_pool_num_heads=2
    )


def _timm(name: str, pool: str, proj: str | None, size: int = SIZE) -> dict[str, Any]:
    return {
        'timm_model_name': name,
        'timm_model_pretrained': False,
        'timm_pool': pool,
        'timm_proj': proj,
        'image_size': size,
    }


def _save(folder: Path, config: dict[str, Any], pictures: dict[str, Any]) -> None:
    sizes = {name: value for name, value in config.items() if name != 'custom_text'}
    if 'multimodal_cfg' in config:
        model: Any = open_clip.CoCa(**sizes)
    elif config.get('custom_text'):
        model = open_clip.CustomTextCLIP(**sizes)
    else:
        model = open_clip.CLIP(**sizes)
    with torch.no_grad():
        if 'multimodal_cfg' in config:
            # open_clip leaves it as the memory was.
            torch.nn.init.normal_(model.text_decoder.text_projection, std=0.1)
        for name, value in model.named_parameters():
            # Untrained towers give nearly the same for everything: no comparison would mean much.
            if value.ndim > 1 and 'patch_embed' not in name:
                value.mul_(2)
    state = {name: value.clone().contiguous() for name, value in model.state_dict().items()}
    save_file(state, folder / 'open_clip_model.safetensors')
    whole = {'model_cfg': config, 'preprocess_cfg': {'interpolation': 'bicubic', **pictures}}
    (folder / 'open_clip_config.json').write_text(json.dumps(whole, indent=2))


def _spoken(folder: Path) -> int:
    speller = words(begins=False, length=64)
    speller.save_pretrained(folder)
    return len(speller)


def clip(folder: Path) -> None:
    vision = {'image_size': SIZE, 'layers': 2, 'width': 64, 'head_width': 32, 'patch_size': 8}
    _save(folder, {'embed_dim': 32, 'vision_cfg': vision, 'text_cfg': _TEXT}, _CLIP)


def siglip(folder: Path) -> None:
    config = {
        'embed_dim': 32,
        'init_logit_bias': -3.0,
        'init_logit_scale': 1.0,
        'custom_text': True,
        'vision_cfg': _timm('tiny_siglip', 'map', 'none'),
        'text_cfg': {**_WORDS, 'vocab_size': _spoken(folder)},
    }
    _save(folder, config, {**_IMAGENET, 'resize_mode': 'squash'})


def siglip2(folder: Path) -> None:
    config = {
        'embed_dim': 32,
        'init_logit_bias': -3.0,
        'init_logit_scale': 1.0,
        'custom_text': True,
        'vision_cfg': _timm('tiny_siglip', 'map', 'none'),
        'text_cfg': {
            **_WORDS,
            'vocab_size': _spoken(folder),
            'act_kwargs': {'approximate': 'tanh'},
            'tokenizer_kwargs': {'clean': 'canonicalize'},
        },
    }
    _save(folder, config, {**_IMAGENET, 'resize_mode': 'squash'})


def eva(folder: Path) -> None:
    config = {
        'embed_dim': 32,
        'custom_text': True,
        'vision_cfg': _timm('tiny_eva_clip', 'token', None),
        'text_cfg': _TEXT,
    }
    _save(folder, config, _CLIP)


def mobileclip2(folder: Path) -> None:
    config = {
        'embed_dim': 32,
        'custom_text': True,
        'vision_cfg': {**_timm('fastvit_mci0', 'avg', None, 64), 'timm_drop_path': 0.0},
        'text_cfg': {**_TEXT, 'no_causal_mask': True},
    }
    _save(folder, config, {'mean': [0.0] * 3, 'std': [1.0] * 3, 'interpolation': 'bilinear'})


def pe_core(folder: Path) -> None:
    config = {
        'embed_dim': 32,
        'custom_text': True,
        'vision_cfg': _timm('tiny_pe_core', 'map', None),
        'text_cfg': {**_TEXT, 'context_length': 32},
    }
    _save(folder, config, {**_IMAGENET, 'interpolation': 'bilinear', 'resize_mode': 'squash'})


def coca(folder: Path) -> None:
    tower = {'image_size': SIZE, 'layers': 2, 'width': 64, 'head_width': 32, 'patch_size': 8}
    config = {
        'embed_dim': 32,
        'custom_text': True,
        'vision_cfg': {
            **tower,
            'attentional_pool': True,
            'attn_pooler_heads': 2,
            'output_tokens': True,
        },
        'text_cfg': {**_TEXT, 'context_length': 76, 'embed_cls': True, 'output_tokens': True},
        'multimodal_cfg': {**_TEXT, 'context_length': 76, 'attn_pooler_heads': 2},
    }
    _save(folder, config, _CLIP)


def timm_tower(folder: Path) -> None:
    config = {
        'embed_dim': 32,
        'vision_cfg': _timm('test_vit', 'avg', 'linear', 160),
        'text_cfg': _TEXT,
    }
    _save(folder, config, _CLIP)


# transformers ------------------------------------------------------------------------------------

_SPEAKS = {
    'hidden_size': 32,
    'intermediate_size': 48,
    'num_hidden_layers': 2,
    'num_attention_heads': 2,
    'max_position_embeddings': 64,
    'bos_token_id': 1,
    'eos_token_id': 2,
    'pad_token_id': 0,
}


def _ending(speller: Any) -> Any:
    """Have a tokenizer set the mark of the end, from which CLIP takes the embedding."""
    from tokenizers import processors

    speller.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single='<s> $A </s>', special_tokens=[('<s>', 1), ('</s>', 2)]
    )
    return speller


def _louder(model: Any) -> Any:
    with torch.no_grad():
        for value in model.parameters():
            if value.ndim > 1:
                value.mul_(8)
    return model


def hf_clip(folder: Path) -> None:
    speller = _ending(words(length=64))
    config = tf.CLIPConfig(
        text_config={**_SPEAKS, 'vocab_size': len(speller)},
        vision_config=VISION,
        projection_dim=32,
    )
    _louder(tf.CLIPModel(config)).save_pretrained(folder)
    tf.CLIPProcessor(
        tf.CLIPImageProcessor(size={'shortest_edge': SIZE}, crop_size=SIZE), speller
    ).save_pretrained(folder)


def _siglip_text(speller: Any) -> dict[str, Any]:
    return {**_SPEAKS, 'vocab_size': len(speller), 'projection_size': 32}


def _maskless() -> Any:
    """Return a tokenizer that gives no mask, as those of SigLIP: padding is part of its texts."""
    speller = words(begins=False, length=64)
    speller.model_input_names = ['input_ids']
    return speller


def hf_siglip(folder: Path) -> None:
    speller = _maskless()
    config = tf.SiglipConfig(text_config=_siglip_text(speller), vision_config=VISION)
    model = _louder(tf.SiglipModel(config))
    with torch.no_grad():
        model.logit_scale.fill_(1.0)
        model.logit_bias.fill_(-2.0)
    model.save_pretrained(folder)
    tf.SiglipProcessor(
        tf.SiglipImageProcessor(size={'height': SIZE, 'width': SIZE}), speller
    ).save_pretrained(folder)


def hf_siglip2(folder: Path) -> None:
    speller = _maskless()
    config = tf.Siglip2Config(
        text_config=_siglip_text(speller),
        vision_config={**VISION, 'num_patches': 16, 'patch_size': 16},
    )
    model = _louder(tf.Siglip2Model(config))
    with torch.no_grad():
        model.logit_scale.fill_(1.0)
        model.logit_bias.fill_(-2.0)
    model.save_pretrained(folder)
    # The processor overrides what its image processor has: 256 patches of 16 x 16.
    tf.Siglip2Processor(tf.Siglip2ImageProcessor(), speller).save_pretrained(folder)


def altclip(folder: Path) -> None:
    speller = _ending(words(length=64))
    config = tf.AltCLIPConfig(
        text_config={
            **_SPEAKS,
            'vocab_size': len(speller),
            'max_position_embeddings': 80,
            'project_dim': 32,
            'type_vocab_size': 1,
        },
        vision_config=VISION,
        projection_dim=32,
    )
    _louder(tf.AltCLIPModel(config)).save_pretrained(folder)
    tf.AltCLIPProcessor(
        tf.CLIPImageProcessor(size={'shortest_edge': SIZE}, crop_size=SIZE), speller
    ).save_pretrained(folder)


def align(folder: Path) -> None:
    speller = _ending(words(length=64))
    config = tf.AlignConfig(
        text_config={**_SPEAKS, 'vocab_size': len(speller)},
        vision_config={
            'image_size': 64,
            'width_coefficient': 0.25,
            'depth_coefficient': 0.2,
            'hidden_dim': 320,
        },
        projection_dim=80,
        temperature_init_value=0.5,
    )
    model = _louder(tf.AlignModel(config))
    model.save_pretrained(folder)
    tf.AlignProcessor(
        tf.EfficientNetImageProcessor(
            size={'height': 77, 'width': 77},
            do_center_crop=True,
            crop_size={'height': 64, 'width': 64},
        ),
        speller,
    ).save_pretrained(folder)


OPEN_CLIP = ('clip', 'siglip', 'siglip2', 'eva', 'mobileclip2', 'pe_core', 'coca', 'timm_tower')
TRANSFORMERS = ('hf_clip', 'hf_siglip', 'hf_siglip2', 'altclip', 'align')
