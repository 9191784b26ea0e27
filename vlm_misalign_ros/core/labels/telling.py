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

"""What an encoding can tell apart: a class that it cannot give is not known to be absent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vlm_misalign_ros.core.about import About
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.labels.classes import BY_ID, BY_NAME, CLASSES


@dataclass(frozen=True)
class Telling:
    """Which label ids an encoding can give, and which of them stand for several classes."""

    gives: frozenset[int] = frozenset(BY_ID)
    """Label ids that it can give."""
    merged: Mapping[int, frozenset[int]] = field(default_factory=dict)
    """What the pixels of a label id may be, itself among it; those of others are what they say."""

    @property
    def told(self) -> frozenset[str]:
        """Return the labels that are known not to be there when none of their pixels are."""
        ids = self.gives.union(*(self.stands_for(label) for label in self.gives))
        return frozenset(BY_ID[label].name for label in ids)

    @property
    def lacking(self) -> tuple[str, ...]:
        """Return the classes that a mask of this encoding cannot tell, or not from others."""
        blurred = {
            other
            for label in self.gives
            for other in self.stands_for(label)
            if len(self.stands_for(label)) > 1
        }
        return tuple(
            name
            for name in CLASSES
            if BY_NAME[name].id not in self.gives or BY_NAME[name].id in blurred
        )

    @classmethod
    def of(cls, about: About) -> Telling:
        """Return what the labels of a data set tell apart, as it says it of a frame."""
        if about.tells_all:
            return EVERYTHING
        gives = {name: label.id for name, label in BY_NAME.items() if name not in about.lacking}
        merged = {
            BY_NAME[name].id: frozenset(BY_NAME[other].id for other in (name, *others))
            for name, others in about.merged
        }
        return cls(frozenset(gives.values()), merged)

    def stands_for(self, label: int) -> frozenset[int]:
        """Return the label ids that pixels of `label` may be."""
        return self.merged.get(label, frozenset((label,)))


EVERYTHING = Telling()
"""Every label, each by itself."""


def telling_of(encoding: Any) -> Telling:
    """
    Return what an encoding tells apart; every label where it does not say (`gives`, `merged`).

    Raises RecordError, naming it, for one that says so in another form.
    """
    gives: Iterable[int] | None = getattr(encoding, 'gives', None)
    merged: Mapping[int, Iterable[int]] = getattr(encoding, 'merged', None) or {}
    try:
        found = Telling(
            EVERYTHING.gives if gives is None else frozenset(map(int, gives)),
            {int(label): frozenset((label, *map(int, ids))) for label, ids in merged.items()},
        )
        named = found.gives.union(found.merged, *found.merged.values())
    except (TypeError, ValueError, AttributeError) as error:
        raise RecordError(
            f'label encoding {_name(encoding)} has gives={gives!r} and merged={merged!r}',
            'mend the package that brings it: label ids, and {label id: label ids}',
        ) from error
    if not named <= EVERYTHING.gives:
        raise RecordError(
            f'label encoding {_name(encoding)} gives {min(named - EVERYTHING.gives)}, which is no '
            'label id',
            'mend the package that brings it',
        )
    return found


def _name(encoding: Any) -> str:
    return str(getattr(encoding, 'name', type(encoding).__name__))
