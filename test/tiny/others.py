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

"""Tiny untrained checkpoints of families that go their own way with prompts, pictures or text."""

from __future__ import annotations

from pathlib import Path

import torch
import transformers as tf

from tiny.llavas import BARE, SIZE, VISION, chat, save, text
from tiny.qwens import BUDGET
from tiny.words import words


def paligemma(folder: Path) -> None:
    speller = words(named={'image_token': '<image>'}, begins=False)
    pictures = tf.SiglipImageProcessor(size={'height': SIZE, 'width': SIZE})
    pictures.image_seq_length = 16
    processor = tf.PaliGemmaProcessor(pictures, speller)
    config = tf.PaliGemmaConfig(
        vision_config={**VISION, 'model_type': 'siglip_vision_model'},
        text_config={**text(len(speller), tie_word_embeddings=True), 'model_type': 'gemma'},
        image_token_index=processor.image_token_id,
        projection_dim=32,
    )
    save(folder, tf.PaliGemmaForConditionalGeneration(config), processor)


def gemma3(folder: Path) -> None:
    speller = words(
        named={
            'image_token': '<image_soft_token>',
            'boi_token': '<start_of_image>',
            'eoi_token': '<end_of_image>',
        }
    )
    config = tf.Gemma3Config(
        vision_config={**VISION, 'model_type': 'siglip_vision_model'},
        text_config={
            **text(len(speller)),
            'model_type': 'gemma3_text',
            'sliding_window': 16,
            'sliding_window_pattern': 2,
        },
        mm_tokens_per_image=4,
        tie_word_embeddings=False,
        boi_token_index=speller.boi_token_id,
        eoi_token_index=speller.eoi_token_id,
        image_token_index=speller.image_token_id,
    )
    save(
        folder,
        tf.Gemma3ForConditionalGeneration(config),
        tf.Gemma3Processor(
            tf.Gemma3ImageProcessor(size={'height': SIZE, 'width': SIZE}),
            speller,
            chat_template=chat('<start_of_image>'),
            image_seq_length=4,
        ),
    )


def mllama(folder: Path) -> None:
    speller = words(['<|python_tag|>'])
    speller.add_tokens([tf.AddedToken('<|image|>', normalized=False, special=True)])
    sizes = text(len(speller) - 1, rope_parameters={'rope_type': 'default', 'rope_theta': 1e4})
    sizes.pop('head_dim')
    config = tf.MllamaConfig(
        vision_config={
            'hidden_size': 32,
            'intermediate_size': 48,
            'num_hidden_layers': 2,
            'num_global_layers': 1,
            'attention_heads': 2,
            'image_size': SIZE,
            'patch_size': 8,
            'max_num_tiles': 4,
            'vision_output_dim': 64,
            'intermediate_layers_indices': [0],
        },
        text_config={**sizes, 'cross_attention_layers': [1]},
        image_token_index=len(speller) - 1,
    )
    save(
        folder,
        tf.MllamaForConditionalGeneration(config),
        tf.MllamaProcessor(
            tf.MllamaImageProcessor(size={'height': SIZE, 'width': SIZE}, max_image_tiles=4),
            speller,
            chat_template=chat('<|image|>'),
        ),
    )


def florence2(folder: Path) -> None:
    speller = words(named={'image_token': '<image>'})
    pictures = tf.CLIPImageProcessor(
        size={'height': 64, 'width': 64}, do_center_crop=False, resample=3
    )
    pictures.image_seq_length = 5
    config = tf.Florence2Config(
        vision_config={
            'depths': [1, 1, 1, 1],
            'embed_dim': [8, 16, 16, 32],
            'num_heads': [1, 1, 1, 2],
            'num_groups': [1, 1, 1, 2],
            'window_size': 4,
            'projection_dim': 32,
        },
        text_config={
            'model_type': 'bart',
            'vocab_size': len(speller),
            'd_model': 32,
            'encoder_layers': 2,
            'decoder_layers': 2,
            'encoder_attention_heads': 2,
            'decoder_attention_heads': 2,
            'encoder_ffn_dim': 48,
            'decoder_ffn_dim': 48,
            'max_position_embeddings': 512,
            'init_std': 0.5,
            'bos_token_id': 1,
            'eos_token_id': 2,
            'pad_token_id': 0,
            'decoder_start_token_id': 2,
            'forced_eos_token_id': 2,
        },
        image_token_id=speller.image_token_id,
    )
    model = tf.Florence2ForConditionalGeneration(config)
    with torch.no_grad():
        # Else it says one word for ever.
        for name, value in model.named_parameters():
            if 'decoder.layers' in name and value.ndim > 1:
                value.mul_(6)
    save(
        folder,
        model,
        tf.Florence2Processor(
            pictures,
            speller,
            num_additional_image_tokens=1,
            post_processor_config={
                'pure_text': {},
                'ocr': {
                    'PATTERN': '(.+?)<loc_(\\d+)><loc_(\\d+)><loc_(\\d+)><loc_(\\d+)>',
                    'AREA_THRESHOLD': 0.0,
                },
                'phrase_grounding': {'banned_grounding_tokens': []},
                'description_with_bboxes': {},
                'polygons': {},
                'bboxes': {},
            },
        ),
    )


def kosmos2(folder: Path) -> None:
    speller = words()
    processor = tf.Kosmos2Processor(
        tf.CLIPImageProcessor(size={'shortest_edge': SIZE}, crop_size=SIZE),
        speller,
        num_patch_index_tokens=16,
    )
    config = tf.Kosmos2Config(
        vision_config=VISION,
        text_config={
            'vocab_size': len(processor.tokenizer) + 80,
            'max_position_embeddings': 512,
            'embed_dim': 32,
            'layers': 2,
            'ffn_dim': 48,
            'attention_heads': 2,
            'init_std': 0.5,
            'bos_token_id': 1,
            'eos_token_id': 2,
            'pad_token_id': 0,
        },
        latent_query_num=64,
    )
    save(folder, tf.Kosmos2ForConditionalGeneration(config), processor)


def fast_vlm(folder: Path) -> None:
    speller = words(named={'image_token': '<image>'}, begins=False)
    config = tf.FastVlmConfig(
        vision_config={
            'model_type': 'timm_wrapper',
            'architecture': 'fastvit_mci3',
            'num_classes': 32,
            'hidden_size': 64,
            'model_args': {
                'inference_mode': True,
                'layers': [1, 1, 1, 1, 1],
                'embed_dims': [32, 32, 32, 32, 32],
            },
        },
        text_config={**text(len(speller)), 'model_type': 'qwen2'},
        image_token_index=speller.image_token_id,
        image_seq_length=1,
    )
    save(
        folder,
        tf.FastVlmForConditionalGeneration(config),
        tf.LlavaProcessor(
            tf.CLIPImageProcessor(size={'shortest_edge': 64}, crop_size=64),
            speller,
            patch_size=64,
            vision_feature_select_strategy='full',
            chat_template=chat('<image>', BARE),
        ),
    )


def phi4_multimodal(folder: Path) -> None:
    speller = words(
        named={'image_token': '<|endoftext10|>', 'audio_token': '<|endoftext11|>'}, begins=False
    )
    sizes = text(len(speller))
    sizes.pop('head_dim')
    config = tf.Phi4MultimodalConfig(
        **sizes,
        rope_parameters={'rope_type': 'default', 'rope_theta': 1e4, 'partial_rotary_factor': 1.0},
        vision_config={
            **VISION,
            # Its processor counts on 16 x 16 tokens a tile.
            'image_size': 64,
            'patch_size': 2,
            'crop_size': 64,
            'image_token_id': speller.image_token_id,
            'feature_layer': -2,
        },
        audio_config={
            'hidden_size': 16,
            'intermediate_size': 16,
            'num_blocks': 1,
            'num_attention_heads': 2,
            'ext_pw_out_channel': 16,
            'depthwise_separable_out_channel': 16,
            'nemo_conv_channels': 16,
            'audio_token_id': speller.audio_token_id,
        },
    )
    save(
        folder,
        tf.Phi4MultimodalForCausalLM(config),
        tf.Phi4MultimodalProcessor(
            tf.Phi4MultimodalImageProcessor(
                size={'height': 64, 'width': 64}, patch_size=2, dynamic_hd=4
            ),
            tf.Phi4MultimodalFeatureExtractor(),
            speller,
            chat_template=chat('<|endoftext10|>', BARE),
        ),
    )


def qwen2_5_omni(folder: Path) -> None:
    """Write the whole model, with the parts that hear and speak."""
    speller = words(
        named={
            'image_token': '<|IMAGE|>',
            'audio_token': '<|AUDIO|>',
            'video_token': '<|VIDEO|>',
            'vision_bos_token': '<|vision_bos|>',
            'vision_eos_token': '<|vision_eos|>',
            'audio_bos_token': '<|audio_bos|>',
            'audio_eos_token': '<|audio_eos|>',
        },
        begins=False,
    )
    rope = {'rope_type': 'default', 'rope_theta': 1e4, 'mrope_section': [1, 1, 2]}
    spoken = {
        'audio_token_index': speller.audio_token_id,
        'image_token_index': speller.image_token_id,
        'video_token_index': speller.video_token_id,
        'vision_start_token_id': speller.vision_bos_token_id,
        'vision_end_token_id': speller.vision_eos_token_id,
        'audio_start_token_id': speller.audio_bos_token_id,
        'audio_end_token_id': speller.audio_eos_token_id,
    }
    sizes = text(len(speller), rope_parameters=rope)
    config = tf.Qwen2_5OmniConfig(
        thinker_config={
            'text_config': sizes,
            'vision_config': {
                'depth': 2,
                'hidden_size': 32,
                'intermediate_size': 48,
                'out_hidden_size': 32,
                'num_heads': 2,
                'patch_size': 14,
                'window_size': 56,
                'fullatt_block_indexes': [1],
            },
            'audio_config': {
                'd_model': 16,
                'encoder_layers': 1,
                'encoder_attention_heads': 2,
                'encoder_ffn_dim': 16,
                'output_dim': 32,
            },
            **spoken,
        },
        talker_config={**sizes, 'embedding_size': 32, **spoken},
        token2wav_config={
            'dit_config': {'hidden_size': 16, 'num_hidden_layers': 1, 'num_attention_heads': 2,
                           'ff_mult': 1, 'emb_dim': 16, 'head_dim': 8, 'enc_emb_dim': 16,
                           'enc_dim': 16, 'enc_channels': [16, 16, 16, 16, 48],
                           'enc_attention_channels': 8, 'enc_se_channels': 8},
            'bigvgan_config': {'upsample_initial_channel': 64},
        },
    )  # fmt: skip
    processor = tf.Qwen2_5OmniProcessor(
        tf.Qwen2VLImageProcessor(size=BUDGET),
        tf.Qwen2VLVideoProcessor(),
        tf.WhisperFeatureExtractor(feature_size=128),
        speller,
        chat_template=chat('<|vision_bos|><|IMAGE|><|vision_eos|>', BARE),
    )
    save(folder, tf.Qwen2_5OmniForConditionalGeneration(config), processor)
    torch.save({'Chelsie': {}}, folder / 'spk_dict.pt')
