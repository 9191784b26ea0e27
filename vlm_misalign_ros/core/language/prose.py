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
from vlm_misalign_ros.core.language.acts import OBSERVE, Act, open_grammar
from vlm_misalign_ros.core.language.bounding import Span
from vlm_misalign_ros.core.language.clauses import Clauses
from vlm_misalign_ros.core.language.discourse import Parser
from vlm_misalign_ros.core.language.judgement import corrects
from vlm_misalign_ros.core.language.lexicon import Lexicon
from vlm_misalign_ros.core.language.mentions import Reading
from vlm_misalign_ros.core.language.questions import answer, asks_for_things
from vlm_misalign_ros.core.language.reach import denies_all
from vlm_misalign_ros.core.language.text import Sentence, sentences, words
from vlm_misalign_ros.core.types import Mention

_SIGN_TEXT = re.compile(
    r'\b(?:signs?|boards?|reads?|reading|says?|saying|states?|stating|displays?|displaying'
    r'|text|words?|lettering|letters|labell?ed|message|slogan|warns|announces|advises)'
    r'[ ,:]{1,3}("[^"\n]{1,80}")',
    re.IGNORECASE,
)
_INDENTED = re.compile(r'[ \t]+\S')
_MOST_OF_NAME = 4
"""Words of a line that names what the lines under it are about."""
_NAMED_SIGN = re.compile(r'"[^"\n]{1,60}"(?= (?:traffic |road |warning )?signs?\b)', re.IGNORECASE)
"""What is written on a sign: words that say nothing of the scene."""
_HEADING = re.compile(
    r'^\s*(?:\d{1,2}[.)]\s*)?(?:#{1,6}\s+.*|\*{1,2}[^*]+\*{1,2}:?|__[^_]+__:?)\s*$'
)


_SEEING = frozenset('see visible seen there present missing'.split())
_BIKES = frozenset(('bike', 'bikes'))


class Prose:
    """Notes what sentences say; holds what has to be remembered from one to the next."""

    def __init__(self, lexicon: Lexicon, reading: Reading, source: str = '') -> None:
        """Note in `reading`; `source` is the text that all that is read stands in."""
        self._lexicon = lexicon
        self._reading = reading
        self._source = source
        self._fixed: Span | None = None
        """Where all stands that is read now, if its words do not tell."""
        self.parser = Parser(lexicon)
        self._riders: set[str] = set()
        self._section: Mention | None = None
        self._negative = False
        """Whether the question before asks for what is not seen."""
        self._act = OBSERVE
        """What the lines under a heading do where nothing else is told."""
        self._topic: tuple[str, ...] = ()
        self._topic_span: Span | None = None
        self._topic_words: tuple[str, ...] = ()
        self._asked: list[tuple[tuple[str, ...], Span | None]] = []
        """Classes that were asked for, and where; nowhere in a question put before the text."""
        self._either = False
        self.answered: dict[str, Span] = {}
        """Where a class was answered for, which counts where no words name it."""

    def ask(self, question: str) -> None:
        """Take a question that was put before the text; a yes, no or number at once answers it."""
        tokens = words(question)
        if asks_for_things(tokens, 3):
            said = Clauses(self.parser.parse(tokens), self._lexicon, set()).read()
            self._asked = [(entry.classes, None) for entry in said if not entry.place]
            self._either = 'or' in tokens

    def read(self, text: str, offset: int = 0) -> list[Sentence]:
        """Read a text line by line, which begins at `offset`; return its sentences."""
        if '"' in text:
            text = _SIGN_TEXT.sub(_without_sign_text, text)
            text = _NAMED_SIGN.sub(lambda found: ' ' * len(found.group()), text)
        found = list(sentences(text, offset))
        by_line: dict[int, list[Sentence]] = {}
        for sentence in found:
            by_line.setdefault(sentence.line, []).append(sentence)
        lines = text.split('\n')
        for number, line in enumerate(lines):
            parts = by_line.get(number)
            if parts:
                below = lines[number + 1] if number + 1 < len(lines) else ''
                self._line(line, offset, parts, below)
            offset += len(line) + 1
        return found

    def _line(self, line: str, offset: int, parts: Sequence[Sentence], below: str) -> None:
        """Read a line that begins at `offset`, of the sentences `parts`; `below` is the next."""
        row = answers.cells(line)
        if row:
            self._row(row, line, offset)
        elif _is_heading(line, parts) or self._heads(line, below, parts):
            self._heading(parts[0])
        else:
            for sentence in parts[:-1]:
                self._sentence(sentence)
            if len(parts) > 1 and parts[-1].words[-1] == ':' and len(parts[-1].words) <= 9:
                self._heading(parts[-1])
            else:
                self._sentence(parts[-1])

    def _heads(self, line: str, below: str, parts: Sequence[Sentence]) -> bool:
        """Return whether a line is a name with lines under it that are further in."""
        return (
            len(parts) == 1
            and len(parts[0].words) <= _MOST_OF_NAME
            and _INDENTED.match(below) is not None
            and _INDENTED.match(line) is None
            and bool(answers.named_alone(parts[0].words, self._lexicon))
        )

    def read_value(self, text: str, state: Mention | None, place: Span) -> None:
        """
        Read a text within JSON; `state` is what the keys above say of all that is in it.

        `place` is where the value stands in the source, with its quotes.
        """
        before, self._section = self._section, state or self._section
        offset = self._source.find(text, *place)
        # What was escaped stands there in other words.
        self._fixed = place if offset < 0 else None
        plain = text.replace('_', ' ')
        if '\n' in plain:
            self.read(plain, max(offset, 0))
        else:
            self._sentences(plain, max(offset, 0))
        self._asked, self._topic, self._section = [], (), before
        self._fixed = None

    def _sentences(self, text: str, offset: int) -> None:
        for sentence in sentences(text, offset):
            self._sentence(sentence)

    def _span(self, sentence: Sentence, first: int = 0, last: int | None = None) -> Span | None:
        """Return where some words of a sentence stand in the source."""
        return self._fixed or sentence.span(first, len(sentence.words) if last is None else last)

    # Headings and rows -----------------------------------------------------------------------

    def _heading(self, sentence: Sentence) -> None:
        tokens = sentence.words
        self._asked = []
        self._section = self._headed(tokens)
        self._act = self._headed_act(tokens)
        plain = sentence.without(':')
        self._topic = answers.named_alone(plain.words, self._lexicon)
        self._topic_words = plain.words
        if self._topic:
            self._topic_span = self._span(plain)
        elif self._section is None and 'safe' not in tokens and plain.words:
            self._clauses(plain)

    def _headed(self, tokens: Sequence[str]) -> Mention | None:
        """Return what a heading says of all that stands under it."""
        return (
            Mention.DENIED
            if self._lexicon.absent.find(tokens)
            else Mention.HYPOTHETICAL
            if self._lexicon.hypothetical.find(tokens) or self._unseen(tuple(tokens))
            else Mention.HEDGED
            if self._lexicon.uncertain.find(tokens)
            else None
        )

    def _headed_act(self, tokens: Sequence[str]) -> Act:
        """Return what lines under a heading do: those under `Recommendations` advise."""
        return open_grammar().acts['advise' if self._lexicon.advice.find(tokens) else 'observe']

    def _in_section(self, state: Mention | None) -> Mention | None:
        if self._section is not None and state is Mention.ASSERTED:
            return self._section
        return state

    def _named(self, state: Mention | None) -> Mention | None:
        """Return what a name before a colon says: nothing under a heading of advice."""
        if self._act.quiet and state is Mention.ASSERTED:
            return Mention.HYPOTHETICAL
        return self._in_section(state)

    def _follow_topic(self, tokens: tuple[str, ...]) -> None:
        """Take the first line under a heading as what is said of the thing it names."""
        stated = answers.polarity(tokens, self._lexicon)
        if stated is None and denies_all(tokens, self._lexicon):
            stated = Mention.DENIED
        if stated is None and self._advises(tokens):
            stated = Mention.HYPOTHETICAL
        self._reading.note(
            self._topic,
            self._named(stated or Mention.ASSERTED),
            self._topic_words,
            span=self._topic_span,
        )
        self._topic = ()

    def _row(self, row: Sequence[str], line: str, offset: int) -> None:
        starts, at = [], 0
        for cell in row:
            at = line.index(cell, at)
            starts.append(offset + at)
            at += len(cell)
        classes = answers.named_alone(words(row[0]), self._lexicon)
        if not classes:
            for cell, start in zip(row, starts, strict=True):
                self._sentences(cell, start)
            return
        value = answers.polarity(row[1], self._lexicon) if len(row) > 1 else None
        span = self._fixed or (starts[0], starts[0] + len(row[0]))
        self._reading.note(classes, value or Mention.ASSERTED, words(row[0]), span=span)
        if value is not Mention.DENIED:
            for cell, start in zip(row[1:], starts[1:], strict=True):
                self._sentences(cell, start)

    # Sentences -------------------------------------------------------------------------------

    def _sentence(self, sentence: Sentence) -> None:
        if sentence.end == '?':
            self._question(sentence)
            return
        if self._answered(sentence):
            sentence = sentence.part(1)
        tokens = sentence.words
        if ':' in tokens[1:5] and self._headed_itself(sentence, tokens.index(':')):
            return
        if self._topic:
            self._follow_topic(tokens)
        found = answers.pairs(tokens, self._lexicon)
        for pair in found:
            self._pair(sentence, pair)
        if not found and tokens:
            self._clauses(sentence)

    def _headed_itself(self, sentence: Sentence, colon: int) -> bool:
        """Read `Not visible: cars and buses`; return whether a sentence was that."""
        tokens = sentence.words
        headed = self._headed(tokens[:colon])
        if headed is None or any(
            self._lexicon.things.longest(tokens, place)[0] for place in range(colon)
        ):
            return False
        before, self._section = self._section, headed
        self._clauses(sentence.part(colon + 1))
        self._section = before
        return True

    def _pair(self, sentence: Sentence, pair: answers.Pair) -> None:
        """Read `Cars: two, parked`."""
        classes, value = pair.classes, sentence.words[pair.colon + 1 : pair.end]
        stated = answers.polarity(value, self._lexicon)
        if len(value) > 1 and value[0] == 'no' and value[1] not in (',', ':', '('):
            # "Pedestrians: no pedestrian is near" is a sentence of its own.
            stated = None
        if stated is None and denies_all(value, self._lexicon):
            stated = Mention.DENIED
        if stated is None and (self._unseen(value) or self._advises(value)):
            stated = Mention.HYPOTHETICAL
        if stated is None:
            said = Clauses(self.parser.parse(value), self._lexicon, set()).read()
            again = any(not set(classes).isdisjoint(entry.classes) for entry in said)
            stated = None if again else Mention.ASSERTED
        key = sentence.part(pair.start, pair.colon)
        self._reading.note(classes, self._named(stated), key.words, span=self._span(key))
        if value:
            denied = stated is Mention.DENIED
            self._clauses(sentence.part(pair.colon + 1 + denied, pair.end))

    def _unseen(self, value: tuple[str, ...]) -> bool:
        """Return whether a value is that nothing can be made out: `too dark to tell`."""
        parsed = self.parser.parse(value)
        return not parsed.nouns.found and any(act.name == 'unseen' for act in parsed.acts)

    def _advises(self, tokens: Sequence[str]) -> bool:
        """Return whether what stands under a name is advice on such things."""
        acts = self.parser.parse(tokens).acts
        return bool(acts) and acts[0].quiet and acts[0].grounded == 'definite'

    def _clauses(self, sentence: Sentence) -> None:
        tokens = sentence.words
        parsed = self.parser.parse(tokens, self._act)
        known, negative, self._negative = self._reading.mentions, self._negative, False
        if not parsed.nouns.found:
            return
        taken_back = corrects(tokens, self._lexicon)
        for said in Clauses(parsed, self._lexicon, self._riders, known).read():
            if said.definite and tokens[said.start] in _BIKES and self._motorcycle():
                continue
            state = self._in_section(said.state)
            if negative and state is Mention.ASSERTED:
                # "What do I not see? Cars."
                state = Mention.DENIED
            self._reading.note(
                said.classes,
                state,
                tokens[said.start : said.end],
                taken_back,
                self._span(sentence, said.start, said.end),
            )

    def _motorcycle(self) -> bool:
        """Return whether `the bike` has to be the motorcycle that was named before."""
        mentions = self._reading.mentions
        return (
            mentions.get('motorcycle') is Mention.ASSERTED
            and mentions.get('bicycle') is not Mention.ASSERTED
        )

    # Questions -------------------------------------------------------------------------------

    def _question(self, sentence: Sentence) -> None:
        """Keep what is asked for; a question says nothing itself, but its places are there."""
        self._asked = []
        tokens = sentence.words
        self._negative = 'not' in tokens and not _SEEING.isdisjoint(tokens)
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
            self._clauses(sentence.part(0, tail))
            sentence = sentence.part(tail)
            tokens = sentence.words
        said = Clauses(self.parser.parse(tokens), self._lexicon, self._riders).read()
        asked = []
        for entry in said:
            span = self._span(sentence, entry.start, entry.end)
            if entry.place:
                self._reading.note(entry.classes, Mention.ASSERTED, span=span)
            else:
                asked.append((entry.classes, span))
        if len(tokens) <= 4 or asks_for_things(tokens, 3):
            self._asked = asked
            self._either = 'or' in tokens

    def _answered(self, sentence: Sentence) -> bool:
        """Give what was asked for the answer that follows; return whether it took a word."""
        asked, self._asked = self._asked, []
        tokens = sentence.words
        if not asked:
            return False
        state, rest = answer(tokens)
        if state is Mention.ASSERTED and self._either and len(asked) > 1:
            # One of them is there, and which is not said.
            state = Mention.HEDGED
        label = len(tokens) - len(rest)
        answered = self._span(sentence, label, label + 1) if rest else None
        for classes, span in asked:
            self._reading.note(classes, state, span=span)
            if state is not None and answered is not None:
                self.answered.update(dict.fromkeys(classes, answered))
        return state is not None and len(rest) > 1 and rest[1] in (',', ':', '(')


def _without_sign_text(found: re.Match[str]) -> str:
    """Return the words before what is written on a sign, and as many blanks as that is long."""
    text = found.group(1)
    blank = ' ' * (len(text) - 1) + '.' if text[-2] in '.!?' else ' ' * len(text)
    return found.group()[: found.start(1) - found.start()] + blank


def _is_heading(line: str, parts: Sequence[Sentence]) -> bool:
    if len(parts) != 1 or len(parts[0].words) > 12:
        return False
    tokens = parts[0].words
    if tokens[-1] == ':' and len(tokens) <= 9:
        return True
    return ':' not in tokens[:-1] and bool(_HEADING.match(line))
