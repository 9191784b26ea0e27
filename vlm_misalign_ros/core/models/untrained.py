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
Small untrained checkpoints in the standard on-disk formats.

They are opened by the same code as real ones; their answers mean nothing.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch

from vlm_misalign_ros.core.labels.classes import CLASSES
from vlm_misalign_ros.core.language.prompts import generative_prompt
from vlm_misalign_ros.core.language.wordfiles import shipped

_CHAT = (
    "{% for message in messages %}{% if message['role'] == 'user' %}USER: "
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>\n"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}{% endfor %}"
    '{% if add_generation_prompt %} ASSISTANT:{% endif %}'
)
_FILLERS = (
    'there is a . there are two . i see the . it is safe to proceed . it is not safe . '
    'no , and with near in on of ahead left right far possibly might be'
).split()


def create_untrained(out: Path, seed: int = 0) -> dict[str, Path]:
    """Write a SegFormer, a CLIP, a LLaVA and a BLIP captioner under `out`; return their places."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    made = {}
    for name, create in (
        ('segformer', _segformer),
        ('clip', _clip),
        ('llava', _llava),
        ('captioner', _captioner),
    ):
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            create(folder)
        for path in folder.rglob('*'):
            if path.is_file():
                path.chmod(0o644)
        made[name] = folder
    return made


def _segformer(folder: Path) -> None:
    from transformers import (
        SegformerConfig,
        SegformerForSemanticSegmentation,
        SegformerImageProcessor,
    )

    names = dict(enumerate(CLASSES))
    config = SegformerConfig(
        depths=[1, 1, 1, 1],
        hidden_sizes=[16, 32, 48, 64],
        num_attention_heads=[1, 1, 2, 2],
        decoder_hidden_size=48,
        id2label=names,
        label2id={name: index for index, name in names.items()},
    )
    SegformerForSemanticSegmentation(config).save_pretrained(folder)
    SegformerImageProcessor(size={'height': 256, 'width': 512}).save_pretrained(folder)


def _clip(folder: Path) -> None:
    import open_clip
    from safetensors.torch import save_file

    config = {
        'embed_dim': 32,
        'vision_cfg': {
            'image_size': 128,
            'layers': 2,
            'width': 64,
            'head_width': 32,
            'patch_size': 16,
        },
        'text_cfg': {
            'context_length': 77,
            'vocab_size': 49408,
            'width': 32,
            'heads': 2,
            'layers': 1,
        },
    }
    model = open_clip.CLIP(**config, output_dict=False)
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(state, folder / 'open_clip_model.safetensors')
    (folder / 'open_clip_config.json').write_text(
        json.dumps(
            {
                'model_cfg': config,
                'preprocess_cfg': {
                    'mean': [0.48145466, 0.4578275, 0.40821073],
                    'std': [0.26862954, 0.26130258, 0.27577711],
                    'interpolation': 'bicubic',
                    'resize_mode': 'longest',
                },
            },
            indent=2,
        )
    )


def _vocabulary() -> list[str]:
    """Return the words of the lexicon and the prompts, in a fixed order."""
    things = shipped()['things']
    found: dict[str, None] = dict.fromkeys(_FILLERS)
    texts = [phrase for entry in things for phrase in entry['phrases'][:6]]
    texts += [generative_prompt(name) for name in ('default', 'json', 'caption')]
    for text in texts:
        found.update(
            dict.fromkeys(
                ''.join(char if char.isalnum() else f' {char} ' for char in text.lower()).split()
            )
        )
    return list(found)


def _llava(folder: Path) -> None:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
    from transformers import (
        CLIPImageProcessor,
        CLIPVisionConfig,
        GenerationConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
        PreTrainedTokenizerFast,
    )

    special = ['<pad>', '<s>', '</s>', '<unk>', '<image>']
    words = {word: index for index, word in enumerate([*special, *_vocabulary()])}
    raw = Tokenizer(models.WordLevel(words, unk_token='<unk>'))
    raw.normalizer = normalizers.Lowercase()
    raw.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()]
    )
    raw.decoder = decoders.WordPiece(prefix='##', cleanup=True)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token='<pad>',
        bos_token='<s>',
        eos_token='</s>',
        unk_token='<unk>',
        padding_side='left',
        extra_special_tokens={'image_token': '<image>'},
    )
    vision = CLIPVisionConfig(
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=112,
        patch_size=16,
    )
    text = LlamaConfig(
        vocab_size=len(words),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=512,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        initializer_range=0.4,
    )
    model = LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=vision,
            text_config=text,
            image_token_index=words['<image>'],
            vision_feature_layer=-1,
            vision_feature_select_strategy='default',
        )
    )
    model.generation_config = GenerationConfig(bos_token_id=1, eos_token_id=2, pad_token_id=0)
    model.save_pretrained(folder)
    LlavaProcessor(
        CLIPImageProcessor(size={'shortest_edge': 112}, crop_size=112),
        tokenizer,
        patch_size=16,
        vision_feature_select_strategy='default',
        num_additional_image_tokens=1,
        image_token='<image>',
        chat_template=_CHAT,
    ).save_pretrained(folder)


def _captioner(folder: Path) -> None:
    from transformers import (
        BertTokenizer,
        BlipConfig,
        BlipForConditionalGeneration,
        BlipImageProcessor,
        BlipProcessor,
    )

    words = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', *_vocabulary()]
    (folder / 'vocab.txt').write_text('\n'.join(words) + '\n', encoding='utf-8')
    tokenizer = BertTokenizer(vocab={word: index for index, word in enumerate(words)})
    model = BlipForConditionalGeneration(
        BlipConfig(
            text_config={
                'vocab_size': len(words),
                'hidden_size': 48,
                'encoder_hidden_size': 48,
                'intermediate_size': 96,
                'projection_dim': 32,
                'num_hidden_layers': 1,
                'num_attention_heads': 2,
                'max_position_embeddings': 256,
                'bos_token_id': 2,
                'eos_token_id': 3,
                'pad_token_id': 0,
                'sep_token_id': 3,
                'initializer_range': 0.4,
            },
            vision_config={
                'hidden_size': 48,
                'intermediate_size': 96,
                'num_hidden_layers': 2,
                'num_attention_heads': 2,
                'image_size': 112,
                'patch_size': 16,
            },
            projection_dim=32,
            image_text_hidden_size=32,
        )
    )
    model.save_pretrained(folder)
    BlipProcessor(
        BlipImageProcessor(size={'height': 112, 'width': 112}), tokenizer
    ).save_pretrained(folder)
