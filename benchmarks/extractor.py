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

Quality is counted on texts that were held out while the rules were made. Speed is that of one
core over texts of the development half, beside a search for the same names alone, which knows
nothing of negation, hedges or judgements: what a CHAIR-like count of objects costs.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import statistics
import time
from pathlib import Path

from vlm_misalign_ros.core.language.labelled import Labelled, load, score
from vlm_misalign_ros.core.language.lexicon import Lexicon, lexicon_hash, open_lexicon, plurals
from vlm_misalign_ros.core.language.reading import read
from vlm_misalign_ros.core.language.wordfiles import shipped
from vlm_misalign_ros.core.metrics.extractor import QUALITY, ExtractorQuality
from vlm_misalign_ros.core.metrics.statistics import wilson

ROOT = Path(__file__).resolve().parent.parent
TEXTS = ROOT / 'test' / 'data' / 'descriptions'


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


def show(name: str, texts: list[Labelled], lexicon: Lexicon) -> None:
    found = score(texts, lexicon)
    parts = [
        (found.true_positives, found.true_positives + found.false_positives),
        (found.true_positives, found.true_positives + found.false_negatives),
        (found.judgements_right, found.judgements),
    ]
    cells = []
    for right, total in parts:
        low, high = wilson(right, total)
        cells.append(f'{right / total:.3f} [{low:.3f}, {high:.3f}]')
    print(f'{name:<12}{len(texts):>6}  ' + '  '.join(cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--write', action='store_true', help=f'write {QUALITY.relative_to(ROOT)}')
    arguments = parser.parse_args()
    lexicon = open_lexicon()
    development, held_out = load(TEXTS / 'dev.jsonl'), load(TEXTS / 'heldout.jsonl')
    print(f'{"texts":<12}{"":>6}  precision of ASSERTED  recall of ASSERTED    judgements right')
    show('development', development, lexicon)
    show('held out', held_out, lexicon)

    texts = [labelled.text for labelled in development]
    expression = names()
    ours = per_text(lambda text: read(text, lexicon), texts, arguments.repeats)
    search = per_text(lambda text: expression.findall(text.lower()), texts, arguments.repeats)
    print(
        f'\n{sum(map(len, texts)) / len(texts):.0f} characters a text: {ours:.0f} us, '
        f'100,000 texts in {ours / 10:.1f} s; names alone, by one regular expression: '
        f'{search:.0f} us ({ours / search:.1f} x)'
    )
    if arguments.write:
        quality = ExtractorQuality(
            **dataclasses.asdict(score(held_out, lexicon)), lexicon_sha256=lexicon_hash()
        )
        QUALITY.write_text(json.dumps(dataclasses.asdict(quality), indent=1) + '\n')
        print(f'wrote {QUALITY.relative_to(ROOT)}')


if __name__ == '__main__':
    main()
