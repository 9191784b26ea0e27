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
What a sentence does, word by word: observe, advise, state a rule, say what cannot be made out.

It comes before what the sentence says of each thing (clauses.py) and what it judges (deciding.py).
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from vlm_misalign_ros.core.language.acts import OBSERVE, Act, Grammar, open_grammar
from vlm_misalign_ros.core.language.grammar import (
    DEFINITE,
    INDEFINITE,
    PREPOSITIONS,
    PRONOUNS,
    PUNCTUATION,
    VERBS,
)
from vlm_misalign_ros.core.language.lexicon import Lexicon
from vlm_misalign_ros.core.language.marks import Mark, mark
from vlm_misalign_ros.core.language.nounphrases import KINDS, Nouns
from vlm_misalign_ros.core.language.patterns import Sought
from vlm_misalign_ros.core.types import Judgement

_OPENS_WITH = frozenset(
    'when while if in during given due for to with by at before after because since as once '
    'depending under on although though overall based therefore then'.split()
)
"""What a clause begins with that goes before the one that counts: `in fog, keep ...`."""
_FRONTS = frozenset('in on at near under around when while during'.split())
_LOCATIVE = frozenset(
    'on in at along ahead near beside behind in front parked crossing walking standing is are '
    'stands waits'.split()
)
_IMPERATIVES = frozenset(('advise',))
_LISTS = frozenset(('or', 'nor'))
_INTRODUCES = PREPOSITIONS | frozenset('include includes including following are is'.split())
"""What a list stands behind with a colon between: `look for: cars, people`."""
_LEADS = frozenset(
    ', and always please also therefore so then first firstly secondly finally additionally '
    'moreover furthermore or just simply lastly second third next instead again thus hence '
    'meanwhile overall you ) generally'.split()
)


class Parsed:
    """A sentence: its words, where phrases of the lexicon stand, and what it does at each."""

    def __init__(self, tokens: Sequence[str], lexicon: Lexicon, act: Act = OBSERVE) -> None:
        """Read `tokens`; `act` is what the sentence does where nothing else is told."""
        self.tokens = tuple(tokens)
        self.marks = mark(self.tokens, lexicon)
        self.nouns = Nouns(self.tokens, self.marks)
        self._sought = Sought(self.tokens, self._beginnings, self.nouns.ends)
        grammar = open_grammar()
        self._judging = grammar.judging.possible(self._sought, KINDS)
        """Patterns that could judge here."""
        possible = grammar.patterns.possible(self._sought, self.nouns.kinds())
        if possible or act is not OBSERVE:
            follower = _Follower(self._sought, self.nouns, self.marks, act, grammar, possible)
            self.acts: Sequence[Act] = follower.follow()
        else:
            self.acts = (OBSERVE,) * len(self.tokens)

    def _beginnings(self) -> list[bool]:
        return beginnings(self.tokens)

    @property
    def judging(self) -> Container[str]:
        """Return the words with which a pattern can begin that judges here."""
        return open_grammar().judging.begins if self._judging else ()

    def judged(self, index: int) -> tuple[Judgement, int] | None:
        """Return what a pattern at a word judges, and how many words that is."""
        if not self._judging:
            return None
        grammar = open_grammar()
        if self.tokens[index] not in grammar.judging.begins:
            return None
        found = grammar.judging.find(self._sought, index, False, self._judging)
        return None if found is None else (grammar.says(found[0]), found[1] - index)


class _Follower:
    """Goes through a sentence, and keeps what it does."""

    def __init__(
        self,
        sought: Sought,
        nouns: Nouns,
        marks: Sequence[Mark],
        act: Act,
        grammar: Grammar,
        possible: Container[int],
    ) -> None:
        self._sought = sought
        self._tokens = sought.tokens
        self._nouns = nouns
        self._grammar = grammar
        self._marks = marks
        self._possible = possible
        self._act = act
        self._coming = act
        """The act that begins behind the words that tell it."""
        self._kept = 0
        """Behind the words that told the last act."""
        self._acts: list[Act] = []

    def follow(self) -> list[Act]:
        """Return what the sentence does at each of its words."""
        patterns, possible = self._grammar.patterns, self._possible
        begins, nouns = patterns.begins, self._nouns.found
        calm = self._act is OBSERVE
        for index, word in enumerate(self._tokens):
            noun = index in nouns
            sought = noun or word in begins
            if calm and not sought:
                # The way of most words.
                self._acts.append(OBSERVE)
                continue
            if self._coming is not self._act and index == self._kept:
                self._act = self._coming
            if self._act is not OBSERVE and index >= self._kept and self._ends(index):
                self._end(index)
            if sought:
                found = patterns.find(self._sought, index, noun, possible)
                if found is not None:
                    self._begin(self._grammar.does(found[0]), index, found[1])
            self._acts.append(self._act)
            calm = self._act is OBSERVE and self._coming is OBSERVE
        return self._acts

    def _begin(self, said: Act, index: int, end: int) -> None:
        """Begin an act at `index`, told by the words before `end`, unless another goes on."""
        act = self._act
        if said.name in _IMPERATIVES and self._is_name(index):
            # "Yield sign ahead" and "stop line" are things.
            return
        free = said.quiet or said.denies or index >= self._kept and not act.quiet
        if said is act or act.holds or not free:
            return
        self._coming, self._kept = said, end
        if not said.behind:
            self._act = said
        if said.name == 'advise' and self._is_fronted(index):
            # "On unlit roads, watch for deer": the place is that of the advice.
            self._acts = [said] * index

    def _is_name(self, index: int) -> bool:
        """Return whether a name of several words begins at a word."""
        found = self._marks[index]
        return bool(found.classes) and found.length > 1

    def _end(self, index: int) -> None:
        if self._tokens[index] == ',' and self._tokens[0].endswith('ing'):
            # "Giving way to a tram, the car has halted" tells of the car.
            self._acts = [OBSERVE] * index
        self._act = self._coming = OBSERVE

    def _is_fronted(self, index: int) -> bool:
        """Return whether all before a word is what its clause begins with: `in fog, keep ...`."""
        return self._tokens[0] in _FRONTS and self._tokens[index - 1] == ','

    def _ends(self, index: int) -> bool:
        """Return whether the act has ended before a word."""
        act, tokens, word = self._act, self._tokens, self._tokens[index]
        if word == ':' and index == self._kept:
            return False
        if act.until and word in act.until.begins and act.until.longest(tokens, index)[0]:
            return True
        if not act.until_own_clause:
            return False
        if word == ':':
            return tokens[index - 1] not in _INTRODUCES
        return word == ',' and (own_clause(tokens, index + 1) or self._stands(index + 1))

    def _stands(self, start: int) -> bool:
        """Return whether a noun phrase with its place, and no more of a list, begins there."""
        noun, tokens = self._nouns.found.get(start), self._tokens
        return (
            noun is not None
            and noun.end < len(tokens)
            and (tokens[noun.end] in _LOCATIVE or not noun.plural and not noun.determiner)
            and _LISTS.isdisjoint(tokens[start : start + 8])
        )


class Parser:
    """Parses the sentences of one answer; each but once."""

    def __init__(self, lexicon: Lexicon) -> None:
        """Start with none."""
        self._lexicon = lexicon
        self._known: dict[tuple[str, tuple[str, ...]], Parsed] = {}

    def parse(self, tokens: Sequence[str], act: Act = OBSERVE) -> Parsed:
        """Return a sentence, parsed; `act` is what it does where nothing else is told."""
        key = act.name, tuple(tokens)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = Parsed(key[1], self._lexicon, act)
        return found


def beginnings(tokens: Sequence[str]) -> list[bool]:
    """Return, for each word, whether the clause that counts can begin there."""
    begins: list[bool] = []
    fronted = bool(tokens) and tokens[0] in _OPENS_WITH
    for index, _ in enumerate(tokens):
        before = tokens[index - 1] if index else ''
        if not index or before in (':', '(', ')', '|'):
            begins.append(True)
        elif before == ',' and fronted:
            begins.append(True)
            fronted = False
        else:
            begins.append(begins[-1] and (before in _LEADS or before.isdigit()))
    return begins


def own_clause(tokens: Sequence[str], start: int) -> bool:
    """Return whether a clause with a subject and a verb of its own begins at `start`."""
    if start >= len(tokens):
        return False
    first = tokens[start]
    if not (first in DEFINITE or first in INDEFINITE or first in PRONOUNS or first == 'there'):
        return False
    for word in tokens[start + 1 : start + 9]:
        if word in PUNCTUATION:
            return False
        if word in VERBS:
            return True
    return False
