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

"""Answers in words of a model outside: read as those of the generative models are."""

from __future__ import annotations

from vlm_misalign_ros.core.language.bounding import (
    GAP,
    MAX_RAW,
    clean_text,
    head_and_tail,
    without_controls,
)
from vlm_misalign_ros.core.language.lexicon import open_lexicon
from vlm_misalign_ros.core.language.prompts import answer_style, generative_prompt
from vlm_misalign_ros.core.language.reading import read
from vlm_misalign_ros.core.types import Description, Kind


def bounded(text: str) -> tuple[str, int]:
    """Return what is kept of a text while it waits, and how many characters were cut of it."""
    head, tail = head_and_tail(text, MAX_RAW)
    return (text, 0) if head == tail else (text[:head] + GAP + text[tail:], tail - head)


class OutsideReader:
    """Reads the answers of one node by the lexicon, and by its prompt where that is known."""

    def __init__(self, name: str, prompt: str, lexicon: str) -> None:
        """Open lexicon and prompt; ConfigurationError where one will not do."""
        self._name = name
        self._prompt_id = prompt
        self._lexicon = open_lexicon(lexicon)
        self._prompt = generative_prompt(prompt) if prompt else ''
        self._style = answer_style(prompt) if prompt else ''

    def describe(self, text: str, cut: int = 0) -> Description:
        """Return what a text says; `cut` characters were taken out of it before."""
        said = without_controls(text)
        found = read(said, self._lexicon, self._prompt, self._style)
        return Description(
            model=self._name,
            kind=Kind.GENERATIVE,
            text=clean_text(said),
            mentions=found.mentions,
            further=found.further,
            judgement=found.judgement,
            prompt_id=self._prompt_id,
            cut=found.cut + cut,
            style=found.style,
        )
