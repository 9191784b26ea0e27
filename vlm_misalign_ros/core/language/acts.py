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
Acts: what a clause can do besides observing, by what it is known and how it is read.

All of it is data: data/grammar.yaml, over the patterns of patterns.py. What each act means for
the things named under it and for judgements is in docs/language.md, "What a sentence does".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.files import PACKAGE
from vlm_misalign_ros.core.language.nounphrases import KINDS, ROAD_USERS
from vlm_misalign_ros.core.language.nouns import Said
from vlm_misalign_ros.core.language.patterns import PatternSet
from vlm_misalign_ros.core.language.phrases import Phrases, phrases
from vlm_misalign_ros.core.types import Judgement, Mention

SHIPPED_GRAMMAR = PACKAGE / 'core' / 'language' / 'data' / 'grammar.yaml'
_GROUNDS = ('definite', 'the', 'place')
_SAYS = {'safe': Judgement.SAFE, 'unsafe': Judgement.UNSAFE}
_OWN_CLAUSE = ',+'


@dataclass(frozen=True)
class Act:
    """What a clause does, and how that is read."""

    name: str
    quiet: bool = False
    """Whether what it names is not said to be there."""
    grounded: str = ''
    """
    What is said to be there all the same: `definite` things and those told to be present,
    those with `the` alone, or definite `place`s alone.
    """
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
_COUNTED = frozenset('two three four five six seven eight nine ten these those'.split())
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
        return said.place and ROAD_USERS.isdisjoint(said.classes)
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
            for name, entries in data['sets'].items():
                for entry in entries:
                    if not isinstance(entry, str):
                        raise ValueError(f'{name} has {entry!r}: put it into quotes')
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
            if self.judging.begins_with_test:
                raise ValueError('what judges begins with a word')
            unknown = (self.patterns.tests | self.judging.tests) - KINDS
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
