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

"""What reaches back over things named before: late cues, modal verbs, exceptions."""

from __future__ import annotations

from collections.abc import Sequence

from vlm_misalign_ros.core.labels.classes import TWO_WHEELERS, VEHICLE, VEHICLE_MEMBERS
from vlm_misalign_ros.core.language.grammar import NUMBERS, PUNCTUATION, STOP, VERBS
from vlm_misalign_ros.core.language.lexicon import Cue, Lexicon
from vlm_misalign_ros.core.language.marks import Mark
from vlm_misalign_ros.core.language.nouns import Said
from vlm_misalign_ros.core.types import Mention

MODALS = frozenset(('may', 'might', 'could'))
"""Verbs by which what goes before is not certain."""
EXCEPT = frozenset(
    'except but apart aside save besides other only just though although while'.split()
)
"""What an exception from a denial begins with."""

_LOOK_BACK = 12
"""Things that a cue at the end of a clause reaches back over, at most."""
_MODAL_LOOK_BACK = 4
_NOBODY = frozenset(('nobody', 'no-one', 'nothing'))
_CLAUSE = 6
"""Words at the beginning of a sentence among which a denial is of what went before."""
_CLAUSES = frozenset('but however while although because since'.split())
_THE_REST = (('the', 'rest'), ('the', 'others'), ('everything', 'else'), ('all', 'else'))
_ITS = frozenset(('its', 'his', 'her', 'their'))
_JOINS = frozenset(('and', 'or'))
_LISTED = frozenset(', and : ('.split())
"""What a clause goes on after, where the one before has its verb."""
_A = frozenset(('a', 'an', 'either'))
_OR = (('or',), ('or', 'a'), ('or', 'an'))
_PRESENT = frozenset('oncoming parked leading stopped stationary waiting visible'.split())
"""What tells of a thing that it is there, whatever it may do: `an oncoming car may brake`."""
_PROPERTIES = frozenset('color colour state status phase plate position aspect speed'.split())
"""What is told of a thing without a word on whether it is there."""
_LISTING = frozenset(', and or a an other another even'.split())
_WHEELED = frozenset((*VEHICLE_MEMBERS, *TWO_WHEELERS))


def reach_back(said: Sequence[Said], tokens: Sequence[str], index: int, state: Mention) -> None:
    """Let a cue at `index` reach back over the things of its clause: `cars are not visible`."""
    boundary = _boundary(tokens, index)
    for entry in said[: -_LOOK_BACK - 1 : -1]:
        if entry.start <= boundary:
            return
        if (
            (not entry.place or tokens[index] == 'if' and len(said) == 1)
            and entry.state in (Mention.ASSERTED, Mention.HEDGED)
            and tokens[entry.end] not in _PROPERTIES
        ):
            entry.state = state
        if '(' in tokens[entry.start : index]:
            return


def _boundary(tokens: Sequence[str], index: int) -> int:
    """Return the last word before `index` that is not of its clause; -1 where all are."""
    listed = False
    for place in range(index - 1, -1, -1):
        word = tokens[place]
        if word in _CLAUSES or listed and word in VERBS:
            return place
        if word == ',' and _is_new_subject(tokens, place, index):
            return place
        if word == 'and' and _begins_with_there(tokens, place, index):
            return place
        listed = listed or word in _LISTED
    return -1


def _is_new_subject(tokens: Sequence[str], comma: int, index: int) -> bool:
    """Return whether a subject of its own stands behind a comma: `, the rest`, `, its colour`."""
    return (
        tokens[comma + 1 : comma + 3] in _THE_REST
        or tokens[comma + 1] in _ITS
        and _JOINS.isdisjoint(tokens[comma:index])
    )


def _begins_with_there(tokens: Sequence[str], place: int, index: int) -> bool:
    """Return whether a clause begins with `and there`: "here and there" is within one."""
    return (
        place + 1 < index
        and tokens[place + 1] == 'there'
        and (not place or tokens[place - 1] != 'here')
    )


def suppose_before(said: Sequence[Said], tokens: Sequence[str], index: int) -> None:
    """Let `a cyclist may be there` hedge, `a child could run` suppose what goes before."""
    follows = tokens[index + 1 : index + 4]
    if 'not' in follows[:1]:
        return
    state = Mention.HEDGED if 'be' in follows else Mention.HYPOTHETICAL
    end = index
    for entry in said[: -_MODAL_LOOK_BACK - 1 : -1]:
        between = tokens[entry.end : end]
        if not VERBS.isdisjoint(between):
            return
        if end != index:
            if not _LISTING.issuperset(between):
                return
        elif ',' in between:
            return
        elif entry.place:
            continue
        if entry.definite or entry.state is not Mention.ASSERTED:
            return
        if not _PRESENT.isdisjoint(tokens[max(0, entry.start - 2) : entry.start]):
            return
        entry.state = state
        end = entry.start


def guess_between(said: Sequence[Said], tokens: Sequence[str]) -> None:
    """Hedge what is one of two: `a van or a lorry`."""
    for first, second in zip(said, said[1:], strict=False):
        if (
            first.determiner in _A
            and tokens[first.end : second.start] in _OR
            and first.state is second.state is Mention.ASSERTED
            and not first.plural
            and not second.plural
            and set(first.classes).isdisjoint(second.classes)
        ):
            first.state = second.state = Mention.HEDGED


def no_picture_of_it(said: Sequence[Said]) -> None:
    """Take the last thing named for a picture: `a car painted on a wall`."""
    for entry in said[:-4:-1]:
        if not entry.place:
            entry.state = None
            return


def except_after(
    said: Sequence[Said], tokens: Sequence[str], marks: Sequence[Mark], index: int
) -> None:
    """Undo a denial: `no cars, only parked ones`, `no vehicles except a van`."""
    denied = next((entry for entry in reversed(said) if entry.state is Mention.DENIED), None)
    if denied is None:
        return
    for place in range(index + 1, min(index + 7, len(tokens))):
        classes = marks[place].classes
        if classes:
            if VEHICLE in denied.classes and not _WHEELED.isdisjoint(classes):
                denied.state = Mention.ASSERTED
            return
        if tokens[place] in NUMBERS and _stands_alone(tokens, place, tokens[index]):
            denied.state = Mention.ASSERTED
            return
        if tokens[place] in PUNCTUATION:
            return


def _stands_alone(tokens: Sequence[str], place: int, cue: str) -> bool:
    """Return whether a number is of the things denied: `only some`, `while three are waiting`."""
    if place + 1 >= len(tokens):
        return True
    after = tokens[place + 1]
    return after in ('are', 'is', 'were') if cue == 'while' else after in STOP


def except_before(said: Sequence[Said], tokens: Sequence[str], marks: Sequence[Mark]) -> None:
    """Undo a denial whose exception goes before: `except for a tram, no vehicles`."""
    if (
        not tokens
        or tokens[0] not in EXCEPT
        and tokens[0] != 'with'
        or marks[0].cue is not Cue.TERMINATOR
    ):
        return
    named = {name for entry in said if entry.state is Mention.ASSERTED for name in entry.classes}
    if named.isdisjoint(_WHEELED):
        return
    for entry in said:
        if entry.state is Mention.DENIED and VEHICLE in entry.classes:
            entry.state = Mention.ASSERTED


def denies_all(tokens: Sequence[str], lexicon: Lexicon) -> bool:
    """Return whether words deny what a heading named: `although none are visible`."""
    for index, word in enumerate(tokens[:_CLAUSE]):
        if word in _NOBODY:
            return True
        if word == 'none' and tokens[index + 1 : index + 2] != ('of',):
            return True
        if lexicon.things.longest(tokens, index)[0]:
            return False
    return False
