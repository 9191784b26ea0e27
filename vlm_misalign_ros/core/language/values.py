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

"""Reads the values of structured answers: what keys and entries say of each class."""

from __future__ import annotations

from collections.abc import Sequence

from vlm_misalign_ros.core.language import answers, keys
from vlm_misalign_ros.core.language.lexicon import Lexicon
from vlm_misalign_ros.core.language.mentions import Reading
from vlm_misalign_ros.core.language.nodes import Node, place_of, plain
from vlm_misalign_ros.core.language.plain import normal_form
from vlm_misalign_ros.core.language.prose import Prose
from vlm_misalign_ros.core.language.text import words
from vlm_misalign_ros.core.types import Mention

_DEPTH = 32
_READ = keys.ASKED.union(keys.NAMES, keys.COUNTS)
_STATES = ('status', 'state')
_ATTRIBUTES = frozenset('state position location color colour nearby scene view image in'.split())
_BEFORE = frozenset('num n has have is are contains presence of any there count'.split())
_NO = frozenset(('no', 'without', 'zero'))


class Values:
    """Notes what structured answers say; texts within them are read as prose."""

    def __init__(self, lexicon: Lexicon, reading: Reading, prose: Prose, source: str) -> None:
        """Note in `reading` what nodes of `source` say."""
        self._lexicon = lexicon
        self._source = source
        self._reading = reading
        self._prose = prose

    def read(self, node: Node, state: Mention | None = None, depth: int = 0) -> None:
        """Read a value; `state` is what the keys above say of all that is in it."""
        if depth > _DEPTH:
            return
        if isinstance(node.value, str):
            # What was escaped has not been tidied with the text around it.
            text = node.value if node.value.isascii() else normal_form(node.value)
            self._prose.read_value(text, state, (node.start, node.end))
        for entry in node.items or ():
            self.read(entry, state, depth + 1)
        if node.pairs is None or self._entry(node.pairs, state, depth):
            return
        for key, entry in node.pairs:
            tokens = keys.key_words(str(key.value))
            if keys.ASKED.isdisjoint(tokens[-1:]):
                self._pair(tokens, key, entry, depth, state)

    def _entry(
        self, pairs: Sequence[tuple[Node, Node]], state: Mention | None, depth: int
    ) -> bool:
        """Read `{"type": "car", "count": 2}`; return whether it was one."""
        fields = {str(pair[0].value).strip().lower().replace(' ', '_'): pair for pair in pairs}
        named = {key: entry for key, (_, entry) in fields.items()}
        key = next((key for key in keys.NAMES if self._classes(named.get(key))), None)
        if key is None:
            return False
        tokens, classes = keys.key_words(str(named[key].value)), self._classes(named[key])
        stated = self._counted([named[key] for key in keys.COUNTS if key in named])
        if stated is Mention.ASSERTED:
            stated = self._status([named[key] for key in _STATES if key in named])
        span = place_of(named[key], self._source)
        self._reading.note(classes, _joined(state, stated), tokens, span=span)
        if stated is not Mention.DENIED:
            for name, (node, entry) in fields.items():
                if name not in _READ:
                    self._pair(keys.key_words(name), node, entry, depth, state)
        return True

    def _classes(self, entry: Node | None) -> tuple[str, ...]:
        """Return the classes that a value names, and nothing else; empty for no name."""
        if entry is None or not isinstance(entry.value, str):
            return ()
        return answers.named_alone(keys.thing_words(keys.key_words(entry.value)), self._lexicon)

    def _pair(
        self, tokens: tuple[str, ...], key: Node, entry: Node, depth: int, state: Mention | None
    ) -> None:
        """Read `"cars": 2`; `tokens` are the words of the key."""
        denies, classes = self._named(tokens)
        if classes:
            counts = [
                said
                for name, said in entry.pairs or ()
                if str(name.value).strip().lower() in keys.COUNTS
            ]
            stated = answers.polarity(plain(counts[0] if counts else entry), self._lexicon)
            if denies:
                stated = Mention.ASSERTED if stated is Mention.DENIED else Mention.DENIED
            span = place_of(key, self._source)
            self._reading.note(classes, _joined(state, stated), tokens, span=span)
            holds = isinstance(entry.value, str) or entry.pairs or entry.items
            if stated is Mention.DENIED or not holds:
                return
        self.read(entry, self._state(tokens, state), depth + 1)

    def _state(self, tokens: tuple[str, ...], state: Mention | None) -> Mention | None:
        """Return what a key says of all that is under it."""
        if self._lexicon.absent.find(tokens) or 'not' in tokens:
            return Mention.DENIED
        if keys.is_advice(tokens):
            return Mention.HYPOTHETICAL
        return Mention.HEDGED if self._lexicon.uncertain.find(tokens) else state

    def _named(self, tokens: tuple[str, ...]) -> tuple[bool, tuple[str, ...]]:
        """Return whether a key denies, and what it names: `no_cars`, `car_2`, `has_bus`."""
        tokens = tuple(keys.thing_words(tokens))
        while len(tokens) > 1 and tokens[-1] in _ATTRIBUTES:
            tokens = tokens[:-1]
        while len(tokens) > 1 and tokens[0] in _BEFORE:
            tokens = tokens[1:]
        denies = len(tokens) > 1 and tokens[0] in _NO
        return denies, answers.named_alone(tokens[denies:], self._lexicon)

    def _counted(self, counts: list[Node]) -> Mention | None:
        """Return what the first of some counts says; a thing that is not counted is there."""
        return answers.polarity(plain(counts[0]), self._lexicon) if counts else Mention.ASSERTED

    def _status(self, states: list[Node]) -> Mention:
        """Return whether a state says that a thing is not there: `absent`, and no other word."""
        for entry in states:
            tokens = words(str(entry.value))
            if self._lexicon.absent.find(tokens) or len(tokens) == 1 and answers.is_no(tokens[0]):
                return Mention.DENIED
        return Mention.ASSERTED


def _joined(state: Mention | None, stated: Mention | None) -> Mention:
    """Return what keys above and the value itself say together."""
    if stated is None:
        stated = Mention.ASSERTED
    if state is None or stated is Mention.HYPOTHETICAL:
        return stated
    # {"possible": {"car": 0}}
    return stated if state is Mention.HEDGED and stated is Mention.DENIED else state
