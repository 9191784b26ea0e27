"""
What one sentence says of each thing it names: asserted, denied, hedged or hypothetical.

Cues reach over the mentions of their clause, in the manner of NegEx (Chapman et al. 2001,
J. Biomed. Inform. 34:301), with three additions: lists go on under a cue, a definite place under a
cue is a place ("no people on the sidewalk"), and pictures of things are none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vlm_misalign_ros.core.labels.classes import VEHICLE, VEHICLE_MEMBERS
from vlm_misalign_ros.core.language.grammar import (
    ACTIONS,
    DEFINITE,
    INDEFINITE,
    NUMBERS,
    PREPOSITIONS,
    PRONOUNS,
    PUNCTUATION,
    STOP,
    VERBS,
)
from vlm_misalign_ros.core.language.lexicon import Cue, Lexicon
from vlm_misalign_ros.core.language.marks import FORWARD, Mark, mark
from vlm_misalign_ros.core.types import Mention

_BREAKERS = (
    DEFINITE
    | PRONOUNS
    | frozenset(
        'a an some several many few two three four five six seven eight nine ten another only '
        'just with plus multiple dozens hundreds lots plenty numerous'.split()
    )
)
_EXCEPT = frozenset('except but apart aside save besides other only just'.split())
_RIDING = frozenset(
    'riding rides ride rode on driving drives drive astride straddling mounted aboard pedal '
    'pedals pedalling pedaling cycling cycles steering'.split()
)
_ON_THE_WAY = frozenset(
    'who that which is are was were sitting seated standing slowly quickly and a an the his her '
    'their its two three several some red blue black white green yellow small large old new '
    'electric heavy parked another past along by currently just off away around about'.split()
)
_BETWEEN = DEFINITE | INDEFINITE | STOP - {'parked', 'moving'}
_RIDDEN_WORDS = frozenset('bicycle bike scooter moped motorcycle motorbike horse'.split())
_LISTING = frozenset(', and or a an other another even'.split())
_ON_THE_ROAD = frozenset(('person', 'rider', VEHICLE, *VEHICLE_MEMBERS))
_RIDDEN = frozenset(('bicycle', 'motorcycle'))
_EGO = frozenset((VEHICLE, 'car'))
_EGO_NEXT = frozenset(
    "can may should must has needs need needn't could cannot can't shouldn't mustn't ought will "
    "would might doesn't won't be not".split()
)
_LETTING = frozenset(
    'for require requires requiring allow allows force forces permit permits enable cause'.split()
)
_EGO_STATE = frozenset('cleared free safe able allowed permitted clear to not ready'.split())
_BEGINNINGS = frozenset(('there', "there's", 'i', 'we', 'you'))
_PARTS = frozenset(
    'stretch part side edge section middle end half corner row line front back strip piece patch '
    'group pair number couple kind sort sides edges parts'.split()
)
_PROPERTIES = frozenset('color colour state status phase plate position aspect speed'.split())
"""What is told of a thing without a word on whether it is there."""
_WHOEVER = frozenset("somebody someone anybody anyone nobody nobody's".split())
_NONE = frozenset(('0', 'x0', 'zero', 'none', 'no', 'absent', 'nil'))
_NOBODY = frozenset(('nobody', "nobody's", 'no', 'no-one', 'not'))
_LONGEST_NAME = 7
_LOOK_BACK = 12
"""Mentions that a cue at the end of a clause reaches back over, at most."""


@dataclass
class Said:
    """One thing named in a sentence."""

    start: int
    """First word."""
    end: int
    """Behind the last word."""
    classes: tuple[str, ...]
    state: Mention | None
    """None: named, and not said to be there or not, as a picture."""
    definite: bool
    bare: bool
    """Without a determiner."""
    place: bool
    """Governed by a preposition and definite: where something is or is not."""


class Clauses:
    """Reads one sentence; `riders` holds the nouns of people who turned out to be riding."""

    def __init__(self, tokens: Sequence[str], lexicon: Lexicon, riders: set[str]) -> None:
        """Mark the phrases of `tokens`."""
        self._tokens = tokens
        self._lexicon = lexicon
        self._marks = mark(tokens, lexicon)
        self._riders = riders
        self.said: list[Said] = []
        self._scope: Cue | None = None
        self._scope_end = 0
        self._scope_used = False
        self._pictured_from = -1

    def read(self) -> list[Said]:
        """Return what is named, in order, with its state."""
        index = 0
        while index < len(self._tokens):
            index += self._step(index)
        self._exceptions_before()
        if self._lexicon.guesses.find(self._tokens):
            for said in self.said:
                if said.state is Mention.ASSERTED and not said.place:
                    said.state = Mention.HEDGED
        self._riding()
        return self.said

    def _step(self, index: int) -> int:
        word, found = self._tokens[index], self._marks[index]
        if index == self._pictured_from:
            self._scope, self._scope_end, self._scope_used = Cue.PICTURE_BEFORE, index, False
        if (
            self._scope is Cue.PICTURE_BEFORE
            and index > self._scope_end
            and (
                word in VERBS
                and not word.endswith('ing')
                or word in PREPOSITIONS
                and not self._in_picture(index)
            )
        ):
            self._scope = None
        if found.cue is Cue.TERMINATOR:
            # "Possibly there is a truck": the clause has only begun.
            if not (word in _BEGINNINGS and self._scope and self._scope_end == index):
                self._terminate(index)
            else:
                self._scope_end = index + found.length
            return 1 if found.length == 1 or word in ('and',) else found.length
        if word in PUNCTUATION:
            self._punctuation(index)
            return 1
        if word == 'and' and self._scope and not self._list_goes_on(index):
            self._scope = None
            return 1
        if found.cue is not None:
            self._cue(index, found)
            return found.length
        shown = self._picture(index) if found.classes != () else 0
        if found.classes:
            self._mention(index, found)
        elif word in ('may', 'might', 'could'):
            self._modal(index)
        if shown:
            self._scope, self._scope_end, self._scope_used = Cue.PICTURE_BEFORE, shown, False
            return shown - index
        return found.length

    def _in_picture(self, index: int) -> bool:
        """Return whether a preposition goes on within what a picture shows."""
        word, after = self._tokens[index], self._tokens[index + 1 : index + 4]
        return (
            word in ('of', 'with')
            or word == 'in'
            and after[:1] == ('front',)
            or word == 'on'
            and not _RIDDEN_WORDS.isdisjoint(after)
        )

    # Cues ------------------------------------------------------------------------------------

    def _cue(self, index: int, found: Mark) -> None:
        end = index + found.length
        if found.cue is Cue.PICTURE_AFTER:
            for said in self.said[:-4:-1]:
                if not said.place:
                    said.state = None
                    break
        elif found.cue in (Cue.NEGATION_AFTER, Cue.HEDGE_AFTER):
            self._reach_back(
                index, Mention.DENIED if found.cue is Cue.NEGATION_AFTER else Mention.HEDGED
            )
            self._scope = None
        elif found.cue is Cue.NOT_NEGATION:
            return
        elif found.cue in FORWARD:
            if self._tokens[index] in ('may', 'might', 'could'):
                self._modal(index)
            if self._scope is Cue.HYPOTHETICAL_BEFORE and found.cue is Cue.HEDGE_BEFORE:
                return
            if self._scope is Cue.HEDGE_BEFORE and found.cue is Cue.HYPOTHETICAL_BEFORE:
                return
            if self._scope is Cue.NEGATION_BEFORE and found.cue is Cue.HYPOTHETICAL_BEFORE:
                return
            if (
                self._scope is Cue.HYPOTHETICAL_BEFORE
                and found.cue is Cue.NEGATION_BEFORE
                and not self._scope_used
            ):
                return
            self._scope, self._scope_end, self._scope_used = found.cue, end, False

    def _exceptions_before(self) -> None:
        """Undo a denial whose exception goes before: `except for a tram, no vehicles`."""
        if self._tokens and self._tokens[0] in _EXCEPT and self._marks[0].cue is Cue.TERMINATOR:
            named = {
                name
                for said in self.said
                if said.state is Mention.ASSERTED
                for name in said.classes
            }
            for said in self.said:
                if (
                    said.state is Mention.DENIED
                    and VEHICLE in said.classes
                    and named & set(VEHICLE_MEMBERS)
                ):
                    said.state = Mention.ASSERTED

    def _terminate(self, index: int) -> None:
        denied = [said for said in self.said if said.state is Mention.DENIED]
        if denied and self._tokens[index] in _EXCEPT:
            self._exception(index, denied[-1])
        self._scope = None

    def _exception(self, index: int, denied: Said) -> None:
        """Undo a denial: `no cars, only parked ones`, `no vehicles except a van`."""
        for place in range(index + 1, min(index + 7, len(self._tokens))):
            word, found = self._tokens[place], self._marks[place]
            if found.classes:
                if VEHICLE in denied.classes and set(found.classes) & set(VEHICLE_MEMBERS):
                    denied.state = Mention.ASSERTED
                return
            after = self._tokens[place + 1] if place + 1 < len(self._tokens) else ''
            if word in NUMBERS and (not after or after in STOP or after in 'parked'):
                denied.state = Mention.ASSERTED
                return
            if word in PUNCTUATION:
                return

    def _punctuation(self, index: int) -> None:
        word = self._tokens[index]
        if not self._scope:
            return
        if (
            word == ':'
            and not self._scope_used
            and (index == self._scope_end or self._scope is not Cue.HYPOTHETICAL_BEFORE)
            and not (
                index > self._scope_end
                and self._tokens[index + 1 : index + 2]
                and self._tokens[index + 1] in NUMBERS
            )
        ):
            # "does not contain: person, car" and "my guess: a bus".
            self._scope_end = index + 1
            return
        if word == ',':
            unused = not self._scope_used and (
                index != self._scope_end or self._scope is Cue.NEGATION_BEFORE
            )
            if unused or not self._list_goes_on(index) and index != self._scope_end:
                self._scope = None
        elif word not in '/(':
            self._scope = None

    def _list_goes_on(self, index: int) -> bool:
        """Return whether what follows a comma or `and` is one more thing under the same cue."""
        tokens = self._tokens
        start = index + 1
        while start < len(tokens) and tokens[start] in ('and', 'or', 'nor', 'even', 'any'):
            start += 1
        if start >= len(tokens):
            return False
        if self._marks[start].cue in (Cue.TERMINATOR, *FORWARD):
            return False
        determined = tokens[start] in ('a', 'an', 'some', 'several', 'many', 'few', 'two', 'three')
        if tokens[start] in _BREAKERS and not (
            determined
            and self._scope in (Cue.HEDGE_BEFORE, Cue.PICTURE_BEFORE)
            and not self._verb_after(start)
        ):
            return False
        if self._scope is Cue.PICTURE_BEFORE and tokens[index] == ',':
            return False
        for place in range(start, min(start + 5, len(tokens))):
            if tokens[place] in PUNCTUATION or tokens[place] in VERBS - {
                'parked',
                'moving',
                'oncoming',
                'waiting',
                'crossing',
                'passing',
                'walking',
            }:
                return False
            classes = self._marks[place].classes
            if classes:
                return (
                    self._scope is not Cue.NEGATION_BEFORE
                    or tokens[index] != ','
                    or self._or_follows(index)
                    or self._bare_list(index, start, place)
                )
        return False

    def _bare_list(self, comma: int, start: int, place: int) -> bool:
        """Return whether names alone stand before and behind a comma: `no cars, trucks`."""
        first, second = (
            bool(_ON_THE_ROAD.intersection(classes))
            for classes in (
                self.said[-1].classes if self.said else (),
                self._marks[place].classes or (),
            )
        )
        if first is not second and ':' not in self._tokens[:comma]:
            # "no cars, houses, a fence": the houses are there.
            return False
        end = place + self._marks[place].length
        closed = end >= len(self._tokens) or self._tokens[end] in ',)'
        return place - start <= 1 and closed and bool(self.said) and self.said[-1].end == comma

    def _or_follows(self, index: int) -> bool:
        return any(word in ('or', 'nor') for word in self._tokens[index : index + 16])

    def _verb_after(self, start: int) -> bool:
        for word in self._tokens[start : start + 8]:
            if word in VERBS - {'parked'}:
                return True
            if word in PUNCTUATION:
                return False
        return False

    def _reach_back(self, index: int, state: Mention) -> None:
        """Let a cue reach back over the mentions of its clause."""
        for said in self.said[: -_LOOK_BACK - 1 : -1]:
            between = self._tokens[said.start : index]
            if any(
                word in ('but', 'however', 'while', 'although', 'because', 'since', 'and there')
                for word in between
            ):
                return
            for place, word in enumerate(between):
                if word in (',', 'and', ':', '(') and not VERBS.isdisjoint(between[:place]):
                    return
            if (
                not said.place
                and said.state in (Mention.ASSERTED, Mention.HEDGED)
                and (self._tokens[said.end] not in _PROPERTIES)
            ):
                said.state = state
            if '(' in between:
                return

    def _modal(self, index: int) -> None:
        """Let `a cyclist may be there` hedge, `a child could run` suppose what goes before."""
        follows = self._tokens[index + 1 : index + 4]
        if 'not' in follows[:1]:
            return
        state = Mention.HEDGED if 'be' in follows else Mention.HYPOTHETICAL
        end = index
        for said in self.said[:-5:-1]:
            between = self._tokens[said.end : end]
            if end != index and not set(between) <= _LISTING:
                return
            if any(word in VERBS or word in ',;' and end == index for word in between):
                return
            if said.place and end == index:
                continue
            if said.definite or said.state is not Mention.ASSERTED:
                return
            said.state = state
            end = said.start

    # Things ----------------------------------------------------------------------------------

    def _picture(self, index: int) -> int:
        """Return where the picture begins that something at `index` bears, or 0."""
        if self._tokens[index] not in self._lexicon.bearers.begins:
            return 0
        length, _ = self._lexicon.bearers.longest(self._tokens, index)
        if not length:
            return 0
        if any(
            self._marks[back].length > index - back > 0
            for back in range(max(0, index - 4), index)
            if self._marks[back].classes == ()
        ):
            return 0
        end = index + length
        shows, _ = self._lexicon.shows.longest(self._tokens, end)
        if shows:
            return end + shows
        for place in range(end, min(end + 7, len(self._tokens))):
            shows, _ = self._lexicon.showing.longest(self._tokens, place)
            if shows and self._tokens[index] not in ('one', 'sign', 'signs', 'board'):
                self._pictured_from = place + shows
                return 0
            if (
                self._tokens[place] in VERBS
                or self._tokens[place] in PUNCTUATION
                and (self._tokens[place + 1 : place + 2] not in (('which',), ('that',)))
            ):
                break
        return 0

    def _noun_phrase(self, index: int) -> tuple[int, str]:
        """Return where the noun phrase of a mention starts, and its determiner or ''."""
        place = index - 1
        while place >= 0 and index - place <= _LONGEST_NAME:
            word = self._tokens[place]
            if word in DEFINITE or word in INDEFINITE or word.isdigit():
                if place and self._tokens[place - 1] in DEFINITE - {'that'}:
                    return place - 1, self._tokens[place - 1]
                return place, word
            if word == 'of' and place and self._tokens[place - 1] in _PARTS:
                place -= 2
                continue
            if (
                word in STOP
                and not (word in VERBS and word.endswith(('ed', 'ing')))
                or self._marks[place].cue is not None
            ):
                break
            place -= 1
        return place + 1, ''

    def _mention(self, index: int, found: Mark) -> None:
        assert found.classes
        end = index + found.length
        start, determiner = (
            (index, '') if self._tokens[index] in _WHOEVER else self._noun_phrase(index)
        )
        definite = determiner in DEFINITE
        before = self._tokens[start - 1] if start else ''
        place = definite and before in PREPOSITIONS
        if self._is_ego(index, end, found.classes, determiner, before, start):
            return
        if definite and found.classes == ('person',) and self._tokens[index] in self._riders:
            return
        if found.classes == ('person',) and self._tokens[index] in _NOBODY:
            self.said.append(Said(index, end, found.classes, Mention.DENIED, False, True, False))
            return
        state: Mention | None = Mention.ASSERTED
        away = start > self._scope_end or start == self._scope_end and before in PREPOSITIONS
        held = (
            definite
            and away
            and (
                place
                or 'that' in self._tokens[self._scope_end : start]
                or not ACTIONS.isdisjoint(self._tokens[self._scope_end : start])
            )
        )
        if self._scope is Cue.PICTURE_BEFORE:
            state = None
        elif self._scope is Cue.NEGATION_BEFORE and not held:
            state = Mention.DENIED
        elif self._scope is Cue.HEDGE_BEFORE and not held:
            state = Mention.HEDGED
        elif self._scope is Cue.HYPOTHETICAL_BEFORE and not definite:
            state = Mention.HYPOTHETICAL
        self._scope_used = True
        if state is Mention.ASSERTED and self._tokens[index] in ('anybody', 'anyone'):
            state = None
        if (
            self._tokens[end : end + 1] == ('(',)
            and self._tokens[end + 2 : end + 3] == (')',)
            and (self._tokens[end + 1] in _NONE)
        ):
            state = Mention.DENIED
        self.said.append(Said(index, end, found.classes, state, definite, not determiner, place))

    def _is_ego(
        self,
        index: int,
        end: int,
        classes: tuple[str, ...],
        determiner: str,
        before: str,
        start: int,
    ) -> bool:
        """Return whether `the car` is the one that looks: `the car can go on`."""
        if (
            not set(classes) <= _EGO
            or determiner not in DEFINITE
            or self._tokens[index] not in _EGO
            or self._tokens[index - 1] != determiner
        ):
            return False
        after = self._tokens[end] if end < len(self._tokens) else ''
        state = self._tokens[end + 1] if end + 1 < len(self._tokens) else ''
        return (
            after in _EGO_NEXT
            or before in _EGO_NEXT
            or before == 'does'
            or before in _LETTING
            and after == 'to'
            or after == 'from'
            or self._tokens[start - 2 : start] == ('front', 'of')
            and self._tokens[index] == VEHICLE
            or after == 'is'
            and state in _EGO_STATE
        )

    @staticmethod
    def _rides(between: Sequence[str]) -> bool:
        """Return whether what stands between somebody and a two-wheeler is riding it."""
        places = [place for place, word in enumerate(between) if word in _RIDING]
        if not places:
            return False
        head, tail = between[: places[-1]], list(between[places[-1] + 1 :])
        if tail and (tail[0] in DEFINITE or tail[0] in INDEFINITE):
            tail = tail[1:]
        return (
            len(tail) <= 3
            and _BETWEEN.isdisjoint(tail)
            and all(word in _RIDING or word in _ON_THE_WAY or word not in STOP for word in head)
        )

    def _riding(self) -> None:
        """Turn people on two-wheelers into riders."""
        for first, second in zip(self.said, self.said[1:], strict=False):
            between = self._tokens[first.end : second.start]
            if len(between) > 7:
                continue
            on = self._rides(between)
            person, wheels = first, second
            if 'by' in between and any(w in ('ridden', 'driven', 'steered') for w in between):
                person, wheels, on = second, first, True
            if (
                on
                and person.classes == ('person',)
                and set(wheels.classes) <= _RIDDEN
                and wheels.classes
            ):
                self._riders.update(self._tokens[person.start : person.end])
                person.classes = ('rider',)
