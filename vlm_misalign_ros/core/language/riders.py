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

"""People and two-wheelers: who is riding, and is a rider and no pedestrian."""

from __future__ import annotations

from collections.abc import Sequence

from vlm_misalign_ros.core.language.grammar import DEFINITE, INDEFINITE, STOP
from vlm_misalign_ros.core.language.nouns import Said

_RIDING = frozenset(
    'riding rides ride rode on driving drives drive astride straddling mounted aboard pedal '
    'pedals pedalling pedaling cycling cycles steering'.split()
)
_ON_THE_WAY = frozenset(
    'who that which is are was were sits sat sit sitting seated standing slowly quickly and a '
    'an the his her their its two three several some red blue black white green yellow small '
    'large old new electric heavy parked another past along by currently just off away around '
    'about'.split()
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
_MOST_BETWEEN = 7
"""Words between somebody and what is ridden, at most."""


def find_riders(said: Sequence[Said], tokens: Sequence[str], riders: set[str]) -> None:
    """
    Turn people on two-wheelers into riders; add the nouns that they are called by.

    Where others are said to be riding than those who were named (`some walk, others ride bikes`)
    both are there.
    """
    ridden: set[int] = set()
    for first, second in zip(said, said[1:], strict=False):
        between = tokens[first.end : second.start]
        if len(between) > _MOST_BETWEEN:
            continue
        if _is_turned_round(first, second, tokens, first is said[0]):
            person, wheels = second, first
        elif _rides(between):
            person, wheels = first, second
        else:
            continue
        if person.classes == ('person',) and _has_two_wheels(wheels):
            riders.update(tokens[person.start : person.end])
            person.classes = ('rider',)
            ridden.add(wheels.start)
    for wheels in said:
        if wheels.start not in ridden and _is_ridden(wheels, tokens):
            wheels.classes = ('rider', *wheels.classes)


def _is_turned_round(first: Said, second: Said, tokens: Sequence[str], begins: bool) -> bool:
    """
    Return whether what is ridden stands before who rides it.

    `A bicycle with a man on it`, `mounted on a bike, a man`, `a bike ridden by a man`.
    """
    between = tokens[first.end : second.start]
    return (
        'with' in between
        and tokens[second.end : second.end + 2] == ('on', 'it')
        or begins
        and between[:1] == (',',)
        and tokens[0] in _MOUNTED
        or 'by' in between
        and not _RIDDEN_BY.isdisjoint(between)
    )


def _has_two_wheels(said: Said) -> bool:
    return bool(said.classes) and _RIDDEN.issuperset(said.classes)


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
    if not _has_two_wheels(wheels):
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
    if tail and (tail[0] in DEFINITE or tail[0] in INDEFINITE):
        tail = tail[1:]
    return (
        len(tail) <= 3
        and _BETWEEN.isdisjoint(tail)
        and all(
            word in _RIDING or word in _ON_THE_WAY or word not in STOP
            for word in _from_posture(head)
        )
    )


def _from_posture(head: Sequence[str]) -> Sequence[str]:
    """Return `is sitting` for `in a coat is sitting`, where that is still the same person."""
    posture = next((place for place, word in enumerate(head) if word in _POSTURES), 0)
    return head[posture:] if _NEW_SUBJECT.isdisjoint(head[:posture]) else head
