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
How often each interval that the tool prints holds the truth, and how wide it is, in simulation.

Every kind of interval has a generating model below, told in WORDS. Seeded; a few minutes on one
core. `--write` puts the tables into docs/metrics.md, between the markers.

    python benchmarks/coverage.py --write
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from scipy import special, stats

from vlm_misalign_ros.core.language.labelled import Score
from vlm_misalign_ros.core.metrics import bootstrap, clustered, correlation
from vlm_misalign_ros.core.metrics.extractor import carried
from vlm_misalign_ros.core.metrics.intervals import Interval, korn_graubard, mean_of_two, mover
from vlm_misalign_ros.core.metrics.paired import difference as paired_difference
from vlm_misalign_ros.core.metrics.rates import BY_NAME

SCENES = (8, 24, 100)
RATES = (0.02, 0.1, 0.3)
WITHIN = (0.0, 1 / 3, 0.8)
DOCUMENT = Path(__file__).resolve().parent.parent / 'docs' / 'metrics.md'
BEGIN, END = '<!-- coverage: begin -->', '<!-- coverage: end -->'

Trial = tuple[Interval, float, float]
"""An interval, the truth, and the width that it is held against (NaN: the spread of estimates)."""
Model = Callable[[np.random.Generator, int, float, float], Trial]


@dataclass(frozen=True)
class Found:
    """What many trials of one setting came to."""

    coverage: float
    width: float
    ratio: float
    """Mean width by the mean of what it is held against."""


def simulate(
    model: Model, scenes: int, level: float, within: float, runs: int, seed: int = 1
) -> Found:
    """Return coverage and width of a model's intervals; trials without an interval left out."""
    rng = np.random.default_rng((seed, scenes, int(1000 * level) + 10_000, int(1000 * within)))
    trials = [model(rng, scenes, level, within) for _ in range(runs)]
    trials = [trial for trial in trials if not np.isnan(trial[0].low)]
    if not trials:
        return Found(np.nan, np.nan, np.nan)
    held = [found.low - 1e-9 <= truth <= found.high + 1e-9 for found, truth, _ in trials]
    width = float(np.mean([found.high - found.low for found, _, _ in trials]))
    against = float(np.mean([other for *_, other in trials]))
    if np.isnan(against):
        errors = np.array([found.value - truth for found, truth, _ in trials])
        against = 2 * float(stats.t.ppf(0.975, scenes - 1)) * float(errors.std())
    return Found(float(np.mean(held)), width, width / against)


# Rates -----------------------------------------------------------------------------------------


def chances(rate: float | np.ndarray, within: float, normal: np.ndarray) -> np.ndarray:
    """Return a chance a scene, beta with this mean and correlation of answers in a scene."""
    if not within:
        return np.broadcast_to(rate, normal.shape)
    size = 1 / within - 1
    found: np.ndarray = special.betaincinv(rate * size, (1 - rate) * size, special.ndtr(normal))
    return found


def answers(rng: np.random.Generator, scenes: int, rate: float, within: float) -> np.ndarray:
    """Return wrong answers and answers by scene, (2, scenes); four answers a scene."""
    under = np.full(scenes, 4)
    chance = chances(rate, within, rng.normal(size=scenes))
    return np.stack([rng.binomial(under, chance), under])


def rate(rng: np.random.Generator, scenes: int, level: float, within: float) -> Trial:
    """Draw a rate; WORDS has the model."""
    found = korn_graubard(*answers(rng, scenes, level, within))
    return found, level, found.high - found.low


def percentile(rng: np.random.Generator, scenes: int, level: float, within: float) -> Trial:
    """Draw a rate by the percentile bootstrap; WORDS has the model."""
    over, under = answers(rng, scenes, level, within)
    drawn = bootstrap.resampled(np.stack([over, under], 1), 400, int(rng.integers(2**31)))
    shares = drawn[:, 0] / drawn[:, 1]
    usual = korn_graubard(over, under)
    low, high = np.percentile(shares, [2.5, 97.5])
    return Interval(usual.value, float(low), float(high)), level, usual.high - usual.low


def difference(rng: np.random.Generator, scenes: int, level: float, within: float) -> Trial:
    """Draw a difference paired by scene; WORDS has the model."""
    later = level + (min(level, 0.1) if rng.random() < 0.5 else 0.0)
    hard = rng.normal(size=scenes)
    other = 0.8 * hard + 0.6 * rng.normal(size=scenes)
    pairs = []
    for chance in (chances(level, within, hard), chances(later, within, other)):
        under = 1 + rng.binomial(6, 0.5, scenes)
        pairs.append((rng.binomial(under, chance), under))
    apart = mover(korn_graubard(*pairs[0]), korn_graubard(*pairs[1]))
    return paired_difference(*pairs), later - level, apart.high - apart.low


def paired(rng: np.random.Generator, scenes: int, level: float, within: float) -> Trial:
    """Draw a difference with the same denominators; WORDS has the model."""
    later = level + (min(level, 0.1) if rng.random() < 0.5 else 0.0)
    hard = rng.normal(size=scenes)
    other = 0.8 * hard + 0.6 * rng.normal(size=scenes)
    under = 1 + rng.binomial(6, 0.5, scenes)
    before = rng.binomial(under, chances(level, within, hard))
    after = rng.binomial(under, chances(later, within, other))
    apart = mover(korn_graubard(before, under), korn_graubard(after, under))
    found = paired_difference((before, under), (after, under))
    return found, later - level, apart.high - apart.low


def balanced(rng: np.random.Generator, scenes: int, level: float, within: float) -> Trial:
    """Draw the mean of two rates; WORDS has the model."""
    first = answers(rng, scenes // 2, level, within)
    second = answers(rng, scenes - scenes // 2, level / 2, within)
    two = korn_graubard(*first), korn_graubard(*second)
    widths = [one.high - one.low for one in two]
    return mean_of_two(*two), 0.75 * level, float(np.hypot(*widths)) / 2


def corrected(rng: np.random.Generator, scenes: int, level: float, within: float) -> Trial:
    """Draw a rate corrected for the reader; WORDS has the model."""
    recall, alarm = 0.95, 0.005
    seen = level * (1 - alarm) + (1 - level) * (1 - recall)
    over, under = answers(rng, scenes, seen, within)
    right, spurious = int(rng.binomial(400, recall)), int(rng.binomial(4000, alarm))
    quality = Score(right, spurious, 400 - right, 4000 - spurious, 190, 200)
    found = carried(BY_NAME['critical_omission_rate'], over, under, 0.5, quality)
    plain = korn_graubard(over, under)
    assert found is not None
    low, high = (
        max(0.0, (end - (1 - recall)) / (recall - alarm)) for end in (plain.low, plain.high)
    )
    return found, level, high - low


def corrected_kinds(rng: np.random.Generator, scenes: int, level: float, within: float) -> Trial:
    """Draw a rate read from two kinds of answers, corrected; WORDS has the model."""
    levels = (2 * level / 3, 4 * level / 3)
    reader = ((400, 0.97, 0.005), (100, 0.88, 0.02))
    hard = rng.normal(size=scenes)
    counts, kinds, plain = [], [], 0.0
    for true, (texts, recall, alarm) in zip(levels, reader, strict=True):
        chance = chances(true, within, hard)
        seen = chance * (1 - alarm) + (1 - chance) * (1 - recall)
        counts.append(rng.binomial(2, seen))
        right, spurious = rng.binomial(texts, recall), rng.binomial(10 * texts, alarm)
        kinds.append(Score(right, spurious, texts - right, 10 * texts - spurious))
        plain += 0.5 / (recall - alarm)
    over, under = np.stack(counts), np.full((2, scenes), 2)
    found = carried(BY_NAME['critical_omission_rate'], over, under, 0.5, kinds)
    whole = korn_graubard(over.sum(axis=0), under.sum(axis=0))
    assert found is not None
    return found, level, plain * (whole.high - whole.low)


# What is no rate -------------------------------------------------------------------------------


def _common(rng: np.random.Generator, scenes: np.ndarray, within: float) -> np.ndarray:
    """Return standard normals with this correlation within a scene."""
    shared = rng.normal(size=int(scenes.max()) + 1)[scenes]
    found: np.ndarray = np.sqrt(within) * shared + np.sqrt(1 - within) * rng.normal(
        size=len(scenes)
    )
    return found


def auroc(rng: np.random.Generator, scenes: int, level: float, within: float) -> Trial:
    """Draw an AUROC; WORDS has the model."""
    of = np.repeat(np.arange(scenes), 12)
    wrong = _common(rng, of, within) < special.ndtri(0.3)
    scores = _common(rng, of, within) + np.sqrt(2) * special.ndtri(level) * wrong
    if min(wrong.sum(), (~wrong).sum()) < 20:
        return Interval(np.nan, np.nan, np.nan), level, np.nan
    return clustered.auroc(scores, wrong, of), level, np.nan


def by_frame(rng: np.random.Generator, scenes: int, level: float, within: float) -> Trial:
    """Draw Spearman's correlation over frames; WORDS has the model."""
    of = np.repeat(np.arange(scenes), 6)
    x, noise = _common(rng, of, within), _common(rng, of, within)
    y = level * x + np.sqrt(1 - level**2) * noise
    truth = 6 / np.pi * np.arcsin(level / 2)
    return clustered.spearman(x, np.round(y, 1), of), float(truth), np.nan


def partial(rng: np.random.Generator, scenes: int, level: float, within: float) -> Trial:
    """Draw a partial correlation; WORDS has the model."""
    of = np.repeat(np.arange(scenes), 6)
    shared, one, noise = (_common(rng, of, within) for _ in range(3))
    x = np.sqrt(0.5) * (shared + one)
    y = np.sqrt(0.5) * (shared + level * one + np.sqrt(1 - level**2) * noise)
    rank = [6 / np.pi * np.arcsin(r / 2) for r in (0.5 + 0.5 * level, np.sqrt(0.5))]
    truth = (rank[0] - rank[1] ** 2) / (1 - rank[1] ** 2)
    return clustered.partial_spearman(x, y, shared, of), float(truth), np.nan


_HOLDS = np.geomspace(0.05, 1, 19)
_AREA = np.geomspace(0.5, 50, 19)


def _masks(
    rng: np.random.Generator, scenes: int, level: float, within: float
) -> tuple[np.ndarray, np.ndarray]:
    there = rng.random((scenes, 19)) < _HOLDS
    unions = there * _AREA * np.exp(0.8 * rng.normal(size=(scenes, 19)) - 0.32)
    hard = np.sqrt(within) * rng.normal(size=(scenes, 1))
    own = np.sqrt(1 - within) * rng.normal(size=(scenes, 19))
    good = 1 / (1 + np.exp(-(np.linspace(level - 1.5, level + 1.5, 19) + hard + own)))
    return unions * good, unions


_TRUTH: dict[float, np.ndarray] = {}


def mask(rng: np.random.Generator, scenes: int, level: float, within: float) -> Trial:
    """Draw an mIoU; WORDS has the model."""
    if level not in _TRUTH:
        hits, unions = _masks(np.random.default_rng(0), 100_000, level, 0.0)
        _TRUTH[level] = hits.sum(axis=0) / unions.sum(axis=0)
    hits, unions = _masks(rng, scenes, level, within)
    seen = unions.sum(axis=0) > 0
    return clustered.miou(hits, unions), float(_TRUTH[level][seen].mean()), np.nan


def _conditions(
    rng: np.random.Generator, scenes: int, count: int, *correlations: float
) -> tuple[np.ndarray, list[np.ndarray], list[float], list[np.ndarray]]:
    """Return mIoU and rates of conditions as seen on some scenes, and their reliabilities."""
    normal = rng.normal(size=count)
    hard = rng.normal(size=(scenes, 1))
    quality = 0.55 + 0.12 * normal + 0.08 * hard + 0.05 * rng.normal(size=(scenes, count))
    seed = int(rng.integers(2**31))
    drawn = bootstrap.resampled(quality, 200, seed) / scenes
    steady = correlation.reliability(quality.mean(axis=0), drawn, scenes)
    rates, reliable = [], []
    for level in correlations:
        true = level * normal + np.sqrt(1 - level**2) * rng.normal(size=count)
        own = 0.56 * hard + 0.83 * rng.normal(size=(scenes, count))
        chance = chances(np.clip(0.25 + 0.1 * true, 0.02, 0.9), 1 / 3, own)
        wrong = rng.binomial(4, chance)
        rates.append(wrong.mean(axis=0) / 4)
        reliable.append(
            steady
            * correlation.reliability(
                rates[-1], bootstrap.resampled(wrong, 200, seed) / 4 / scenes, scenes
            )
        )
    return quality.mean(axis=0), rates, reliable, [normal]


def _fisher(value: float, count: int) -> float:
    center, half = np.arctanh(np.clip(value, -0.999, 0.999)), 1.96 / np.sqrt(count - 3)
    return float(np.tanh(center + half) - np.tanh(center - half))


def pearson(rng: np.random.Generator, scenes: int, level: float, count: float) -> Trial:
    """Draw Pearson's correlation over conditions; WORDS has the model."""
    quality, rates, reliable, _ = _conditions(rng, scenes, int(count), level)
    found, number = correlation.pearson_interval(quality, rates[0], reliable[0])
    return found, level, _fisher(found.value, number)


def spearman(rng: np.random.Generator, scenes: int, level: float, count: float) -> Trial:
    """Draw Spearman's correlation over conditions; WORDS has the model."""
    quality, rates, reliable, _ = _conditions(rng, scenes, int(count), level)
    found, number = correlation.spearman_interval(quality, rates[0], reliable[0])
    return found, float(6 / np.pi * np.arcsin(level / 2)), _fisher(found.value, number)


def apart(rng: np.random.Generator, scenes: int, level: float, count: float) -> Trial:
    """Draw a difference of two correlations; WORDS has the model."""
    quality, rates, reliable, _ = _conditions(rng, scenes, int(count), level, 0.0)
    one, other = (correlation.spearman_interval(quality, rates[k], reliable[k])[0] for k in (0, 1))
    between = correlation.spearman(rates[0], rates[1])[0]
    found = correlation.difference(one, other, between)
    truth = -float(6 / np.pi * np.arcsin(level / 2))
    return found, truth, float(np.hypot(one.high - one.low, other.high - other.low))


BY_RATE: tuple[tuple[str, Model, int], ...] = (
    ('rate', rate, 1000),
    ('percentile bootstrap', percentile, 200),
    ('difference', difference, 800),
    ('difference, same denominators', paired, 800),
    ('mean of two', balanced, 500),
    ('corrected', corrected, 400),
    ('corrected, two kinds', corrected_kinds, 400),
)
BY_LEVEL: tuple[tuple[str, Model, tuple[float, ...], tuple[float, ...], int], ...] = (
    ('AUROC', auroc, (0.6, 0.75, 0.9), WITHIN, 800),
    ('Spearman by frame', by_frame, (0.0, -0.4, -0.8), WITHIN, 400),
    ('partial Spearman', partial, (0.0, -0.4, -0.8), WITHIN, 400),
    ('mIoU', mask, (0.0, 1.0, 2.0), WITHIN, 800),
    ('Pearson over conditions', pearson, (0.0, -0.5, -0.9), (5, 9, 16), 400),
    ('Spearman over conditions', spearman, (0.0, -0.5, -0.9), (5, 9, 16), 400),
    ('difference of two Spearmans', apart, (0.0, -0.5, -0.9), (5, 9, 16), 400),
)


WORDS: dict[Model, str] = {
    rate: (
        'A rate: four answers a scene, its chance of a wrong one drawn from a beta distribution.'
    ),
    percentile: ('The same by the percentile bootstrap over scenes, as it was before.'),
    difference: (
        'Degraded minus clean of the same scenes, 1 to 7 answers each, whose chances go along '
        '(normal copula, .8); in half of the runs nothing changes, in the others the rate '
        'doubles, by .1 at most. Held against the interval of two rates of other scenes.'
    ),
    paired: 'The same with the same answers asked for, as what had to be named is the same.',
    balanced: (
        'The mean of two rates over halves of the scenes, the second rate half as high; held '
        'against the root of the squared widths of the two, halved.'
    ),
    corrected: (
        'An omission rate read from texts with a recall of .95 and false alarms of .005, both'
        " measured on 400 and 4,000 classes of other texts; held against the rate's own "
        'interval, stretched as the correction does.'
    ),
    corrected_kinds: (
        'The same of two kinds of answers, half of each: a third less omissions than the rate and '
        'a recall of .97 and false alarms of .005, measured on 400 and 4,000 classes; a third '
        'more omissions, .88 and .02, measured on 100 and 1,000.'
    ),
    auroc: (
        'Twelve frames a scene, three in ten of them wrong; scores are normal, apart by what '
        'the AUROC asks; both are correlated within a scene. Only where there are 20 of '
        'either kind, as shown.'
    ),
    by_frame: (
        "Spearman's correlation over single frames, six a scene: two normals with this "
        'correlation, each alike within a scene, the second rounded to a tenth, so that there'
        ' are ties.'
    ),
    partial: (
        'The same with a third normal that both share (its square is half of each) held fixed.'
    ),
    mask: (
        'mIoU of 19 classes that 5 to 100 % of the scenes hold, of areas of .5 to 50 with a '
        "spread of .8 (log); a class's IoU in a scene is logistic, spread 1, of which a share"
        ' is common to the scene. The truth is that of the classes that were seen.'
    ),
    pearson: (
        "Pearson's correlation of mIoU and a rate over conditions drawn from a bivariate "
        'normal: mIoU .55, spread .12; rate .25, spread .1. Each is seen on the same scenes: '
        'mIoU with a spread of .08 common to the conditions and .05 of its own, the rate by 4'
        ' answers with a correlation of 1/3 within a scene. The truth is the correlation '
        "without the noise of scenes. Held against Fisher's interval."
    ),
    spearman: ("Spearman's correlation of the same."),
    apart: (
        'The difference of two such correlations, the second 0; held against the root of the '
        'squared widths of the two.'
    ),
}
"""The generating models, as docs/metrics.md has them."""


def rate_lines(runs: float) -> Iterable[str]:
    """Yield the table of rates."""
    yield '| scenes | rate | within | ' + ' | '.join(name for name, *_ in BY_RATE) + ' |'
    yield '|---' * (3 + len(BY_RATE)) + '|'
    for scenes, level, within in product(SCENES, RATES, WITHIN):
        cells = []
        for name, model, count in BY_RATE:
            found = simulate(model, scenes, level, within, int(count * runs))
            if model is rate:
                cells.append(f'{found.coverage:.3f}, {found.width:.3f}')
            else:
                cells.append(f'{found.coverage:.3f}, × {found.ratio:.2f}')
            print(name, scenes, level, round(within, 2), found, flush=True)
        yield f'| {scenes} | {level:g} | {within:.2g} | ' + ' | '.join(cells) + ' |'


def level_lines(runs: float) -> Iterable[str]:
    """Yield the table of everything else: the lowest coverage over the levels."""
    yield '| interval | of | scenes | ' + ' | '.join(('first', 'second', 'third')) + ' |'
    yield '|---|---|---|---|---|---|'
    for (name, model, levels, columns, count), scenes in product(BY_LEVEL, SCENES):
        cells = []
        for column in columns:
            found = [simulate(model, scenes, k, column, int(count * runs)) for k in levels]
            lowest = min(entry.coverage for entry in found)
            ratio = max(entry.ratio for entry in found)
            cells.append(f'{lowest:.3f}, × {ratio:.2f}')
            print(name, scenes, round(column, 2), found, flush=True)
        shown = ', '.join(f'{level:g}' for level in levels)
        yield f'| {name} | {shown} | {scenes} | ' + ' | '.join(cells) + ' |'


def models() -> Iterable[str]:
    """Yield what each generating model is."""
    for name, model, *_ in (*BY_RATE, *BY_LEVEL):
        yield f'- **{name}**: {WORDS[model]}'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--runs', type=float, default=1.0, help='times as many runs')
    parser.add_argument('--write', action='store_true', help='into docs/metrics.md')
    arguments = parser.parse_args()
    by_rate, by_level = list(rate_lines(arguments.runs)), list(level_lines(arguments.runs))
    text = '\n'.join(
        [
            'Coverage, then the mean width (of a rate) or by how much it is wider than what it is '
            'held against.',
            '',
            *by_rate,
            '',
            'The lowest coverage and the largest width over the levels named; the columns are '
            'correlations of 0, 1/3, .8 within a scene, or 5, 9, 16 conditions. Widths are held '
            'against 2 t SD, SD the true spread of the estimate, unless said below.',
            '',
            *by_level,
            '',
            'The generating models:',
            '',
            *models(),
        ]
    )
    print(text)
    if arguments.write:
        page = DOCUMENT.read_text(encoding='utf-8')
        before, _, rest = page.partition(BEGIN)
        after = rest.partition(END)[2]
        DOCUMENT.write_text(f'{before}{BEGIN}\n{text}\n{END}{after}', encoding='utf-8')


if __name__ == '__main__':
    main()
