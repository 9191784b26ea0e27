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

import hashlib
from dataclasses import replace

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.language.bounding import GAP, MAX_RAW, head_and_tail, without_controls
from vlm_misalign_ros.core.language.lexicon import open_lexicon
from vlm_misalign_ros.core.language.prompts import Prompt, find_prompt
from vlm_misalign_ros.core.models.describing import RawAnswer, described
from vlm_misalign_ros.core.models.query import Query
from vlm_misalign_ros.core.types import Description


def bounded(text: str) -> tuple[str, int]:
    """Return what is kept of a text while it waits, and how many characters were cut of it."""
    head, tail = head_and_tail(text, MAX_RAW)
    return (text, 0) if head == tail else (text[:head] + GAP + text[tail:], tail - head)


class OutsideReader:
    """Reads the answers of one node by the lexicon, and by its prompt where that is known."""

    def __init__(self, name: str, prompt: str, words: str, lexicon: str) -> None:
        """
        Open lexicon and prompt, which is named or given in its words.

        ConfigurationError where one will not do, or where both are given.
        """
        if prompt and words:
            raise ConfigurationError(f'{name} has the prompt {prompt!r} and a text', 'give one')
        self._name = name
        self._lexicon = open_lexicon(lexicon)
        self._prompt = Prompt('', '')
        if prompt:
            self._prompt = find_prompt(prompt)
        elif words:
            short = hashlib.sha256(words.encode()).hexdigest()[:12]
            self._prompt = Prompt(f'text {short}', words)

    def describe(self, text: str, cut: int = 0) -> Description:
        """Return what a text says; `cut` characters were taken out of it before."""
        raw = RawAnswer(without_controls(text))
        found = described(self._name, Query(), self._prompt, raw, self._lexicon)
        return replace(found, cut=found.cut + cut) if cut else found
