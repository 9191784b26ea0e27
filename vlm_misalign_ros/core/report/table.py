"""Records as arrays: one line a frame and model, ready to be summed, resampled and compared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np

from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.metrics.confusion import SHAPE, from_cells
from vlm_misalign_ros.core.metrics.counts import FIELDS, Counts
from vlm_misalign_ros.core.metrics.rates import RateRow
from vlm_misalign_ros.core.types import Kind, Record

CLEAN = 'clean'


@dataclass(frozen=True)
class Table:
    """The scored frames of one model; arrays over the same N lines."""

    model: str
    kind: Kind | None
    """None where the model was never scored."""
    clusters: np.ndarray
    """Number of the source frame, int64 (N,)."""
    conditions: np.ndarray
    """Index into `condition_names`, int64 (N,)."""
    condition_names: tuple[str, ...]
    """In order of first sight."""
    corruptions: tuple[str, ...]
    """Corruption of each condition."""
    counts: np.ndarray
    """Counts by rates.FIELDS, int64 (N, F)."""
    frame_iou: np.ndarray
    """float64 (N,), NaN where there is none."""
    confusion: np.ndarray
    """int64 (N, 19 * 20); zeros where there is no mask."""
    objects: np.ndarray
    """Countable things in the frame, float64 (N,)."""
    entropy: np.ndarray
    """Mean entropy of the segmentation, float64 (N,), NaN where there is none."""
    hazards: np.ndarray
    """Verdicts, object (N,)."""
    judgements: np.ndarray
    """object (N,)."""
    safe_scores: np.ndarray
    """Probability of SAFE, float64 (N,), NaN where there is none."""
    presence: np.ndarray
    """Truth by labels.SCORED: 0 ABSENT, 1 TOLERATED, 2 REQUIRED, int64 (N, 20)."""
    scores: np.ndarray
    """Per class, float64 (N, 20), NaN where there is none."""
    asserted: np.ndarray
    """bool (N, 20)."""
    sweeps: dict[str, np.ndarray]
    """Hazard verdicts, object (N,), by corridor and stopping distance."""

    def __len__(self) -> int:
        """Return the number of lines."""
        return len(self.clusters)

    def count(self, name: str) -> np.ndarray:
        """Return one count by line, int64 (N,)."""
        found: np.ndarray = self.counts[:, FIELDS.index(name)]
        return found

    def terms(self, rate: RateRow) -> tuple[np.ndarray, np.ndarray]:
        """Return numerator and denominator of a rate by line, int64 (N,) each."""
        over, under = (
            self.counts[:, [FIELDS.index(name) for name in names]].sum(axis=1)
            for names in (rate.over, rate.under)
        )
        return over, under

    def of(self, condition: str) -> np.ndarray:
        """Return which lines are of a condition, bool (N,)."""
        if condition not in self.condition_names:
            return np.zeros(len(self), bool)
        found: np.ndarray = self.conditions == self.condition_names.index(condition)
        return found

    def by_cluster(self, values: np.ndarray, chosen: np.ndarray | None = None) -> np.ndarray:
        """Return the sums of `values`, (N,), by source frame, float64 (clusters,)."""
        total = int(self.clusters.max(initial=-1)) + 1
        if chosen is None:
            return np.bincount(self.clusters, values, total)
        return np.bincount(self.clusters[chosen], values[chosen], total)


_PRESENCE = {'ABSENT': 0, 'TOLERATED': 1, 'REQUIRED': 2}


def tables(records: Iterable[Record]) -> list[Table]:
    """Return one table for each model, of the frames on which it was scored."""
    lines: dict[str, list[Record]] = {}
    clusters: dict[tuple[str, str], int] = {}
    # In one order whatever order they came in, so that resampling draws the same frames.
    for record in sorted(
        (record for record in records if record.get('kind') == 'frame'), key=_place
    ):
        clusters.setdefault((record['dataset'], record['key']), len(clusters))
        for model, entry in record['models'].items():
            lines.setdefault(model, [])
            if entry['status'] == 'ok' and record['truth']:
                lines[model].append(record)
    return [_table(model, found, clusters) for model, found in lines.items()]


def _place(record: Record) -> tuple[Any, ...]:
    condition = record['condition']
    return (
        record['dataset'],
        record['key'],
        condition['corruption'] != CLEAN,
        condition['corruption'],
        condition['severity'],
        record['pass'],
        record['stamp'],
    )


def _table(model: str, records: list[Record], clusters: dict[tuple[str, str], int]) -> Table:
    entries = [record['models'][model] for record in records]
    names = [
        name
        for _, _, _, name in sorted(
            {
                (
                    condition['corruption'] != CLEAN,
                    condition['corruption'],
                    condition['severity'],
                    condition['name'],
                )
                for condition in (record['condition'] for record in records)
            }
        )
    ]
    corruption = {
        record['condition']['name']: record['condition']['corruption'] for record in records
    }
    cells = np.zeros((len(records), SHAPE[0] * SHAPE[1]), np.int64)
    presence = np.zeros((len(records), len(SCORED)), np.int64)
    scores = np.full((len(records), len(SCORED)), nan)
    asserted = np.zeros((len(records), len(SCORED)), bool)
    for line, (record, entry) in enumerate(zip(records, entries, strict=True)):
        if record['segmentation']['status'] == 'ok':
            cells[line] = from_cells(record['segmentation']['cells']).ravel()
        truth = entry.get('truth') or record['truth']['presence']
        for place, name in enumerate(SCORED):
            presence[line, place] = _PRESENCE[truth[name]]
            scores[line, place] = entry['scores'].get(name, nan)
            asserted[line, place] = entry['mentions'].get(name) == 'ASSERTED'

    def floats(values: list[float | None]) -> np.ndarray:
        return np.array([nan if value is None else value for value in values], np.float64)

    swept = records[0]['truth'].get('sweep', {}) if records else {}
    return Table(
        model,
        Kind(entries[0]['kind']) if entries else None,
        np.array([clusters[record['dataset'], record['key']] for record in records], np.int64),
        np.array([names.index(record['condition']['name']) for record in records], np.int64),
        tuple(names),
        tuple(corruption[name] for name in names),
        np.array(
            [Counts.from_dict(entry['counts']).values() for entry in entries], np.int64
        ).reshape(-1, len(FIELDS)),
        floats([record['segmentation']['frame_iou'] for record in records]),
        cells,
        floats([record['truth'].get('objects') for record in records]),
        floats(
            [(record['segmentation'].get('confidence') or {}).get('entropy') for record in records]
        ),
        np.array([record['truth']['hazard'] for record in records], object),
        np.array([entry['judgement'] for entry in entries], object),
        floats([entry['judgement_score'] for entry in entries]),
        presence,
        scores,
        asserted,
        {
            name: np.array(
                [
                    record['truth'].get('sweep', {}).get(name, 'INDETERMINATE')
                    for record in records
                ],
                object,
            )
            for name in swept
        },
    )
