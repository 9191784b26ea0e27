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
Tiny untrained generative checkpoints of many families, in the format that each has on disk.

A builder writes configuration, weights, tokenizer and processor into a folder. The sizes are the
least that the classes take; what they say means nothing, and is the same every time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import transformers as tf

from tiny.words import words

CHAT = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}USER: {% elif m['role'] == "
    "'system' %}SYSTEM: {% else %}ASSISTANT: {% endif %}{% if m['content'] is string %}"
    "{{ m['content'] }}{% else %}{% for p in m['content'] %}{% if p['type'] == 'image' %}IMAGE"
    "{% else %}{{ p['text'] }}{% endif %} {% endfor %}{% endif %}\n{% endfor %}"
    '{% if add_generation_prompt %}ASSISTANT:{% endif %}'
)
"""A chat template that begins with the mark of the beginning, has a system prompt, and `IMAGE` for
the family's own mark of a picture."""
BARE = CHAT.replace('{{ bos_token }}', '')
"""The same without the mark of the beginning: the tokenizer sets it, or nobody does."""
SIZE = 32
VISION = {
    'hidden_size': 32,
    'intermediate_size': 48,
    'num_hidden_layers': 2,
    'num_attention_heads': 2,
    'image_size': SIZE,
    'patch_size': 8,
}


def chat(image: str, template: str = CHAT) -> str:
    """Return a chat template with a family's mark of a picture."""
    return template.replace('IMAGE', image)


def text(vocabulary: int, **more: Any) -> dict[str, Any]:
    """Return the sizes of a language model in the manner of Llama."""
    return {
        'vocab_size': vocabulary,
        'hidden_size': 32,
        'intermediate_size': 64,
        'num_hidden_layers': 2,
        'num_attention_heads': 4,
        'num_key_value_heads': 2,
        'head_dim': 8,
        'max_position_embeddings': 4096,
        'bos_token_id': 1,
        'eos_token_id': 2,
        'pad_token_id': 0,
        'initializer_range': 0.5,
        'tie_word_embeddings': False,
        **more,
    }


def save(folder: Path, model: Any, processor: Any) -> None:
    """Write a checkpoint as from_pretrained reads it."""
    model.generation_config = tf.GenerationConfig(
        bos_token_id=1, eos_token_id=2, pad_token_id=0, **_decoder(model)
    )
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def _decoder(model: Any) -> dict[str, int]:
    whole = getattr(model.config, 'is_encoder_decoder', False)
    return {'decoder_start_token_id': 2} if whole else {}


def blip(folder: Path) -> None:
    from vlm_misalign_ros.core.models.untrained import _captioner

    _captioner(folder)


def _qformer_text(vocabulary: int) -> Any:
    return tf.OPTConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        ffn_dim=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        word_embed_proj_dim=32,
        max_position_embeddings=512,
        init_std=0.5,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )


_QFORMER = {
    'hidden_size': 32,
    'num_hidden_layers': 2,
    'num_attention_heads': 2,
    'intermediate_size': 48,
    'encoder_hidden_size': 32,
    'cross_attention_frequency': 1,
}


def blip_2(folder: Path) -> None:
    speller = words()
    config = tf.Blip2Config(
        vision_config=VISION,
        qformer_config={**_QFORMER, 'vocab_size': len(speller)},
        text_config=_qformer_text(len(speller) + 1),
        num_query_tokens=4,
        image_token_index=len(speller),
    )
    save(
        folder,
        tf.Blip2ForConditionalGeneration(config),
        tf.Blip2Processor(
            tf.BlipImageProcessor(size={'height': SIZE, 'width': SIZE}),
            speller,
            num_query_tokens=4,
        ),
    )


def instructblip(folder: Path) -> None:
    speller = words()
    config = tf.InstructBlipConfig(
        vision_config=VISION,
        qformer_config={**_QFORMER, 'vocab_size': len(speller)},
        text_config=_qformer_text(len(speller) + 1),
        num_query_tokens=4,
        image_token_index=len(speller),
    )
    save(
        folder,
        tf.InstructBlipForConditionalGeneration(config),
        tf.InstructBlipProcessor(
            tf.BlipImageProcessor(size={'height': SIZE, 'width': SIZE}),
            speller,
            words(),
            num_query_tokens=4,
        ),
    )


def git(folder: Path) -> None:
    speller = words(begins=True)
    config = tf.GitConfig(
        vision_config=VISION,
        **{
            **text(len(speller), max_position_embeddings=512),
            'num_key_value_heads': None,
            'head_dim': None,
        },
    )
    save(
        folder,
        tf.GitForCausalLM(config),
        tf.GitProcessor(
            tf.CLIPImageProcessor(size={'shortest_edge': SIZE}, crop_size=SIZE), speller
        ),
    )


def _llava_parts(**more: Any) -> tuple[Any, dict[str, Any]]:
    speller = words(named={'image_token': '<image>'})
    return speller, {
        'vision_config': {**VISION, 'model_type': 'clip_vision_model'},
        'text_config': {**text(len(speller)), 'model_type': 'llama'},
        'image_token_index': speller.image_token_id,
        'vision_feature_layer': -1,
        'vision_feature_select_strategy': 'default',
        **more,
    }


def llava(folder: Path, template: str | None = chat('<image>')) -> None:
    speller, parts = _llava_parts()
    save(
        folder,
        tf.LlavaForConditionalGeneration(tf.LlavaConfig(**parts)),
        tf.LlavaProcessor(
            tf.CLIPImageProcessor(size={'shortest_edge': SIZE}, crop_size=SIZE),
            speller,
            patch_size=8,
            vision_feature_select_strategy='default',
            num_additional_image_tokens=1,
            chat_template=template,
        ),
    )


def llava_bare(folder: Path) -> None:
    llava(folder, template=None)


def vipllava(folder: Path) -> None:
    speller, parts = _llava_parts()
    parts.pop('vision_feature_layer')
    parts.pop('vision_feature_select_strategy')
    save(
        folder,
        tf.VipLlavaForConditionalGeneration(
            tf.VipLlavaConfig(**parts, vision_feature_layers=[-1, -2])
        ),
        tf.LlavaProcessor(
            tf.CLIPImageProcessor(size={'shortest_edge': SIZE}, crop_size=SIZE),
            speller,
            patch_size=8,
            vision_feature_select_strategy='default',
            num_additional_image_tokens=1,
            chat_template=chat('<image>'),
        ),
    )


def llava_next(folder: Path) -> None:
    pinpoints = [[SIZE, 2 * SIZE], [2 * SIZE, SIZE], [2 * SIZE, 2 * SIZE]]
    speller, parts = _llava_parts(image_grid_pinpoints=pinpoints)
    save(
        folder,
        tf.LlavaNextForConditionalGeneration(tf.LlavaNextConfig(**parts)),
        tf.LlavaNextProcessor(
            tf.LlavaNextImageProcessor(
                size={'shortest_edge': SIZE},
                crop_size={'height': SIZE, 'width': SIZE},
                image_grid_pinpoints=pinpoints,
            ),
            speller,
            patch_size=8,
            vision_feature_select_strategy='default',
            num_additional_image_tokens=1,
            chat_template=chat('<image>'),
        ),
    )


def llava_onevision(folder: Path) -> None:
    speller = words(named={'image_token': '<image>', 'video_token': '<video>'}, begins=False)
    pinpoints = [[SIZE, 2 * SIZE], [2 * SIZE, SIZE], [2 * SIZE, 2 * SIZE]]
    config = tf.LlavaOnevisionConfig(
        vision_config={**VISION, 'model_type': 'siglip_vision_model'},
        text_config={**text(len(speller)), 'model_type': 'qwen2'},
        image_token_index=speller.image_token_id,
        video_token_index=speller.video_token_id,
        vision_feature_layer=-1,
        vision_feature_select_strategy='full',
        vision_aspect_ratio='anyres_max_9',
        image_grid_pinpoints=pinpoints,
    )
    size = {'height': SIZE, 'width': SIZE}
    save(
        folder,
        tf.LlavaOnevisionForConditionalGeneration(config),
        tf.LlavaOnevisionProcessor(
            tf.LlavaOnevisionImageProcessor(size=size, image_grid_pinpoints=pinpoints),
            speller,
            tf.LlavaOnevisionVideoProcessor(size=size),
            num_image_tokens=16,
            vision_feature_select_strategy='full',
            chat_template=chat('<image>', BARE),
        ),
    )
