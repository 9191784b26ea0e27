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

"""Pictures of things, which are none: where one begins, and how far it goes."""

from __future__ import annotations

from collections.abc import Sequence

from vlm_misalign_ros.core.language.grammar import PREPOSITIONS, PUNCTUATION, VERBS
from vlm_misalign_ros.core.language.lexicon import Lexicon
from vlm_misalign_ros.core.language.marks import Mark

_RIDDEN = frozenset('bicycle bike scooter moped motorcycle motorbike horse'.split())
_NO_SCREEN = frozenset(('one', 'sign', 'signs', 'board'))
"""What bears a picture only where it stands right before it."""
_ARTICLE = frozenset(('a', 'an'))
_WHEREABOUTS = frozenset('in on at near along from'.split())
"""What makes a hedge one about where something is: `the road appears to be in an area with`."""
_ARTICLES = (('a',), ('an',), ('the',))
_SUBJECTS = frozenset(
    'have here it this that the image picture photo photograph scene view what shown here you '
    'provided we i see setting location place frame overall so and also general setting in'.split()
)
"""Words of a subject that stands for the picture as a whole."""
_SCENES = frozenset(
    'photo photograph image picture shot view scene frame snapshot screenshot footage street '
    'road intersection highway city town village neighborhood neighbourhood area junction '
    'avenue setting environment day night afternoon morning evening suburb district '
    'crossroads'.split()
)
_RELATIVE = (('which',), ('that',))
_REACH = 7
"""Words between what bears a picture and the verb by which it shows it, at most."""


def picture_on(
    tokens: Sequence[str], marks: Sequence[Mark], index: int, lexicon: Lexicon
) -> tuple[int, bool]:
    """
    Return where the picture begins that something at `index` bears, or 0 for none.

    And whether nothing stands between that says anything of its own: `a billboard with | a car`,
    but `a screen at the corner shows | a car`.
    """
    length, _ = lexicon.bearers.longest(tokens, index)
    if not length or _inside_of_a_name(marks, index):
        return 0, False
    end = index + length
    shows, _ = lexicon.shows.longest(tokens, end)
    if shows:
        return end + shows, True
    for place in range(end, min(end + _REACH, len(tokens))):
        shows, _ = lexicon.showing.longest(tokens, place)
        if shows and tokens[index] not in _NO_SCREEN:
            return place + shows, False
        if (
            tokens[place] in VERBS
            or tokens[place] in PUNCTUATION
            and tokens[place + 1 : place + 2] not in _RELATIVE
        ):
            break
    return 0, False


def is_of_picture(tokens: Sequence[str], index: int, end: int) -> bool:
    """Return whether a hedge is about what is shown: `it looks like a quiet street with cars`."""
    after = tokens[end] if end < len(tokens) else ''
    if tokens[end - 1] == 'be' and (after in _WHEREABOUTS or after.endswith('ing')):
        return True
    if tokens[end - 1] in _ARTICLE:
        end -= 1
    if tokens[end : end + 1] == ('of',):
        end += 1
    if not _SUBJECTS.issuperset(tokens[:index]) or tokens[end : end + 1] not in _ARTICLES:
        return False
    for word in tokens[end + 1 : end + _REACH]:
        if word in _SCENES:
            return True
        if word in PREPOSITIONS or word in PUNCTUATION or word in VERBS:
            return False
    return False


def _inside_of_a_name(marks: Sequence[Mark], index: int) -> bool:
    """Return whether a phrase that means no thing covers `index`."""
    return any(
        marks[back].classes == () and marks[back].length > index - back
        for back in range(max(0, index - 4), index)
    )


def ends_picture(tokens: Sequence[str], index: int) -> bool:
    """Return whether a word behind what a picture shows goes on about the street."""
    word = tokens[index]
    if word in VERBS and not word.endswith('ing'):
        return True
    return word in PREPOSITIONS and not _goes_on_inside(tokens, index)


def _goes_on_inside(tokens: Sequence[str], index: int) -> bool:
    """Return whether a preposition goes on within what a picture shows."""
    word, after = tokens[index], tokens[index + 1 : index + 4]
    return (
        word in ('of', 'with')
        or word == 'in'
        and after[:1] == ('front',)
        or word == 'on'
        and not _RIDDEN.isdisjoint(after)
    )
