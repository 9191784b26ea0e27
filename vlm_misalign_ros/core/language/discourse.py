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

The rules are data: data/grammar.yaml, over the patterns of patterns.py. What each act means for
the things named under it and for judgements is in docs/language.md, "What a sentence does".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.files import PACKAGE
from vlm_misalign_ros.core.labels.classes import TWO_WHEELERS, VEHICLE, VEHICLE_MEMBERS
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
from vlm_misalign_ros.core.language.nouns import Said, noun_phrase
from vlm_misalign_ros.core.language.patterns import PatternSet, Test
from vlm_misalign_ros.core.language.phrases import Phrases, is_plural, phrases
from vlm_misalign_ros.core.types import Judgement, Mention

SHIPPED_GRAMMAR = PACKAGE / 'core' / 'language' / 'data' / 'grammar.yaml'
_GROUNDS = ('definite', 'the', 'place')
_ACTING = frozenset(('person', 'rider', VEHICLE, *VEHICLE_MEMBERS, *TWO_WHEELERS))
_ANY = frozenset('any every each all most other another potential possible'.split())
_OPENS_WITH = frozenset(
    'when while if in during given due for to with by at before after because since as once '
    'depending under on although though overall based therefore then'.split()
)
"""What a clause begins with that goes before the one that counts: `in fog, keep ...`."""
_LOCATIVE = frozenset(
    'on in at along ahead near beside behind in front parked crossing walking standing is are '
    'stands waits'.split()
)
_JOINS = frozenset((',', 'and', 'or', '/'))
_LONGEST_LIST = 8
_LISTS = frozenset(('or', 'nor'))
_ELSEWHERE = tuple((word,) for word in 'ahead in on behind to that which beside next at'.split())
"""What tells one vehicle from the one that looks: `the vehicle ahead`."""
_FRONTS = frozenset('in on at near under around when while during'.split())
_INTRODUCES = PREPOSITIONS | frozenset('include includes including following are is'.split())
"""What a list stands behind with a colon between: `look for: cars, people`."""
_LEADS = frozenset(
    ', and always please also therefore so then first firstly secondly finally additionally '
    'moreover furthermore or just simply lastly second third next instead again thus hence '
    'meanwhile overall you ) generally'.split()
)
_TESTS = frozenset(('thing', 'bare', 'any', 'the', 'other'))
_SAYS = {'safe': Judgement.SAFE, 'unsafe': Judgement.UNSAFE}
_OWN_CLAUSE = ',+'


@dataclass(frozen=True)
class Act:
    """What a clause does, and how that is read."""

    name: str
    quiet: bool = False
    """Whether what it names is not said to be there."""
    grounded: str = ''
    """What is said to be there all the same: `definite` things, or definite `place`s alone."""
    denies: bool = False
    judges: bool = True
    holds: bool = False
    """Whether no other act begins before it has ended."""
    behind: bool = False
    """Whether it begins behind the words that tell it, not with them."""
    until: Phrases | None = None
    until_own_clause: bool = False
    """Whether a comma with a clause of its own behind it ends it, too."""


OBSERVE = Act('observe')
_COUNTED = frozenset('two three four five six seven eight nine ten both these those'.split())
_OBEYED = frozenset(('traffic light', 'traffic sign'))
"""Things that `the` grounds in the singular alone under advice: `obey the traffic signs`."""


def weigh(said: Said, act: Act) -> Mention | None:
    """Return the state of what is named under an act."""
    state = said.state
    if act.denies and state is Mention.ASSERTED and not said.definite:
        return Mention.DENIED
    if not act.quiet or state not in (Mention.ASSERTED, Mention.DENIED):
        return state
    if state is Mention.DENIED:
        return state if act.grounded == 'place' else Mention.HYPOTHETICAL
    return state if _grounded(said, act) else Mention.HYPOTHETICAL


def _grounded(said: Said, act: Act) -> bool:
    """Return whether a thing is taken for granted: `yield to the pedestrian`."""
    if not act.grounded:
        return False
    if act.grounded == 'place':
        return said.place and _ACTING.isdisjoint(said.classes)
    if act.grounded == 'the':
        return said.definite
    if said.present or said.determiner in _COUNTED or said.determiner.isdigit():
        return True
    return said.definite and not (said.plural and not _OBEYED.isdisjoint(said.classes))


class Grammar:
    """Acts, and the patterns by which they are known."""

    def __init__(self, data: Mapping[str, Any], path: Path) -> None:
        """Compile a file's data; ConfigurationError names what is wrong."""
        try:
            self.version = int(data['version'])
            self.patterns = PatternSet(data['sets'])
            self.acts = {name: _act(name, entry) for name, entry in data['acts'].items()}
            self._does: list[Act] = []
            for rule in data['rules']:
                for pattern in rule['when']:
                    self.patterns.add(pattern)
                    self._does.append(self.acts[rule['does']])
            self.judging = PatternSet(data['sets'])
            self._says: list[Judgement] = []
            for rule in data['judges']:
                for pattern in rule['when']:
                    self.judging.add(pattern)
                    self._says.append(_SAYS[rule['says']])
            unknown = (self.patterns.tests | self.judging.tests) - _TESTS
            if unknown:
                raise ValueError(f'<{min(unknown)}> is no test')
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigurationError(
                f'grammar {path} is not one: {type(error).__name__} {error}',
                f'compare it with {SHIPPED_GRAMMAR}',
            ) from error

    def says(self, number: int) -> Judgement:
        """Return what a pattern judges."""
        return self._says[number]

    def does(self, number: int) -> Act:
        """Return the act that a pattern begins."""
        return self._does[number]


def _act(name: str, entry: Mapping[str, Any]) -> Act:
    grounded = entry.get('grounded', '')
    if grounded and grounded not in _GROUNDS:
        raise ValueError(f'{name} is grounded by {grounded!r}; known: {", ".join(_GROUNDS)}')
    flags = {
        flag: bool(entry[flag])
        for flag in ('quiet', 'denies', 'judges', 'holds', 'behind')
        if flag in entry
    }
    until = [str(phrase) for phrase in entry['until']]
    return Act(
        name,
        grounded=grounded,
        until=phrases(phrase for phrase in until if phrase != _OWN_CLAUSE),
        until_own_clause=_OWN_CLAUSE in until,
        **flags,
    )


@lru_cache(maxsize=1)
def open_grammar() -> Grammar:
    """Return the grammar of this package."""
    return Grammar(yaml.safe_load(SHIPPED_GRAMMAR.read_text(encoding='utf-8')), SHIPPED_GRAMMAR)


@dataclass(frozen=True)
class _Noun:
    """A noun phrase that names a thing."""

    end: int
    determiner: str
    classes: tuple[str, ...]
    plural: bool
    first: str


class Parsed:
    """A sentence: its words, where phrases of the lexicon stand, and what it does at each."""

    def __init__(self, tokens: Sequence[str], lexicon: Lexicon, act: Act = OBSERVE) -> None:
        """Read `tokens`; `act` is what the sentence does where nothing else is told."""
        self.tokens = tuple(tokens)
        self.marks = mark(self.tokens, lexicon)
        self.nouns = _nouns(self.tokens, self.marks)
        self._tests: dict[str, Test] = {
            kind: (lambda start, kind=kind: self.ends(kind, start))  # type: ignore[misc]
            for kind in _TESTS
        }
        self._begins = beginnings(self.tokens)
        self.acts = self._find_acts(open_grammar(), act)

    def judged(self, index: int) -> tuple[Judgement, int] | None:
        """Return what a pattern at a word judges, and how many words that is."""
        grammar = open_grammar()
        found = grammar.judging.find(
            self.tokens, index, self._begins[index], self._tests, index in self.nouns
        )
        return None if found is None else (grammar.says(found[0]), found[1] - index)

    def _find_acts(self, grammar: Grammar, default: Act) -> list[Act]:
        """Return what the sentence does at each of its words."""
        acts: list[Act] = []
        act, kept, coming = default, 0, default
        for index in range(len(self.tokens)):
            if coming is not act and index == kept:
                act = coming
            if index >= kept and act is not OBSERVE and self._ends(act, index, kept):
                if self.tokens[index] == ',' and self.tokens[0].endswith('ing'):
                    # "Giving way to a tram, the car has halted" tells of the car.
                    acts = [OBSERVE] * index
                act = coming = OBSERVE
            found = grammar.patterns.find(
                self.tokens, index, self._begins[index], self._tests, index in self.nouns
            )
            if found is not None:
                said = grammar.does(found[0])
                free = said.quiet or said.denies or index >= kept and not act.quiet
                if said is not act and not act.holds and free:
                    coming, kept = said, found[1]
                    act = act if said.behind else said
                    if said.name == 'advise' and self._is_fronted(index):
                        # "On unlit roads, watch for deer": the place is that of the advice.
                        acts = [said] * index
            acts.append(act)
        return acts

    def _is_fronted(self, index: int) -> bool:
        """Return whether all before a word is what its clause begins with: `in fog, keep ...`."""
        return self.tokens[0] in _FRONTS and self.tokens[index - 1 : index] == (',',)

    def _ends(self, act: Act, index: int, kept: int) -> bool:
        """Return whether an act, told by the words before `kept`, has ended before a word."""
        tokens, word = self.tokens, self.tokens[index]
        if word == ':' and index == kept:
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
        noun = self.nouns.get(start)
        return (
            noun is not None
            and noun.end < len(self.tokens)
            and (self.tokens[noun.end] in _LOCATIVE or not noun.plural and not noun.determiner)
            and _LISTS.isdisjoint(self.tokens[start : start + 8])
        )

    def ends(self, kind: str, start: int) -> Sequence[int]:
        """Return where a noun phrase of a kind that starts at `start` ends."""
        noun = self.nouns.get(start)
        if noun is None:
            return ()
        if kind == 'bare':
            return self._list(noun) if noun.plural and not noun.determiner else ()
        if kind == 'thing':
            return (noun.end,)
        elif kind == 'any':
            holds = noun.determiner in _ANY or noun.first in _ANY
        elif kind == 'the':
            holds = noun.determiner in DEFINITE or noun.first in DEFINITE
        elif kind == 'other':
            holds = not _ACTING.isdisjoint(noun.classes) and not could_be_ego(
                self.tokens, start, noun.end
            )
        else:
            raise ValueError(kind)
        return (noun.end,) if holds else ()

    def _list(self, noun: _Noun) -> tuple[int, ...]:
        """Return where nouns in the plural that stand in a row end, the last first."""
        ends = [noun.end]
        for _ in range(_LONGEST_LIST):
            start = ends[0]
            while start < len(self.tokens) and self.tokens[start] in _JOINS:
                start += 1
            following = self.nouns.get(start)
            if start == ends[0] or following is None or following.determiner:
                break
            ends.insert(0, following.end)
        return tuple(ends)


def could_be_ego(tokens: Sequence[str], start: int, end: int) -> bool:
    """Return whether `the vehicle` stands alone, so that it could be the one that looks."""
    return (
        end - start == 2
        and tokens[start] in DEFINITE
        and tokens[start + 1] in ('vehicle', 'car')
        and tokens[end : end + 1] not in _ELSEWHERE
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


def _nouns(tokens: Sequence[str], marks: Sequence[Mark]) -> dict[int, _Noun]:
    """Return the noun phrases by the word that they start with."""
    found: dict[int, _Noun] = {}
    behind = 0
    for index, entry in enumerate(marks):
        if index < behind:
            continue
        if entry.classes is not None:
            behind = index + entry.length
        if not entry.classes:
            continue
        start, determiner = noun_phrase(tokens, marks, index)
        end = index + entry.length
        plural = is_plural(tokens[end - 1])
        noun = _Noun(end, determiner, entry.classes, plural, tokens[start])
        found.setdefault(start, noun)
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
