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

"""Tiny segmentation checkpoints of many families, made on the spot as transformers saves them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from vlm_misalign_ros.core.labels.classes import CLASSES

_SWIN = {
    'image_size': 64,
    'embed_dim': 8,
    'depths': [1, 1, 1, 1],
    'num_heads': [1, 1, 1, 1],
    'window_size': 4,
    'out_features': ['stage1', 'stage2', 'stage3', 'stage4'],
}
_SMALL_VIT = {
    'hidden_size': 16,
    'num_hidden_layers': 4,
    'num_attention_heads': 2,
    'intermediate_size': 32,
}
_QUERIES = {
    'num_queries': 12,
    'encoder_layers': 1,
    'num_attention_heads': 2,
    'hidden_dim': 32,
    'encoder_feedforward_dim': 16,
    'dim_feedforward': 16,
}

_SHARP = ('class', 'mask', 'query_position')


def scatter(model: torch.nn.Module, gain: float = 1.6) -> None:
    """Give every matrix weights that keep a signal, so that pixels get different classes."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim >= 2:
                fan = math.prod(weight.shape[1:])
                # Heads choose a class and an area, and do not all but draw.
                sharper = 6 if any(part in name for part in _SHARP) else 1
                weight.normal_(0, sharper * gain / math.sqrt(fan))
            elif 'bias' in name:
                weight.normal_(0, 0.1)
        for name, buffer in model.named_buffers():
            if name.endswith('running_mean'):
                buffer.normal_(0, 0.1)


def settle(model: torch.nn.Module) -> None:
    """Let batch normalisation know what it is given: a signal may die where it does not."""
    for part in model.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.momentum = None
    smooth = torch.nn.functional.interpolate(torch.rand(2, 3, 8, 8), 64, mode='bilinear')
    with torch.no_grad():
        model.train()(pixel_values=smooth)


def _labels(names: Sequence[str]) -> dict[str, Any]:
    return {
        'id2label': dict(enumerate(names)),
        'label2id': {name: index for index, name in enumerate(names)},
    }


def _segformer(labels: dict[str, Any]) -> tuple[Any, Any]:
    from transformers import (
        SegformerConfig,
        SegformerForSemanticSegmentation,
        SegformerImageProcessor,
    )

    config = SegformerConfig(
        hidden_sizes=[8, 8, 16, 16],
        depths=[1, 1, 1, 1],
        num_attention_heads=[1, 1, 2, 2],
        decoder_hidden_size=16,
        **labels,
    )
    return SegformerForSemanticSegmentation(config), SegformerImageProcessor()


def _upernet(labels: dict[str, Any]) -> tuple[Any, Any]:
    from transformers import (
        ConvNextConfig,
        SegformerImageProcessor,
        UperNetConfig,
        UperNetForSemanticSegmentation,
    )

    backbone = ConvNextConfig(
        hidden_sizes=[8, 8, 16, 16],
        depths=[1, 1, 1, 1],
        out_features=['stage1', 'stage2', 'stage3', 'stage4'],
    )
    config = UperNetConfig(
        backbone_config=backbone,
        hidden_size=16,
        auxiliary_in_channels=16,
        auxiliary_channels=8,
        **labels,
    )
    return UperNetForSemanticSegmentation(config), SegformerImageProcessor()


def _beit(labels: dict[str, Any]) -> tuple[Any, Any]:
    from transformers import BeitConfig, BeitForSemanticSegmentation, BeitImageProcessor

    config = BeitConfig(
        image_size=64,
        out_indices=[1, 2, 3, 4],
        use_relative_position_bias=True,
        auxiliary_channels=8,
        **_SMALL_VIT,
        **labels,
    )
    size = {'height': 64, 'width': 64}
    return BeitForSemanticSegmentation(config), BeitImageProcessor(size=size, crop_size=size)


def _data2vec(labels: dict[str, Any]) -> tuple[Any, Any]:
    from transformers import (
        BeitImageProcessor,
        Data2VecVisionConfig,
        Data2VecVisionForSemanticSegmentation,
    )

    config = Data2VecVisionConfig(
        image_size=64,
        out_indices=[1, 2, 3, 4],
        use_absolute_position_embeddings=True,
        auxiliary_channels=8,
        **_SMALL_VIT,
        **labels,
    )
    size = {'height': 64, 'width': 64}
    processor = BeitImageProcessor(size=size, crop_size=size)
    return Data2VecVisionForSemanticSegmentation(config), processor


def _dpt(labels: dict[str, Any]) -> tuple[Any, Any]:
    from transformers import DPTConfig, DPTForSemanticSegmentation, DPTImageProcessor

    config = DPTConfig(
        image_size=64,
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[8, 8, 16, 16],
        fusion_hidden_size=16,
        **_SMALL_VIT,
        **labels,
    )
    processor = DPTImageProcessor(size={'height': 64, 'width': 64})
    return DPTForSemanticSegmentation(config), processor


def _mobilevit(labels: dict[str, Any]) -> tuple[Any, Any]:
    from transformers import (
        MobileViTConfig,
        MobileViTForSemanticSegmentation,
        MobileViTImageProcessor,
    )

    config = MobileViTConfig(
        image_size=64,
        hidden_sizes=[16, 24, 32],
        neck_hidden_sizes=[8, 8, 8, 16, 16, 24, 32],
        aspp_out_channels=16,
        output_stride=16,
        **labels,
    )
    processor = MobileViTImageProcessor(
        size={'shortest_edge': 72}, crop_size={'height': 64, 'width': 64}
    )
    return MobileViTForSemanticSegmentation(config), processor


def _mobilenet_v2(labels: dict[str, Any]) -> tuple[Any, Any]:
    from transformers import (
        MobileNetV2Config,
        MobileNetV2ForSemanticSegmentation,
        MobileNetV2ImageProcessor,
    )

    config = MobileNetV2Config(
        image_size=64, depth_multiplier=0.1, output_stride=16, classifier_dropout_prob=0, **labels
    )
    processor = MobileNetV2ImageProcessor(
        size={'shortest_edge': 72}, crop_size={'height': 64, 'width': 64}
    )
    return MobileNetV2ForSemanticSegmentation(config), processor


def _sapiens2(labels: dict[str, Any]) -> tuple[Any, Any]:
    from transformers import (
        Sapiens2Config,
        Sapiens2ForSemanticSegmentation,
        Sapiens2ImageProcessor,
    )

    config = Sapiens2Config(
        image_size=[64, 48],
        num_key_value_attention_heads=2,
        num_first_full_attention_layers=1,
        num_last_full_attention_layers=1,
        num_register_tokens=2,
        head_config={'upsample_out_channels': [16, 16], 'conv_out_channels': [16]},
        **_SMALL_VIT,
        **labels,
    )
    processor = Sapiens2ImageProcessor(size={'height': 64, 'width': 48})
    return Sapiens2ForSemanticSegmentation(config), processor


def _mask2former(labels: dict[str, Any]) -> tuple[Any, Any]:
    from transformers import (
        Mask2FormerConfig,
        Mask2FormerForUniversalSegmentation,
        Mask2FormerImageProcessor,
        SwinConfig,
    )

    config = Mask2FormerConfig(
        backbone_config=SwinConfig(**_SWIN),
        mask_feature_size=32,
        feature_size=32,
        decoder_layers=2,
        **_QUERIES,
        **labels,
    )
    processor = Mask2FormerImageProcessor(size={'height': 96, 'width': 96})
    return Mask2FormerForUniversalSegmentation(config), processor


def _maskformer(labels: dict[str, Any]) -> tuple[Any, Any]:
    from transformers import (
        DetrConfig,
        MaskFormerConfig,
        MaskFormerForInstanceSegmentation,
        MaskFormerImageProcessor,
        SwinConfig,
    )

    config = MaskFormerConfig(
        backbone_config=SwinConfig(**_SWIN),
        decoder_config=DetrConfig(
            num_queries=12,
            d_model=16,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=16,
            decoder_ffn_dim=16,
        ),
        fpn_feature_size=32,
        mask_feature_size=32,
        **labels,
    )
    processor = MaskFormerImageProcessor(size={'shortest_edge': 64, 'longest_edge': 160})
    return MaskFormerForInstanceSegmentation(config), processor


def _oneformer(labels: dict[str, Any]) -> tuple[Any, Any]:
    from transformers import (
        CLIPTokenizer,
        OneFormerConfig,
        OneFormerForUniversalSegmentation,
        OneFormerImageProcessor,
        OneFormerProcessor,
        SwinConfig,
    )

    config = OneFormerConfig(
        backbone_config=SwinConfig(**_SWIN),
        conv_dim=32,
        mask_dim=32,
        decoder_layers=2,
        query_dec_layers=1,
        text_encoder_width=16,
        text_encoder_num_layers=1,
        text_encoder_vocab_size=600,
        text_encoder_n_ctx=4,
        task_seq_len=16,
        **{**_QUERIES, 'encoder_layers': 1},
        **labels,
    )
    things = {str(i): {'name': name, 'isthing': 1} for i, name in labels['id2label'].items()}
    letters = [chr(code) for code in range(33, 127)]
    words = [*letters, *(letter + '</w>' for letter in letters)]
    vocab = {word: index for index, word in enumerate(words)}
    vocab['<|startoftext|>'], vocab['<|endoftext|>'] = len(vocab), len(vocab) + 1
    tokenizer = CLIPTokenizer(vocab=vocab, merges=[])
    images = OneFormerImageProcessor(
        size={'shortest_edge': 64, 'longest_edge': 160}, num_text=8, metadata=things
    )
    processor = OneFormerProcessor(
        image_processor=images, tokenizer=tokenizer, max_seq_length=16, task_seq_length=16
    )
    return OneFormerForUniversalSegmentation(config), processor


def _eomt(labels: dict[str, Any]) -> tuple[Any, Any]:
    from transformers import EomtConfig, EomtForUniversalSegmentation, EomtImageProcessor

    config = EomtConfig(
        image_size=64,
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_blocks=1,
        num_queries=12,
        num_upscale_blocks=1,
        num_register_tokens=2,
        **labels,
    )
    processor = EomtImageProcessor(
        size={'shortest_edge': 64, 'longest_edge': None}, do_split_image=True
    )
    return EomtForUniversalSegmentation(config), processor


def _detr(labels: dict[str, Any]) -> tuple[Any, Any]:
    from transformers import DetrConfig, DetrForSegmentation, DetrImageProcessor, ResNetConfig

    config = DetrConfig(
        backbone_config=ResNetConfig(
            embedding_size=8,
            hidden_sizes=[8, 16, 16, 32],
            depths=[1, 1, 1, 1],
            out_features=['stage1', 'stage2', 'stage3', 'stage4'],
        ),
        num_queries=12,
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=8,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        **labels,
    )
    processor = DetrImageProcessor(size={'shortest_edge': 64, 'longest_edge': 160})
    return DetrForSegmentation(config), processor


MAKERS: dict[str, Callable[[dict[str, Any]], tuple[Any, Any]]] = {
    'segformer': _segformer,
    'upernet': _upernet,
    'beit': _beit,
    'data2vec': _data2vec,
    'dpt': _dpt,
    'mobilevit': _mobilevit,
    'mobilenet_v2': _mobilenet_v2,
    'sapiens2': _sapiens2,
    'mask2former': _mask2former,
    'maskformer': _maskformer,
    'oneformer': _oneformer,
    'eomt': _eomt,
    'detr': _detr,
}
"""By family."""
_SEEDS = {'mask2former': 8, 'maskformer': 2, 'detr': 2}
"""Of those of whose masks more classes are than with the usual one."""


def make(family: str, folder: Path, names: Sequence[str] = CLASSES, **processor: Any) -> Path:
    """Save a checkpoint of a family with these class names; more is laid over its processor."""
    torch.manual_seed(_SEEDS.get(family, 7))
    model, made = MAKERS[family](_labels(names))
    scatter(model)
    if family == 'mobilevit':
        settle(model)
    if family == 'detr':
        # Queries differ by little: what they have in common would choose one class for all.
        with torch.no_grad():
            model.detr.class_labels_classifier.weight *= 5
            # Each query looks at a place of its own, and that is what its mask is made of.
            for part in (model.bbox_attention.q_proj, model.bbox_attention.k_proj):
                part.weight *= 30
            model.mask_head.conv1.conv.weight[:, model.config.d_model :] *= 30
            for name, weight in model.mask_head.named_parameters():
                if 'fpn_adapter' in name:
                    weight *= 0.01
            common = model.eval()(torch.rand(1, 3, 64, 128)).logits.mean((0, 1))
            model.detr.class_labels_classifier.bias -= common
    model.eval().save_pretrained(folder)
    made.save_pretrained(folder)
    if processor:
        # A processor of several parts keeps all of them in one file.
        name = next(
            name
            for name in ('preprocessor_config.json', 'processor_config.json')
            if (folder / name).is_file()
        )
        plain = json.loads((folder / name).read_text())
        plain.get('image_processor', plain).update(processor)
        (folder / name).write_text(json.dumps(plain))
    return folder
