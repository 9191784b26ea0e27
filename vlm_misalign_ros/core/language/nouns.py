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

"""Things named in a sentence: their noun phrases, the vehicle that looks, and who is riding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vlm_misalign_ros.core.labels.classes import VEHICLE
from vlm_misalign_ros.core.language.grammar import DEFINITE, INDEFINITE, STOP, VERBS
from vlm_misalign_ros.core.language.marks import Mark
from vlm_misalign_ros.core.language.phrases import Phrases, is_plural, lengths, phrases
from vlm_misalign_ros.core.types import Mention

_WHOEVER = frozenset("somebody someone anybody anyone nobody nobody's".split())
_PARTS = frozenset(
    'stretch part side edge section middle end half corner row line front back strip piece patch '
    'group pair number couple kind sort sides edges parts'.split()
)
_OUTSIDE = STOP - {word for word in VERBS if word.endswith(('ed', 'ing'))}
"""What ends a noun phrase, going back from its name."""
_LONGEST_NAME = 7

EGO = frozenset((VEHICLE, 'car'))
_EGO_NEXT = frozenset(
    "had can may should must has needs need needn't could cannot can't shouldn't mustn't ought will "
    "would might doesn't won't be not".split()
)
_EGO_BEFORE = _EGO_NEXT | {'does'}
_EGO_STATE = frozenset('cleared free safe able allowed permitted clear to not ready'.split())
_LETTING = frozenset(
    'for require requires requiring allow allows force forces permit permits enable cause'.split()
)

_ROLES = phrases(
    'in the path of|into the path of|the path of|path of|the lane of|front view of|ahead of|notice|see'
    '|hit|the hood of|the windshield of|the speed of|the driver of|the camera of|position of|shadow of|decelerate|accelerate|control|slow down|bring|abandon|in|exit|leave|stop|turn|keep|damage to|steer|control of|movement of'.split(
        '|'
    )
)
"""What stands before `the vehicle` that looks, and before no other."""
_ELSEWHERE = tuple((word,) for word in 'ahead in on behind to that which beside next at'.split())
"""What tells one vehicle from the one that looks: `the vehicle ahead`."""
_NEAR = phrases(
    'close to|near|from|side of|left of|right of|distance to|distance from|front of|behind|toward|towards'
    '|approaching|next to|away from|back of|hood of'.split('|')
)
"""What stands before `the car` that looks where no other was named."""
_OURS = frozenset(('our', 'my', 'your'))
_LONGEST_ROLE = 4
_RIGHTS = phrases(
    'has the right of way|has priority|has right of way|should|would|will|telemetry|movement|trajectory'
    '|indicators|own|speed|position|motion|perspective|previous|current|intent|path|camera|dashboard'.split(
        '|'
    )
)
_DRIVING = phrases(
    'is at|is already|is currently|is approaching|is traveling|is travelling|is driving|is moving'
    '|is stopped|is waiting|is in the|is on the|is on a|is in a|is heading|is entering|is about to'
    '|approaches|travels|drives|moves|continues|enters|stops|is located|is positioned|is turning'
    '|has been|makes|executes|was|may be|is either|is proceeding|is being|appears to|seems to'
    '|has stopped|has a green|has a clear|keeps|maintains|is proceeding|is stationary'.split('|')
)

_RIDING = frozenset(
    'riding rides ride rode on driving drives drive astride straddling mounted aboard pedal '
    'pedals pedalling pedaling cycling cycles steering'.split()
)
_ON_THE_WAY = frozenset(
    'who that which is are was were sits sat sit sitting seated standing slowly quickly and a an the his her '
    'their its two three several some red blue black white green yellow small large old new '
    'electric heavy parked another past along by currently just off away around about'.split()
)
_BETWEEN = DEFINITE | INDEFINITE | STOP - {'parked', 'moving'}
_OTHERS = frozenset('others some another one who'.split())
_MOUNTED = frozenset('mounted seated riding sitting astride perched'.split())
_ON_FOOT = frozenset('walking standing jogging running strolling walk stand sitting'.split())
_NEW_SUBJECT = frozenset((',', 'while', 'and', 'or', 'others', 'some', 'one', 'another'))
_POSTURES = frozenset('is are was were sits sit sat sitting seated riding rides'.split())
_OWN = (('his',), ('her',), ('their',))
_RIDES = frozenset('rides riding rode ride'.split())
_ARE = frozenset('are is were was also'.split())
_TOPS = (('top', 'of'), ('the', 'back', 'of'), ('the', 'seat', 'of'))
_RIDDEN = frozenset(('bicycle', 'motorcycle'))
_RIDDEN_BY = frozenset(('ridden', 'driven', 'steered'))


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
    place: bool
    """Governed by a preposition and definite: where something is or is not."""
    determiner: str
    """`the`, `two`, or '' where there is none."""
    plural: bool = False
    present: bool = False
    """Whether its words tell that it is there: `parked cars`."""


def noun_phrase(tokens: Sequence[str], marks: Sequence[Mark], index: int) -> tuple[int, str]:
    """Return where the noun phrase of a name starts, and its determiner or ''."""
    if tokens[index] in _WHOEVER:
        return index, ''
    place = index - 1
    while place >= 0 and index - place <= _LONGEST_NAME:
        word = tokens[place]
        if word == 'that' and is_plural(tokens[index]):
            return place + 1, ''
        if word in DEFINITE or word in INDEFINITE or word.isdigit():
            if place and tokens[place - 1] in DEFINITE and tokens[place - 1] != 'that':
                return place - 1, tokens[place - 1]
            return place, word
        if word == 'of' and place and tokens[place - 1] in _PARTS:
            place -= 2
            continue
        if word in _OUTSIDE or marks[place].cue is not None or marks[place].classes:
            break
        place -= 1
    return place + 1, ''


def is_ego(
    tokens: Sequence[str],
    index: int,
    found: Mark,
    phrase_start: int,
    determiner: str,
    named_before: bool,
) -> bool:
    """
    Return whether `the car` is no other than the one that looks: `the car can go on`.

    `the vehicle` alone is either that one, or one that was `named_before` and counts by its name.
    """
    end = index + found.length
    if determiner in _OURS and tokens[index] in EGO:
        return True
    return (
        determiner in DEFINITE
        and tokens[index] in EGO
        and tokens[index - 1] == determiner
        and EGO.issuperset(found.classes or ())
        and (
            _acts(tokens, end)
            or _is_acted_for(tokens, phrase_start, index, end)
            or _goes_before(tokens, phrase_start, _ROLES)
            or not named_before
            and _goes_before(tokens, phrase_start, _NEAR)
            and tokens[end : end + 1] not in _ELSEWHERE
            or _RIGHTS.longest(tokens, end)[0] > 0
            or tokens[index] == VEHICLE
            and (named_before or _drives(tokens, end))
            and tokens[end : end + 1] not in _ELSEWHERE
        )
    )


def _goes_before(tokens: Sequence[str], start: int, sought: Phrases) -> bool:
    """Return whether one of some phrases ends right before a place."""
    return any(
        length == start - place
        for place in range(max(0, start - _LONGEST_ROLE), start)
        for length in lengths(sought, tokens, place)
    )


def _drives(tokens: Sequence[str], end: int) -> bool:
    """Return whether what follows is what the vehicle that looks does: `is approaching`."""
    if _DRIVING.longest(tokens, end)[0]:
        return True
    after = tokens[end : end + 2]
    return len(after) == 2 and after[0] == 'is' and after[1].endswith('ing')


def _acts(tokens: Sequence[str], end: int) -> bool:
    """Return whether what follows is said of the vehicle that looks: `is cleared`, `must`."""
    if end >= len(tokens):
        return False
    after = tokens[end]
    return (
        after in _EGO_NEXT
        or after == 'from'
        or after == 'is'
        and not _EGO_STATE.isdisjoint(tokens[end + 1 : end + 2])
    )


def _is_acted_for(tokens: Sequence[str], start: int, index: int, end: int) -> bool:
    """Return whether what goes before is: `should the car`, `in front of the vehicle`."""
    before = tokens[start - 1] if start else ''
    return (
        before in _EGO_BEFORE
        or before in _LETTING
        and end < len(tokens)
        and tokens[end] == 'to'
        or before == 'of'
        and tokens[index] == VEHICLE
        and start > 1
        and tokens[start - 2] == 'front'
    )


def find_riders(said: Sequence[Said], tokens: Sequence[str], riders: set[str]) -> None:
    """
    Turn people on two-wheelers into riders; add the nouns that they are called by.

    Where others are said to be riding than those who were named (`some walk, others ride bikes`)
    both are there.
    """
    ridden: set[int] = set()
    for first, second in zip(said, said[1:], strict=False):
        between = tokens[first.end : second.start]
        if len(between) > 7:
            continue
        person, wheels, on = first, second, _rides(between)
        if 'with' in between and tokens[second.end : second.end + 2] == ('on', 'it'):
            person, wheels, on = second, first, True
        if first is said[0] and between[:1] == (',',) and tokens[0] in _MOUNTED:
            person, wheels, on = second, first, True
        if 'by' in between and not _RIDDEN_BY.isdisjoint(between):
            person, wheels, on = second, first, True
        if (
            on
            and person.classes == ('person',)
            and wheels.classes
            and _RIDDEN.issuperset(wheels.classes)
        ):
            riders.update(tokens[person.start : person.end])
            person.classes = ('rider',)
            ridden.add(wheels.start)
    for wheels in said:
        if wheels.start not in ridden and _is_ridden(wheels, tokens):
            wheels.classes = ('rider', *wheels.classes)


def _is_own(between: Sequence[str], place: int) -> bool:
    """Return whether somebody rides something of his own: `rides past with a bag on his`."""
    return (
        between[place] == 'on'
        and tuple(between[place + 1 :]) in _OWN
        and not _RIDES.isdisjoint(between[:place])
    )


def _without_top(words: Sequence[str]) -> Sequence[str]:
    """Return `sits on a` for `sits on top of a`."""
    for place, word in enumerate(words):
        if word == 'on':
            for top in _TOPS:
                end = place + 1 + len(top)
                if tuple(words[place + 1 : end]) == top:
                    return (*words[: place + 1], *words[end:])
    return words


def _is_ridden(wheels: Said, tokens: Sequence[str]) -> bool:
    """Return whether others ride than those who were named: `while others are riding bikes`."""
    if not wheels.classes or not _RIDDEN.issuperset(wheels.classes):
        return False
    place = wheels.start - 1
    while place >= 0 and tokens[place] not in STOP and tokens[place] not in _RIDING:
        place -= 1
    while place >= 0 and (tokens[place] in _RIDING or tokens[place] in _ARE):
        place -= 1
    riding = tokens[place + 1 : wheels.start]
    return (
        not _RIDING.isdisjoint(riding)
        and 'on' not in riding[:1]
        and place >= 0
        and (tokens[place] in _OTHERS or tokens[place] == 'or' and tokens[place - 1] in _ON_FOOT)
    )


def _rides(between: Sequence[str]) -> bool:
    """Return whether what stands between somebody and a two-wheeler is riding it."""
    between = _without_top(between)
    places = [place for place, word in enumerate(between) if word in _RIDING]
    if not places:
        return False
    if _is_own(between, places[-1]):
        return True
    head, tail = between[: places[-1]], between[places[-1] + 1 :]
    posture = next((place for place, word in enumerate(head) if word in _POSTURES), 0)
    if _NEW_SUBJECT.isdisjoint(head[:posture]):
        head = head[posture:]
    if tail and (tail[0] in DEFINITE or tail[0] in INDEFINITE):
        tail = tail[1:]
    return (
        len(tail) <= 3
        and _BETWEEN.isdisjoint(tail)
        and all(word in _RIDING or word in _ON_THE_WAY or word not in STOP for word in head)
    )
