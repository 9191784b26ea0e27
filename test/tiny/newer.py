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

"""Tiny untrained checkpoints of newer families: hybrid attention, experts, few parameters."""

from __future__ import annotations

from pathlib import Path

import transformers as tf

from tiny.llavas import BARE, SIZE, VISION, chat, save, text
from tiny.qwens import BUDGET
from tiny.words import words


def qwen3_5(folder: Path) -> None:
    """Write one layer of linear and one of full attention."""
    speller = words(
        named={
            'image_token': '<|image_pad|>',
            'video_token': '<|video_pad|>',
            'vision_start_token': '<|vision_start|>',
            'vision_end_token': '<|vision_end|>',
        },
        begins=False,
    )
    config = tf.Qwen3_5Config(
        text_config=text(
            len(speller),
            layer_types=['linear_attention', 'full_attention'],
            linear_key_head_dim=8,
            linear_value_head_dim=8,
            linear_num_key_heads=2,
            linear_num_value_heads=4,
            rope_parameters={
                'rope_type': 'default',
                'rope_theta': 1e4,
                'partial_rotary_factor': 1.0,
                'mrope_section': [2, 1, 1],
                'mrope_interleaved': True,
            },
        ),
        vision_config={
            'depth': 2,
            'hidden_size': 32,
            'intermediate_size': 48,
            'out_hidden_size': 32,
            'num_heads': 2,
            'num_position_embeddings': 64,
        },
        image_token_id=speller.image_token_id,
        video_token_id=speller.video_token_id,
        vision_start_token_id=speller.vision_start_token_id,
        vision_end_token_id=speller.vision_end_token_id,
    )
    save(
        folder,
        tf.Qwen3_5ForConditionalGeneration(config),
        tf.Qwen3VLProcessor(
            tf.Qwen2VLImageProcessor(size=BUDGET, patch_size=16),
            speller,
            tf.Qwen3VLVideoProcessor(),
            chat_template=chat('<|vision_start|><|image_pad|><|vision_end|>', BARE),
        ),
    )


def llama4(folder: Path) -> None:
    """Write two experts, and tiles with marks between them."""
    speller = words(
        [
            '<|image|>',
            '<|image_start|>',
            '<|image_end|>',
            '<|patch|>',
            '<|tile_x_separator|>',
            '<|tile_y_separator|>',
        ]
    )
    ids = speller.convert_tokens_to_ids
    config = tf.Llama4Config(
        text_config=text(
            len(speller),
            intermediate_size_mlp=64,
            num_local_experts=2,
            rope_parameters={'rope_type': 'default', 'rope_theta': 1e4},
        ),
        vision_config={
            'hidden_size': 32,
            'intermediate_size': 128,
            'num_hidden_layers': 2,
            'num_attention_heads': 2,
            'image_size': SIZE,
            'patch_size': 8,
            'projector_input_dim': 32,
            'projector_output_dim': 32,
            'vision_output_dim': 32,
        },
        image_token_index=ids('<|patch|>'),
        boi_token_index=ids('<|image_start|>'),
        eoi_token_index=ids('<|image_end|>'),
    )
    save(
        folder,
        tf.Llama4ForConditionalGeneration(config),
        tf.Llama4Processor(
            tf.Llama4ImageProcessor(size={'height': SIZE, 'width': SIZE}, max_patches=4),
            speller,
            patch_size=8,
            chat_template=chat('<|image|>'),
        ),
    )


def lfm2_vl(folder: Path) -> None:
    """Write one convolution and one layer of attention."""
    speller = words(
        [f'<|img_row_{row}_col_{column}|>' for row in range(1, 5) for column in range(1, 5)],
        named={
            'image_token': '<image>',
            'image_start_token': '<|image_start|>',
            'image_end_token': '<|image_end|>',
            'image_thumbnail_token': '<|img_thumbnail|>',
        },
    )
    config = tf.Lfm2VlConfig(
        text_config={
            **text(len(speller)),
            'model_type': 'lfm2',
            'layer_types': ['conv', 'full_attention'],
            'block_auto_adjust_ff_dim': False,
            'block_ff_dim': 64,
        },
        vision_config={**VISION, 'model_type': 'siglip2_vision_model', 'num_patches': 64},
        image_token_id=speller.image_token_id,
        projector_hidden_size=32,
        tie_word_embeddings=False,
    )
    save(
        folder,
        tf.Lfm2VlForConditionalGeneration(config),
        tf.Lfm2VlProcessor(
            tf.Lfm2VlImageProcessor(
                tile_size=SIZE,
                max_tiles=4,
                min_image_tokens=4,
                max_image_tokens=16,
                encoder_patch_size=8,
                max_num_patches=64,
            ),
            speller,
            chat_template=chat('<image>'),
        ),
    )


def deepseek_vl(folder: Path) -> None:
    speller = words(named={'image_token': '<image_placeholder>'})
    config = tf.DeepseekVLConfig(
        vision_config={**VISION, 'model_type': 'siglip_vision_model'},
        text_config={**text(len(speller)), 'model_type': 'llama'},
        image_token_id=speller.image_token_id,
        tie_word_embeddings=False,
    )
    save(
        folder,
        tf.DeepseekVLForConditionalGeneration(config),
        tf.DeepseekVLProcessor(
            tf.DeepseekVLImageProcessor(size={'height': SIZE, 'width': SIZE}, min_size=4),
            speller,
            num_image_tokens=16,
            chat_template=chat('<image_placeholder>'),
        ),
    )


def aya_vision(folder: Path) -> None:
    marks = ['<image>', '<|START_OF_IMG|>', '<|END_OF_IMG|>', '<|IMG_PATCH|>', 'TILE_GLOBAL']
    speller = words([*marks, '<|IMG_LINE_BREAK|>', *(f'TILE_{number}' for number in range(1, 7))])
    config = tf.AyaVisionConfig(
        vision_config={**VISION, 'model_type': 'siglip_vision_model', 'vision_use_head': False},
        text_config={**text(len(speller)), 'model_type': 'cohere2', 'sliding_window': 64},
        image_token_index=speller.convert_tokens_to_ids('<|IMG_PATCH|>'),
        downsample_factor=2,
        tie_word_embeddings=False,
    )
    save(
        folder,
        tf.AyaVisionForConditionalGeneration(config),
        tf.AyaVisionProcessor(
            tf.GotOcr2ImageProcessor(
                size={'height': SIZE, 'width': SIZE},
                crop_to_patches=True,
                min_patches=1,
                max_patches=4,
            ),
            speller,
            patch_size=8,
            img_size=SIZE,
            downsample_factor=2,
            chat_template=chat('<image>'),
        ),
    )


def gemma4(folder: Path) -> None:
    """Write the kind without ears."""
    speller = words(
        named={
            'image_token': '<|image|>',
            'boi_token': '<|image>',
            'eoi_token': '<image|>',
            'audio_token': '<|audio|>',
            'boa_token': '<|audio>',
            'eoa_token': '<audio|>',
            'video_token': '<|video|>',
        }
    )
    config = tf.Gemma4Config(
        text_config={
            **text(len(speller)),
            'layer_types': ['sliding_attention', 'full_attention'],
            'sliding_window': 16,
            'global_head_dim': 8,
            'vocab_size_per_layer_input': len(speller),
            'hidden_size_per_layer_input': 8,
        },
        vision_config={
            'hidden_size': 32,
            'intermediate_size': 48,
            'num_hidden_layers': 2,
            'num_attention_heads': 2,
            'num_key_value_heads': 2,
            'head_dim': 16,
            'position_embedding_size': 64,
        },
        boi_token_id=speller.boi_token_id,
        eoi_token_id=speller.eoi_token_id,
        image_token_id=speller.image_token_id,
        video_token_id=speller.video_token_id,
        audio_token_id=speller.audio_token_id,
        tie_word_embeddings=False,
    )
    save(
        folder,
        tf.Gemma4ForConditionalGeneration(config),
        tf.Gemma4Processor(
            tf.Gemma4AudioFeatureExtractor(),
            tf.Gemma4ImageProcessor(max_soft_tokens=70),
            speller,
            tf.Gemma4VideoProcessor(),
            image_seq_length=70,
            chat_template=chat('<|image|>'),
        ),
    )
