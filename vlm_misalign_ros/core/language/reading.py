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
from vlm_misalign_ros.core.language.languages import language_of
from vlm_misalign_ros.core.language.lexicon import Lexicon
from vlm_misalign_ros.core.language.mentions import Reading, to_plain
from vlm_misalign_ros.core.language.plain import tidy
from vlm_misalign_ros.core.language.prose import Prose
from vlm_misalign_ros.core.language.structured import Verdicts
from vlm_misalign_ros.core.language.structures import find_structures
from vlm_misalign_ros.core.language.styles import style_of
from vlm_misalign_ros.core.language.text import words
from vlm_misalign_ros.core.language.values import Values

__all__ = ['Reading', 'read', 'to_plain']


def read(text: str, lexicon: Lexicon, prompt: str = '', style: str = '') -> Reading:
    """
    Return what an answer says; an echo of `prompt` is left out first.

    Its style is `style` where that is given (`answer_style` of the prompt), and else looked for.
    """
    plain = tidy(text, prompt)
    said, asked_for, tokens = plain.text, plain.asked, words(plain.text)
    reading = Reading(
        cut=plain.cut,
        language=language_of(said, tokens),
        find_style=lambda: style or style_of(said, prompt or asked_for, tokens),
    )
    if not lexicon.speech.admits(plain.text, reading.language):
        return reading
    if lexicon.speech.small:
        plain = plain.put(lexicon.speech.small_words(plain.text))
    text = plain.text
    prose = Prose(lexicon, reading, text)
    prose.ask(plain.asked)
    values = Values(lexicon, reading, prose, text)
    structures, rest = find_structures(text, lexicon)
    for node in structures:
        values.read(node)
    asked = ' '.join(words(plain.asked))
    verdicts = Verdicts(lexicon, asked, text)
    for node in sorted(structures + find_fields(rest), key=lambda node: node.start):
        verdicts.read(node)
    judged = judge_sentences(prose.read(rest), lexicon, asked, prose.parser)
    verdict = verdicts.over(judged)
    reading.judgement, reading.rule = verdict.judgement, verdict.rule
    if verdict.span is not None:
        reading.judged_span = plain.span(*verdict.span)
    spans = prose.answered | reading.spans
    reading.spans = {name: plain.span(*span) for name, span in spans.items()}
    return reading
