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

"""Reads sentences, headings with what stands under them, rows of tables, and questions."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vlm_misalign_ros.core.language import answers
from vlm_misalign_ros.core.language.clauses import Clauses
from vlm_misalign_ros.core.language.lexicon import Lexicon
from vlm_misalign_ros.core.language.mentions import Reading
from vlm_misalign_ros.core.language.nouns import Said
from vlm_misalign_ros.core.language.questions import answer, asks_for_things
from vlm_misalign_ros.core.language.text import Sentence, sentences, words
from vlm_misalign_ros.core.types import Mention

_HEADING = re.compile(r'^\s*(?:\d{1,2}[.)]\s*)?(?:#{1,6}\s+.*|\*\*[^*]+\*\*:?|__[^_]+__:?)\s*$')


class Prose:
    """Notes what sentences say; holds what has to be remembered from one to the next."""

    def __init__(self, lexicon: Lexicon, reading: Reading) -> None:
        """Note in `reading`."""
        self._lexicon = lexicon
        self._reading = reading
        self._riders: set[str] = set()
        self._section: Mention | None = None
        self._topic: tuple[str, ...] = ()
        self._asked: list[Said] = []

    def read(self, text: str) -> list[Sentence]:
        """Read a text line by line; return its sentences."""
        found = list(sentences(text))
        by_line: dict[int, list[Sentence]] = {}
        for sentence in found:
            by_line.setdefault(sentence.line, []).append(sentence)
        for number, line in enumerate(text.split('\n')):
            parts = by_line.get(number, [])
            if not parts:
                continue
            row = answers.cells(line)
            if row:
                self._row(row)
            elif _is_heading(line, parts):
                self._heading(parts[0].words)
            else:
                for sentence in parts:
                    self._sentence(sentence)
        return found

    def read_value(self, text: str, state: Mention | None) -> None:
        """Read a text within JSON; `state` is what the keys above say of all that is in it."""
        before, self._section = self._section, state or self._section
        plain = text.replace('_', ' ')
        if '\n' in plain:
            self.read(plain)
        else:
            self._sentences(plain)
        self._asked, self._topic, self._section = [], (), before

    def _sentences(self, text: str) -> None:
        for sentence in sentences(text):
            self._sentence(sentence)

    # Headings and rows -----------------------------------------------------------------------

    def _heading(self, tokens: Sequence[str]) -> None:
        self._asked = []
        self._section = self._headed(tokens)
        plain = [word for word in tokens if word != ':']
        self._topic = answers.named_alone(plain, self._lexicon)
        if not self._topic and self._section is None and 'safe' not in plain:
            self._clauses(plain)

    def _headed(self, tokens: Sequence[str]) -> Mention | None:
        """Return what a heading says of all that stands under it."""
        return (
            Mention.DENIED
            if self._lexicon.absent.find(tokens)
            else Mention.HYPOTHETICAL
            if self._lexicon.hypothetical.find(tokens)
            else Mention.HEDGED
            if self._lexicon.uncertain.find(tokens)
            else None
        )

    def _in_section(self, state: Mention | None) -> Mention | None:
        if self._section is not None and state is Mention.ASSERTED:
            return self._section
        return state

    def _follow_topic(self, tokens: tuple[str, ...]) -> None:
        """Take the first line under a heading as what is said of the thing it names."""
        stated = answers.polarity(tokens, self._lexicon)
        self._reading.note(self._topic, self._in_section(stated or Mention.ASSERTED), self._topic)
        self._topic = ()

    def _row(self, row: Sequence[str]) -> None:
        classes = answers.named_alone(words(row[0]), self._lexicon)
        if not classes:
            for cell in row:
                self._sentences(cell)
            return
        value = answers.polarity(row[1], self._lexicon) if len(row) > 1 else None
        self._reading.note(classes, value or Mention.ASSERTED, words(row[0]))
        if value is not Mention.DENIED:
            for cell in row[1:]:
                self._sentences(cell)

    # Sentences -------------------------------------------------------------------------------

    def _sentence(self, sentence: Sentence) -> None:
        tokens = sentence.words
        if sentence.end == '?':
            self._question(tokens)
            return
        if self._answered(tokens):
            tokens = tokens[1:]
        if ':' in tokens[1:5] and self._headed_itself(tokens, tokens.index(':')):
            return
        if self._topic:
            self._follow_topic(tokens)
        found = answers.pairs(tokens, self._lexicon)
        for classes, value in found:
            self._pair(classes, value)
        if not found and tokens:
            self._clauses(tokens)

    def _headed_itself(self, tokens: tuple[str, ...], colon: int) -> bool:
        """Read `Not visible: cars and buses`; return whether a sentence was that."""
        headed = self._headed(tokens[:colon])
        if headed is None or any(
            self._lexicon.things.longest(tokens, place)[0] for place in range(colon)
        ):
            return False
        before, self._section = self._section, headed
        self._clauses(tokens[colon + 1 :])
        self._section = before
        return True

    def _pair(self, classes: tuple[str, ...], value: tuple[str, ...]) -> None:
        """Read `Cars: two, parked`."""
        stated = answers.polarity(value, self._lexicon)
        if len(value) > 1 and value[0] == 'no' and value[1] not in (',', ':', '('):
            # "Pedestrians: no pedestrian is near" is a sentence of its own.
            stated = None
        if stated is None:
            said = Clauses(value, self._lexicon, set()).read()
            again = any(not set(classes).isdisjoint(entry.classes) for entry in said)
            stated = None if again else Mention.ASSERTED
        self._reading.note(classes, self._in_section(stated), classes)
        if value:
            self._clauses(value[1:] if stated is Mention.DENIED else value)

    def _clauses(self, tokens: Sequence[str]) -> None:
        corrects = self._corrects(tokens)
        for said in Clauses(tokens, self._lexicon, self._riders).read():
            self._reading.note(
                said.classes, self._in_section(said.state), tokens[said.start : said.end], corrects
            )

    def _corrects(self, tokens: Sequence[str]) -> bool:
        """Return whether a sentence takes back what was said: `wait, there is no bus`."""
        return any(
            word in self._lexicon.corrections.begins
            and self._lexicon.corrections.longest(tokens, index)[0]
            for index, word in enumerate(tokens[:4])
        )

    # Questions -------------------------------------------------------------------------------

    def _question(self, tokens: tuple[str, ...]) -> None:
        """Keep what is asked for; a question says nothing itself, but its places are there."""
        self._asked = []
        tail = max(
            (place + 1 for place, word in enumerate(tokens) if word in (',', 'and', 'but')),
            default=0,
        )
        if (
            tail
            and len(tokens) > 4
            and answers.named_alone(tokens[tail:], self._lexicon)
            and not asks_for_things(tokens, tail)
        ):
            self._clauses(tokens[:tail])
            tokens = tokens[tail:]
        said = Clauses(tokens, self._lexicon, self._riders).read()
        for entry in said:
            if entry.place:
                self._reading.note(entry.classes, Mention.ASSERTED)
        if len(tokens) <= 4 or asks_for_things(tokens, 3):
            self._asked = [entry for entry in said if not entry.place]

    def _answered(self, tokens: tuple[str, ...]) -> bool:
        """Give what was asked for the answer that follows; return whether it took a word."""
        asked, self._asked = self._asked, []
        if not asked:
            return False
        state, rest = answer(tokens)
        for entry in asked:
            self._reading.note(entry.classes, state)
        return state is not None and len(rest) > 1 and rest[1] in (',', ':', '(')


def _is_heading(line: str, parts: Sequence[Sentence]) -> bool:
    if len(parts) != 1 or len(parts[0].words) > 12:
        return False
    tokens = parts[0].words
    if tokens[-1] == ':' and len(tokens) <= 9:
        return True
    return ':' not in tokens[:-1] and bool(_HEADING.match(line))
