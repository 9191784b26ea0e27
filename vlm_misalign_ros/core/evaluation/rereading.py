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

"""
Kept answers read again by another lexicon: text, paraphrases, the answer to the clean picture.

What reading needs beside a text is the question: its prompt by id, or in the words that the
settings of the run have, and what perception had found, which the record keeps.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from msgspec import structs

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.evaluation.asker import named_in
from vlm_misalign_ros.core.language.altered import may_differ
from vlm_misalign_ros.core.language.lexicon import Lexicon
from vlm_misalign_ros.core.language.mentions import Reading
from vlm_misalign_ros.core.language.plain import tidy
from vlm_misalign_ros.core.language.prompts import Prompt, find_prompt, paraphrases
from vlm_misalign_ros.core.language.reading import read
from vlm_misalign_ros.core.models.findings import classes_of_words
from vlm_misalign_ros.core.models.generative_families import WAYS
from vlm_misalign_ros.core.records.clean import CleanEntry
from vlm_misalign_ros.core.records.schema import AnswerEntry
from vlm_misalign_ros.core.types import Judgement, Kind, Mention

_KEPT = 4096
"""Readings that are kept for answers that come again."""


@dataclass(frozen=True)
class Question:
    """What one ask of a model was asked, as far as reading an answer goes."""

    text: str = ''
    """The words of its prompt, where settings give them in place of an id."""
    prompt: str = ''
    """The id of its prompt, which decides where its paraphrases come from."""
    system: str = ''
    own: bool = True
    """Whether this package asked: of nodes outside nobody tells what their prompt had named."""


@dataclass
class Rereader:
    """Reads kept answers by another lexicon."""

    questions: Mapping[str, Question]
    """By the name of the ask in the records."""
    lexicon: Lexicon
    former: Lexicon | None
    """That of the run; None where it is not at hand."""
    unknown_scores: int = 0
    """Likelihoods that are left out: of which words they were cannot be told."""
    _differs: Callable[[str], bool] | None = field(init=False)
    _prompts: dict[tuple[str, str], Prompt] = field(default_factory=dict, init=False)
    _safety: dict[tuple[str, int], tuple[Prompt, ...]] = field(default_factory=dict, init=False)
    _readings: dict[tuple[str, ...], Reading] = field(default_factory=dict, init=False)
    _named: dict[tuple[str, str], set[str]] = field(default_factory=dict, init=False)
    _loaded: dict[str, bool] = field(default_factory=dict, init=False)
    """Questions that may be read apart themselves."""

    def __post_init__(self) -> None:
        """Find out which answers the two lexicons can read apart."""
        self._differs = may_differ(self.former, self.lexicon) if self.former else None

    def lacking(self, answer: AnswerEntry) -> str:
        """Return what a record lacks for reading its answer again; empty for nothing."""
        if answer.kind is not Kind.GENERATIVE:
            return ''
        if answer.input.masked and not answer.context:
            return 'in which words it was told what perception had found was not kept yet'
        if answer.paraphrases and not answer.paraphrased:
            return 'the answers to the paraphrases of the safety question were not kept yet'
        return ''

    def reread(self, name: str, answer: AnswerEntry) -> AnswerEntry:
        """Return the answer of an ask by the lexicon; ConfigurationError for an unknown prompt."""
        if answer.kind is not Kind.GENERATIVE:
            return answer
        prompt = self._prompt(name, answer.prompt_id)
        asked = f'{answer.context}\n{prompt.text}' if answer.context else prompt.text
        prompted = self._prompted(name, answer, prompt)
        said = self._paraphrases(name, answer)
        clean = self._clean(answer.clean, prompt)
        if not self._may(answer.text, asked):
            return structs.replace(answer, prompted=prompted, paraphrases=said, clean=clean)
        found = self._read(answer.text, asked, answer.style)
        return structs.replace(
            answer,
            mentions={entry: found.mentions[entry] for entry in sorted(found.mentions)},
            further={entry: found.further[entry] for entry in sorted(found.further)},
            scores=self._scores(answer, found, asked),
            judgement=found.judgement,
            prompted=prompted,
            paraphrases=said,
            clean=clean,
        )

    def _may(self, text: str, asked: str) -> bool:
        """Return whether the two lexicons may read an answer to what was asked apart."""
        if self._differs is None or self._differs(text):
            return True
        # Of the question only what a `yes` answers is ever read.
        if len(self._loaded) >= _KEPT:
            self._loaded.clear()
        if asked not in self._loaded:
            self._loaded[asked] = self._differs(asked)
        return self._loaded[asked] and self._differs(tidy(text, asked).asked)

    def _read(self, text: str, asked: str, style: str, former: bool = False) -> Reading:
        key = (text, asked, style, 'former' if former else '')
        if key not in self._readings:
            lexicon = self.former if former and self.former else self.lexicon
            if len(self._readings) >= _KEPT:
                self._readings.clear()
            self._readings[key] = read(text, lexicon, asked, style)
        return self._readings[key]

    def _scores(self, answer: AnswerEntry, found: Reading, asked: str) -> dict[str, float]:
        """Return the likelihoods of words that name a class by both lexicons; others unknown."""
        if not answer.scores:
            return {}
        kept: dict[str, float] = {}
        if self.former is not None:
            before = self._read(answer.text, asked, answer.style, former=True).phrases
            same = {name for name in found.phrases if found.phrases[name] == before.get(name)}
            kept = {name: score for name, score in answer.scores.items() if name in same}
        told = {n for n, state in found.mentions.items() if state is Mention.ASSERTED}
        self.unknown_scores += len(told - kept.keys())
        return kept

    def _prompt(self, name: str, prompt_id: str) -> Prompt:
        """Return the prompt that an answer was asked by."""
        key = (name, prompt_id)
        if key not in self._prompts:
            self._prompts[key] = _find(prompt_id, self.questions.get(name, Question()).text, name)
        return self._prompts[key]

    def _prompted(self, name: str, answer: AnswerEntry, prompt: Prompt) -> list[str]:
        """Return the classes that the model had been told of, by the lexicon."""
        question = self.questions.get(name, Question())
        if not question.own:
            return answer.prompted
        key = (name, answer.prompt_id)
        if key not in self._named:
            # As evaluation/asker has it: what a model is asked by default tells it of nothing.
            chosen = prompt.text if question.prompt or question.text else ''
            named = named_in(self.lexicon, question.system), named_in(self.lexicon, chosen)
            self._named[key] = named[0] | named[1]
        found = classes_of_words(answer.context) if answer.input.worded else ()
        return sorted(self._named[key].union(found))

    def _paraphrases(self, name: str, answer: AnswerEntry) -> list[Judgement]:
        """Return the judgements of the answers to the paraphrases."""
        if not answer.paraphrased:
            return list(answer.paraphrases)
        question = self.questions.get(name, Question())
        key = (name, len(answer.paraphrased))
        if key not in self._safety:
            self._safety[key] = paraphrases(question.prompt, key[1])
        found = []
        for text, prompt in zip(answer.paraphrased, self._safety[key], strict=True):
            asked = f'{answer.context}\n{prompt.text}' if answer.context else prompt.text
            found.append(self._read(text, asked, prompt.style).judgement)
        return found

    def _clean(self, clean: CleanEntry | None, prompt: Prompt) -> CleanEntry | None:
        """Return the answer to the clean picture, which is asked about without a mask."""
        if clean is None or clean.error is not None or not self._may(clean.text, prompt.text):
            return clean
        found = self._read(clean.text, prompt.text, prompt.style)
        return structs.replace(
            clean,
            mentions={entry: found.mentions[entry] for entry in sorted(found.mentions)},
            judgement=found.judgement,
        )


def _find(prompt_id: str, text: str, name: str) -> Prompt:
    """Return the prompt of an id, or of words in the settings; ConfigurationError for none."""
    if not prompt_id:
        return Prompt('', '')
    if prompt_id == text_id(text):
        return Prompt(prompt_id, text)
    own = {ways.prompt.id: ways.prompt for ways in WAYS.values() if ways.prompt}
    if prompt_id in own:
        return own[prompt_id]
    try:
        return find_prompt(prompt_id)
    except ConfigurationError as error:
        raise ConfigurationError(
            f'{name} was asked by the prompt {prompt_id[:80]!r}, whose words are not at hand: '
            f'{error.what}',
            'answers are read together with their question; put the file back where it was',
        ) from error


def text_id(text: str) -> str:
    """Return the id of a prompt that settings give in words; as evaluation/asker names it."""
    return f'text {hashlib.sha256(text.encode()).hexdigest()[:12]}'
