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

"""Puts one ask to a loaded model: what it is shown, in which words, and the paraphrases."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vlm_misalign_ros.core.errors import ConfigurationError, FrameError, NothingSaid
from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.language.lexicon import Lexicon, open_lexicon
from vlm_misalign_ros.core.language.marks import mark
from vlm_misalign_ros.core.language.prompts import Prompt, find_prompt, paraphrases
from vlm_misalign_ros.core.language.text import words
from vlm_misalign_ros.core.models import findings
from vlm_misalign_ros.core.models.answering import TRIAL, CheckedVlm, trial_picture
from vlm_misalign_ros.core.models.query import Query
from vlm_misalign_ros.core.settings.asks import Ask
from vlm_misalign_ros.core.types import Camera, Description, Input, Judgement, Kind, Segmented


@dataclass(frozen=True)
class Shown:
    """What there is to show of one frame."""

    pictures: tuple[np.ndarray, ...]
    """BGR uint8 (H, W, 3): past ones, oldest first, and that of the frame itself."""
    mask: Segmented | None = None
    camera: Camera | None = None


class Asker:
    """One ask of one model; its answers carry the name of the ask."""

    def __init__(self, model: CheckedVlm, ask: Ask, lexicon: str = '') -> None:
        """
        Find the prompts.

        ConfigurationError for those that are not there, and for what a contrastive model, which
        is not asked in words, cannot be asked.
        """
        self._model = model
        self._ask = ask
        self._prompt = prompt_of(ask, model.kind)
        self._safety: tuple[Prompt, ...] = ()
        if ask.chosen.paraphrases:
            self._safety = paraphrases(ask.chosen.prompt, ask.chosen.paraphrases)
        self._lexicon = open_lexicon(lexicon)

    @property
    def name(self) -> str:
        """Return the name of the ask."""
        return self._ask.name

    def answer(self, shown: Shown, paraphrased: bool = True) -> Description:
        """
        Return what the model answers; `paraphrased`: paraphrases of the safety question, too.

        Raises FrameError where it fails. A paraphrase that gets no answer is UNPARSED.
        """
        query = self.query(shown)
        found = self._model.describe(query)
        asked = self._safety if paraphrased else ()
        said = [self._judge(query, prompt) for prompt in asked]
        return replace(
            found,
            model=self._ask.name,
            input=self._ask.input,
            shown=len(shown.pictures),
            prompted=self._prompted(query, found),
            paraphrases=tuple(judgement for judgement, _ in said),
            paraphrased=tuple(text for _, text in said),
            context=query.context,
        )

    def _judge(self, query: Query, prompt: Prompt) -> tuple[Judgement, str]:
        """Return the judgement in the answer to a paraphrase, and that answer."""
        try:
            found = self._model.describe(replace(query, prompt=prompt, probed=False))
        except NothingSaid:
            return Judgement.UNPARSED, ''
        return found.judgement, found.text

    def query(self, shown: Shown) -> Query:
        """Return the question about one frame; FrameError where its mask is needed and lacks."""
        chosen, mask = self._ask.input, shown.mask
        if chosen.masked and mask is None:
            raise FrameError(f'no mask for the ask {self.name!r}', 'see the segmentation node')
        told, context = shown.pictures, ''
        if self._model.kind is Kind.MASK:
            # It reads the mask itself: nobody has to paint it.
            return Query(told, mask=mask, camera=shown.camera)
        if mask is not None and chosen.masked:
            told, context = _with_mask(chosen, shown.pictures, mask)
        if self._model.kind is Kind.CONTRASTIVE:
            context = ''
        return Query(told, self._prompt, self._ask.chosen.system, context, mask, shown.camera)

    def _prompted(self, query: Query, found: Description) -> tuple[str, ...]:
        """Return the classes that the model was told of; legends, that name all, left out."""
        if found.kind is not Kind.GENERATIVE:
            return ()
        named = set(named_in(self._lexicon, self._ask.chosen.system))
        if self._prompt is not None:
            named |= named_in(self._lexicon, self._prompt.text)
        if query.mask is not None and self._ask.input.worded:
            named |= set(findings.classes_in_words(query.mask))
        return tuple(sorted(named))

    def try_out(self) -> None:
        """
        Ask about a grey picture, all of it road.

        ConfigurationError says why the model cannot be asked so; an empty answer passes.
        """
        mask = Segmented(np.zeros(TRIAL, np.uint8), 0.0, 1.0, {'road': 0.0})
        count = 1 + self._ask.chosen.frames
        try:
            self.answer(Shown((trial_picture(),) * count, mask))
        except NothingSaid:
            return
        except FrameError as error:
            raise ConfigurationError(
                f'the ask {self.name!r} cannot be put to its model: {error.what}',
                error.remedy or 'choose another prompt or input for it',
            ) from error


def prompt_of(ask: Ask, kind: Kind) -> Prompt | None:
    """
    Return what an ask says of its prompt; None for the model's own.

    ConfigurationError for a prompt that is not there, and for what a model of this kind cannot be
    asked.
    """
    chosen = ask.chosen
    if kind is Kind.CONTRASTIVE:
        for name in ('text', 'system', 'paraphrases'):
            if getattr(chosen, name):
                raise ConfigurationError(
                    f'{ask.name} has {name}, and its model is contrastive: it reads no words',
                    'leave it out; `prompt` names a prompt set',
                )
        if chosen.frames:
            raise ConfigurationError(
                f'{ask.name} has frames: {chosen.frames}, and its model is contrastive: it is '
                'shown one picture',
                'leave it out',
            )
        if ask.input.worded:
            raise ConfigurationError(
                f'{ask.name} has the input {ask.input.value!r}, and its model is contrastive',
                'choose image, overlay or mask: it reads no words',
            )
        return Prompt(chosen.prompt, '') if chosen.prompt else None
    if chosen.text:
        return Prompt(f'text {hashlib.sha256(chosen.text.encode()).hexdigest()[:12]}', chosen.text)
    return find_prompt(chosen.prompt) if chosen.prompt else None


def _with_mask(
    chosen: Input, pictures: Sequence[np.ndarray], mask: Segmented
) -> tuple[tuple[np.ndarray, ...], str]:
    """Return the pictures to show, and what to tell of them."""
    *past, own = pictures
    if chosen is Input.OVERLAY:
        return (findings.over(own, mask.labels),), (
            'The picture has the colours of a segmentation over it. ' + findings.legend()
        )
    if chosen is Input.MASK:
        return (findings.in_colours(mask.labels),), (
            'The picture is the segmentation of a camera picture. ' + findings.legend()
        )
    if chosen is Input.IMAGE_MASK:
        return (*past, findings.in_colours(mask.labels), own), (
            'The last picture is from the camera, the one before it is its segmentation. '
            + findings.legend()
        )
    sure = chosen is Input.IMAGE_OBJECTS_UNCERTAINTY
    return (
        tuple(pictures) if chosen.camera else (),
        findings.in_words(mask, uncertainty=sure, pictured=chosen.camera),
    )


def named_in(lexicon: Lexicon, text: str) -> set[str]:
    """Return the classes that words of a text stand for, whatever it says of them."""
    found = (name for one in mark(words(text), lexicon) for name in one.classes or ())
    return {name for name in found if name in SCORED}
