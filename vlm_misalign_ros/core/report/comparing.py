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
Runs over the same pictures, compared: what differs, by how much, who was put right and who wrong.

The first run is what the others are held against. Every figure is paired: of the frames that both
have scored, by model and condition, with intervals over scenes (metrics/paired) and the exact test
of McNemar on scenes (metrics/turned). The p values of all tests that are shown are one family.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from vlm_misalign_ros.core.corruptions.conditions import BLANK
from vlm_misalign_ros.core.errors import ConfigurationError, RecordError
from vlm_misalign_ros.core.files import read_json
from vlm_misalign_ros.core.metrics.rates import BY_NAME, HEADLINES
from vlm_misalign_ros.core.metrics.statistics import holm
from vlm_misalign_ros.core.metrics.turned import Turned, turned
from vlm_misalign_ros.core.records.store import RECORDS, read_frames
from vlm_misalign_ros.core.report.baseline import Baselines, untrusted
from vlm_misalign_ros.core.report.changes import Comparison, Difference, Flips
from vlm_misalign_ros.core.report.judging import limit_checks
from vlm_misalign_ros.core.report.limit import MIOU, Limit, NotWorse
from vlm_misalign_ros.core.report.limits import parse_limits
from vlm_misalign_ros.core.report.rules import rules_of
from vlm_misalign_ros.core.report.tally import Tally
from vlm_misalign_ros.core.report.verdict import Check, Status, judge

RATES = (*(row.name for row in HEADLINES), 'hallucination_opportunity_rate')
"""Those that are compared, beside the mIoU; the last is fair to models that say more or less."""
DIRECTIONS = ('smr_false_safe', 'smr_false_alarm')
"""The two ways in which a judgement is wrong."""
_ALL = '_lowest'
"""The rate of that name is of judged and unjudged frames alike."""
SEGMENTATION = 'segmentation'
"""The model of the lines of mIoU."""


def model_pairs(entries: Sequence[str]) -> dict[str, str]:
    """
    Return {model: its name in the first run} from `NAME` and `NAME_IN_FIRST=NAME`.

    ConfigurationError for one that is neither, or named twice.
    """
    found: dict[str, str] = {}
    for entry in entries:
        first, sign, second = (part.strip() for part in entry.partition('='))
        second = second if sign else first
        if not first or not second or '=' in second:
            raise ConfigurationError(
                f'model {entry!r} is no name', 'write NAME, or NAME_IN_FIRST_RUN=NAME_IN_OTHERS'
            )
        if second in found:
            raise ConfigurationError(
                f'model {second!r} is named twice', 'hold it against one model of the first run'
            )
        found[second] = first
    return found


def compare(
    folders: Sequence[Path], models: Sequence[str] = (), limits: Sequence[str] = ()
) -> Comparison:
    """
    Compare runs with the first of them.

    `models` as `model_pairs` has them; without any, all that both have. `limits` are differences
    that are not to be worse, in the grammar of report/limits. Raises ConfigurationError for a
    wrong one and, with the reason, for runs that cannot be compared; RecordError for what is no
    run.
    """
    if len(folders) < 2:
        raise ConfigurationError('only one run is named', 'give two or more to compare')
    first, *others = folders
    names = [str(folder) for folder in folders]
    parsed = _parsed(limits, names[0])
    wanted = [rate for limit in parsed for rate in limit.rates]
    both = [f'{rate}{_ALL}' for rate in DIRECTIONS]
    rates = tuple(dict.fromkeys((*RATES, MIOU, *both, *wanted)))
    chosen = model_pairs(models)
    differences: list[Difference] = []
    flips: list[Flips] = []
    checks: list[Check] = []
    notes: list[str] = []
    _check(first, untrusted(_run(first)), first)
    for folder in others:
        own, base = pair(folder, first, rates, trusted=True)
        named = _named(own, base, chosen, folder, first)
        base.call(named)
        notes += _notes(folder, first, own, base, named)
        conditions = [name for name in own.conditions if name in base.conditions]
        conditions = [name for name in conditions if name.partition(':')[0] != BLANK]
        for condition in conditions:
            differences += _differences(str(folder), own, base, named, condition)
            flips += _flips(str(folder), own, base, named, condition)
        found = _limited(folder, own, base, parsed, chosen)
        checks += _of_run(folder, found) if len(others) > 1 else found
    adjusted = holm([entry.turned.p for entry in flips])
    return Comparison(
        names[0],
        tuple(names[1:]),
        tuple(differences),
        tuple(replace(entry, adjusted=p) for entry, p in zip(flips, adjusted, strict=True)),
        judge(checks, notes, bool(parsed)),
    )


def _parsed(limits: Sequence[str], first: str) -> tuple[Limit, ...]:
    parsed = parse_limits(limits, first)
    for limit in parsed:
        if not isinstance(limit.relation, NotWorse) or limit.relation.run != first:
            raise ConfigurationError(
                f"limit '{limit}' is no difference to the first run",
                "write 'RATE not worse by NUMBER'; `report` judges the other limits",
            )
    return parsed


def _run(folder: Path) -> Path:
    """Return the folder of a run; RecordError where it holds no records."""
    if not (folder / RECORDS).is_file():
        raise RecordError(f'{folder} has no {RECORDS}', 'give the folder of a run')
    return folder


def _check(folder: Path, problem: str, first: Path) -> None:
    if not problem:
        return
    whom = 'other runs' if folder == first else str(first)
    raise ConfigurationError(
        f'{folder} cannot be compared with {whom}: {problem}',
        'compare runs over the same pictures, measured alike; `diff` tells what differs',
    )


def pair(
    folder: Path, first: Path, rates: Sequence[str], trusted: bool = False
) -> tuple[Tally, Tally]:
    """
    Return the counts of a run and of the first, with what pairs their frames.

    `trusted`: the first was found to be as it was left, by hashes of its files, already.
    ConfigurationError, with the reason, where they cannot be compared; RecordError for no run.
    """
    _check(folder, untrusted(_run(folder)), first)
    own = Tally(rates, pairs=True)
    for record in read_frames(folder / RECORDS):
        own.add(record)
    _check(folder, own.unfounded, first)
    manifest = read_json(folder / 'manifest.json', 'give the folder of a run')
    name = str(first.absolute())
    runs = Baselines(folder, {**manifest, 'baselines': None}, own, name if trusted else '')
    base = runs.get(name, rates)
    if isinstance(base, str):
        _check(first, base, folder)
        raise AssertionError(base)
    return own, base


def _named(
    own: Tally, base: Tally, chosen: Mapping[str, str], folder: Path, first: Path
) -> dict[str, str]:
    """Return {model: its name in the first run} of the models that are compared."""
    for wanted, tally, where in ((chosen.values(), base, first), (chosen, own, folder)):
        for name in wanted:
            if name not in tally.models:
                had = ', '.join(tally.models) or 'none'
                raise ConfigurationError(
                    f'{where} has no model {name!r}; it has {had}',
                    'write --model NAME_IN_FIRST_RUN=NAME_IN_OTHERS',
                )
    found = dict(chosen) or {name: name for name in own.models if name in base.models}
    if not found and own.models and base.models:
        raise ConfigurationError(
            f'{folder} has no model of {first}: {", ".join(own.models)}, '
            f'not {", ".join(base.models)}',
            f'say which are to be compared: --model {next(iter(base.models))}='
            f'{next(iter(own.models))}',
        )
    return found


def _notes(
    folder: Path, first: Path, own: Tally, base: Tally, named: Mapping[str, str]
) -> Iterator[str]:
    """Yield what only one of two runs has, which is in no figure."""
    for here, there, place in ((own, base, folder), (base, own, first)):
        alone = [name for name in here.conditions if name not in there.conditions]
        if alone:
            yield f'only {place} shows {", ".join(alone)}: not compared'
        lost = sum(key not in there.frames for key in here.frames if key[3] in there.conditions)
        if lost:
            yield f'{lost} frames of common conditions are only in {place}: not compared'
    left = [name for name in own.models if name not in named]
    if left:
        yield f'models of {folder} that are not compared: {", ".join(left)}'


def _differences(
    run: str, own: Tally, base: Tally, named: Mapping[str, str], condition: str
) -> Iterator[Difference]:
    wanted = [(model, against, rate) for model, against in named.items() for rate in RATES]
    if own.known.all and base.known.all:
        wanted.append((SEGMENTATION, SEGMENTATION, MIOU))
    for model, against, rate in wanted:
        found = own.paired(base, '' if rate == MIOU else model, rate, [condition])
        if rate == MIOU and not found.scored:
            continue
        yield Difference(
            run,
            model,
            against,
            condition,
            rate,
            found.other,
            found.own,
            found.value,
            found.low,
            found.high,
            found.scenes,
            found.frames,
            found.scored,
        )


def _flips(
    run: str, own: Tally, base: Tally, named: Mapping[str, str], condition: str
) -> Iterator[Flips]:
    for model, against in named.items():
        for rate in DIRECTIONS:
            found, unjudged = _turned(own, base, model, rate, condition)
            yield Flips(run, model, against, condition, rate, found, unjudged)


def _turned(own: Tally, base: Tally, model: str, rate: str, condition: str) -> tuple[Turned, int]:
    """Return how judgements of common frames turned, and how many one or both did not give."""
    (wrong,), (judged,) = BY_NAME[rate].over, BY_NAME[rate].under
    wanted = [own.fields.index(name) for name in (wrong, *BY_NAME[f'{rate}{_ALL}'].under)]
    at = own.fields.index(judged)
    after, before = (tally.by_key(model, rate, [condition]) for tally in (own, base))
    # Frames whose truth the rate is about, whether they were judged or not.
    keys = [
        key for key in after if key in before and any(after[key][1][place] for place in wanted)
    ]
    known = [key for key in keys if after[key][1][at] and before[key][1][at]]
    places = own.scenes([after[key][0] for key in known])
    before_wrong, after_wrong = (
        np.array([counts[key][1][wanted[0]] > 0 for key in known], bool)
        for counts in (before, after)
    )
    return turned(before_wrong, after_wrong, places), len(keys) - len(known)


class _First:
    """The first run, as limits ask for it."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def get(self, text: str, rates: Sequence[str]) -> Tally | str:
        """Return its counts."""
        return self._tally


def _limited(
    folder: Path, own: Tally, base: Tally, limits: Sequence[Limit], chosen: Mapping[str, str]
) -> Iterator[Check]:
    """
    Yield how the limits came out.

    One on every model, or on every condition, is one on all that either run has: what a run has
    left out is INVALID and passes nothing.
    """
    models = tuple(chosen) or tuple(dict.fromkeys((*own.models, *base.models)))
    spread = tuple(
        one
        for limit in limits
        for one in (
            [limit]
            if limit.model or limit.rate == MIOU or not models
            else [replace(limit, model=model) for model in models]
        )
    )
    manifest = read_json(folder / 'manifest.json', 'give the folder of a run')
    yield from limit_checks(own, replace(rules_of(manifest), limits=spread), _First(base))
    for limit in limits:
        left = [n for n in base.conditions if n not in own.conditions and limit.where.holds(n)]
        if left and not limit.where.lacking(own.conditions):
            told = f'{limit}: {folder} shows no {", ".join(left)}, which the first run does'
            yield Check(told, Status.INVALID, told, short='conditions left out')


def _of_run(folder: Path, checks: Iterable[Check]) -> Iterator[Check]:
    for check in checks:
        yield replace(check, name=f'{folder}: {check.name}', message=f'{folder}: {check.message}')
