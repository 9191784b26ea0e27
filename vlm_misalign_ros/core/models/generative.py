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

"""Generative VLMs of transformers: any image-text-to-text model with its processor."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image

from vlm_misalign_ros.core.errors import FrameError, ModelError
from vlm_misalign_ros.core.language.bounding import without_controls
from vlm_misalign_ros.core.language.lexicon import open_lexicon
from vlm_misalign_ros.core.language.prompts import DEFAULT, find_prompt, generative_prompt
from vlm_misalign_ros.core.models import backend
from vlm_misalign_ros.core.models.describing import RawAnswer, Spoken, described
from vlm_misalign_ros.core.models.families import ModelReference, VlmOptions
from vlm_misalign_ros.core.models.query import Query
from vlm_misalign_ros.core.models.view import centre_crop
from vlm_misalign_ros.core.models.yes_no import Path, YesNo
from vlm_misalign_ros.core.types import WHOLE, Description, Kind, View

SAFETY_PROMPT = 'safety'
"""Id of the question whose answer, yes or no, tells how sure the model is."""


class GenerativeModel:
    """One image-text-to-text model; greedy decoding of bounded length."""

    kind = Kind.GENERATIVE

    def __init__(self, reference: ModelReference, options: VlmOptions) -> None:
        """
        Load the model; ModelError when that cannot be done.

        With `uncertainty` the likelihood of each mention and the probability of a safe road come
        with the answer. With the `native` field of view a processor that crops the centre may.
        """
        self._device = backend.prepare(options.device, options.threads)
        self._dtype = backend.arithmetic(options.dtype)
        self._max_new_tokens = options.max_new_tokens
        self._name = reference.text
        self._native = options.field_of_view == 'native'
        self._uncertainty = options.uncertainty
        self._lexicon = open_lexicon(options.lexicon)
        with backend.loading(reference.text):
            self._load(reference, options.trust_remote_code)
        own = DEFAULT if self._template else 'caption'
        self._prompt = find_prompt(options.prompt, own)
        self._asked_safety = self._ask(generative_prompt(SAFETY_PROMPT))
        self._yes_no = YesNo(self._tokenizer, self._asked_safety)

    def _load(self, named: ModelReference, trust: bool) -> None:
        from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor
        from transformers.models.auto.modeling_auto import (
            MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
        )

        shared: dict[str, Any] = {
            'local_files_only': backend.offline(named),
            'trust_remote_code': trust,
        }
        place = backend.place(named)
        config = AutoConfig.from_pretrained(place, **shared)
        if config.model_type not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES and not trust:
            raise ModelError(
                f'model {place!r} is of type {config.model_type!r}, which does not answer with '
                'text to a picture',
                'give an image-text-to-text model',
            )
        self._processor = AutoProcessor.from_pretrained(place, **shared)
        self._model, self.unfilled = backend.load_pretrained(
            AutoModelForImageTextToText, named, self._device, dtype=self._dtype, **shared
        )
        tokenizer = getattr(self._processor, 'tokenizer', self._processor)
        self._tokenizer = tokenizer
        self._template = bool(
            getattr(self._processor, 'chat_template', None)
            or getattr(tokenizer, 'chat_template', None)
        )
        images = getattr(self._processor, 'image_processor', None)
        # A processor that crops the centre would hide the sides of a wide frame: pad instead.
        self._crops = bool(getattr(images, 'do_center_crop', False))
        self._crop = _crop_of(images) if self._crops and self._native else None
        mean = getattr(images, 'image_mean', None) or (0.5, 0.5, 0.5)
        self._fill = tuple(round(255 * float(value)) for value in reversed(mean))
        ends = self._model.generation_config.eos_token_id
        self._ends = set(ends if isinstance(ends, list) else [ends]) - {None}

    def _ask(self, prompt: str) -> str:
        if not self._template:
            # PaliGemma's processor wants the place of the picture named, and warns at every call.
            named = self._model.config.model_type == 'paligemma'
            return f'{self._processor.image_token}{prompt}' if named else prompt
        messages = [
            {'role': 'user', 'content': [{'type': 'image'}, {'type': 'text', 'text': prompt}]}
        ]
        asked = self._processor.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True
        )
        return str(asked)

    def _picture(self, bgr: np.ndarray) -> Image.Image:
        height, width = bgr.shape[:2]
        if self._crops and not self._native and height != width:
            down, right = max(width - height, 0), max(height - width, 0)
            bgr = cv2.copyMakeBorder(
                np.ascontiguousarray(bgr),
                down // 2,
                down - down // 2,
                right // 2,
                right - right // 2,
                cv2.BORDER_CONSTANT,
                value=self._fill,
            )
        return Image.fromarray(cv2.cvtColor(np.ascontiguousarray(bgr), cv2.COLOR_BGR2RGB))

    def _inputs(self, picture: Image.Image, asked: str) -> dict[str, torch.Tensor]:
        inputs = self._processor(images=picture, text=asked, return_tensors='pt')
        return {
            name: value.to(self._device, self._dtype)
            if value.is_floating_point()
            else value.to(self._device)
            for name, value in inputs.items()
            if isinstance(value, torch.Tensor) and name != 'labels'
        }

    def _generate(
        self, inputs: Mapping[str, torch.Tensor], length: int, begin: Path = ()
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """
        Return the tokens, (T,), and the log-probabilities at each new one, (N, V).

        The new tokens begin with `begin`, whatever the model would say. Raises FrameError for
        scores that are not numbers or tell no token from another.
        """
        forced = iter(begin)

        def force(_: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            token = next(forced, None)
            if token is None:
                return scores
            only = torch.full_like(scores, float('-inf'))
            only[:, token] = 0
            return only

        output = self._model.generate(
            **inputs,
            max_new_tokens=length,
            do_sample=False,
            num_beams=1,
            return_dict_in_generate=True,
            output_logits=True,
            logits_processor=[force] if begin else None,
        )
        logits = torch.cat(output.logits).float() if output.logits else torch.zeros(0, 2)
        chances = logits.log_softmax(-1)
        flat = logits.amax(-1) == logits.amin(-1)
        if bool(chances.isnan().any() | flat.any()):
            raise FrameError(
                f'model {self._name!r} gave scores of the next word that are not finite or all '
                'the same'
            )
        return output.sequences[0], chances

    def describe(self, query: Query) -> Description:
        """Return text, mentions and judgement of the frame's own picture."""
        begin = time.perf_counter()
        prompt, bgr = query.prompt or self._prompt, query.picture
        if len(query.pictures) > 1 or query.system:
            raise FrameError(
                f'model {self._name!r} is asked about one picture, without a system prompt',
                'leave out its frames and its system',
            )
        picture = self._picture(bgr)
        inputs = self._inputs(picture, self._ask(query.text(prompt)))
        with torch.inference_mode():
            tokens, chances = self._generate(inputs, self._max_new_tokens)
        asked = inputs['input_ids'][0]
        if len(tokens) >= len(asked) and torch.equal(tokens[: len(asked)], asked):
            tokens = tokens[len(asked) :]
        truncated = len(tokens) >= self._max_new_tokens and int(tokens[-1]) not in self._ends
        view: View = WHOLE
        if self._crop is not None:
            view = centre_crop(bgr.shape[1], bgr.shape[0], *self._crop)
        # A captioner goes on from its prompt, which stays in the text and is part of no answer.
        answer = self._decode(tokens)
        safe = self._probability_of_yes(picture) if self._uncertainty else None
        raw = RawAnswer(
            answer,
            truncated,
            view,
            safe,
            time.perf_counter() - begin,
            partial(self._spoken, tokens, chances) if self._uncertainty else None,
        )
        return described(self._name, query, prompt, raw, self._lexicon)

    def _decode(self, tokens: torch.Tensor) -> str:
        text = self._tokenizer.decode(tokens, skip_special_tokens=True).strip()
        return without_controls(text)

    def _spoken(self, tokens: torch.Tensor, chances: torch.Tensor) -> list[Spoken]:
        """Return where each new token stands in the text, and how likely it was."""
        count = len(chances)
        if not count:
            return []
        new = tokens[-count:]
        logs = chances[torch.arange(count), new].cpu().tolist()
        ends = [
            len(self._decode(tokens[: len(tokens) - count + place + 1])) for place in range(count)
        ]
        starts = [len(self._decode(tokens[: len(tokens) - count])), *ends[:-1]]
        return list(zip(starts, ends, logs, strict=True))

    def _probability_of_yes(self, picture: Image.Image) -> float | None:
        """Return P(yes) / (P(yes) + P(no)) of the answer to SAFETY_PROMPT; None for neither."""
        inputs = self._inputs(picture, self._asked_safety)

        def follow(way: Path, more: int) -> tuple[list[int], torch.Tensor]:
            with torch.inference_mode():
                tokens, chances = self._generate(inputs, len(way) + more, way)
            return tokens[len(tokens) - len(chances) :].tolist(), chances

        return self._yes_no.probability(follow)


def _crop_of(images: Any) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Return what a processor resizes to cover and what it crops, each (width, height)."""
    size: Any = getattr(images, 'size', None)
    crop: Any = getattr(images, 'crop_size', None)
    try:
        cut = int(crop['width']), int(crop['height'])
        edge = size.get('shortest_edge') if hasattr(size, 'get') else size['shortest_edge']
        shortest = (int(edge), int(edge)) if edge else (int(size['width']), int(size['height']))
    except (TypeError, KeyError, AttributeError) as error:
        raise ModelError(
            f'the processor crops to {crop} from {size}, which is not understood',
            'use field_of_view: whole',
        ) from error
    return shortest, cut
