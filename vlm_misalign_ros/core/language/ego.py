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

"""The vehicle that looks: whether `the car` and `the vehicle` are no other than that one."""

from __future__ import annotations

from collections.abc import Sequence

from vlm_misalign_ros.core.labels.classes import VEHICLE
from vlm_misalign_ros.core.language.grammar import DEFINITE
from vlm_misalign_ros.core.language.marks import Mark
from vlm_misalign_ros.core.language.phrases import Phrases, lengths, phrases


def _listed(text: str) -> Phrases:
    """Return phrases that are written with a bar between them."""
    return phrases(text.split('|'))


EGO = frozenset((VEHICLE, 'car'))
_EGO_NEXT = frozenset(
    "had can may should must has needs need needn't could cannot can't shouldn't mustn't ought "
    "will would might doesn't won't be not".split()
)
_EGO_BEFORE = _EGO_NEXT | {'does'}
_EGO_STATE = frozenset('cleared free safe able allowed permitted clear to not ready'.split())
_LETTING = frozenset(
    'for require requires requiring allow allows force forces permit permits enable cause'.split()
)

_ROLES = _listed(
    'in the path of|into the path of|the path of|path of|the lane of|front view of|'
    'ahead of|notice|see|hit|the hood of|the windshield of|the speed of|the driver of|'
    'the camera of|position of|shadow of|decelerate|accelerate|control|slow down|'
    'bring|abandon|in|exit|leave|stop|turn|keep|damage to|steer|control of|'
    'movement of'
)
"""What stands before `the vehicle` that looks, and before no other."""
ELSEWHERE = tuple((word,) for word in 'ahead in on behind to that which beside next at'.split())
"""What tells one vehicle from the one that looks: `the vehicle ahead`."""
_NEAR = _listed(
    'close to|near|from|side of|left of|right of|distance to|distance from|front of|'
    'behind|toward|towards|approaching|next to|away from|back of|hood of'
)
"""What stands before `the car` that looks where no other was named."""
_OURS = frozenset(('our', 'my', 'your'))
_LONGEST_ROLE = 4
_RIGHTS = _listed(
    'has the right of way|has priority|has right of way|should|would|will|telemetry|'
    'movement|trajectory|indicators|own|speed|position|motion|perspective|previous|'
    'current|intent|path|camera|dashboard'
)
_DRIVING = _listed(
    'is at|is already|is currently|is approaching|is traveling|is travelling|'
    'is driving|is moving|is stopped|is waiting|is in the|is on the|is on a|is in a|'
    'is heading|is entering|is about to|approaches|travels|drives|moves|continues|'
    'enters|stops|is located|is positioned|is turning|has been|makes|executes|was|'
    'may be|is either|is proceeding|is being|appears to|seems to|has stopped|'
    'has a green|has a clear|keeps|maintains|is proceeding|is stationary'
)


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
    if tokens[index] not in EGO:
        return False
    if determiner in _OURS:
        return True
    if not (
        determiner in DEFINITE
        and tokens[index - 1] == determiner
        and EGO.issuperset(found.classes or ())
    ):
        return False
    end = index + found.length
    return (
        _acts(tokens, end)
        or _is_acted_for(tokens, phrase_start, index, end)
        or _goes_before(tokens, phrase_start, _ROLES)
        or _RIGHTS.longest(tokens, end)[0] > 0
        or tokens[end : end + 1] not in ELSEWHERE
        and _stands_alone(tokens, index, end, phrase_start, named_before)
    )


def _stands_alone(
    tokens: Sequence[str], index: int, end: int, phrase_start: int, named_before: bool
) -> bool:
    """Return whether it is the one that looks where no other is told: `next to the car`."""
    if tokens[index] == VEHICLE and (named_before or _drives(tokens, end)):
        return True
    return not named_before and _goes_before(tokens, phrase_start, _NEAR)


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
