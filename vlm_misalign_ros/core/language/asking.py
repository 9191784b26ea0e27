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

"""The prompt of an answer: what in it asks, and where an answer repeats it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

_UNIT = re.compile(r'(?<=[.!?:])\s+|\n+')
_WORD = re.compile(r'\w+')
_INSTRUCTIONS = frozenset(
    'describe list say tell answer look give explain identify name count please then state '
    'respond reply output return write use do imagine assume consider analyze analyse assess '
    'determine decide judge provide report focus think based choose select finally first also now '
    'summarize summarise mention caption generate predict plan suppose keep be only format'.split()
)
_FORMS = frozenset(
    'answer reply respond explain choose select output return use write keep be only format '
    'please justify give'.split()
)
"""What instructions begin with that say how to answer, and ask for nothing more."""
_OPEN = frozenset('what where which why who whom whose when how'.split())
"""What a question begins with that no yes or no answers."""
_INDIRECT = re.compile(r'\b(?:whether|if)\s+(.*)', re.IGNORECASE | re.DOTALL)
_INVERTED = re.compile(r'^(there|it|you|we|i) (is|are|can|should|see|may)\b')
_BARE = re.compile(
    r"""[\s"'*_(]*(?:answer\W{1,4})?(?:yes|no|yeah|yep|nope)["'*_)]*[ ]*(?:[.,;:!\n-]|\Z)""",
    re.IGNORECASE,
)
_LABELS = frozenset(('question', 'q', 'prompt', 'instruction', 'instructions', 'user', 'human'))
_CLOSING = re.compile(r"""["'?.!:;,*_)\]>]*""")
_ANSWER = re.compile(
    r'\s*(?:\*\*)?(?:(?:short )?answer|ans|a|response|output|reply)(?: ?\d{1,2})?(?:\*\*)? ?:'
    r'(?:\*\*)? ?(?=\S)',
    re.IGNORECASE,
)
_SHORT = 25
"""Words of an answer before which `Answer:` is a label; before a longer one it is a heading."""
_LEAST = 3
"""Words of a part of the prompt by which it is known again."""
_PLACES = 64
"""Sentences of a prompt at which an echo of its part may begin."""


@dataclass(frozen=True)
class _Unit:
    """A sentence or line of a prompt."""

    text: str
    tokens: tuple[str, ...]

    @property
    def question(self) -> bool:
        return self.text.rstrip('"\') ').endswith('?')

    @property
    def instructs(self) -> bool:
        return self.question or self.tokens[0] in _INSTRUCTIONS

    @property
    def yes_or_no(self) -> bool:
        """Return whether it is a question that yes or no answers."""
        return self.question and self._first not in _OPEN

    @property
    def forms(self) -> bool:
        """Return whether it says how to answer, as `Answer yes or no.` does."""
        return self.tokens[0] in _FORMS and _INDIRECT.search(self.text) is None

    @property
    def counts(self) -> bool:
        return self.question and self.tokens[:2] == ('how', 'many')

    @property
    def _first(self) -> str:
        skipped = ('and', 'so', 'then', 'in', 'on', 'at', 'based', 'given')
        words = self.tokens
        if words[0] in skipped and ',' in self.text:
            words = tuple(_WORD.findall(self.text.split(',', 1)[1].lower())) or words
        return words[1] if words[0] in skipped and len(words) > 1 else words[0]


@lru_cache(maxsize=64)
def _units(prompt: str) -> tuple[_Unit, ...]:
    found = ((part, tuple(_WORD.findall(part.lower()))) for part in _UNIT.split(prompt))
    return tuple(_Unit(part, tokens) for part, tokens in found if tokens)


def question_for(prompt: str, answer: str) -> str:
    """
    Return the question of a prompt that the beginning of an answer may answer; empty for none.

    A prompt that asks for more than that is answered by a yes or no that stands alone ("No, ...";
    "No cars are near" describes), one that asks two things by none.
    """
    units = _units(prompt)
    asked = [unit for unit in units if unit.yes_or_no or unit.counts]
    if len(asked) > 1:
        return ''
    if asked:
        others = [unit for unit in units if unit.instructs and not unit.forms]
        if len(others) == 1 or _BARE.match(answer):
            return asked[0].text.strip()
        return ''
    if not _BARE.match(answer):
        return ''
    for unit in reversed(units):
        found = _INDIRECT.search(unit.text) if unit.instructs else None
        if found:
            return _INVERTED.sub(r'\2 \1', found[1].split(':')[0].strip().lower())
    return ''


def opening(text: str, begin: int, end: int, prompt: str) -> int:
    """
    Return where an answer begins, after an echo of the prompt and a label.

    An echo is the whole prompt, or sentences of it that follow each other and end with one that
    asks; it has the words of the prompt, whatever its spaces, quotes and capitals.
    """
    begin = _after_echo(text, begin, end, prompt)
    label = _ANSWER.match(text, begin, end)
    if label and sum(1 for _ in islice(_WORD.finditer(text, begin, end), _SHORT + 2)) <= _SHORT:
        return label.end()
    return begin


def _after_echo(text: str, begin: int, end: int, prompt: str) -> int:
    units = _units(prompt)
    most = sum(len(unit.tokens) for unit in units)
    firsts = {unit.tokens[0] for unit in units}
    while units:
        matches = _WORD.finditer(text, begin, end)
        found = list(islice(matches, 2))
        words = [match.group().lower() for match in found]
        if firsts.isdisjoint(words):
            # So begin nearly all answers; the rest of the words is looked at for no other.
            break
        found += islice(matches, most - 1)
        words += [match.group().lower() for match in found[2:]]
        skipped = int(bool(words) and words[0] in _LABELS)
        length = _repeated(units, words[skipped:]) or _repeated(units, words) - skipped
        if length <= 0:
            break
        closing = _CLOSING.match(text, found[skipped + length - 1].end(), end)
        begin = closing.end() if closing else end
    return begin


def _repeated(units: Sequence[_Unit], words: Sequence[str]) -> int:
    """Return how many words at the beginning of an answer repeat a prompt."""
    best = 0
    for first in range(min(len(units), _PLACES)):
        length = 0
        for number in range(first, len(units)):
            tokens = units[number].tokens
            if tuple(words[length : length + len(tokens)]) != tokens:
                break
            length += len(tokens)
            whole = first == 0 and number == len(units) - 1
            if whole and (length > 1 or units[0].question):
                best = max(best, length)
            elif units[number].instructs and length >= _LEAST:
                best = max(best, length)
    return best
