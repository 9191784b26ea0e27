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

"""The model family `rules`: describers that follow a rule instead of a network."""

from __future__ import annotations

import time

import cv2
import numpy as np

from vlm_misalign_ros.core.errors import ModelError
from vlm_misalign_ros.core.language.lexicon import open_lexicon
from vlm_misalign_ros.core.language.prompts import Prompt
from vlm_misalign_ros.core.models.describing import RawAnswer, described
from vlm_misalign_ros.core.models.families import (
    Describes,
    Family,
    ModelReference,
    SegmentationOptions,
    Segments,
    VlmOptions,
    refuse_segmentation,
)
from vlm_misalign_ros.core.models.query import Query
from vlm_misalign_ros.core.types import Description, Kind, Role

TEXTURED = 3.5
"""Mean step between neighbouring grey values, 0 to 255, from which a street is busy."""
DARK = 60.0
"""Mean grey value, 0 to 255, below which it is night."""
PROMPT = Prompt('rules', '')
"""It says the same whatever it is asked."""


class Darkness:
    """Says that there is a car where the picture is textured, and to stop where it is dark."""

    kind = Kind.GENERATIVE

    def __init__(self, reference: ModelReference, options: VlmOptions) -> None:
        """Open the lexicon that the answers are read with."""
        self._name = reference.text
        self._lexicon = open_lexicon(options.lexicon)

    def describe(self, query: Query) -> Description:
        """Return text, mentions and judgement of the frame's picture."""
        begin = time.perf_counter()
        text = self.text(query.picture)
        # The text is what counts: it is read as that of a network is.
        raw = RawAnswer(text, latency=time.perf_counter() - begin)
        return described(self._name, query, query.prompt or PROMPT, raw, self._lexicon)

    @staticmethod
    def text(bgr: np.ndarray) -> str:
        """Return the answer for a BGR uint8 (H, W, 3) picture."""
        grey = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
        lower = grey[len(grey) // 2 :].astype(np.int16)
        textured = np.abs(np.diff(lower, axis=1)).mean() >= TEXTURED
        seen = 'There is a car on the road.' if textured else 'I see no car.'
        dark = grey.mean() < DARK
        return f'{seen} ' + ('It is not safe to proceed.' if dark else 'It is safe to proceed.')


class Rules:
    """The family: it parses `rules:NAME`, checks it and opens it."""

    forms = ('rules:darkness',)

    def parse(self, rest: str, text: str) -> ModelReference:
        """Return the model that `rest` of the string `text` names; ModelError for none."""
        if rest != 'darkness':
            raise ModelError(f'there are no rules {rest!r}', 'known: darkness')
        return ModelReference(text, 'rules', rest)

    def kind(self, reference: ModelReference) -> Kind:
        """Return that it answers in words."""
        return Kind.GENERATIVE

    def check(self, reference: ModelReference, role: Role) -> None:
        """Raise ModelError for the role of a segmentation model; there are no files to check."""
        if role is Role.SEGMENTATION:
            raise refuse_segmentation(reference)

    def open_vlm(self, reference: ModelReference, options: VlmOptions) -> Describes:
        """Open a describer."""
        return Darkness(reference, options)

    def open_segmentation(
        self, reference: ModelReference, options: SegmentationOptions
    ) -> Segments:
        """Refuse: there are none."""
        raise refuse_segmentation(reference)


FAMILY: Family = Rules()
