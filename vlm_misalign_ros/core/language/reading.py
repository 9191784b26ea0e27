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

from vlm_misalign_ros.core.language.answers import find_json
from vlm_misalign_ros.core.language.judgement import judge_sentences
from vlm_misalign_ros.core.language.lexicon import Lexicon
from vlm_misalign_ros.core.language.mentions import Reading, to_plain
from vlm_misalign_ros.core.language.prose import Prose
from vlm_misalign_ros.core.language.structured import judge_json
from vlm_misalign_ros.core.language.text import tidy
from vlm_misalign_ros.core.language.values import Values
from vlm_misalign_ros.core.types import Judgement

__all__ = ['Reading', 'read', 'to_plain']


def read(text: str, lexicon: Lexicon, prompt: str = '') -> Reading:
    """Return what an answer says; an echo of `prompt` is left out first."""
    reading = Reading()
    plain = tidy(text, prompt)
    if not lexicon.speech.admits(plain):
        return reading
    plain = lexicon.speech.tidy(plain)
    prose = Prose(lexicon, reading)
    values = Values(lexicon, reading, prose)
    rest, start = [], 0
    judged: Judgement | None = None
    for begin, end, value in find_json(plain):
        rest.append(plain[start:begin])
        start = end
        values.read(value)
        judged = judge_json(value, lexicon) or judged
    rest.append(plain[start:])
    found = prose.read(
        '\n'.join(part.replace('```json', ' ').replace('```', ' ') for part in rest)
    )
    said = judge_sentences(found, lexicon, prompt)
    # What JSON says holds, unless the prose around it judges, too.
    if judged is None or said in (Judgement.SAFE, Judgement.UNSAFE):
        judged = said
    reading.judgement = judged
    return reading
