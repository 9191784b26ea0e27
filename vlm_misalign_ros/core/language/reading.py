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

"""Reads an answer: what it says of each class, in which words, and its judgement."""

from __future__ import annotations

from vlm_misalign_ros.core.language.fields import find_fields
from vlm_misalign_ros.core.language.judgement import judge_sentences
from vlm_misalign_ros.core.language.lexicon import Lexicon
from vlm_misalign_ros.core.language.mentions import Reading, to_plain
from vlm_misalign_ros.core.language.prose import Prose
from vlm_misalign_ros.core.language.structured import Verdicts
from vlm_misalign_ros.core.language.structures import find_structures
from vlm_misalign_ros.core.language.text import is_english, tidy
from vlm_misalign_ros.core.language.values import Values

__all__ = ['Reading', 'read', 'to_plain']


def read(text: str, lexicon: Lexicon, prompt: str = '') -> Reading:
    """Return what an answer says; an echo of `prompt` is left out first."""
    reading = Reading()
    plain = tidy(text, prompt)
    if not is_english(plain):
        return reading
    prose = Prose(lexicon, reading)
    values = Values(lexicon, reading, prose)
    structures, rest = find_structures(plain, lexicon)
    for node in structures:
        values.read(node)
    verdicts = Verdicts(lexicon, prompt)
    for node in sorted(structures + find_fields(rest), key=lambda node: node.start):
        verdicts.read(node)
    said = judge_sentences(prose.read(rest), lexicon, prompt)
    reading.judgement = verdicts.over(said)
    return reading
