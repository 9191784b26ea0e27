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

"""Phrases as trees of words, the forms they come in, and compounds of things."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from vlm_misalign_ros.core.language.text import words

NOTHING: tuple[int, list[Any]] = (0, [])
"""What `Phrases.longest` returns where no phrase starts."""


class Phrases:
    """Phrases as a tree of words; finds the longest that starts at a place."""

    def __init__(self) -> None:
        """Start empty."""
        self.begins: dict[str, Any] = {}
        """By the words that phrases begin with: `in` tells fast whether one may."""

    def add(self, phrase: Sequence[str], meaning: Any) -> None:
        """Add a phrase; a later meaning of the same phrase joins the earlier ones."""
        node = self.begins
        for word in phrase:
            node = node.setdefault(word, {})
        meanings = node.setdefault('', [])
        if meaning not in meanings:
            meanings.append(meaning)

    def longest(self, tokens: Sequence[str], start: int) -> tuple[int, list[Any]]:
        """Return (words, meanings) of the longest phrase at `start`; (0, []) for none."""
        stop = len(tokens)
        node = self.begins.get(tokens[start]) if start < stop else None
        found = NOTHING
        index = start + 1
        while node is not None:
            meanings = node.get('')
            if meanings is not None:
                found = index - start, meanings
            if index == stop:
                break
            node = node.get(tokens[index])
            index += 1
        return found

    def find(self, tokens: Sequence[str]) -> bool:
        """Return whether any phrase stands anywhere in `tokens`."""
        if self.begins.keys().isdisjoint(tokens):
            return False
        return any(
            word in self.begins and self.longest(tokens, start)[0]
            for start, word in enumerate(tokens)
        )


@dataclass(frozen=True)
class Head:
    """A noun that makes, with the name of a thing before it, the name of something else."""

    classes: tuple[str, ...]
    """What the two name; empty for no class."""
    of: frozenset[str]
    """The classes before which it does; empty for any."""
    verb: bool
    """Whether it is as likely a verb: `the bus stops`, but `two bus stops`."""


class Things(Phrases):
    """
    Names of things; meanings are tuples of classes, empty for phrases that name none.

    A compound is what its last noun is: a bus ticket is no bus, a bike shop is a building. The
    noun before it stands in the singular.
    """

    def __init__(self) -> None:
        """Start empty."""
        super().__init__()
        self.heads = Phrases()
        """Meanings are Head."""

    def longest(self, tokens: Sequence[str], start: int) -> tuple[int, list[Any]]:
        """Return (words, meanings) of the longest name or compound at `start`."""
        length, meanings = super().longest(tokens, start)
        while length and meanings[0]:
            end = start + length
            if end >= len(tokens) or tokens[end] not in self.heads.begins:
                break
            longer, named = self._compound(tokens, start, end, meanings)
            if not longer:
                break
            length, meanings = longer, named
        return length, meanings

    def _compound(
        self, tokens: Sequence[str], start: int, end: int, meanings: list[Any]
    ) -> tuple[int, list[Any]]:
        """Return what a name is with the words behind it, from `end` on; (0, []) for no more."""
        if is_plural(tokens[end - 1]):
            return NOTHING
        width, heads = self.heads.longest(tokens, end)
        for head in heads:
            if head.of and head.of.isdisjoint(meanings[0]):
                continue
            if head.verb and acts(tokens, start, end + width):
                break
            # "truck driver | is walking": a name of its own may begin with the last noun.
            longer, named = super().longest(tokens, end)
            if longer > width and named[0]:
                return end - start + longer, named
            return end - start + width, [head.classes]
        return NOTHING


_SINGULAR = frozenset(
    'a an the this that another each every one my your his her its our their no'.split()
)
_GOES_ON = frozenset(
    'at for to behind because when before after until in on and while so near suddenly here '
    'there right left straight along into onto across ahead away past through beside'.split()
)
_LETTING = frozenset(
    'let lets letting make makes see watch does did do will would can could should must'.split()
)
"""What a bare verb goes with: `let the tram pass`, `does the bus stop`."""
_NAME_BEGINS_WITHIN = 4
"""Words before a thing among which its determiner is sought."""


def acts(tokens: Sequence[str], start: int, end: int) -> bool:
    """
    Return whether the word before `end` is what one thing named at `start` does.

    `A bus stops` and `bus stops at the light` tell of a bus; `bus stops` and `the bus stop` do
    not, as only the verb of one that acts ends in s, or in ing.
    """
    last = tokens[end - 1]
    if not last.endswith(('s', 'ing')) or last.endswith('ss'):
        if last in ('stand', 'wait') and 'and' in tokens[max(0, start - 2) : start]:
            # "A van and a bus stand there".
            return True
        return not _LETTING.isdisjoint(tokens[max(0, start - _NAME_BEGINS_WITHIN) : start])
    after = tokens[end] if end < len(tokens) else ''
    follows = after in _GOES_ON or last.endswith('ing') and after in _SINGULAR
    return _singular_before(tokens, start) or follows and not _several_before(tokens, start)


def _singular_before(tokens: Sequence[str], start: int) -> bool:
    before = tokens[max(0, start - _NAME_BEGINS_WITHIN) : start]
    for word in reversed(before):
        if word in _SINGULAR:
            return True
        if word in ',.;:()':
            return False
    return False


def _several_before(tokens: Sequence[str], start: int) -> bool:
    return start > 0 and (
        tokens[start - 1].isdigit()
        or tokens[start - 1] in ('two', 'three', 'four', 'several', 'many', 'some', 'no', 'any')
    )


_MANY = ('people', 'children', 'men', 'buses', 'busses', 'passers-by')
"""How words in the plural end, besides in s."""
_ONE = ('ss', 'us', 'is')
"""How words in the singular end that end in s."""


def is_plural(word: str) -> bool:
    """Return whether a noun stands in the plural, by its ending."""
    return word.endswith(_MANY) or word.endswith('s') and not word.endswith(_ONE)


_ODD = {
    'passerby': 'passersby',
    'passer-by': 'passers-by',
    'wife': 'wives',
    'housewife': 'housewives',
    'leaf': 'leaves',
    'thief': 'thieves',
}
_NO_MAN = ('human', 'german', 'roman', 'caiman')


def plurals(phrase: str) -> Iterable[str]:
    """Yield a phrase and its plural, by the rules of English and its commonest exceptions."""
    yield phrase
    rest, space, last = phrase.rpartition(' ')
    if last in _ODD:
        yield rest + space + _ODD[last]
    elif last.endswith('person'):
        yield phrase[:-6] + 'people'
    elif last.endswith('child'):
        yield phrase + 'ren'
    elif last.endswith('man') and not last.endswith(_NO_MAN):
        yield phrase[:-3] + 'men'
    elif last.endswith('bus'):
        yield phrase + 'ses'
        yield phrase + 'es'
    elif phrase.endswith(('ss', 'x', 'ch', 'sh')):
        yield phrase + 'es'
    elif phrase.endswith('y') and phrase[-2:-1] not in 'aeiou':
        yield phrase[:-1] + 'ies'
    elif not phrase.endswith('s'):
        yield phrase + 's'


def spellings(phrase: str) -> Iterable[str]:
    """Yield a phrase, and with its first two words hyphened: `street-light`, `give-way sign`."""
    yield phrase
    if 0 < phrase.count(' ') < 3:
        yield phrase.replace(' ', '-', 1)


_MACRO = re.compile(r'\{([a-z_]+)\}')


def expand(phrase: str, macros: Mapping[str, Sequence[str]]) -> Iterable[str]:
    """Yield a phrase with every combination of its macros' entries; KeyError names one."""
    parts = _MACRO.split(phrase)
    choices = [macros[part] if place % 2 else [part] for place, part in enumerate(parts)]
    for chosen in product(*choices):
        yield ''.join(chosen)


def phrases(entries: Iterable[str]) -> Phrases:
    """Return phrases as a tree of words."""
    found = Phrases()
    for entry in entries:
        found.add(words(str(entry)), True)
    return found


def lengths(found: Phrases, tokens: Sequence[str], start: int) -> list[int]:
    """Return the lengths of the phrases that begin at `start`, the longest first."""
    node = found.begins.get(tokens[start]) if start < len(tokens) else None
    lengths: list[int] = []
    place = start + 1
    while node is not None:
        if '' in node:
            lengths.insert(0, place - start)
        node = node.get(tokens[place]) if place < len(tokens) else None
        place += 1
    return lengths
