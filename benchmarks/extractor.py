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
How well and how fast answers are read.

Quality is counted on texts that were held out while the rules were made, by style of answer and by
visibility of the picture; `--write` puts it where the rates of generative models take it from, and
into docs/language.md and README.md; `--texts` measures on further labelled files. Speed is that of
one core over texts of the development half, beside a search for the same names alone, which knows
nothing of negation, hedges or judgements: what a CHAIR-like count of objects costs. `--against`
measures another checkout of the package on the same texts, in turns with this one.

    python benchmarks/extractor.py --write
    python benchmarks/extractor.py --texts answers.jsonl more.jsonl
    python benchmarks/extractor.py --against ../older
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from vlm_misalign_ros.core.errors import MisalignError
from vlm_misalign_ros.core.language.agreement import agreement
from vlm_misalign_ros.core.language.labelled import LOW, VISIBILITIES, Labelled, Score, load, score
from vlm_misalign_ros.core.language.lexicon import lexicon_hash, open_lexicon, plurals
from vlm_misalign_ros.core.language.quality import ALL, QUALITY, ReaderQuality, measure
from vlm_misalign_ros.core.language.reading import read
from vlm_misalign_ros.core.language.wordfiles import shipped
from vlm_misalign_ros.core.metrics.statistics import wilson

ROOT = Path(__file__).resolve().parent.parent
TEXTS = ROOT / 'test' / 'data' / 'descriptions'
DEVELOPMENT = ('dev.jsonl', 'models_dev.jsonl')
HELD_OUT = ('heldout.jsonl', 'models_heldout.jsonl')
BEGIN, END = '<!-- quality: begin -->', '<!-- quality: end -->'
HEAD = (
    f'{"texts":<22}{"":>5}  {"precision of ASSERTED":<23}{"recall of ASSERTED":<23}'
    f'{"judgements right":<23}{"invented in 100":>15}'
)

READS = """
import json, sys, time
from vlm_misalign_ros.core.language.lexicon import open_lexicon
from vlm_misalign_ros.core.language.reading import read
texts, lexicon = json.load(sys.stdin), open_lexicon()
for text in texts[:50]:
    read(text, lexicon)
start = time.process_time()
for text in texts:
    read(text, lexicon)
print((time.process_time() - start) / len(texts))
"""
"""What a checkout of the package runs to be timed: processor seconds of a text on stdout."""


def names() -> re.Pattern[str]:
    """Return an expression that finds any name of any class."""
    things = shipped()['things']
    forms = {form for entry in things for phrase in entry['phrases'] for form in plurals(phrase)}
    ordered = sorted(forms, key=len, reverse=True)
    return re.compile(r'\b(?:' + '|'.join(map(re.escape, ordered)) + r')\b')


def per_text(function: object, texts: list[str], repeats: int) -> float:
    """Return the median over repeats of the processor time of a text, in microseconds."""
    assert callable(function)
    times = []
    for _ in range(repeats):
        start = time.process_time()
        for text in texts:
            function(text)
        times.append((time.process_time() - start) / len(texts))
    return 1e6 * statistics.median(times)


def of_checkout(path: Path, texts: list[str]) -> float:
    """Return the processor time of a text in a checkout of the package, in microseconds."""
    found = subprocess.run(
        [sys.executable, '-c', READS],
        input=json.dumps(texts),
        env={**os.environ, 'PYTHONPATH': str(path)},
        cwd=path,
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode:
        raise SystemExit(f'{path} cannot read the texts:\n{found.stderr}')
    return 1e6 * float(found.stdout)


def line(name: str, found: Score) -> str:
    """Return a line of the table: shares with Wilson's intervals, NaN where there is nothing."""
    cells = [f'{_share(*pair, True):<23}' for pair in _pairs(found)]
    invented = 100 * found.false_positives / found.judgements if found.judgements else 0.0
    return f'{name:<22}{found.judgements:>5}  ' + ''.join(cells) + f'{invented:>15.1f}'


def table(quality: ReaderQuality) -> Iterable[str]:
    """Yield the table of quality by style and visibility."""
    yield HEAD
    for style in quality.styles:
        yield line(style, quality.of(style))
        for visibility in VISIBILITIES:
            yield line(f'  {visibility}', quality.of(style, visibility))
    for visibility in VISIBILITIES:
        sums = (quality.of(style, visibility) for style in quality.styles)
        yield line(f'all, {visibility}', sum(sums, Score()))
    yield line('all', quality.total)


def agreed(texts: list[Labelled]) -> Iterable[str]:
    """Yield how far the labellers of texts agree."""
    for other in ('second', 'third'):
        told = agreement(texts, other)
        for name in ('asserted', 'judgement', 'visibility') if told else ():
            found = told[name]
            kappa = '-' if found['kappa'] is None else f'{found["kappa"]:.3f}'
            yield f'{other} labels of {told["texts"]} texts, {name}: {found["raw"]:.4f}, {kappa}'


def rows(quality: ReaderQuality) -> Iterable[str]:
    """Yield the table of docs/language.md: each style, and its texts of low visibility beside."""
    head = ('precision', 'recall', 'judgements right')
    yield f'| style | texts | {" | ".join(head)} | low: texts | {" | ".join(head)} |'
    yield '|---' * 9 + '|'
    for style in (*quality.styles, ALL):
        both = quality.named(style)
        low = quality.of(style, LOW)
        if style == ALL:
            low = sum((quality.of(name, LOW) for name in quality.styles), Score())
        cells = [f'{both.judgements}', *(_share(*pair, True) for pair in _pairs(both))]
        cells += [f'{low.judgements}', *(_share(*pair, False) for pair in _pairs(low))]
        yield f'| {style} | {" | ".join(cells)} |'


def _pairs(found: Score) -> list[tuple[int, int]]:
    """Return right and all, of what was found, of what was to be found, and of judgements."""
    return [
        (found.true_positives, found.true_positives + found.false_positives),
        (found.true_positives, found.true_positives + found.false_negatives),
        (found.judgements_right, found.judgements),
    ]


def _share(right: int, total: int, limits: bool) -> str:
    if not total:
        return '–'
    low, high = wilson(right, total)
    return f'{right / total:.3f}' + f' [{low:.3f}, {high:.3f}]' * limits


def labelled_again() -> Iterable[str]:
    """Yield how far further labellers agree with the first, as docs/language.md has it."""
    yield '| labelled again | texts | classes asserted | judgement | visibility |'
    yield '|---|---|---|---|---|'
    for name in ('models_dev.jsonl', 'models_heldout.jsonl'):
        for other, told in (('second', 'all'), ('third', 'some drawn by lot')):
            found = agreement(load(TEXTS / name), other)
            if not found:
                continue
            cells = [
                f'{found[what]["raw"]:.4f}, {found[what]["kappa"]:.3f}'
                for what in ('asserted', 'judgement', 'visibility')
            ]
            yield f'| `{name}`, {told} | {found["texts"]} | {" | ".join(cells)} |'


def pages(quality: ReaderQuality) -> dict[Path, str]:
    """Return what docs/language.md and README.md say of a quality, between the markers."""
    found = quality.total
    worst = min(
        (style for style in quality.styles if quality.of(style).judgements),
        key=lambda style: quality.of(style).precision,
    )
    told = (
        f'On {quality.texts} labelled texts it was not tuned on: precision '
        f'{found.precision:.3f}, recall {found.recall:.3f}, judgement accuracy '
        f'{found.judgement_accuracy:.3f}; the worst style is {worst}, precision '
        f'{quality.of(worst).precision:.3f} ([all](docs/language.md#how-well-it-is-read)).'
    )
    return {
        ROOT / 'docs' / 'language.md': '\n'.join([*rows(quality), '', *labelled_again()]),
        ROOT / 'README.md': told,
    }


def between(page: str, text: str) -> str:
    """Return a page with a text between its markers."""
    before, _, rest = page.partition(BEGIN)
    return f'{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}'


def opened(names: Iterable[str]) -> list[Labelled]:
    return [text for name in names for text in load(TEXTS / name)]


def speed(texts: list[str], repeats: int, against: Path | None) -> None:
    lexicon, expression = open_lexicon(), names()
    ours = per_text(lambda text: read(text, lexicon), texts, repeats)
    search = per_text(lambda text: expression.findall(text.lower()), texts, repeats)
    print(
        f'\n{sum(map(len, texts)) / len(texts):.0f} characters a text: {ours:.0f} us, '
        f'100,000 texts in {ours / 10:.1f} s; names alone, by one regular expression: '
        f'{search:.0f} us ({ours / search:.1f} x)'
    )
    if against is None:
        return
    turns = [(of_checkout(ROOT, texts), of_checkout(against, texts)) for _ in range(repeats)]
    here, there = (statistics.median(times) for times in zip(*turns, strict=True))
    times = statistics.median(one / other for one, other in turns)
    print(f'in turns: {here:.0f} us, {against}: {there:.0f} us ({times:.2f} x)')


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--repeats', type=int, default=5, help='of the speed; 0: leave it out')
    parser.add_argument('--write', action='store_true', help=f'write {QUALITY.relative_to(ROOT)}')
    parser.add_argument('--texts', type=Path, nargs='+', metavar='FILE', help='measure on these')
    parser.add_argument('--against', type=Path, metavar='PATH', help='another checkout, for speed')
    arguments = parser.parse_args()
    lexicon, sha256 = open_lexicon(), lexicon_hash()
    if arguments.texts:
        texts = [text for path in arguments.texts for text in load(path)]
        print('\n'.join([*table(measure(texts, lexicon, sha256)), *agreed(texts)]))
        return
    held_out = opened(HELD_OUT)
    quality = measure(held_out, lexicon, sha256)
    print('held out\n' + '\n'.join([*table(quality), *agreed(held_out)]))
    development = opened(DEVELOPMENT)
    print('\n' + line('development', score(development, lexicon)))
    for name in HELD_OUT:
        print(line(name, score(opened([name]), lexicon)))
    if arguments.repeats:
        speed([text.text for text in development], arguments.repeats, arguments.against)
    if arguments.write:
        QUALITY.write_text(json.dumps(quality.to_plain(), indent=1) + '\n', encoding='utf-8')
        print(f'wrote {QUALITY.relative_to(ROOT)}')
        for path, text in pages(quality).items():
            path.write_text(between(path.read_text(encoding='utf-8'), text), encoding='utf-8')
            print(f'wrote {path.relative_to(ROOT)}')


if __name__ == '__main__':
    try:
        main()
    except MisalignError as error:
        raise SystemExit(str(error)) from None
