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
What one sentence says of each thing it names: asserted, denied, hedged or hypothetical.

Cues reach over the mentions of their clause, in the manner of NegEx (Chapman et al. 2001,
J. Biomed. Inform. 34:301), with three additions: lists go on under a cue, a definite place under a
cue is a place ("no people on the sidewalk"), and pictures of things are none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from vlm_misalign_ros.core.labels.classes import VEHICLE, VEHICLE_MEMBERS
from vlm_misalign_ros.core.language import reach
from vlm_misalign_ros.core.language.acts import weigh
from vlm_misalign_ros.core.language.discourse import Parsed
from vlm_misalign_ros.core.language.ego import EGO, is_ego
from vlm_misalign_ros.core.language.grammar import (
    ACTIONS,
    DEFINITE,
    NUMBERS,
    PREPOSITIONS,
    PUNCTUATION,
    STOP,
)
from vlm_misalign_ros.core.language.lexicon import Cue, Lexicon
from vlm_misalign_ros.core.language.lists import list_goes_on
from vlm_misalign_ros.core.language.marks import FORWARD, PLAIN, Mark
from vlm_misalign_ros.core.language.nouns import Said, noun_phrase
from vlm_misalign_ros.core.language.phrases import is_plural
from vlm_misalign_ros.core.language.pictures import ends_picture, is_of_picture, picture_on
from vlm_misalign_ros.core.language.riders import find_riders
from vlm_misalign_ros.core.types import Mention

_BEGINNINGS = frozenset(('there', "there's", 'i', 'we', 'you', 'because', 'due', 'since'))
_NONE = frozenset(('0', 'x0', 'zero', 'none', 'no', 'absent', 'nil'))
_ENDS = ((), (',',), (';',))
_NOBODY = frozenset(('nobody', "nobody's", 'no', 'no-one', 'not'))
_ANYBODY = frozenset(('anybody', 'anyone'))
_COPULAS = frozenset('is are be was were being just only really actually'.split())
_PLACES = frozenset('outside near beside on along behind under at opposite by'.split())
_PRESENT = frozenset('parked stopped stationary visible lead leading'.split())
_PLACED = frozenset(('road', 'sidewalk', 'building', 'terrain', 'wall', 'fence'))
_SIGN = ('traffic sign',)
_SIDES = (('side',), ('front',), ('back',), ('roof',), ('facade',), ('building',), ('bus',))
_HOUSES = frozenset(
    'building buildings store stores shop shops storefront storefronts hotel restaurant '
    'structures facade facades'.split()
)
_PERSON = ('person',)
_PASSED_OVER = frozenset(
    (
        (Cue.HYPOTHETICAL_BEFORE, Cue.HEDGE_BEFORE),
        (Cue.HEDGE_BEFORE, Cue.HYPOTHETICAL_BEFORE),
        (Cue.NEGATION_BEFORE, Cue.HYPOTHETICAL_BEFORE),
    )
)
"""Which cue in force outlasts which that comes behind it."""


_MINDED = PUNCTUATION | reach.MODALS | {'and'}
"""Words that mean something to a clause though no phrase begins with them."""


@dataclass
class _Scope:
    """A cue in force."""

    cue: Cue
    end: int
    """Behind the cue, or behind what introduces the things under it."""
    used: bool = False
    """Whether a thing has been named under it."""


_NOTHING_KNOWN: Mapping[str, Mention] = MappingProxyType({})
_VEHICLES = (VEHICLE, *VEHICLE_MEMBERS)


class Clauses:
    """Reads one sentence; `riders` holds the nouns of people who turned out to be riding."""

    def __init__(
        self,
        parsed: Parsed,
        lexicon: Lexicon,
        riders: set[str],
        known: Mapping[str, Mention] = _NOTHING_KNOWN,
    ) -> None:
        """Read a sentence whose phrases are marked; `known` is what was said before it."""
        self._known = known
        self._tokens = parsed.tokens
        self._lexicon = lexicon
        self._marks = parsed.marks
        self._named = parsed.nouns.named
        self._acts = parsed.acts
        self._riders = riders
        self.said: list[Said] = []
        self._scope: _Scope | None = None
        self._pictured_from = -1

    def read(self) -> list[Said]:
        """Return what is named, in order, with its state."""
        index, marks, tokens, bearers = 0, self._marks, self._tokens, self._lexicon.bearers.begins
        while index < len(tokens):
            word = tokens[index]
            if (
                marks[index] is PLAIN
                and word not in _MINDED
                and word not in bearers
                and self._pictured_from < 0
                and (self._scope is None or self._scope.cue is not Cue.PICTURE_BEFORE)
            ):
                # The way of most words.
                index += 1
            else:
                index += self._step(index)
        reach.except_before(self.said, self._tokens, self._marks)
        if self.said and self._lexicon.guesses.find(self._tokens):
            for said in self.said:
                if said.state is Mention.ASSERTED and not said.place:
                    said.state = Mention.HEDGED
        reach.guess_between(self.said, self._tokens)
        find_riders(self.said, self._tokens, self._riders)
        for said in self.said:
            said.state = weigh(said, self._acts[said.start])
        return self.said

    def _step(self, index: int) -> int:
        """Read what starts at a word; return how many words that takes."""
        word, found = self._tokens[index], self._marks[index]
        if index == self._pictured_from:
            self._scope = _Scope(Cue.PICTURE_BEFORE, index)
        scope = self._scope
        if scope and scope.cue is Cue.PICTURE_BEFORE and self._leaves_picture(scope, index):
            scope = self._scope = None
        if found.cue is Cue.TERMINATOR:
            return self._terminator(index, found)
        if word in PUNCTUATION:
            if scope:
                self._punctuation(scope, index)
            return 1
        if word == 'and' and scope and not self._list_goes_on(scope, index):
            self._scope = None
            return 1
        if found.cue is not None:
            self._cue(found.cue, index, index + found.length)
            return found.length
        return self._thing(index, found)

    def _leaves_picture(self, scope: _Scope, index: int) -> bool:
        return index > scope.end and ends_picture(self._tokens, index)

    # Cues ------------------------------------------------------------------------------------

    def _terminator(self, index: int, found: Mark) -> int:
        word, scope = self._tokens[index], self._scope
        if word == 'as' and self._tokens[max(0, index - 1)] == 'such':
            return 1
        if scope and scope.end == index and word in _BEGINNINGS:
            # "Possibly there is a truck": the clause has only begun.
            scope.end = index + found.length
        else:
            if word in reach.EXCEPT:
                reach.except_after(self.said, self._tokens, self._marks, index)
            self._scope = None
        return 1 if word == 'and' else found.length

    def _cue(self, cue: Cue, index: int, end: int) -> None:
        if cue is Cue.PICTURE_AFTER:
            reach.no_picture_of_it(self.said)
        elif cue is Cue.NEGATION_AFTER:
            reach.reach_back(self.said, self._tokens, index, Mention.DENIED)
            self._scope = None
        elif cue is Cue.HEDGE_AFTER and self._tokens[end : end + 1] != ('to',):
            reach.reach_back(self.said, self._tokens, index, Mention.HEDGED)
            self._scope = None
        elif cue in FORWARD:
            if self._tokens[index] in reach.MODALS:
                reach.suppose_before(self.said, self._tokens, index)
            if not self._outlasts(cue) and not (
                cue is Cue.HEDGE_BEFORE and is_of_picture(self._tokens, index, end)
            ):
                self._scope = _Scope(cue, end)

    def _outlasts(self, cue: Cue) -> bool:
        """Return whether the cue in force holds over another."""
        scope = self._scope
        return scope is not None and (
            (scope.cue, cue) in _PASSED_OVER
            or scope.cue is Cue.HYPOTHETICAL_BEFORE
            and cue is Cue.NEGATION_BEFORE
            and not scope.used
        )

    def _punctuation(self, scope: _Scope, index: int) -> None:
        word = self._tokens[index]
        if word == ':' and self._introduces(scope, index):
            scope.end = index + 1
        elif word == ',':
            follows_cue = index == scope.end
            if scope.cue is Cue.NEGATION_BEFORE and not follows_cue and not scope.used:
                if not self._list_goes_on(scope, index):
                    self._scope = None
            elif not scope.used and (not follows_cue or scope.cue is Cue.NEGATION_BEFORE):
                self._scope = None
            elif not follows_cue and not self._list_goes_on(scope, index):
                self._scope = None
        elif word not in ('/', '('):
            self._scope = None

    def _introduces(self, scope: _Scope, colon: int) -> bool:
        """Return whether a cue goes on: `does not contain: person, car`, `my guess: a bus`."""
        if scope.used or not DEFINITE.isdisjoint(self._tokens[colon + 1 : colon + 2]):
            return False
        if colon == scope.end:
            return True
        return scope.cue is not Cue.HYPOTHETICAL_BEFORE and not (
            colon > scope.end and not NUMBERS.isdisjoint(self._tokens[colon + 1 : colon + 2])
        )

    def _list_goes_on(self, scope: _Scope, index: int) -> bool:
        return list_goes_on(self._tokens, self._marks, self.said, scope.cue, index)

    # Things ----------------------------------------------------------------------------------

    def _thing(self, index: int, found: Mark) -> int:
        word = self._tokens[index]
        if found.classes:
            self._mention(index, found)
        elif word in reach.MODALS:
            reach.suppose_before(self.said, self._tokens, index)
        if word in self._lexicon.bearers.begins and found.classes != ():
            return self._bearer(index) or found.length
        return found.length

    def _bearer(self, index: int) -> int:
        """Return how many words stand before the picture on a thing; 0 where they are read."""
        begins, at_once = picture_on(self._tokens, self._marks, index, self._lexicon)
        if not begins:
            return 0
        if not at_once:
            self._pictured_from = begins
            return 0
        self._scope = _Scope(Cue.PICTURE_BEFORE, begins)
        return begins - index

    def _mention(self, index: int, found: Mark) -> None:
        """Take in the name of a thing, unless it is none here: the ego vehicle, a known rider."""
        tokens, end, classes = self._tokens, index + found.length, found.classes or ()
        phrase = self._named.get(index)
        start, determiner = phrase or noun_phrase(tokens, self._marks, index)
        vehicle_named = tokens[index] in EGO and self._vehicle_named()
        if is_ego(tokens, index, found, start, determiner, vehicle_named):
            return
        if _is_part(tokens, start, index, end, classes):
            return
        definite = self._is_definite(index, start, determiner, classes)
        place = definite and self._is_place(start, determiner)
        if classes == _PERSON and self._is_no_further_person(index, end, definite):
            return
        state = self._governed(start, definite, place, classes)
        if self._scope:
            self._scope.used = True
        if self._none_in_brackets(end):
            state = Mention.DENIED
        elif state is Mention.ASSERTED and tokens[index] in _ANYBODY:
            state = None
        plural = is_plural(tokens[end - 1])
        present = not _PRESENT.isdisjoint(tokens[start:index])
        self.said.append(
            Said(index, end, classes, state, definite, place, determiner, plural, present)
        )

    def _is_no_further_person(self, index: int, end: int, definite: bool) -> bool:
        """Return whether a word for a person is a known rider's or `nobody`; note that."""
        if definite and self._tokens[index] in self._riders:
            return True
        if self._tokens[index] in _NOBODY:
            self.said.append(Said(index, end, _PERSON, Mention.DENIED, False, False, ''))
            return True
        return False

    def _is_definite(
        self, index: int, start: int, determiner: str, classes: Sequence[str]
    ) -> bool:
        """Return whether a name has `the` or the like, of its own or from the noun before."""
        return (
            determiner in DEFINITE
            or self._tokens[index] in DEFINITE
            or not determiner
            and self._shares(start, classes)
        )

    def _is_place(self, start: int, determiner: str) -> bool:
        """Return whether a definite thing is where something is: `on the road`."""
        if determiner or start <= 1:
            return start > 0 and self._tokens[start - 1] in PREPOSITIONS
        before = self.said[-1] if self.said else None
        return before.place if before and before.end == start - 1 else True

    def _shares(self, start: int, classes: Sequence[str]) -> bool:
        """Return whether a noun has its `the` from the one before: `the cyclists and people`."""
        if start < 2 or self._tokens[start - 1] not in ('and', 'or'):
            return False
        before = self.said[-1] if self.said else None
        if before is not None and before.end == start - 1:
            return before.definite and before.plural
        place = start - 2
        while place > start - 5 and place > 0 and self._tokens[place] not in STOP:
            if self._tokens[place] in DEFINITE:
                return self._tokens[place - 1] in PREPOSITIONS and _PLACED.issuperset(classes)
            place -= 1
        return False

    def _vehicle_named(self) -> bool:
        """Return whether a vehicle was named that `the vehicle` could be."""
        return any(self._known.get(name) is Mention.ASSERTED for name in _VEHICLES) or any(
            not set(_VEHICLES).isdisjoint(entry.classes) for entry in self.said
        )

    def _governed(
        self, start: int, definite: bool, place: bool, classes: Sequence[str]
    ) -> Mention | None:
        """Return what the cue in force says of a noun phrase."""
        scope = self._scope
        if not scope:
            return Mention.ASSERTED
        if scope.cue is Cue.PICTURE_BEFORE:
            return None
        if scope.cue is Cue.HYPOTHETICAL_BEFORE:
            return Mention.ASSERTED if definite else Mention.HYPOTHETICAL
        if self._held_under_hedge(scope, start, definite, classes):
            return Mention.ASSERTED
        if definite and self._held(scope, start, place):
            return Mention.ASSERTED
        return Mention.DENIED if scope.cue is Cue.NEGATION_BEFORE else Mention.HEDGED

    def _held_under_hedge(
        self, scope: _Scope, start: int, definite: bool, classes: Sequence[str]
    ) -> bool:
        """Return whether a thing is sure though its clause is a guess: `whether the road is`."""
        if scope.cue is not Cue.HEDGE_BEFORE or not start:
            return False
        before = self._tokens[start - 1]
        if definite:
            return start > scope.end + 1 and before not in _COPULAS or before in ('whether', 'if')
        return (scope.used or _PLACED.issuperset(classes)) and before in _PLACES

    def _held(self, scope: _Scope, start: int, place: bool) -> bool:
        """Return whether a cue takes a definite thing for granted: `no people on the bus`."""
        tokens = self._tokens
        if start < scope.end or (
            start == scope.end and not (start and tokens[start - 1] in PREPOSITIONS)
        ):
            return False
        between = tokens[scope.end : start]
        return place or 'that' in between or not ACTIONS.isdisjoint(between)

    def _none_in_brackets(self, end: int) -> bool:
        """Return whether `(none)` stands behind a name."""
        after = self._tokens[end : end + 3]
        if after[:1] == ('0',):
            return after[1:2] in _ENDS
        return len(after) == 3 and after[0] == '(' and after[2] == ')' and after[1] in _NONE


def _is_part(
    tokens: Sequence[str], start: int, index: int, end: int, classes: Sequence[str]
) -> bool:
    """Return whether a name is of a part of something: the cars of a train, a sign on a shop."""
    if tokens[index] == 'cars' and tokens[start] == 'its':
        return True
    return classes == _SIGN and _is_of_building(tokens, start, index, end)


def _is_of_building(tokens: Sequence[str], start: int, index: int, end: int) -> bool:
    """Return whether a sign is that of a house or bus: `a building with awnings and signs`."""
    before = tokens[max(0, start - 6) : start]
    if end - index == 1 and 'with' in before and before[-1] in ('with', 'and'):
        if not _HOUSES.isdisjoint(before):
            return True
    after = tokens[end : end + 4]
    return after[:2] == ('on', 'the') and after[2:3] in _SIDES
