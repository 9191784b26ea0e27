"""
What a run says beyond its table: differences to clean, whether mIoU warns, certainty, the sweep.

Everything comes from the records alone. Intervals resample source frames (metrics/bootstrap).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata

from vlm_misalign_ros.core.corruptions import BLANK, CLEAN
from vlm_misalign_ros.core.files import write_json
from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.metrics import bootstrap, prediction
from vlm_misalign_ros.core.metrics.bootstrap import NOTHING, Interval
from vlm_misalign_ros.core.metrics.confusion import SHAPE, miou
from vlm_misalign_ros.core.metrics.extractor import ExtractorQuality, carried
from vlm_misalign_ros.core.metrics.rates import COMPARED, HEADLINES, RateRow
from vlm_misalign_ros.core.metrics.statistics import (
    correlate_rows,
    holm,
    partial_spearman,
    pearson,
    spearman,
    spearman_p,
)
from vlm_misalign_ros.core.records.schema import Record
from vlm_misalign_ros.core.report.table import Table, tables
from vlm_misalign_ros.core.types import Hazard, Judgement, Kind

LEAST = 20
"""Fewer positives or negatives give no AUROC."""
_RESAMPLES = 1000


def analyse_records(
    records: Iterable[Record], quality: ExtractorQuality | None = None
) -> dict[str, Any]:
    """Return the analysis as plain data; `quality` is the extractor's own error."""
    found = tables(records)
    warns = [_warning(table) for table in found]
    _adjust(warns)
    return {
        'schema': 1,
        'models': {
            table.model: {
                'kind': table.kind.value if table.kind else '',
                'frames': len(table),
                'source_frames': len(np.unique(table.clusters)),
                'overall': _overall(table, quality),
                'differences': _differences(table),
                'blank': _blank(table),
                'miou_warns': warning,
                'sweep': _sweep(table),
                'certainty': _certainty(table),
            }
            for table, warning in zip(found, warns, strict=True)
        },
    }


def write_analysis(folder: Path, analysis: dict[str, Any]) -> None:
    """Write analysis.json; RecordError when the disk refuses."""
    write_json(
        folder / 'analysis.json', json.loads(json.dumps(analysis), parse_constant=lambda _: None)
    )


def _sums(table: Table, rate: RateRow, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (numerators, denominators) of a rate by source frame, over the chosen lines."""
    over, under = table.terms(rate)
    return table.by_cluster(over, chosen), table.by_cluster(under, chosen)


def _plain(interval: Interval) -> dict[str, float]:
    return asdict(interval)


def _overall(table: Table, quality: ExtractorQuality | None) -> dict[str, Any]:
    """Return each rate over all conditions but the blank control, its scenes resampled."""
    chosen = ~table.of(BLANK)
    result: dict[str, dict[str, Any]] = {}
    for rate in COMPARED:
        numerators, denominators = _sums(table, rate, chosen)
        interval = bootstrap.ratio(numerators, denominators)
        result[rate.name] = {
            **_plain(interval),
            'numerator': int(numerators.sum()),
            'denominator': int(denominators.sum()),
        }
        if quality is not None and table.kind is Kind.GENERATIVE:
            absent = table.count('absent')[chosen].sum() / (chosen.sum() * len(SCORED) or 1)
            widened = carried(rate, numerators, denominators, float(absent), quality)
            if widened is not None:
                result[rate.name]['with_extractor_error'] = _plain(widened)
    return result


def _differences(table: Table) -> dict[str, dict[str, Any]]:
    """Return degraded - clean for every condition, paired by source frame."""
    clean = table.of(CLEAN)
    if not clean.any():
        return {}
    result: dict[str, dict[str, Any]] = {}
    for condition in table.condition_names:
        chosen = table.of(condition)
        if condition == CLEAN:
            continue
        both = np.intersect1d(table.clusters[clean], table.clusters[chosen])
        pair = np.isin(table.clusters, both)
        result[condition] = {'source_frames': len(both)}
        for rate in COMPARED:
            first = [array[both] for array in _sums(table, rate, clean & pair)]
            second = [array[both] for array in _sums(table, rate, chosen & pair)]
            result[condition][rate.name] = _plain(
                bootstrap.difference((first[0], first[1]), (second[0], second[1]))
            )
    return result


def _blank(table: Table) -> dict[str, Any]:
    """Return what the model says of a grey picture; empty where it was shown none."""
    chosen = table.of(BLANK)
    if not chosen.any():
        return {}
    names = [
        name for place, name in enumerate(SCORED) if table.asserted[chosen, place].mean() >= 0.5
    ]
    return {
        'frames': int(chosen.sum()),
        'asserted': names,
        'mentions_per_frame': float(table.count('assertions')[chosen].mean()),
        'safe': float(np.mean(table.judgements[chosen] == Judgement.SAFE.value)),
        'unsafe': float(np.mean(table.judgements[chosen] == Judgement.UNSAFE.value)),
        **{rate.name: _plain(bootstrap.ratio(*_sums(table, rate, chosen))) for rate in COMPARED},
    }


def _warning(table: Table) -> dict[str, Any]:
    """Return how far segmentation quality goes along with each headline rate."""
    degraded = [name for name in table.condition_names if name != BLANK]
    result: dict[str, Any] = {'conditions': len(degraded), 'rates': {}}
    if not len(table):
        return result
    names = np.unique(table.clusters)
    drawn = bootstrap.weights(len(names), _RESAMPLES)
    quality, quality_drawn = _mious(table, degraded, names, drawn)
    for rate in HEADLINES:
        values, values_drawn = _rates(table, rate, degraded, names, drawn)
        entry: dict[str, Any] = {'p': spearman_p(quality, values)}
        entry['pearson'] = _plain(
            bootstrap.percentile_interval(
                pearson(quality, values)[0], correlate_rows(quality_drawn, values_drawn)
            )
        )
        entry['spearman'] = _plain(
            bootstrap.percentile_interval(
                spearman(quality, values)[0],
                correlate_rows(rankdata(quality_drawn, axis=1), rankdata(values_drawn, axis=1)),
            )
        )
        entry.update(_by_frame(table, rate))
        result['rates'][rate.name] = entry
    result['auroc'] = _auroc_of_iou(table)
    return result


def _mious(
    table: Table, conditions: Sequence[str], names: np.ndarray, drawn: np.ndarray
) -> tuple[list[float], np.ndarray]:
    """Return the mIoU of each condition, and (resamples, conditions) of it."""
    values, resampled = [], []
    for condition in conditions:
        chosen = table.of(condition)
        place = np.searchsorted(names, table.clusters[chosen])
        cells = np.zeros((len(names), table.confusion.shape[1]))
        np.add.at(cells, place, table.confusion[chosen])
        values.append(miou(cells.sum(0).reshape(SHAPE)))
        resampled.append([miou(row.reshape(SHAPE)) for row in drawn @ cells])
    return values, np.array(resampled).T


def _rates(
    table: Table, rate: RateRow, conditions: Sequence[str], names: np.ndarray, drawn: np.ndarray
) -> tuple[list[float], np.ndarray]:
    values, resampled = [], []
    for condition in conditions:
        over, under = (array[names] for array in _sums(table, rate, table.of(condition)))
        with np.errstate(invalid='ignore', divide='ignore'):
            values.append(float(np.divide(over.sum(), under.sum())))
            resampled.append((drawn @ over) / (drawn @ under))
    return values, np.array(resampled).T


def _frame_rate(table: Table, rate: RateRow) -> np.ndarray:
    """Return a rate frame by frame, float64 (N,), NaN without a denominator."""
    over, under = table.terms(rate)
    return np.divide(over, under, out=np.full(len(table), np.nan), where=under > 0)


def _by_frame(table: Table, rate: RateRow) -> dict[str, Any]:
    """Return correlations over single frames: all, within each corruption, partial on objects."""
    values = _frame_rate(table, rate)
    known = ~np.isnan(values) & ~np.isnan(table.frame_iou) & ~table.of(BLANK)

    def correlate(chosen: np.ndarray) -> dict[str, Any]:
        rows = np.flatnonzero(chosen)
        interval = bootstrap.statistic(
            table.clusters[rows],
            lambda picked: spearman(table.frame_iou[rows[picked]], values[rows[picked]])[0],
            200,
        )
        return {**_plain(interval), 'frames': int(chosen.sum())}

    partial, count = partial_spearman(table.frame_iou[known], values[known], table.objects[known])
    corruption = np.array([table.corruptions[place] for place in table.conditions], object)
    return {
        'frames': correlate(known),
        'within': {
            name: correlate(known & (corruption == name))
            for name in dict.fromkeys(table.corruptions)
            if name not in (CLEAN, BLANK)
        },
        'partial_on_objects': {'value': partial, 'frames': count},
    }


def _events(table: Table) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return (what went wrong, where it could have) by headline rate, bool (N,) each."""
    found = {}
    for rate in HEADLINES:
        over, under = table.terms(rate)
        found[rate.name] = over > 0, under > 0
    return found


def _auroc_of_iou(table: Table) -> dict[str, Any]:
    """Return how well a low frame IoU tells the frames that go wrong, by kind."""
    result = {}
    for name, (wrong, possible) in _events(table).items():
        rows = np.flatnonzero(possible & ~np.isnan(table.frame_iou) & ~table.of(BLANK))
        result[name] = {
            **_auroc(table, rows, -table.frame_iou, wrong),
            'frames': len(rows),
            'wrong': int(wrong[rows].sum()),
        }
    return result


def _auroc(
    table: Table, rows: np.ndarray, scores: np.ndarray, positives: np.ndarray
) -> dict[str, float]:
    if min(positives[rows].sum(), (~positives[rows]).sum()) < LEAST:
        return _plain(NOTHING)
    return _plain(
        bootstrap.statistic(
            table.clusters[rows],
            lambda picked: prediction.auroc(scores[rows[picked]], positives[rows[picked]]),
            200,
        )
    )


def _adjust(warnings: Sequence[dict[str, Any]]) -> None:
    """Add p values adjusted over the family of all models and rates (Holm)."""
    entries = [entry for warning in warnings for entry in warning['rates'].values()]
    for entry, adjusted in zip(entries, holm([e['p'] for e in entries]), strict=True):
        entry['p_holm'] = adjusted


def _sweep(table: Table) -> dict[str, dict[str, Any]]:
    """Return the safety rates for every corridor width and stopping distance."""
    safe, unsafe = (
        table.judgements == Judgement.SAFE.value,
        table.judgements == Judgement.UNSAFE.value,
    )
    chosen = ~table.of(BLANK)
    result = {}
    for name, verdicts in table.sweeps.items():
        danger, clear = verdicts == Hazard.HAZARD.value, verdicts == Hazard.CLEAR.value
        judged = chosen & (safe | unsafe)

        def share(wrong: np.ndarray, of: np.ndarray) -> dict[str, Any]:
            interval = bootstrap.ratio(
                table.by_cluster(wrong.astype(int)), table.by_cluster(of.astype(int))
            )
            return {
                **_plain(interval),
                'numerator': int(wrong.sum()),
                'denominator': int(of.sum()),
            }

        result[name] = {
            'smr_false_safe': share(judged & danger & safe, judged & danger),
            'smr_false_alarm': share(judged & clear & unsafe, judged & clear),
        }
    return result


def _certainty(table: Table) -> dict[str, Any]:
    """Return how far the model's own scores and the segmentation's entropy know of errors."""
    result: dict[str, Any] = {}
    rows = ~table.of(BLANK)
    known = ~np.isnan(table.safe_scores) & rows
    danger = table.hazards == Hazard.HAZARD.value
    truth = known & (danger | (table.hazards == Hazard.CLEAR.value))
    if truth.any():
        result['judgement'] = {
            **_scored(1 - table.safe_scores[truth], danger[truth]),
            'auroc': _auroc(
                table,
                np.flatnonzero(truth),
                1 - table.safe_scores,
                table.hazards == Hazard.HAZARD.value,
            ),
        }
    if table.kind is Kind.CONTRASTIVE:
        scorable = (table.presence != 1) & ~np.isnan(table.scores) & rows[:, None]
        if scorable.any():
            result['presence'] = _scored(table.scores[scorable], table.presence[scorable] == 2)
        result['classes'] = _class_aurocs(table)
    else:
        named = table.asserted & (table.presence != 1) & ~np.isnan(table.scores) & rows[:, None]
        if named.any():
            wrong = table.presence[named] == 0
            result['mentions'] = {
                'auroc': prediction.auroc(-table.scores[named], wrong)
                if min(wrong.sum(), (~wrong).sum()) >= LEAST
                else float('nan'),
                'risk_coverage_area': prediction.risk_coverage(table.scores[named], wrong).area,
                'risk': float(wrong.mean()),
                'mentions': int(named.sum()),
            }
    result['segmentation_entropy'] = {
        name: _auroc(
            table, np.flatnonzero(possible & ~np.isnan(table.entropy) & rows), table.entropy, wrong
        )
        for name, (wrong, possible) in _events(table).items()
    }
    return result


def _scored(chances: np.ndarray, positives: np.ndarray) -> dict[str, Any]:
    sure = np.maximum(chances, 1 - chances)
    wrong = (chances >= 0.5) != positives
    return {
        'brier': prediction.brier(chances, positives),
        'calibration_error': prediction.calibration_error(chances, positives),
        'risk_coverage_area': prediction.risk_coverage(sure, wrong).area,
        'risk': float(wrong.mean()),
        'answers': len(chances),
    }


def _class_aurocs(table: Table) -> dict[str, Any]:
    """Return AUROC and AP of REQUIRED against ABSENT by condition: classes and their mean."""
    result: dict[str, Any] = {}
    for condition in table.condition_names:
        chosen = table.of(condition)
        classes: dict[str, Any] = {}
        for place, name in enumerate(SCORED):
            rows = chosen & (table.presence[:, place] != 1) & ~np.isnan(table.scores[:, place])
            positives = table.presence[rows, place] == 2
            if min(positives.sum(), (~positives).sum()) < LEAST:
                continue
            scores = table.scores[rows, place]
            classes[name] = {
                'auroc': prediction.auroc(scores, positives),
                'average_precision': prediction.average_precision(scores, positives),
                'positives': int(positives.sum()),
                'negatives': int((~positives).sum()),
            }
        result[condition] = {
            'mean_auroc': _mean([entry['auroc'] for entry in classes.values()]),
            'mean_average_precision': _mean(
                [entry['average_precision'] for entry in classes.values()]
            ),
            'classes': classes,
        }
    return result


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not isnan(value)]
    return float(np.mean(known)) if known else float('nan')
