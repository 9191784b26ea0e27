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

"""Generative VLMs of transformers: any model that answers in words to pictures."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image

from vlm_misalign_ros.core.language.lexicon import open_lexicon
from vlm_misalign_ros.core.language.prompts import Prompt, find_prompt
from vlm_misalign_ros.core.models import backend
from vlm_misalign_ros.core.models.describing import RawAnswer, described
from vlm_misalign_ros.core.models.families import ModelReference, VlmOptions
from vlm_misalign_ros.core.models.generative_asking import Asker, template_of
from vlm_misalign_ros.core.models.generative_decoding import Decoder
from vlm_misalign_ros.core.models.generative_families import prompt_of, ways_of
from vlm_misalign_ros.core.models.generative_loading import load
from vlm_misalign_ros.core.models.generative_reuse import Encodings
from vlm_misalign_ros.core.models.library_options import generation_options
from vlm_misalign_ros.core.models.query import Query
from vlm_misalign_ros.core.models.view import Shown
from vlm_misalign_ros.core.models.yes_no import Path, YesNo
from vlm_misalign_ros.core.types import WHOLE, Description, Kind, View

SAFETY_PROMPT = 'safety'
"""Id of the question whose answer, yes or no, tells how sure the model is."""
_PROBE = 'probing words'


class GenerativeModel:
    """One model of transformers that answers in words; deterministic, of bounded length."""

    kind = Kind.GENERATIVE

    def __init__(self, reference: ModelReference, options: VlmOptions) -> None:
        """
        Load the model; ModelError when that cannot be done, ConfigurationError for an option.

        With `uncertainty` the likelihood of each mention and the probability of a safe road come
        with the answer. With the `native` field of view a processor that crops the centre may.
        """
        self._max_new_tokens = options.max_new_tokens
        self._name = reference.text
        self._uncertainty = options.uncertainty
        self._lexicon = open_lexicon(options.lexicon)
        decoding = generation_options(options.generation_kwargs)
        with backend.loading(reference.text, reference.directory):
            loaded = load(reference, options)
            self._device, self._dtype = loaded.device, loaded.dtype
            self._model, self.unfilled = loaded.model, loaded.unfilled
            self._processor = loaded.processor
            ways = ways_of(loaded.model_type, bool(template_of(loaded.processor)))
            self._asker = Asker(reference.text, loaded.processor, loaded.model_type, ways)
        self._ways = ways
        self._decoder = Decoder(reference.text, loaded.model, loaded.processor, ways, decoding)
        self._encodings = Encodings(loaded.model, loaded.processor)
        self._shown = Shown(
            reference.text,
            self._encode,
            options.field_of_view == 'native',
            _grey_of(loaded.processor),
        )
        self._prompt = prompt_of(ways, options.prompt)
        self._safety = find_prompt(SAFETY_PROMPT)
        self._yes_no = YesNo(self._asker.tokenizer, self._asker.text(self._safety.text))

    def _inputs(
        self, pictures: Sequence[Image.Image], words: str, system: str = ''
    ) -> dict[str, torch.Tensor]:
        return {
            name: value.to(self._device, self._dtype)
            if value.is_floating_point()
            else value.to(self._device)
            for name, value in self._asker.inputs(pictures, words, system).items()
        }

    def _encode(self, bgr: np.ndarray) -> list[np.ndarray]:
        """Return all that the network is given of a BGR picture."""
        made = self._asker.inputs([_picture(bgr)], _PROBE)
        return [
            made[name].float().numpy() for name in sorted(made) if made[name].is_floating_point()
        ]

    def describe(self, query: Query) -> Description:
        """Return text, mentions and judgement of what a query shows and asks."""
        prompt = query.prompt or self._prompt
        words = query.text(prompt)
        view: View = WHOLE
        fitted = []
        for bgr in query.pictures:
            shown, view = self._shown.fit(bgr)
            fitted.append(shown)
        begin = time.perf_counter()
        pictures = [_picture(shown) for shown in fitted]
        with torch.inference_mode():
            inputs = self._inputs(pictures, words, query.system)
            tokens, chances = self._decoder.answer(inputs, self._max_new_tokens)
            probed = self._uncertainty and query.probed
            safe = self._probability_of_yes(pictures, query, prompt) if probed else None
        asked = inputs['input_ids'][0]
        if len(tokens) >= len(asked) and torch.equal(tokens[: len(asked)], asked):
            tokens = tokens[len(asked) :]
        raw = RawAnswer(
            # A captioner goes on from its prompt: it stays in the text, and is part of no answer.
            self._decoder.text(tokens, words),
            len(tokens) >= self._max_new_tokens and not self._decoder.ended(tokens),
            view,
            safe,
            time.perf_counter() - begin,
            partial(self._decoder.spoken, tokens, chances, words) if self._uncertainty else None,
        )
        return described(self._name, query, prompt, raw, self._lexicon)

    def _probability_of_yes(
        self, pictures: Sequence[Image.Image], query: Query, prompt: Prompt
    ) -> float | None:
        """
        Return P(yes) / (P(yes) + P(no)) of the answer to SAFETY_PROMPT; None for neither.

        It is asked about the same pictures, with the same words before the question. A family
        that has a form for questions is asked in it, unless the prompt in use is not in the
        family's manner: then the model was made for other prompts.
        """
        question = self._safety.text
        if self._ways.asks(prompt.text):
            question = self._ways.question.format(question)
        words = query.text(Prompt(SAFETY_PROMPT, question))
        inputs = self._inputs(pictures, words, query.system)

        def follow(way: Path, more: int) -> tuple[list[int], torch.Tensor]:
            tokens, chances = self._decoder.forced(inputs, len(way) + more, way)
            return tokens[len(tokens) - len(chances) :].tolist(), chances

        return self._yes_no.probability(follow)


def _picture(bgr: np.ndarray) -> Image.Image:
    return Image.fromarray(cv2.cvtColor(np.ascontiguousarray(bgr), cv2.COLOR_BGR2RGB))


def _grey_of(processor: Any) -> tuple[int, ...]:
    """Return the mean colour of a processor, BGR: what is laid around a frame says nothing."""
    images = getattr(processor, 'image_processor', None)
    mean = getattr(images, 'image_mean', None) or (0.5, 0.5, 0.5)
    return tuple(round(255 * float(value)) for value in reversed(mean))
