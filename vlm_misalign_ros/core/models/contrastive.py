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

"""Contrastive VLMs: a score for each class, and one for safe against unsafe."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import torch
from PIL import Image

from vlm_misalign_ros.core.errors import FrameError
from vlm_misalign_ros.core.labels.classes import CLASSES
from vlm_misalign_ros.core.language.prompts import (
    DEFAULT,
    PromptSet,
    contrastive_prompts,
    prompts_hash,
)
from vlm_misalign_ros.core.models import backend, calibration
from vlm_misalign_ros.core.models.answering import REMEDY
from vlm_misalign_ros.core.models.calibration import OperatingPoint
from vlm_misalign_ros.core.models.factory import model_hash
from vlm_misalign_ros.core.models.families import ModelReference, VlmOptions
from vlm_misalign_ros.core.models.query import Query
from vlm_misalign_ros.core.models.view import Shown
from vlm_misalign_ros.core.types import Description, Judgement, Kind, Mention

_UNIT = 0.05
"""How far from 1 the length of a normalised embedding may be, in half precision."""


class Embedder(Protocol):
    """A network that puts pictures and texts into one space; what it gives has unit length."""

    model: torch.nn.Module
    scale: float
    """What cosines are multiplied by."""
    bias: float | None
    """What is added to them, for a model that is scored by its sigmoid."""
    fill: tuple[int, ...]
    """Its mean colour, BGR, 0 to 255."""

    def classes(self, names: Sequence[str], templates: Sequence[str], /) -> torch.Tensor:
        """Return the embeddings of prompt ensembles, one a name, float32 (N, D)."""

    def texts(self, texts: Sequence[str], /) -> torch.Tensor:
        """Return the embeddings of texts, float32 (N, D)."""

    def pixels(self, picture: Image.Image, /) -> dict[str, torch.Tensor]:
        """Return what the network is given of a picture, on the CPU."""

    def picture(self, pixels: dict[str, torch.Tensor], /) -> torch.Tensor:
        """Return the embedding of a picture, float32 (D,)."""


@dataclass(frozen=True)
class _Embedded:
    """The text embeddings of one prompt set, each of unit length, and its operating points."""

    classes: torch.Tensor
    """(19, D)"""
    neutral: torch.Tensor
    safe: torch.Tensor
    unsafe: torch.Tensor
    points: Mapping[str, OperatingPoint]

    def decide(self, name: str, score: float, default: float) -> tuple[float, bool]:
        """Return the probability of a class and whether it is asserted."""
        point = self.points.get(name)
        if point is None:
            return score, score >= default
        chance = point.probability(score)
        return chance, chance >= point.threshold


class ContrastiveModel:
    """
    One model with the text embeddings of its prompts, each set computed once.

    A class's score is the probability of its prompt ensemble against the neutral one: for a
    model trained with softmax (CLIP) the sigmoid of the scaled difference of cosines, for one
    with a bias (SigLIP) the sigmoid of scale * cosine + bias, as trained.
    """

    kind = Kind.CONTRASTIVE
    checked = True
    """Its weights are checked as it is loaded, since the text embeddings come from them."""

    def __init__(
        self,
        reference: ModelReference,
        options: VlmOptions,
        opens: Callable[[ModelReference, VlmOptions], Embedder],
    ) -> None:
        """
        Load the model by `opens`; ModelError when that cannot be done.

        A class is asserted from its calibrated operating point on, or from the threshold where
        it has none. With the `native` field of view a processor that crops the centre may do so.
        """
        self._threshold = options.threshold
        self._name = reference.text
        self._reference = reference
        self._calibration = options.calibration
        self._model_kwargs = options.model_kwargs
        self._prompt = options.prompt or DEFAULT
        self._embedded: dict[str, _Embedded] = {}
        with backend.loading(reference.text, reference.directory):
            self._embedder = opens(reference, options)
            self._model = self._embedder.model
            self._shown = Shown(
                reference.text,
                self._encode,
                options.field_of_view == 'native',
                self._embedder.fill,
            )
            self._prompts(self._prompt)

    def _encode(self, bgr: np.ndarray) -> list[np.ndarray]:
        """Return all that the network is given of a BGR picture."""
        made = self._embedder.pixels(_picture(bgr))
        return [
            made[name].float().numpy() for name in sorted(made) if made[name].is_floating_point()
        ]

    def _prompts(self, prompt: str) -> _Embedded:
        """
        Return the embeddings of a prompt set, computed once, and its operating points.

        ConfigurationError for a set that is none, or that the model is not calibrated for.
        """
        if prompt not in self._embedded:
            sets = contrastive_prompts(prompt)
            points: Mapping[str, OperatingPoint] = {}
            if self._calibration:
                points = calibration.load(
                    calibration.path_of(self._calibration, self._reference.directory),
                    model_hash(self._reference, self._model_kwargs),
                    prompts_hash(prompt),
                ).points
            self._embedded[prompt] = self._embed_set(sets, points)
        return self._embedded[prompt]

    def _embed_set(self, prompts: PromptSet, points: Mapping[str, OperatingPoint]) -> _Embedded:
        with torch.inference_mode():
            classes = self._embedder.classes(
                [prompts.classes[name] for name in CLASSES], prompts.templates
            )
            self._check_unit(classes, 'the name of a class')
            return _Embedded(
                classes,
                self._embed(prompts.neutral),
                self._embed(prompts.safe),
                self._embed(prompts.unsafe),
                points,
            )

    def _embed(self, texts: Sequence[str]) -> torch.Tensor:
        """Return the mean embedding of some texts, unit length, (D,)."""
        embedded = self._embedder.texts(texts).mean(0)
        unit: torch.Tensor = embedded / embedded.norm()
        self._check_unit(unit, 'a text')
        return unit

    def _check_unit(self, embedded: torch.Tensor, what: str) -> None:
        """Refuse embeddings (..., D) that have no direction; open_clip lets zeros pass."""
        lengths = embedded.norm(dim=-1)
        if not bool(((lengths - 1).abs() < _UNIT).all()):
            raise FrameError(
                f'model {self._name!r} embeds {what} with a length of '
                f'{float(lengths.reshape(-1)[0])}, not 1',
                REMEDY,
            )

    def raw_scores(self, query: Query) -> dict[str, float]:
        """Return the uncalibrated score of each class and of SAFETY, 0 to 1."""
        shown, _ = self._shown.fit(query.picture)
        return self._scores(shown, self._prompts(self._prompt_of(query)))

    def _prompt_of(self, query: Query) -> str:
        """Return the id of the prompt set of a query; FrameError for what has no words to it."""
        if query.system or query.context:
            raise FrameError(
                f'contrastive model {self._name!r} is not asked in words',
                'leave out its system prompt, and give it input: image, overlay or mask',
            )
        return query.prompt.id if query.prompt else self._prompt

    def _scores(self, bgr: np.ndarray, asked: _Embedded) -> dict[str, float]:
        scale, bias = self._embedder.scale, self._embedder.bias
        with torch.inference_mode():
            image = self._embedder.picture(self._embedder.pixels(_picture(bgr)))
            self._check_unit(image, 'the picture')
            similar = asked.classes @ image
            if bias is None:
                logits = scale * (similar - asked.neutral @ image)
            else:
                logits = scale * similar + bias
            scores = torch.sigmoid(logits.double()).cpu().numpy()
            safe = float(
                torch.sigmoid(scale * (asked.safe - asked.unsafe).double() @ image.double())
            )
        return {
            **{name: float(value) for name, value in zip(CLASSES, scores, strict=True)},
            calibration.SAFETY: safe,
        }

    def describe(self, query: Query) -> Description:
        """Return scores, mentions and judgement of the frame's own picture."""
        prompt = self._prompt_of(query)
        shown, view = self._shown.fit(query.picture)
        begin = time.perf_counter()
        asked = self._prompts(prompt)
        raw = self._scores(shown, asked)
        safe, may_go = asked.decide(calibration.SAFETY, raw.pop(calibration.SAFETY), 0.5)
        decided = {name: asked.decide(name, score, self._threshold) for name, score in raw.items()}
        # Ten digits are kept: more than the arithmetic gives, and the same in every record.
        return Description(
            model=self._name,
            kind=self.kind,
            text='',
            scores={name: round(chance, 10) for name, (chance, _) in decided.items()},
            mentions={name: Mention.ASSERTED for name, (_, said) in decided.items() if said},
            judgement=Judgement.SAFE if may_go else Judgement.UNSAFE,
            judgement_score=round(safe, 10),
            prompt_id=prompt,
            view=view,
            latency=time.perf_counter() - begin,
        )


def _picture(bgr: np.ndarray) -> Image.Image:
    return Image.fromarray(cv2.cvtColor(np.ascontiguousarray(bgr), cv2.COLOR_BGR2RGB))
