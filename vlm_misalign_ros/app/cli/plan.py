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

"""`plan`: how many scenes a claim needs, from a run as its pilot."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from vlm_misalign_ros.core.errors import ConfigurationError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vlm_misalign_ros.core.report.limit import Limit
    from vlm_misalign_ros.core.report.needed import Needed
    from vlm_misalign_ros.core.report.tally import Tally

HELP = 'say how many scenes a claim needs'
EXAMPLES = """
vlm-misalign plan runs/pilot 'smr_false_safe.high < 0.05'
vlm-misalign plan runs/pilot 'llava/critical_omission_rate.high@low_light:1-3 < 0.2' --at 0.1
vlm-misalign plan runs/pilot --difference 0.03 --rate smr_false_safe --model clip --against llava
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('folder', metavar='RUN', help='run folder, the pilot')
    parser.add_argument(
        'claims',
        nargs='*',
        metavar='CLAIM',
        help='limits on an end of the interval, as in docs/verdict.md (default: those of the run)',
    )
    parser.add_argument('--power', type=_share, default=0.8, help='default: 0.8')
    parser.add_argument(
        '--at', type=_share, metavar='RATE', help="the true rate to plan for (default: the run's)"
    )
    parser.add_argument(
        '--difference', type=_share, metavar='D', help='a paired difference that is to be seen'
    )
    parser.add_argument('--rate', help='of the difference, such as smr_false_safe')
    parser.add_argument('--model', help='of the difference: the first model')
    parser.add_argument('--against', metavar='MODEL', help='the second model')
    parser.add_argument('--of', metavar='RUN', help='run of the second model (default: RUN)')
    parser.add_argument(
        '--condition', default='', help='of the difference (default: each by itself)'
    )


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f'{text!r} is no number') from error
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f'{text} is no share: from 0 to below 1')
    return value


def run(arguments: argparse.Namespace) -> int:
    """Print how many scenes each claim needs."""
    from vlm_misalign_ros.core.files import read_json
    from vlm_misalign_ros.core.report.audit.showing import one_line
    from vlm_misalign_ros.core.report.limits import parse_limits
    from vlm_misalign_ros.core.report.rules import rules_of

    folder = Path(arguments.folder)
    if not 0 < arguments.power < 1:
        raise ConfigurationError(f'the power is {arguments.power}', 'give a share, such as 0.8')
    if arguments.difference is not None:
        lines = list(_difference(folder, arguments))
    else:
        manifest = read_json(folder / 'manifest.json', 'give the folder of a run')
        limits = parse_limits(arguments.claims) or rules_of(manifest).limits
        if not limits:
            raise ConfigurationError(
                'no claim is given, and the run has no limits',
                "write one, such as 'smr_false_safe.high < 0.05'",
            )
        lines = list(_bounds(folder, limits, arguments))
    for line in lines:
        print(one_line(line))
    print(
        '\nAn estimate: it supposes that further scenes are like those of the pilot. '
        'careful: with the variance between scenes at its upper 80 % limit.'
    )
    return ExitCode.PASS


def _tally(folder: Path, rates: Sequence[str], pairs: bool) -> Tally:
    from vlm_misalign_ros.core.records.store import RECORDS, read_frames
    from vlm_misalign_ros.core.report.tally import Tally

    tally = Tally(tuple(dict.fromkeys(rates)), pairs)
    for record in read_frames(folder / RECORDS):
        tally.add(record)
    if tally.unfounded:
        raise ConfigurationError(f'{folder} is no pilot: {tally.unfounded}', 'take another run')
    return tally


def _bounds(folder: Path, limits: Sequence[Limit], arguments: argparse.Namespace) -> Iterator[str]:
    from vlm_misalign_ros.core.report.limit import Bound, End
    from vlm_misalign_ros.core.report.needed import (
        bound_needed,
        check_planned,
        terms_by_scene,
        told_of,
    )

    for limit in limits:
        if not isinstance(limit.relation, Bound) or limit.end is End.POINT:
            raise ConfigurationError(
                f"claim '{limit}' is on no end of an interval",
                'write RATE.high < NUMBER or RATE.low > NUMBER; differences: --difference',
            )
        check_planned(limit.rate)
    tally = _tally(folder, [limit.rate for limit in limits], False)
    for limit in limits:
        assert isinstance(limit.relation, Bound)
        for model in (limit.model,) if limit.model else tuple(tally.models):
            if model not in tally.models:
                raise ConfigurationError(
                    f'{folder} has no model {model!r}', 'it has ' + ', '.join(tally.models)
                )
            for conditions in _groups(limit, tally, folder):
                where = ', '.join(conditions)
                yield f'{model}: {limit.rate} at {where}, claim {limit.relation}'
                try:
                    terms, _ = terms_by_scene(tally, model, limit.rate, conditions)
                except ConfigurationError as error:
                    yield f'  {error.what}'
                    continue
                found = bound_needed(
                    tally,
                    model,
                    limit.rate,
                    conditions,
                    limit.relation,
                    arguments.power,
                    arguments.at,
                )
                true = terms[0].sum() / terms[1].sum() if arguments.at is None else arguments.at
                below = bool(true < limit.relation.value)
                came = 'kept' if below is limit.relation.upper else 'not kept'
                yield f'  pilot: {told_of(terms)}'
                yield f'  to show that it is {came} at a rate of {true:.4f}: {_shown(found)}'


def _groups(limit: Limit, tally: Tally, folder: Path) -> list[tuple[str, ...]]:
    chosen = tuple(name for name in tally.conditions if limit.where.holds(name))
    if not chosen:
        raise ConfigurationError(
            f"{folder} shows nothing of '{limit.where}'", 'it has ' + ', '.join(tally.conditions)
        )
    return [chosen] if limit.where.pooled else [(name,) for name in chosen]


def _difference(folder: Path, arguments: argparse.Namespace) -> Iterator[str]:
    from vlm_misalign_ros.core.corruptions.conditions import BLANK
    from vlm_misalign_ros.core.report.comparing import pair
    from vlm_misalign_ros.core.report.needed import difference_needed, pairs_by_scene

    rate, models = _subject(arguments)
    if arguments.of:
        # Over the same pictures, by the same truth and words, or there is no pair.
        second, first = pair(Path(arguments.of), folder, [rate])
    else:
        second = first = _tally(folder, [rate], True)
    for tally, model, place in zip((first, second), models, (folder, arguments.of), strict=True):
        if model not in tally.models:
            raise ConfigurationError(
                f'{place or folder} has no model {model!r}', 'it has ' + ', '.join(tally.models)
            )
    shown = [name for name in first.conditions if name.partition(':')[0] != BLANK]
    if arguments.condition and arguments.condition not in first.conditions:
        raise ConfigurationError(
            f'{folder} shows no {arguments.condition!r}', 'it shows ' + ', '.join(shown)
        )
    for condition in [arguments.condition] if arguments.condition else shown:
        yield f'{rate} of {models[1]} less {models[0]} at {condition}, {arguments.difference:g}'
        try:
            terms = pairs_by_scene(first, second, models, rate, [condition])
            found, pilot = difference_needed(terms, arguments.difference, arguments.power)
        except ConfigurationError as error:
            yield f'  {error.what}'
            continue
        yield (
            f'  pilot: {pilot.difference:+.4f} in {pilot.scenes} scenes, '
            f'{pilot.square:.4f} discordant'
        )
        yield f'  to be seen: {_shown(found)}'


def _subject(arguments: argparse.Namespace) -> tuple[str, tuple[str, str]]:
    """Return the rate and the models of a difference; ConfigurationError for what lacks."""
    from vlm_misalign_ros.core.metrics.rates import BY_NAME
    from vlm_misalign_ros.core.report.needed import check_planned

    names = {'--rate': arguments.rate, '--model': arguments.model}
    names['--against'] = arguments.against or (arguments.model if arguments.of else None)
    for name, value in names.items():
        if not value:
            raise ConfigurationError(f'a difference needs {name}', 'see --help')
    if arguments.claims or not arguments.difference:
        raise ConfigurationError('a difference is above 0, and no claim stands beside it')
    if arguments.rate not in BY_NAME:
        raise ConfigurationError(
            f'there is no rate {arguments.rate!r}', 'known: ' + ', '.join(BY_NAME)
        )
    check_planned(arguments.rate)
    return arguments.rate, (arguments.model, names['--against'])


def _shown(found: Needed) -> str:
    """Return `130 scenes (careful: 180), 340 of such data`."""
    from vlm_misalign_ros.core.metrics.planning import MOST

    if found.scenes is None:
        return f'no number of scenes up to {MOST:,} is enough'
    careful = 'no number' if found.careful is None else f'{found.careful:,}'
    told = f'{found.scenes:,} scenes with something to be counted from (careful: {careful})'
    if found.share < 1:
        told += (
            f'; {found.share:.0%} of the scenes have it, so {found.of_all(found.scenes):,} in all'
        )
    return told
