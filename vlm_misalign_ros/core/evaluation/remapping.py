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
Masks by another label map, from their confusion matrices.

A matrix is kept in Cityscapes' classes. A label map that makes another class of Cityscapes of one,
or nothing, moves its columns; what the model could tell within a class is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from msgspec import UNSET, structs

from vlm_misalign_ros.core.labels.classes import CLASSES, IGNORE
from vlm_misalign_ros.core.metrics import confusion
from vlm_misalign_ros.core.metrics.known import told_alone
from vlm_misalign_ros.core.records.confidence import ConfidenceEntry
from vlm_misalign_ros.core.records.schema import SegmentationEntry, Status


@dataclass(frozen=True)
class Remapper:
    """From the classes of the masks of a run to those of another label map."""

    train_ids: tuple[int, ...]
    """By the old train id, 19 of them; 255 for what is nothing now."""
    known: tuple[str, ...] = tuple(CLASSES)
    """Classes that the masks could hold."""

    @property
    def lacking(self) -> tuple[str, ...]:
        """Return the classes that masks cannot hold any more."""
        return tuple(name for k, name in enumerate(CLASSES) if k not in self.train_ids)

    @property
    def merges(self) -> bool:
        """
        Return whether the classes of now may stand for several, or for nothing, each.

        Nobody knows how sure of them the model was then: probabilities are summed by class, and
        what it had of its own that is nothing in Cityscapes is not told.
        """
        now = [self.train_ids[CLASSES.index(name)] for name in self.known]
        return IGNORE in now or len(set(now)) < len(now)

    def lacking_of(self, entry: SegmentationEntry) -> str:
        """Return what a record lacks for another label map; empty for nothing."""
        told = entry.confidence
        if self.merges and told is not None and told.clean is not None:
            return 'how the mask stands to that of the clean picture is kept with how sure it was'
        return ''

    def remapped(self, entry: SegmentationEntry) -> SegmentationEntry:
        """
        Return the mask of a frame by the other label map; the record lacks nothing for it.

        How sure the model was is a matter of the classes that its probabilities are summed over:
        it stays where each is one still, and else is not known.
        """
        if entry.status is not Status.SCORED:
            return entry
        confidence = entry.confidence
        if confidence is not None:
            confidence = None if self.merges else self._confidence(confidence)
        matrix = self._matrix(entry.cells)
        value = confusion.miou(matrix)
        visible = entry.cells_visible
        return structs.replace(
            entry,
            confidence=confidence,
            frame_iou=None if np.isnan(value) else float(value),
            cells=confusion.to_cells(matrix),
            cells_visible=None if visible is None else confusion.to_cells(self._matrix(visible)),
            lacks=list(self.lacking) if confidence is None and self.lacking else UNSET,
        )

    def _matrix(self, cells: Iterable[Sequence[int]]) -> np.ndarray:
        """Return the matrix of cells, their predicted classes by the other label map."""
        moved = [(true, self._to(predicted), n) for true, predicted, n in cells]
        return told_alone(_sum(moved), self.lacking)

    def _to(self, train_id: int) -> int:
        """Return what a predicted class is now, VOID for nothing."""
        if train_id >= len(self.train_ids):
            return train_id
        now = self.train_ids[train_id]
        return confusion.VOID if now == IGNORE else now

    def _confidence(self, told: ConfidenceEntry) -> ConfidenceEntry:
        """Return how sure the model was, by the classes of now."""
        now = {
            CLASSES[new]: told.entropies[CLASSES[old]]
            for old, new in enumerate(self.train_ids)
            if new != IGNORE and CLASSES[old] in told.entropies
        }
        against = told.clean
        if against is not None:
            # Pixels that the clean mask leaves void are not compared.
            kept = [(self._to(one), self._to(other), n) for one, other, n in against.cells]
            cells = confusion.to_cells(_sum(c for c in kept if c[0] != confusion.VOID))
            against = structs.replace(against, cells=cells)
        return structs.replace(
            told,
            entropies={name: now[name] for name in sorted(now)},
            lacking=list(self.lacking),
            clean=against,
        )


def _sum(cells: Iterable[Sequence[int]]) -> np.ndarray:
    """Return the matrix of cells of which some may be of one place, int64 (19, 20)."""
    found = np.zeros(confusion.SHAPE, np.int64)
    for true, predicted, n in cells:
        found[true, predicted] += n
    return found
