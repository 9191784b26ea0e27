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

"""What a vision-language model is shown and asked: pictures, words, and what perception found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vlm_misalign_ros.core.errors import FrameError
from vlm_misalign_ros.core.language.prompts import Prompt
from vlm_misalign_ros.core.types import Camera, Segmented


@dataclass(frozen=True)
class Query:
    """One question to a model about one frame."""

    pictures: tuple[np.ndarray, ...] = ()
    """BGR uint8 (H, W, 3), oldest first, that of the frame itself last; none for words alone."""
    prompt: Prompt | None = None
    """What is asked; None for what a model is asked by default."""
    system: str = ''
    """What a model is told about itself before, where its template has a place for that."""
    context: str = ''
    """What perception found, in words; stands before the prompt."""
    mask: Segmented | None = None
    """What the segmentation made of the frame, for what reads the mask itself."""
    camera: Camera | None = None
    """The camera of the frame, where it is known."""
    probed: bool = True
    """Whether the probability of a safe road is asked for, too: once a frame is enough."""

    @property
    def picture(self) -> np.ndarray:
        """Return the picture of the frame itself; FrameError where there is none."""
        if not self.pictures:
            raise FrameError('a question without a picture', 'this model needs one: input: image')
        return self.pictures[-1]

    def text(self, prompt: Prompt) -> str:
        """Return the words of the question put by `prompt`: what perception found goes before."""
        return f'{self.context}\n{prompt.text}' if self.context else prompt.text
