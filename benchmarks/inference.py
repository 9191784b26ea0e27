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
How long models of real size take for a camera picture, beside their own libraries, by device.

The checkpoints are made here, with the published shapes and random weights: time does not depend
on what weights say. `library` is what one writes by hand with it: its processor, its network,
and, for masks, its own post-processing; ours adds the checks, the certainty, the fitting of the
whole picture and the reading of what was said, and, in `llava-certain`, the probabilities of its
words and of a safe road, which is a second question. Medians by the clock, pictures in turn.

    python benchmarks/inference.py --models segformer-b5 clip-vit-l-14 llava --devices cpu cuda
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image
from timing import median_ms

from vlm_misalign_ros.core.labels.classes import CLASSES
from vlm_misalign_ros.core.language.prompts import generative_prompt
from vlm_misalign_ros.core.models.factory import load_segmentation, load_vlm
from vlm_misalign_ros.core.models.query import Query
from vlm_misalign_ros.core.models.untrained import create_untrained
from vlm_misalign_ros.core.world import render_scene

TOKENS = 64
SEGFORMERS = {
    # Xie et al. 2021 (SegFormer), tables 6 and 7, in the sizes of their Cityscapes checkpoints.
    'segformer-b0': ([32, 64, 160, 256], [2, 2, 2, 2], 256),
    'segformer-b5': ([64, 128, 320, 512], [3, 6, 40, 3], 768),
}
CLIPS = {'clip-vit-b-16': 'ViT-B-16', 'clip-vit-l-14': 'ViT-L-14'}


def make(name: str, folder: Path, dtype: torch.dtype) -> str:
    """Write a checkpoint of that shape; return the string that names it."""
    torch.manual_seed(0)
    if name in SEGFORMERS:
        segformer(folder, *SEGFORMERS[name])
        return f'transformers:{folder}'
    if name in CLIPS:
        clip(folder, CLIPS[name])
        return f'open_clip:local-dir:{folder}'
    llava(folder, dtype)
    return f'transformers:{folder}'


def segformer(folder: Path, sizes: list[int], depths: list[int], decoder: int) -> None:
    """Write a SegFormer that sees 2048 x 1024 pixels."""
    from transformers import (
        SegformerConfig,
        SegformerForSemanticSegmentation,
        SegformerImageProcessor,
    )

    names = dict(enumerate(CLASSES))
    config = SegformerConfig(
        depths=depths, hidden_sizes=sizes, decoder_hidden_size=decoder, id2label=names,
        label2id={name: number for number, name in names.items()},
    )  # fmt: skip
    SegformerForSemanticSegmentation(config).save_pretrained(folder)
    SegformerImageProcessor(size={'height': 1024, 'width': 2048}).save_pretrained(folder)


def clip(folder: Path, name: str) -> None:
    """Write a CLIP of a shape that open_clip knows."""
    import open_clip
    from safetensors.torch import save_file

    config = open_clip.get_model_config(name)
    model = open_clip.create_model(name, pretrained=None)
    state = {key: value.contiguous() for key, value in model.state_dict().items()}
    folder.mkdir(parents=True)
    save_file(state, folder / 'open_clip_model.safetensors')
    preprocess = {'interpolation': 'bicubic', 'resize_mode': 'longest'}
    (folder / 'open_clip_config.json').write_text(
        json.dumps({'model_cfg': config, 'preprocess_cfg': preprocess})
    )


def llava(folder: Path, dtype: torch.dtype) -> None:
    """Write a LLaVA: CLIP ViT-L/14 at 336 pixels before a Llama of TinyLlama's layers."""
    from transformers import (
        AutoProcessor,
        CLIPImageProcessor,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
    )

    small = create_untrained(folder / 'small')['llava']
    processor = AutoProcessor.from_pretrained(small)
    words: Any = LlavaConfig.from_pretrained(small)
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, image_size=336,
            num_attention_heads=16, patch_size=14, projection_dim=768,
        ),
        text_config=LlamaConfig(
            vocab_size=words.text_config.vocab_size, hidden_size=2048, intermediate_size=5632,
            num_hidden_layers=22, num_attention_heads=32, num_key_value_heads=4,
            max_position_embeddings=2048,
            bos_token_id=1, eos_token_id=2, pad_token_id=0,
        ),
        image_token_index=words.image_token_index,
    )  # fmt: skip
    model: Any = LlavaForConditionalGeneration(config)
    model = model.to(dtype=dtype)
    # It never stops by itself, and says words.
    model.generation_config.suppress_tokens = [0, 1, 2, 3, 4]
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0
    model.save_pretrained(folder)
    processor.image_processor = CLIPImageProcessor(size={'shortest_edge': 336}, crop_size=336)
    processor.patch_size, processor.vision_feature_select_strategy = 14, 'default'
    processor.save_pretrained(folder)


def library(name: str, text: str, device: str, dtype: torch.dtype) -> Callable[[np.ndarray], Any]:
    """Return what one writes by hand: from a BGR picture to a mask, scores or words."""
    place = text.partition(':')[2]
    if name in SEGFORMERS:
        return by_hand_mask(place, device, dtype)
    if name in CLIPS:
        return by_hand_scores(place, device, dtype)
    return by_hand_words(place, device, dtype)


def by_hand_mask(place: str, device: str, dtype: torch.dtype) -> Callable[[np.ndarray], Any]:
    """Return transformers' own way to a mask."""
    from transformers import AutoImageProcessor, SegformerForSemanticSegmentation

    processor = AutoImageProcessor.from_pretrained(place)
    model: Any = SegformerForSemanticSegmentation.from_pretrained(place, dtype=dtype)
    model = model.to(device).eval()

    def mask(bgr: np.ndarray) -> Any:
        given = processor(images=picture(bgr), return_tensors='pt').to(device, dtype)
        output = model(**given)
        return processor.post_process_semantic_segmentation(output, [bgr.shape[:2]])[0].cpu()

    return mask


def by_hand_scores(place: str, device: str, dtype: torch.dtype) -> Callable[[np.ndarray], Any]:
    """Return open_clip's own way to the scores of 19 classes."""
    import open_clip

    model, transform = open_clip.create_model_from_pretrained(place, device=device)
    model = model.to(dtype).eval()
    tokens = open_clip.get_tokenizer(place)(list(CLASSES)).to(device)
    with torch.inference_mode():
        texts = model.encode_text(tokens, normalize=True)

    def scores(bgr: np.ndarray) -> Any:
        pixels = transform(picture(bgr))[None].to(device, dtype)
        return (model.encode_image(pixels, normalize=True) @ texts.T).softmax(-1).cpu()

    return scores


def by_hand_words(place: str, device: str, dtype: torch.dtype) -> Callable[[np.ndarray], Any]:
    """Return transformers' own way to an answer."""
    from transformers import AutoProcessor, LlavaForConditionalGeneration

    processor = AutoProcessor.from_pretrained(place)
    model: Any = LlavaForConditionalGeneration.from_pretrained(place, dtype=dtype)
    model = model.to(device).eval()
    content = [{'type': 'image'}, {'type': 'text', 'text': generative_prompt('default')}]
    asked = processor.apply_chat_template(
        [{'role': 'user', 'content': content}], add_generation_prompt=True
    )

    def words(bgr: np.ndarray) -> Any:
        given = processor(images=picture(bgr), text=asked, return_tensors='pt').to(device, dtype)
        given.pop('token_type_ids', None)
        output = model.generate(**given, max_new_tokens=TOKENS, do_sample=False)
        return processor.batch_decode(output, skip_special_tokens=True)[0]

    return words


def picture(bgr: np.ndarray) -> Image.Image:
    """Return a picture as libraries want it."""
    return Image.fromarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))


def ours(name: str, text: str, device: str, dtype: str) -> Callable[[np.ndarray], Any]:
    """Return what this package does with a picture."""
    if name in SEGFORMERS:
        model = load_segmentation(text, device=device, dtype=dtype, input_height=1024)
        return model.segment
    sure = name == 'llava-certain'
    vlm = load_vlm(text, device=device, dtype=dtype, max_new_tokens=TOKENS, uncertainty=sure)
    return lambda bgr: vlm.describe(Query((bgr,)))


def timed(
    opens: Callable[[], Callable[[np.ndarray], Any]], pictures: Sequence[np.ndarray], repeats: int
) -> float:
    """Return the median milliseconds of a picture, once what answers is open."""
    answer = opens()
    turn = itertools.cycle(pictures)
    with torch.inference_mode():
        return median_ms(lambda: answer(next(turn)), repeats)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    known = [*SEGFORMERS, *CLIPS, 'llava', 'llava-certain']
    parser.add_argument('--models', nargs='+', choices=known, default=known)
    parser.add_argument('--devices', nargs='+', default=['cpu'])
    parser.add_argument('--dtypes', nargs='+', default=['float32'])
    parser.add_argument('--repeats', type=int, default=5)
    chosen = parser.parse_args()
    print('| model | device | dtype | ms a picture | library | ratio | GPU memory, MiB |')
    print('|---|---|---|---|---|---|---|')
    pictures = [render_scene(3, number, 2048, 1024).image for number in range(4)]
    with tempfile.TemporaryDirectory() as work:
        for name in chosen.models:
            text = make(name, Path(work) / name, getattr(torch, chosen.dtypes[-1]))
            for device, dtype in itertools.product(chosen.devices, chosen.dtypes):
                own = timed(partial(ours, name, text, device, dtype), pictures, chosen.repeats)
                memory = '-'
                if device != 'cpu':
                    memory = f'{torch.cuda.max_memory_allocated(device) / 2**20:.0f}'
                    torch.cuda.reset_peak_memory_stats(device)
                hand = partial(library, name, text, device, getattr(torch, dtype))
                theirs = timed(hand, pictures, chosen.repeats)
                print(
                    f'| {name} | {device} | {dtype} | {own:.1f} | {theirs:.1f} '
                    f'| {own / theirs:.2f} | {memory} |',
                    flush=True,
                )


if __name__ == '__main__':
    main()
