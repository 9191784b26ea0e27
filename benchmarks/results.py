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
Makes the published result from benchmarks/results.yaml: scenes, run, table, sentences, plot.

    make results                    draws the scenes, runs the models, remakes all of the below
    make results RUN=runs/results   remakes it from a run folder, without running
    python benchmarks/results.py --kept   remakes it from the numbers that are kept in docs/

Kept are docs/miniatures.csv (the run's summary) and docs/miniatures.json (whether mIoU warns, and
the recipe). README's table and sentences stand between its markers; docs/miniatures.md has the
clean frames between its own; the plot is docs/pictures/rates.svg. Scenes that are there are not
drawn again while the code that draws them is the same; nor is a run made again that came to its
end and has the same recipe. Of a run that is interrupted or INVALID nothing is published.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from results_plot import plot

from vlm_misalign_ros.core.errors import ExitCode, MisalignError, RecordError
from vlm_misalign_ros.core.files import PACKAGE, read_json
from vlm_misalign_ros.core.records.ending import read_ending
from vlm_misalign_ros.core.settings.configuration import find_config, override, read_yaml

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / 'benchmarks' / 'results.yaml'
KEPT = ROOT / 'docs' / 'miniatures.csv'
WARNS = ROOT / 'docs' / 'miniatures.json'
PLOT = ROOT / 'docs' / 'pictures' / 'rates.svg'
RATES = ('hallucination_rate', 'critical_omission_rate', 'smr_false_safe', 'smr_false_alarm')
NAMES = {
    'hallucination_rate': 'hallucination',
    'critical_omission_rate': 'omission',
    'smr_false_safe': 'false-safe',
    'smr_false_alarm': 'false-alarm',
}
CORRUPTIONS = ('motion_blur', 'low_light', 'occlusion')
SEVERITIES = (1, 3, 5)
"""Those in the table; the plot has all."""
SHOWN = (
    'clean',
    *(f'{name}:{severity}' for name in CORRUPTIONS for severity in SEVERITIES),
    'blank',
)
PLAIN = {'blank': 'grey picture'}
SIGNIFICANT = 0.05
WHOLE = ('COMPLETE', 'PASS', 'FAIL', 'UNDECIDED')
"""Verdicts of runs whose numbers can be published: enough was measured, whatever came out."""


# The table -------------------------------------------------------------------------------------


def table(summary: pd.DataFrame) -> str:
    """
    Return the table as Markdown: mIoU, scenes, and the four rates of each model by condition.

    A rate stands in bold type where its whole interval lies above that of the clean frames.
    """
    models = list(dict.fromkeys(summary['model']))
    found = summary.set_index(['condition', 'model'])
    lines = [
        '| condition | mIoU | hazard / clear | ' + ' | '.join(models) + ' |',
        '|---|---|---|' + '---|' * len(models),
    ]
    for condition in SHOWN:
        if (condition, models[0]) not in found.index:
            continue
        rows = [found.loc[(condition, model)] for model in models]
        cells = [
            ' / '.join(_cell(row, found.loc[('clean', model)], rate) for rate in RATES)
            for row, model in zip(rows, models, strict=True)
        ]
        name = PLAIN.get(condition, condition.replace('_', ' ').replace(':', ' '))
        miou = rows[0]['miou']
        shown = '–' if condition == 'blank' or pd.isna(miou) else number(miou)
        lines.append(f'| {name} | {shown} | {_scenes(rows)} | ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


def scenes_of(row: Mapping[str, Any]) -> tuple[int, int]:
    """Return the hazard and clear scenes of a row; frames, where a summary does not know them."""
    if 'hazard_scenes' in row:
        return int(row['hazard_scenes']), int(row['clear_scenes'])
    return tuple(
        int(row[f'count_{name}_judged'] + row[f'count_{name}_unjudged'])
        for name in ('hazards', 'clear')
    )


def _scenes(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return `41 / 59`; a span where models were scored on different ones."""
    columns = zip(*(scenes_of(row) for row in rows), strict=True)
    spans = ((min(column), max(column)) for column in columns)
    return ' / '.join(str(low) if low == high else f'{low}–{high}' for low, high in spans)


def _cell(row: Mapping[str, Any], clean: Mapping[str, Any], rate: str) -> str:
    if pd.isna(row[rate]):
        return '–'
    text = number(row[rate])
    return f'**{text}**' if row[f'{rate}_low'] > clean[f'{rate}_high'] else text


def number(value: float) -> str:
    """Return `.12`, and `1.0` from .995 on."""
    return f'{value:.2f}'.lstrip('0') if value < 0.995 else '1.0'


def clean_table(summary: pd.DataFrame) -> str:
    """Return the clean frames as Markdown, a line a model, with intervals and counts."""
    lines = [
        '| | ' + ' | '.join(NAMES[rate] for rate in RATES) + ' | unparsed |',
        '|---|' + '---|' * (len(RATES) + 1),
    ]
    for _, row in summary[summary['condition'] == 'clean'].iterrows():
        cells = [_interval(row, rate) for rate in RATES]
        lines.append(
            f'| {row["model"]} | ' + ' | '.join([*cells, str(row['count_unparsed'])]) + ' |'
        )
    return '\n'.join(lines)


def _interval(row: Mapping[str, Any], rate: str) -> str:
    if pd.isna(row[rate]):
        return '–'
    low, value, high = (f'{row[rate + end]:.3f}' for end in ('_low', '', '_high'))
    if low.startswith('0'):
        low, value, high = (
            text.lstrip('0') if text[0] == '0' else text for text in (low, value, high)
        )
    over, under = (int(row[f'{rate}_{part}']) for part in ('numerator', 'denominator'))
    return f'{value} [{low}, {high}] {over}/{under}'


# The sentences ---------------------------------------------------------------------------------


def findings(summary: pd.DataFrame, warns: Mapping[str, Any] | None) -> str:
    """Return what the numbers say, as a Markdown list; nothing that they do not carry."""
    return '\n'.join(
        f'- {told}'
        for told in (
            _directions(summary),
            *_masks(summary),
            *_omissions(summary),
            *_alike(summary),
            *_warnings(warns),
        )
    )


def _sum(rows: pd.DataFrame, rate: str) -> tuple[int, int]:
    return tuple(int(rows[f'{rate}_{part}'].sum()) for part in ('numerator', 'denominator'))


def _directions(summary: pd.DataFrame) -> str:
    """Say which of the two opposite errors the wrong judgements are."""
    parts = []
    for corruption in CORRUPTIONS:
        rows = summary[summary['corruption'] == corruption]
        safe, alarm = _sum(rows, 'smr_false_safe'), _sum(rows, 'smr_false_alarm')
        if safe[1] + alarm[1]:
            parts.append(
                f'{corruption.replace("_", " ")}: {safe[0]} of {safe[1]} hazards called safe, '
                f'{alarm[0]} of {alarm[1]} clear scenes called unsafe{_seen(rows, safe, alarm)}'
            )
    return (
        '**Safety judgements**, all models and severities together. ' + '; '.join(parts) + '. The '
        'two are opposite errors; a covered lens rightly makes a careful model say “unsafe”.'
    )


def _seen(rows: pd.DataFrame, safe: tuple[int, int], alarm: tuple[int, int]) -> str:
    """Return the same by what an occluder left to see, where it left less than the scene."""
    if 'smr_false_safe_visible_numerator' not in rows:
        return ''
    seen = [_sum(rows, f'{rate}_visible') for rate in ('smr_false_safe', 'smr_false_alarm')]
    if seen == [safe, alarm]:
        return ''
    return (
        f' (by what was left to see: {seen[0][0]} of {seen[0][1]} and {seen[1][0]} of '
        f'{seen[1][1]})'
    )


def _masks(summary: pd.DataFrame) -> Iterator[str]:
    rows = summary[summary['model'] == summary['model'].iloc[0]].set_index('condition')
    clean = rows['miou'].get('clean')
    kept = [
        f'{100 * rows["miou"][f"{name}:3"] / clean:.0f} % under {name.replace("_", " ")}'
        for name in CORRUPTIONS
        if clean and f'{name}:3' in rows.index
    ]
    if kept:
        yield 'At severity 3 the segmentation keeps of its mIoU ' + ', '.join(kept) + '.'


def _span(values: Sequence[float]) -> str:
    """Return `.08 to .15`, or the one number."""
    return ' to '.join(dict.fromkeys(number(value) for value in (min(values), max(values))))


def _omissions(summary: pd.DataFrame) -> Iterator[str]:
    found = summary.set_index(['condition', 'model'])['critical_omission_rate']
    parts = []
    for name in CORRUPTIONS:
        values = [found[key] for key in found.index if key[0] == f'{name}:3']
        if values:
            parts.append(f'{_span(values)} under {name.replace("_", " ")}')
    clean = [found[key] for key in found.index if key[0] == 'clean']
    if parts and clean:
        yield (
            f'Of the road users that have to be named {_span(clean)} are left out on clean '
            f'frames, at severity 3 {", ".join(parts)}.'
        )


def _alike(summary: pd.DataFrame) -> Iterator[str]:
    """Name who says the same of every grey picture: an answer that comes from no picture."""
    told = [
        f'{row["model"]} “{"safe" if row["safe_answer_rate"] == 1 else "unsafe"}”'
        for _, row in summary[summary['condition'] == 'blank'].iterrows()
        if row['safe_answer_rate'] in (0, 1)
    ]
    if told:
        yield 'Of a grey picture, whatever the scene, say always: ' + ', '.join(told) + '.'


def _warnings(warns: Mapping[str, Any] | None) -> Iterator[str]:
    """Say how far mIoU goes along with each rate over the conditions."""
    if not warns:
        return
    parts = []
    for rate in RATES:
        entries = [model[rate] for model in warns['models'].values() if rate in model]
        values = [entry['spearman'] for entry in entries if entry['spearman'] is not None]
        if not values:
            continue
        sure = sum((entry['p_holm'] or 1) < SIGNIFICANT for entry in entries)
        span = ' to '.join(dict.fromkeys(f'{value:+.2f}' for value in (min(values), max(values))))
        parts.append(f'{NAMES[rate]} {span} ({sure} of {len(entries)} significant after Holm)')
    if parts:
        yield (
            f'Spearman’s correlation of mIoU with each rate over {warns["conditions"]} '
            f'conditions: {", ".join(parts)}.'
        )


# What is kept, and where it goes ---------------------------------------------------------------


def lacking(run: Path) -> str:
    """Return why nothing can be published from a run folder; empty where it can."""
    try:
        status = read_json(run / 'verdict.json', '').get('status')
        ending = read_ending(run)
    except RecordError as error:
        return str(error)
    if status not in WHOLE:
        return f'its verdict is {status}'
    if ending is None:
        return 'it did not end by itself'
    if ending.interrupted:
        return 'it was interrupted'
    return ''


def recipe_of(run: Path) -> dict[str, Any]:
    """
    Return the recipe of a run.

    It is the published or the kept one where the run's configuration is theirs, otherwise the
    configuration itself, and the scenes as far as their folder tells.
    """
    if not (run / 'config.yaml').is_file():
        raise SystemExit(f'nothing is published from {run}: it has no config.yaml of a run')
    made = recipe(run / 'config.yaml')
    dataset = str(made.get('replay', {}).get('dataset', ''))
    found = re.fullmatch(r'scenes-(\w+)-(\d+)-(\d+)(-[0-9a-f]+)?', Path(dataset).name)
    scenes = found and {'split': found[1], 'frames': int(found[2]), 'seed': int(found[3])}
    for chosen in (recipe(RECIPE), (kept_warnings() or {}).get('recipe')):
        if not chosen or chosen['scenes'] != scenes:
            continue
        try:
            if configured(chosen, made.get('out', ''), dataset) == made:
                return chosen
        except MisalignError:
            # Made with a configuration that is no longer there.
            continue
    return {'scenes': scenes, 'configuration': made, 'overrides': []}


def keep(run: Path, chosen: Mapping[str, Any] | None = None) -> None:
    """Keep the summary of a run, of its analysis whether mIoU warns, and its recipe."""
    if reason := lacking(run):
        raise SystemExit(f'nothing is published from {run}: {reason}')
    chosen = chosen or recipe_of(run)
    KEPT.write_text((run / 'summary.csv').read_text(encoding='utf-8'), encoding='utf-8')
    analysis = json.loads((run / 'analysis.json').read_text(encoding='utf-8'))
    models = {
        name: {
            rate: {'spearman': entry['spearman']['value'], 'p_holm': entry.get('p_holm')}
            for rate, entry in model['miou_warns']['rates'].items()
        }
        for name, model in analysis['models'].items()
    }
    conditions = max(model['miou_warns']['conditions'] for model in analysis['models'].values())
    kept = {'conditions': conditions, 'recipe': chosen, 'models': models}
    WARNS.write_text(json.dumps(kept, indent=1) + '\n', encoding='utf-8')


def between(text: str, name: str, made: str) -> str:
    """Return a text with `made` between its markers `<!-- NAME -->` and `<!-- /NAME -->`."""
    start, end = f'<!-- {name} -->', f'<!-- /{name} -->'
    before, found, rest = text.partition(start)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f'a page lacks the markers {start} and {end}')
    return f'{before}{start}\n{made}\n{end}{after}'


def pages(summary: pd.DataFrame, warns: Mapping[str, Any] | None) -> dict[Path, str]:
    """Return the pages with what is made for them, by path."""
    readme = ROOT / 'README.md'
    text = between(readme.read_text(encoding='utf-8'), 'results', table(summary))
    card = ROOT / 'docs' / 'miniatures.md'
    return {
        readme: between(text, 'findings', findings(summary, warns)),
        card: between(card.read_text(encoding='utf-8'), 'clean', clean_table(summary)),
        PLOT: plot(summary, {'miou': 'mIoU', **NAMES}),
    }


def remake() -> None:
    """Write table, sentences and plot from what is kept."""
    for path, text in pages(pd.read_csv(KEPT), kept_warnings()).items():
        path.write_text(text, encoding='utf-8')
        print(f'wrote {path.relative_to(ROOT)}')


def kept_warnings() -> dict[str, Any] | None:
    """Return docs/miniatures.json; None where no run left it."""
    return json.loads(WARNS.read_text(encoding='utf-8')) if WARNS.is_file() else None


# Scenes and run --------------------------------------------------------------------------------


def recipe(path: Path) -> dict[str, Any]:
    """Return a recipe, as benchmarks/results.yaml is."""
    return yaml.safe_load(path.read_text(encoding='utf-8'))


def drawn_by() -> str:
    """Return a hash of the code that draws the scenes."""
    found = hashlib.sha256()
    for path in sorted((PACKAGE / 'core' / 'world').rglob('*.py')):
        found.update(path.name.encode() + b'\0' + path.read_bytes())
    return found.hexdigest()[:8]


def draw(out: Path, chosen: Mapping[str, Any]) -> Path:
    """Return the folder of the scenes, drawn where this code has not drawn them yet."""
    from tqdm import tqdm

    from vlm_misalign_ros.core.world import generate

    frames, seed, split = chosen['frames'], chosen['seed'], chosen['split']
    length, eventful = chosen.get('sequence_length', 1), chosen.get('eventful', False)
    drives = f'-{length}{"-eventful" * eventful}' if length > 1 else ''
    scenes = out / '.results' / f'scenes-{split}-{frames}-{seed}-{drawn_by()}{drives}'
    if not (scenes / 'done').exists():
        with tqdm(total=frames, unit='frame', desc='scenes') as bar:
            generate(
                scenes,
                frames,
                seed,
                split=split,
                sequence_length=length,
                progress=lambda *_: bar.update(1),
                eventful=eventful,
            )
        (scenes / 'done').touch()
    return scenes


def configured(chosen: Mapping[str, Any], out: Path | str, scenes: Path | str) -> dict[str, Any]:
    """Return what a recipe asks to be run, over scenes in a folder."""
    return override(
        read_yaml(find_config(chosen['configuration'])),
        [f'out={out}', f'replay.dataset={scenes}', *chosen['overrides']],
    )


def run(out: Path, chosen: Mapping[str, Any]) -> Path:
    """Draw the scenes and run the configuration over them; return the run folder."""
    from vlm_misalign_ros.app.cli.run import start

    data = configured(chosen, out, draw(out, chosen['scenes']))
    folder = out / data['name']
    if folder.is_dir():
        reason = not_again(folder, data)
        if not reason:
            print(f'{folder} is there with this recipe and is not run again; remove it for that')
            return folder
        print(f'{folder} is run again: {reason}')
    code = start(data, overwrite=True, single=False)
    if code in (ExitCode.ERROR, ExitCode.INVALID, ExitCode.INTERRUPTED):
        raise SystemExit(f'the run ended with {code}: nothing is published from it')
    return folder


def not_again(folder: Path, data: Mapping[str, Any]) -> str:
    """Return why a run folder does not stand for a run of `data`; empty where it does."""
    if reason := lacking(folder):
        return reason
    if not (folder / 'config.yaml').is_file() or recipe(folder / 'config.yaml') != data:
        return 'it was made with another recipe, or over other scenes'
    return ''


def main() -> None:
    """Draw, run and remake, or remake alone."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--run', help='run folder to remake everything from, without running')
    parser.add_argument('--kept', action='store_true', help='remake from what is kept in docs/')
    parser.add_argument('--recipe', default=str(RECIPE), help='scenes and configuration')
    parser.add_argument('--out', default='runs', help='folder of scenes and runs')
    chosen = parser.parse_args()
    if chosen.run:
        keep(Path(chosen.run))
    elif not chosen.kept:
        made = recipe(Path(chosen.recipe))
        keep(run(Path(chosen.out), made), made)
    remake()


if __name__ == '__main__':
    main()
