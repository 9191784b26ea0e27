"""Generative VLMs of transformers: any image-text-to-text model with its processor."""

from __future__ import annotations

import time
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image

from vlm_misalign_ros.codec import clean_text
from vlm_misalign_ros.errors import ModelError
from vlm_misalign_ros.language.judgement import judge
from vlm_misalign_ros.language.lexicon import Lexicon
from vlm_misalign_ros.language.mentions import extract
from vlm_misalign_ros.models import backend, reference
from vlm_misalign_ros.models.prompts import generative_prompt
from vlm_misalign_ros.types import Description


class GenerativeModel:
    """One image-text-to-text model; greedy decoding of bounded length."""

    kind = 'generative'

    def __init__(
        self, text: str, prompt_id: str = '', device: str = 'auto', dtype: str = 'float32',
        threads: int = 1, max_new_tokens: int = 96, trust_remote_code: bool = False,
    ) -> None:
        """Load the model that `text` refers to; ModelError when that cannot be done."""
        named = reference.parse(text)
        reference.check(named, 'vlm')
        self._device = backend.prepare(device, threads)
        self._dtype = backend.arithmetic(dtype)
        self._max_new_tokens = max_new_tokens
        self._name = text
        self._lexicon = Lexicon.load()
        with backend.loading(text):
            self._load(named, trust_remote_code)
        self._prompt_id = prompt_id or ('default' if self._template else 'caption')
        self._prompt = generative_prompt(self._prompt_id)
        self._asked = self._ask(self._prompt)

    def _load(self, named: reference.ModelReference, trust: bool) -> None:
        from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor
        from transformers.models.auto.modeling_auto import (
            MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
        )

        shared: dict[str, Any] = {
            'local_files_only': backend.offline(named), 'trust_remote_code': trust}
        place = backend.place(named)
        config = AutoConfig.from_pretrained(place, **shared)
        if config.model_type not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES and not trust:
            raise ModelError(
                f'model {place!r} is of type {config.model_type!r}, which does not answer with '
                'text to a picture', 'give an image-text-to-text model')
        self._processor = AutoProcessor.from_pretrained(place, **shared)
        model = AutoModelForImageTextToText.from_pretrained(place, dtype=self._dtype, **shared)
        self._model: Any = model.eval().to(device=self._device)
        tokenizer = getattr(self._processor, 'tokenizer', self._processor)
        self._tokenizer = tokenizer
        self._template = bool(
            getattr(self._processor, 'chat_template', None)
            or getattr(tokenizer, 'chat_template', None))
        images = getattr(self._processor, 'image_processor', None)
        # A processor that crops the centre would hide the sides of a wide frame: pad instead.
        self._pad = bool(getattr(images, 'do_center_crop', False))
        mean = getattr(images, 'image_mean', None) or (0.5, 0.5, 0.5)
        self._fill = tuple(round(255 * float(value)) for value in reversed(mean))
        ends = self._model.generation_config.eos_token_id
        self._ends = set(ends if isinstance(ends, list) else [ends]) - {None}

    def _ask(self, prompt: str) -> str:
        if not self._template:
            return prompt
        messages = [{'role': 'user', 'content': [
            {'type': 'image'}, {'type': 'text', 'text': prompt}]}]
        asked = self._processor.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True)
        return str(asked)

    def _picture(self, bgr: np.ndarray) -> Image.Image:
        height, width = bgr.shape[:2]
        if self._pad and height != width:
            down, right = max(width - height, 0), max(height - width, 0)
            bgr = cv2.copyMakeBorder(
                np.ascontiguousarray(bgr), down // 2, down - down // 2, right // 2,
                right - right // 2, cv2.BORDER_CONSTANT, value=self._fill)
        return Image.fromarray(cv2.cvtColor(np.ascontiguousarray(bgr), cv2.COLOR_BGR2RGB))

    def describe(self, bgr: np.ndarray) -> Description:
        """Return text, mentions and judgement for a BGR uint8 (H, W, 3) picture."""
        begin = time.perf_counter()
        inputs = self._processor(
            images=self._picture(bgr), text=self._asked, return_tensors='pt')
        inputs = {name: value.to(self._device, self._dtype) if value.is_floating_point()
                  else value.to(self._device) for name, value in inputs.items()
                  if isinstance(value, torch.Tensor)}
        with torch.inference_mode():
            tokens = self._model.generate(
                **inputs, max_new_tokens=self._max_new_tokens, do_sample=False, num_beams=1)[0]
        asked = inputs['input_ids'][0]
        if len(tokens) >= len(asked) and torch.equal(tokens[:len(asked)], asked):
            tokens = tokens[len(asked):]
        answer = clean_text(self._tokenizer.decode(tokens, skip_special_tokens=True).strip())
        truncated = len(tokens) >= self._max_new_tokens and int(tokens[-1]) not in self._ends
        # A captioner goes on from its prompt, which is part of no answer.
        return Description(
            model=self._name, kind=self.kind, text=answer,
            mentions=extract(answer, self._lexicon, self._prompt),
            judgement=judge(answer, self._lexicon, self._prompt), prompt_id=self._prompt_id,
            truncated=truncated, latency=time.perf_counter() - begin)
