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

"""Lists under a cue: whether it holds for the next thing, as in `no cars, trucks or buses`."""

from __future__ import annotations

from collections.abc import Sequence

from vlm_misalign_ros.core.language.grammar import DEFINITE, PRONOUNS, PUNCTUATION, VERBS
from vlm_misalign_ros.core.language.lexicon import Cue
from vlm_misalign_ros.core.language.marks import FORWARD, Mark
from vlm_misalign_ros.core.language.nounphrases import ROAD_USERS
from vlm_misalign_ros.core.language.nouns import Said

_JOINING = frozenset(('and', 'or', 'nor', 'even', 'any'))
_CLOSING = frozenset((Cue.TERMINATOR, *FORWARD))
_BREAKERS = (
    DEFINITE
    | PRONOUNS
    | frozenset(
        'a an some several many few two three four five six seven eight nine ten another only '
        'just with plus multiple dozens hundreds lots plenty numerous'.split()
    )
)
"""What a new statement begins with, and no further thing under a cue."""
_DETERMINERS = frozenset('a an some several many few two three'.split())
_OF_ITS_OWN = VERBS - {'parked'}
"""Verbs that make a statement of their own."""
_ATTRIBUTES = frozenset('parked moving oncoming waiting crossing passing walking'.split())
_ENDING = PUNCTUATION | VERBS - _ATTRIBUTES
_ALONG = tuple((word,) for word in 'on along near beside behind at'.split())


def list_goes_on(
    tokens: Sequence[str], marks: Sequence[Mark], said: Sequence[Said], cue: Cue, index: int
) -> bool:
    """Return whether what follows a comma or `and` is one more thing under the same cue."""
    start = index + 1
    while start < len(tokens) and tokens[start] in _JOINING:
        start += 1
    if start >= len(tokens) or marks[start].cue in _CLOSING:
        return False
    if _begins_statement(tokens, start, cue):
        return False
    place = _next_thing(tokens, marks, start)
    if tokens[index] != ',':
        return place is not None
    if cue is Cue.NEGATION_BEFORE:
        if place is None:
            return _or_closes(tokens, index + 1)
        return _or_follows(tokens, index) or _names_alone(tokens, marks, said, index, start, place)
    if cue is Cue.PICTURE_BEFORE or place is None:
        return False
    return cue is not Cue.HEDGE_BEFORE or not _is_placed(tokens, marks, place)


def _begins_statement(tokens: Sequence[str], start: int, cue: Cue) -> bool:
    """Return whether a new statement begins, and no further thing under a cue: `some are`."""
    return tokens[start] in _BREAKERS and not (
        tokens[start] in _DETERMINERS
        and cue in (Cue.HEDGE_BEFORE, Cue.PICTURE_BEFORE)
        and not _verb_follows(tokens, start)
    )


def _next_thing(tokens: Sequence[str], marks: Sequence[Mark], start: int) -> int | None:
    for place in range(start, min(start + 5, len(tokens))):
        if marks[place].classes:
            return place
        if tokens[place] in _ENDING:
            return None
    return None


def _names_alone(
    tokens: Sequence[str],
    marks: Sequence[Mark],
    said: Sequence[Said],
    comma: int,
    start: int,
    place: int,
) -> bool:
    """Return whether names alone stand before and behind a comma: `no cars, trucks`."""
    if not said or said[-1].end != comma or place - start > 1:
        return False
    end = place + marks[place].length
    if end < len(tokens) and tokens[end] not in (',', ')'):
        return False
    first, second = (
        not ROAD_USERS.isdisjoint(classes)
        for classes in (said[-1].classes, marks[place].classes or ())
    )
    # "no cars, houses, a fence": the houses are there.
    return first is second or ':' in tokens[:comma]


def _or_closes(tokens: Sequence[str], start: int) -> bool:
    """Return whether an entry that names no thing is followed by `or`: `no sign, text, or car`."""
    for word in tokens[start : start + 5]:
        if word in VERBS or word in DEFINITE:
            return False
        if word in ('or', 'nor'):
            return True
    return False


def _is_placed(tokens: Sequence[str], marks: Sequence[Mark], place: int) -> bool:
    """Return whether a thing behind a comma has its place, and no `or`: `, trees along it`."""
    end = place + marks[place].length
    return tokens[end : end + 1] in _ALONG and not _or_follows(tokens, place)


def _or_follows(tokens: Sequence[str], index: int) -> bool:
    return any(
        word in ('or', 'nor') or word == 'and' and tokens[place + 1 : place + 2] == ('any',)
        for place, word in enumerate(tokens[: index + 16])
        if place >= index
    )


def _verb_follows(tokens: Sequence[str], start: int) -> bool:
    for word in tokens[start : start + 8]:
        if word in _OF_ITS_OWN:
            return True
        if word in PUNCTUATION:
            return False
    return False
