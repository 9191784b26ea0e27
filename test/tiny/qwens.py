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

"""Tiny untrained checkpoints of families with pictures of any size, tiles or several pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import transformers as tf

from tiny.llavas import BARE, SIZE, VISION, chat, save, text
from tiny.words import words

_QWEN = {
    'image_token': '<|image_pad|>',
    'video_token': '<|video_pad|>',
    'vision_start_token': '<|vision_start|>',
    'vision_end_token': '<|vision_end|>',
}
_SHOWN = '<|vision_start|><|image_pad|><|vision_end|>'
BUDGET = {'shortest_edge': 28 * 28 * 4, 'longest_edge': 28 * 28 * 64}
"""Pixels at least and at most of a family that takes pictures of any size."""


def _marks(speller: Any) -> dict[str, int]:
    return {
        'image_token_id': speller.image_token_id,
        'video_token_id': speller.video_token_id,
        'vision_start_token_id': speller.vision_start_token_id,
        'vision_end_token_id': speller.vision_end_token_id,
    }


def _rope(sections: list[int], **more: Any) -> dict[str, Any]:
    return {
        'rope_parameters': {
            'rope_type': 'default',
            'rope_theta': 10000.0,
            'mrope_section': sections,
            **more,
        }
    }


def qwen2_vl(folder: Path) -> None:
    speller = words(named=_QWEN, begins=False)
    config = tf.Qwen2VLConfig(
        text_config={**text(len(speller)), **_rope([1, 1, 2])},
        vision_config={
            'depth': 2,
            'embed_dim': 32,
            'hidden_size': 32,
            'num_heads': 2,
            'mlp_ratio': 2,
            'patch_size': 14,
        },
        **_marks(speller),
    )
    save(
        folder,
        tf.Qwen2VLForConditionalGeneration(config),
        tf.Qwen2VLProcessor(
            tf.Qwen2VLImageProcessor(size=BUDGET),
            speller,
            tf.Qwen2VLVideoProcessor(),
            chat_template=chat(_SHOWN, BARE),
        ),
    )


def qwen2_5_vl(folder: Path) -> None:
    speller = words(named=_QWEN, begins=False)
    config = tf.Qwen2_5_VLConfig(
        text_config={**text(len(speller)), **_rope([1, 1, 2])},
        vision_config={
            'depth': 2,
            'hidden_size': 32,
            'intermediate_size': 48,
            'out_hidden_size': 32,
            'num_heads': 2,
            'patch_size': 14,
            'window_size': 56,
            'fullatt_block_indexes': [1],
        },
        **_marks(speller),
    )
    save(
        folder,
        tf.Qwen2_5_VLForConditionalGeneration(config),
        tf.Qwen2_5_VLProcessor(
            tf.Qwen2VLImageProcessor(size=BUDGET),
            speller,
            tf.Qwen2VLVideoProcessor(),
            chat_template=chat(_SHOWN, BARE),
        ),
    )


def qwen3_vl(folder: Path) -> None:
    speller = words(named=_QWEN, begins=False)
    config = tf.Qwen3VLConfig(
        text_config={**text(len(speller)), **_rope([2, 1, 1], mrope_interleaved=True)},
        vision_config={
            'depth': 2,
            'hidden_size': 32,
            'intermediate_size': 48,
            'out_hidden_size': 32,
            'num_heads': 2,
            'patch_size': 16,
            'num_position_embeddings': 64,
            'deepstack_visual_indexes': [0],
        },
        **_marks(speller),
    )
    save(
        folder,
        tf.Qwen3VLForConditionalGeneration(config),
        tf.Qwen3VLProcessor(
            tf.Qwen2VLImageProcessor(size=BUDGET, patch_size=16),
            speller,
            tf.Qwen3VLVideoProcessor(),
            chat_template=chat(_SHOWN, BARE),
        ),
    )


def glm4v(folder: Path) -> None:
    speller = words(
        ['<|begin_of_video|>', '<|end_of_video|>', '<|begin_of_image|>', '<|end_of_image|>'],
        named={'image_token': '<|image|>', 'video_token': '<|video|>'},
        begins=False,
    )
    ids = speller.convert_tokens_to_ids
    config = tf.Glm4vConfig(
        text_config={**text(len(speller)), **_rope([1, 1, 2], partial_rotary_factor=1.0)},
        vision_config={
            'depth': 2,
            'hidden_size': 32,
            'intermediate_size': 48,
            'out_hidden_size': 32,
            'num_heads': 2,
            'patch_size': 14,
            'image_size': 112,
        },
        image_token_id=speller.image_token_id,
        video_token_id=speller.video_token_id,
        image_start_token_id=ids('<|begin_of_image|>'),
        image_end_token_id=ids('<|end_of_image|>'),
        video_start_token_id=ids('<|begin_of_video|>'),
        video_end_token_id=ids('<|end_of_video|>'),
    )
    save(
        folder,
        tf.Glm4vForConditionalGeneration(config),
        tf.Glm4vProcessor(
            tf.Glm4vImageProcessor(size=BUDGET),
            speller,
            tf.Glm4vVideoProcessor(),
            chat_template=chat('<|begin_of_image|><|image|><|end_of_image|>', BARE),
        ),
    )


def internvl(folder: Path) -> None:
    speller = words(
        named={
            'start_image_token': '<img>',
            'end_image_token': '</img>',
            'context_image_token': '<IMG_CONTEXT>',
            'video_token': '<video>',
        },
        begins=False,
    )
    config = tf.InternVLConfig(
        vision_config={**VISION, 'image_size': [SIZE, SIZE], 'patch_size': [8, 8]},
        text_config={**text(len(speller)), 'model_type': 'qwen2'},
        image_token_id=speller.context_image_token_id,
        image_seq_length=4,
        downsample_ratio=0.5,
    )
    save(
        folder,
        tf.InternVLForConditionalGeneration(config),
        tf.InternVLProcessor(
            tf.GotOcr2ImageProcessor(
                size={'height': SIZE, 'width': SIZE},
                crop_to_patches=True,
                min_patches=1,
                max_patches=4,
            ),
            speller,
            tf.InternVLVideoProcessor(size={'height': SIZE, 'width': SIZE}),
            image_seq_length=4,
            chat_template=chat('<IMG_CONTEXT>', BARE),
        ),
    )


_ROWS = [f'<row_{row}_col_{column}>' for row in range(1, 7) for column in range(1, 7)]


def smolvlm(folder: Path) -> None:
    speller = words(
        _ROWS,
        named={
            'image_token': '<image>',
            'fake_image_token': '<fake_token_around_image>',
            'global_image_token': '<global-img>',
            'end_of_utterance_token': '<end_of_utterance>',
            'video_token': '<video>',
        },
        begins=False,
    )
    config = tf.SmolVLMConfig(
        vision_config=VISION,
        text_config={**text(len(speller)), 'model_type': 'llama'},
        image_token_id=speller.image_token_id,
        scale_factor=2,
        pad_token_id=0,
    )
    save(
        folder,
        tf.SmolVLMForConditionalGeneration(config),
        tf.SmolVLMProcessor(
            tf.SmolVLMImageProcessor(
                size={'longest_edge': 4 * SIZE}, max_image_size={'longest_edge': SIZE}
            ),
            speller,
            tf.SmolVLMVideoProcessor(
                size={'longest_edge': SIZE}, max_image_size={'longest_edge': SIZE}
            ),
            image_seq_len=4,
            chat_template=chat('<image>'),
        ),
    )


def idefics3(folder: Path) -> None:
    speller = words(
        [*_ROWS, '<image>', '<fake_token_around_image>', '<global-img>', '<end_of_utterance>'],
        begins=False,
    )
    config = tf.Idefics3Config(
        vision_config=VISION,
        text_config={**text(len(speller)), 'model_type': 'llama'},
        image_token_id=speller.convert_tokens_to_ids('<image>'),
        scale_factor=2,
        pad_token_id=0,
    )
    save(
        folder,
        tf.Idefics3ForConditionalGeneration(config),
        tf.Idefics3Processor(
            tf.Idefics3ImageProcessor(
                size={'longest_edge': 4 * SIZE}, max_image_size={'longest_edge': SIZE}
            ),
            speller,
            image_seq_len=4,
            chat_template=chat('<image>'),
        ),
    )


def idefics2(folder: Path) -> None:
    speller = words(['<end_of_utterance>', '<fake_token_around_image>', '<image>'])
    config = tf.Idefics2Config(
        vision_config=VISION,
        perceiver_config={
            'hidden_size': 32,
            'resampler_n_latents': 4,
            'resampler_depth': 1,
            'resampler_n_heads': 2,
            'resampler_head_dim': 8,
            'num_key_value_heads': 1,
        },
        text_config={**text(len(speller)), 'model_type': 'mistral'},
        image_token_id=speller.convert_tokens_to_ids('<image>'),
    )
    save(
        folder,
        tf.Idefics2ForConditionalGeneration(config),
        tf.Idefics2Processor(
            tf.Idefics2ImageProcessor(
                do_image_splitting=False, size={'shortest_edge': SIZE // 2, 'longest_edge': SIZE}
            ),
            speller,
            image_seq_len=4,
            chat_template=chat('<image>'),
        ),
    )


_OVIS = ['<IMG_START>', '<IMG_GRID>', '<IMG_COL>', '<IMG_ROW>', '<IMG_END>']


def ovis2(folder: Path) -> None:
    speller = words(['<image>', '<IMG_ATOM>', *_OVIS], begins=False)
    ids = speller.convert_tokens_to_ids
    config = tf.Ovis2Config(
        vision_config={
            **VISION,
            'hidden_stride': 2,
            'vocab_size': 48,
            'num_visual_indicator_tokens': 5,
        },
        text_config={**text(len(speller)), 'model_type': 'qwen2'},
        image_token_id=ids('<IMG_ATOM>'),
        visual_indicator_token_ids=[ids(mark) for mark in _OVIS],
        vocab_size=len(speller),
        hidden_size=32,
    )
    save(
        folder,
        tf.Ovis2ForConditionalGeneration(config),
        tf.Ovis2Processor(
            tf.Ovis2ImageProcessor(
                size={'height': SIZE, 'width': SIZE}, crop_to_patches=False, max_patches=4
            ),
            speller,
            image_seq_length=4,
            chat_template=chat('<image>', BARE),
        ),
    )


def pixtral(folder: Path) -> None:
    speller = words(['[IMG]', '[IMG_BREAK]', '[IMG_END]'])
    config = tf.LlavaConfig(
        vision_config={
            **VISION,
            'model_type': 'pixtral',
            'head_dim': 16,
            'rope_parameters': {'rope_type': 'default', 'rope_theta': 10000.0},
        },
        text_config={**text(len(speller)), 'model_type': 'mistral'},
        image_token_index=speller.convert_tokens_to_ids('[IMG]'),
        vision_feature_layer=-1,
        vision_feature_select_strategy='full',
    )
    save(
        folder,
        tf.LlavaForConditionalGeneration(config),
        tf.PixtralProcessor(
            tf.PixtralImageProcessor(size={'longest_edge': SIZE}, patch_size=8),
            speller,
            patch_size=8,
            chat_template=chat('[IMG]'),
        ),
    )


def mistral3(folder: Path) -> None:
    speller = words(['[IMG]', '[IMG_BREAK]', '[IMG_END]'])
    config = tf.Mistral3Config(
        vision_config={
            **VISION,
            'model_type': 'pixtral',
            'head_dim': 16,
            'rope_parameters': {'rope_type': 'default', 'rope_theta': 10000.0},
        },
        text_config={**text(len(speller)), 'model_type': 'mistral'},
        image_token_index=speller.convert_tokens_to_ids('[IMG]'),
        spatial_merge_size=2,
    )
    save(
        folder,
        tf.Mistral3ForConditionalGeneration(config),
        tf.PixtralProcessor(
            tf.PixtralImageProcessor(size={'longest_edge': SIZE}, patch_size=16),
            speller,
            patch_size=8,
            spatial_merge_size=2,
            chat_template=chat('[IMG]'),
        ),
    )
