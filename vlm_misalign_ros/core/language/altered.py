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
Which answers two lexicons can read differently: those that have the words of a changed phrase.

Whatever a lexicon says of an answer it says by phrases that stand in it. An answer in which none
of the phrases stands that only one of two lexicons has, or that mean something else in it, is read
alike by both. Whether words stand in it is asked loosely (as parts of the text, short ones
always): an answer may be read again for nothing, never passed over wrongly.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any

from vlm_misalign_ros.core.language.lexicon import Lexicon
from vlm_misalign_ros.core.language.phrases import Phrases, Things

_SHORT = 2
"""Letters of words that are taken to be everywhere."""
_CONTRACTED = frozenset('not are has had have will would can could did does let us cannot'.split())
"""Words that may be written in other letters; they are taken to be everywhere, too."""
_LETTERS = re.compile('[a-z]+')

_Tree = dict[tuple[str, ...], str]


@dataclass(frozen=True)
class Differs:
    """Tells of a text whether two lexicons may read it apart."""

    needed: frozenset[tuple[str, ...]]
    """Of each phrase that is not in both, the words that stand in every text in which it does."""

    def __call__(self, text: str) -> bool:
        """Return whether all words of any of the phrases stand in a text."""
        plain = unicodedata.normalize('NFKC', text).casefold()
        return any(all(word in plain for word in phrase) for phrase in self.needed)


def may_differ(first: Lexicon, second: Lexicon) -> Differs | None:
    """
    Return what tells of a text (the answer, with its prompt) whether the two may read it apart.

    None where they are in different languages, or anything but phrases is not the same.
    """
    if first.speech != second.speech or first.version != second.version:
        return None
    one, other = _entries(first), _entries(second)
    if one.keys() != other.keys():
        return None
    changed: set[tuple[str, ...]] = set()
    for name, tree in one.items():
        changed |= {phrase for phrase, _ in tree.items() ^ other[name].items()}
    return Differs(frozenset(tuple(sorted(_telling(phrase))) for phrase in changed))


def _telling(phrase: Iterable[str]) -> set[str]:
    """Return the words, or parts of them, that stand in every text in which a phrase does."""
    parts = {part for word in phrase for part in _LETTERS.findall(word)}
    return {part for part in parts if len(part) > _SHORT and part not in _CONTRACTED}


def _entries(lexicon: Lexicon) -> dict[str, _Tree]:
    """Return, by field, what each phrase means, as text; words of sets mean themselves."""
    found: dict[str, _Tree] = {}
    for entry in fields(Lexicon):
        if entry.name in ('speech', 'version'):
            continue
        value = getattr(lexicon, entry.name)
        if isinstance(value, Phrases):
            found[entry.name] = dict(_walk(value))
            if isinstance(value, Things):
                found[f'{entry.name}.heads'] = dict(_walk(value.heads))
        elif isinstance(value, dict):
            found |= {f'{entry.name}.{name}': dict(_walk(tree)) for name, tree in value.items()}
        elif entry.name != 'further':
            # What a user's own classes are called decides no more than their phrases do.
            found[entry.name] = {(word,): '' for word in value}
    return found


def _walk(tree: Phrases) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield phrases with what they mean; of several meanings the order counts."""
    waiting: list[tuple[tuple[str, ...], dict[str, Any]]] = [((), tree.begins)]
    while waiting:
        before, node = waiting.pop()
        for word, below in node.items():
            if word == '':
                yield before, repr(below)
            else:
                waiting.append(((*before, word), below))
