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
Pixel confusion and IoU, equal to cityscapesScripts' pixel-level evaluation to the last count.

A confusion matrix is int64 (19, 20): rows are true train ids, columns predicted train ids, and
column 19 holds void predictions on evaluated pixels. Pixels whose truth is ignored are left out.
Source: cityscapesScripts, evaluation/evalPixelLevelSemanticLabeling.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from vlm_misalign_ros.core.labels.classes import BY_NAME, CLASSES
from vlm_misalign_ros.core.truth.spans import lengths_of_runs, starts_of_runs

VOID = len(CLASSES)
SHAPE = (VOID, VOID + 1)

_ROWS = np.array([BY_NAME[name].id for name in CLASSES])
_LABELS = int(_ROWS.max()) + 1
_COLUMN = np.full(256, VOID, np.uint8)
_COLUMN[:VOID] = np.arange(VOID)
_FEW = 1 / 8
"""Runs to a pixel up to which runs are counted, not pixels."""
_EXACT = 2**24
"""calcHist counts in float32, which is exact up to here."""


def confusion(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """
    Return the confusion matrix, int64 (19, 20), of one frame.

    `truth` holds label ids, uint8 (H, W); `predicted` train ids, uint8 (H, W), where every value
    that is no train id is void. ValueError when sizes or types differ from that.
    """
    if truth.shape != predicted.shape or truth.ndim != 2:
        raise ValueError(f'truth {truth.shape} and prediction {predicted.shape} do not match')
    if truth.dtype != np.uint8 or predicted.dtype != np.uint8:
        raise ValueError(f'expected uint8, got {truth.dtype} and {predicted.dtype}')
    total = np.zeros(SHAPE, np.int64)
    if not truth.size:
        return total
    truth = np.ascontiguousarray(truth)
    predicted = np.ascontiguousarray(predicted)
    starts = starts_of_runs(truth, predicted)
    if starts.size <= _FEW * truth.size:
        pairs = (
            truth.ravel()[starts].astype(np.int64) * (VOID + 1)
            + _COLUMN[predicted.ravel()[starts]]
        )
        by_pair = np.bincount(pairs, lengths_of_runs(starts, truth.size), 256 * (VOID + 1))
        total += by_pair.reshape(256, VOID + 1)[_ROWS].astype(np.int64)
        return total
    columns = cv2.LUT(predicted, _COLUMN)
    rows = max(1, _EXACT // truth.shape[1])
    for start in range(0, len(truth), rows):
        counted = cv2.calcHist(
            [truth[start : start + rows], columns[start : start + rows]],
            [0, 1],
            None,
            [_LABELS, VOID + 1],
            [0, _LABELS, 0, VOID + 1],
        )
        total += counted[_ROWS].astype(np.int64)
    return total


def ious(matrix: np.ndarray) -> np.ndarray:
    """
    Return the IoU of each class, float64 (19,); NaN for a class neither true nor predicted.

    IoU = TP / (TP + FP + FN); void predictions are false negatives.
    """
    hits = np.diagonal(matrix).astype(np.float64)
    union = matrix.sum(axis=1) + matrix[:, :VOID].sum(axis=0) - hits
    found: np.ndarray = np.divide(hits, union, out=np.full(VOID, np.nan), where=union > 0)
    return found


def mious(hits: np.ndarray, unions: np.ndarray) -> np.ndarray:
    """Return the mIoU of each row of hits and unions by class, (R, 19) each; NaN for none."""
    seen = unions > 0
    each = np.divide(hits, unions, out=np.zeros(hits.shape), where=seen)
    count = seen.sum(axis=1)
    found: np.ndarray = np.divide(
        each.sum(axis=1), count, out=np.full(len(hits), np.nan), where=count > 0
    )
    return found


def miou(matrix: np.ndarray) -> float:
    """Return the mean IoU over classes that were seen; NaN when none was."""
    values = ious(matrix)
    seen = values[~np.isnan(values)]
    return float(seen.mean()) if seen.size else float('nan')


def to_cells(matrix: np.ndarray) -> list[tuple[int, int, int]]:
    """Return the cells other than 0 as (row, column, count), for a record."""
    return [
        (int(row), int(column), int(matrix[row, column])) for row, column in np.argwhere(matrix)
    ]


def from_cells(cells: Iterable[Sequence[int]]) -> np.ndarray:
    """Return the matrix of `to_cells`; ValueError when a cell is none."""
    matrix = np.zeros(SHAPE, np.int64)
    given = list(cells)
    if not given:
        return matrix
    if {len(cell) for cell in given} != {3}:
        raise ValueError('a cell of a confusion matrix is (row, column, count)')
    rows, columns, counts = np.array(given, np.int64).T
    wrong = (rows < 0) | (rows >= SHAPE[0]) | (columns < 0) | (columns >= SHAPE[1]) | (counts < 0)
    if wrong.any():
        raise ValueError(f'{given[int(np.argmax(wrong))]} is no cell of a confusion matrix')
    np.add.at(matrix, (rows, columns), counts)
    return matrix
