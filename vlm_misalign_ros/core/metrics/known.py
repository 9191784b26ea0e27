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
Which classes the masks of a run could tell, and what their mIoU is called.

The mean over the 16 classes that a model can tell is another measure than that over the 19 of
Cityscapes. It has another name, `miou_of_16`, and nothing compares the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.labels.classes import CLASSES

MIOU = 'miou'


def told_alone(matrix: np.ndarray, lacking: Sequence[str]) -> np.ndarray:
    """
    Return a confusion matrix, int64 (19, 20), without the truth that a model cannot tell.

    These pixels are left out as those are that Cityscapes itself ignores: a rider is no false
    person to a model that knows no riders.
    """
    if not lacking:
        return matrix
    found = matrix.copy()
    found[[CLASSES.index(name) for name in lacking]] = 0
    return found


def lacking_by(known: Sequence[str]) -> tuple[str, ...] | None:
    """
    Return the classes that a model lacks which can tell those that are `known`.

    None for none: nothing told what it can tell. ConfigurationError names a class that does not
    exist.
    """
    for name in known:
        if name not in CLASSES:
            raise ConfigurationError(
                f"parameter 'segmentation_classes' names the class {name!r}",
                'allowed: ' + ', '.join(CLASSES),
            )
    return tuple(name for name in CLASSES if name not in known) if known else None


class Known:
    """What the masks of many frames could tell."""

    def __init__(self, seen: Iterable[tuple[str, ...]] = ()) -> None:
        """Begin with the classes that the masks of some frames lack."""
        self._seen: dict[tuple[str, ...], None] = dict.fromkeys(seen)

    def add(self, lacking: Iterable[str]) -> None:
        """Add a frame whose mask lacks some classes."""
        self._seen.setdefault(tuple(sorted(lacking, key=CLASSES.index)))

    def take(self, other: Known) -> None:
        """Add the frames of another."""
        self._seen.update(other._seen)

    def __eq__(self, other: object) -> bool:
        """Return whether both could tell the same."""
        return isinstance(other, Known) and set(self._seen) == set(other._seen)

    __hash__ = None  # type: ignore[assignment]

    @property
    def mixed(self) -> bool:
        """Return whether masks of models with different classes are among them."""
        return len(self._seen) > 1

    @property
    def lacking(self) -> tuple[str, ...]:
        """Return the classes that any of them lacks."""
        return tuple(name for name in CLASSES if any(name in lost for lost in self._seen))

    @property
    def count(self) -> int:
        """Return the number of classes that all of them could tell."""
        return len(CLASSES) - len(self.lacking)

    @property
    def all(self) -> bool:
        """Return whether every mask could tell every class."""
        return not self.lacking

    @property
    def miou(self) -> str:
        """Return what their mIoU is called: `miou`, or for example `miou_of_16`."""
        return self.named(MIOU)

    def named(self, name: str) -> str:
        """Return the name of a mean over the classes."""
        return name if self.all else f'{name}_of_{self.count}'

    @property
    def told(self) -> str:
        """Return in words what they could tell; empty where that is everything."""
        if self.all:
            return ''
        lost = ', '.join(self.lacking)
        if self.mixed:
            return (
                f'masks of models with different classes are mixed (some lack {lost}): they have '
                'no mIoU'
            )
        return (
            f'the segmentation tells {self.count} of the {len(CLASSES)} classes, without {lost}: '
            f'{self.miou} is over these, and no mIoU over {len(CLASSES)} compares with it'
        )
