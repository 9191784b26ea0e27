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

"""What a person says of a text, and how it is written: classes, judgement, visibility."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.types import Judgement

SHORT = {
    'tl': 'traffic light',
    'light': 'traffic light',
    'ts': 'traffic sign',
    'sign': 'traffic sign',
    'bike': 'bicycle',
    'motorbike': 'motorcycle',
    'tram': 'train',
    'pedestrian': 'person',
    'tree': 'vegetation',
}
"""Names that may be typed beside those of the classes and their beginnings."""
NONE = frozenset({'none', '-', 'nothing'})
LOW, CLEAR = 'low', 'clear'
_LEAST = 2
"""Letters by which a name may be shortened at most; single letters are commands."""


@dataclass(frozen=True)
class Label:
    """What a text says, by one person."""

    asserted: frozenset[str]
    """Names in labels.SCORED."""
    judgement: Judgement
    low: bool = False
    """Whether it says that little can be seen."""
    note: str = ''
    """Whatever the person wants to keep; it is not counted."""


class Wrong(ValueError):
    """A word that is no label; `value` is the word and `remedy` says what would be one."""

    def __init__(self, value: str, remedy: str) -> None:
        """Keep what was written and what to write."""
        super().__init__(f'{value!r}: {remedy}')
        self.value = value
        self.remedy = remedy


def classes_in(text: str, numbers: bool = False) -> frozenset[str]:
    """
    Return the classes that are named, by commas, semicolons, blanks or lines between them.

    A name may be shortened as long as it is plain which is meant; with `numbers` its place in
    SCORED, from 1, will do. Raises Wrong.
    """
    found = set()
    for part in re.split(r'[,;\n]', text.lower()):
        words = part.split()
        if not words or (' '.join(words) in NONE and text.lower().strip() in NONE):
            continue
        while words:
            both = ' '.join(words[:2])
            taken = 2 if both in SCORED else 1
            found.add(_class(both if taken == 2 else words[0], numbers))
            del words[:taken]
    return frozenset(found)


def _class(word: str, numbers: bool) -> str:
    if word.isdecimal():
        if not numbers:
            raise Wrong(word, 'write classes by their names; spreadsheets change numbers')
        if word.isascii() and len(word) < 4 and 1 <= int(word) <= len(SCORED):
            return SCORED[int(word) - 1]
        raise Wrong(word, f'classes have the numbers 1 to {len(SCORED)}')
    return _one(SHORT.get(word, word), {name: name for name in SCORED}, 'classes')


def judgement_in(text: str, numbers: bool = False) -> Judgement:
    """Return the judgement that is named, in full or shortened; raises Wrong."""
    word = text.lower().strip()
    allowed = [entry.value for entry in Judgement]
    if numbers and word in map(str, range(1, len(allowed) + 1)):
        return Judgement(allowed[int(word) - 1])
    names = {entry.lower(): entry for entry in allowed}
    if word == 'none':
        return Judgement.UNPARSED
    return Judgement(_one(word, names, 'judgements'))


def low_in(text: str) -> bool:
    """Return whether the visibility that is named is low; raises Wrong."""
    word = text.lower().strip()
    if word not in ('', LOW, CLEAR):
        raise Wrong(text.strip(), f'write {LOW}, or {CLEAR}, or nothing')
    return word == LOW


def _one(word: str, names: Mapping[str, str], what: str) -> str:
    """Return what a name, or the beginning of one, stands for."""
    if word in names:
        return names[word]
    meant = [names[name] for name in names if name.startswith(word)]
    if len(word) >= _LEAST and len(meant) == 1:
        return meant[0]
    if len(word) >= _LEAST and meant:
        raise Wrong(word, f'that may be {" or ".join(meant)}')
    raise Wrong(word, f'{what} are ' + ', '.join(names.values()))
