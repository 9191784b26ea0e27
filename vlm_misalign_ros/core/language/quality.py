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
How well each kind of answer is read, by style and by visibility of the picture.

The package brings what was measured on its own held-out texts; an audit of a run has the same
form.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.files import PACKAGE
from vlm_misalign_ros.core.language.agreement import agreement
from vlm_misalign_ros.core.language.labelled import (
    CLEAR,
    LOW,
    VISIBILITIES,
    Labelled,
    Score,
    score_one,
)
from vlm_misalign_ros.core.language.lexicon import Lexicon
from vlm_misalign_ros.core.language.styles import STYLES

QUALITY = PACKAGE / 'core' / 'language' / 'data' / 'extractor_quality.json'
"""What was measured of the lexicon of this package."""
ENOUGH = 20
"""
Classes that the texts of a cell assert or the reader found in them, or judgements: of fewer no
precision and recall, or no share of right judgements, is taken from the cell alone. With as few
their limits lie some .1 to .2 off, and are in every interval; to wait for more would take the
error from texts of other styles, which may be read much better.
"""
ALL = 'all'
"""The name of the sum over every style."""
_COUNTS = tuple(entry.name for entry in fields(Score))


@dataclass(frozen=True)
class ReaderQuality:
    """Counts on labelled texts, by style and visibility, and the lexicon they were made with."""

    lexicon_sha256: str
    texts: int
    styles: Mapping[str, Mapping[str, Score]]
    """By styles.STYLES, then by labelled.VISIBILITIES; what was not measured may be lacking."""
    agreement: Mapping[str, Any] = field(default_factory=dict)
    """How far two labellers of them agree; see agreement.agreement."""

    @property
    def total(self) -> Score:
        """Return the sum over everything."""
        return sum((self.of(style) for style in self.styles), Score())

    def of(self, style: str, visibility: str = '') -> Score:
        """Return the counts of a style, in a visibility or in both."""
        cells = self.styles.get(style, {})
        chosen = [visibility] if visibility else list(cells)
        return sum((cells[name] for name in chosen if name in cells), Score())

    def known(self, style: str, low: bool, judging: bool) -> str:
        """
        Return the name of the cell that tells how well answers of a style are read.

        `low`: the picture was hard to see. With `judging` it is their judgements that matter,
        else their classes. The cell is `advice/low`; where it has fewer than ENOUGH, its style
        over both visibilities, `advice`; where these are too few as well, or the style is not
        known, `all`.
        """
        for name in (f'{style}/{LOW if low else CLEAR}', style):
            found = self.named(name)
            classes = found.true_positives + found.false_positives + found.false_negatives
            if (found.judgements if judging else classes) >= ENOUGH:
                return name
        return ALL

    def named(self, cell: str) -> Score:
        """Return the counts of a cell by its name, `advice/low`, `advice` or `all`."""
        return self.total if cell == ALL else self.of(*cell.split('/'))

    def to_plain(self) -> dict[str, Any]:
        """Return what `load` reads."""
        return {
            'lexicon_sha256': self.lexicon_sha256,
            'texts': self.texts,
            'agreement': dict(self.agreement),
            'styles': {
                style: {visibility: asdict(score) for visibility, score in cells.items()}
                for style, cells in self.styles.items()
            },
        }

    @classmethod
    def load(cls, path: Path) -> ReaderQuality:
        """Read a JSON file; ConfigurationError, which names what is wrong, when it is none."""
        try:
            return cls._of(json.loads(path.read_text(encoding='utf-8')))
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            told = f'lacks {error}' if isinstance(error, KeyError) else f'cannot be read: {error}'
            raise ConfigurationError(
                f'reader quality {path} {told}',
                'make it again: python benchmarks/extractor.py --write for that of the package, '
                'vlm-misalign mentions audit for that of a run',
            ) from error

    @classmethod
    def _of(cls, plain: dict[str, Any]) -> ReaderQuality:
        styles = {
            _one_of(style, STYLES): {
                _one_of(name, VISIBILITIES): _score(f'{style}/{name}', counts)
                for name, counts in cells.items()
            }
            for style, cells in plain['styles'].items()
        }
        told = plain.get('agreement', {})
        return cls(str(plain['lexicon_sha256']), int(plain['texts']), styles, dict(told or {}))


def _one_of(name: str, known: Iterable[str]) -> str:
    if name not in known:
        raise ValueError(f'{name!r} is none of {", ".join(known)}')
    return name


def _score(place: str, counts: Mapping[str, Any]) -> Score:
    for name in _COUNTS:
        count = counts[name]
        if type(count) is not int or count < 0:
            raise ValueError(f'{name} of {place} is {count!r}, no count')
    unknown = sorted(counts.keys() - set(_COUNTS))
    if unknown:
        raise ValueError(f'{place} has no {unknown[0]!r}')
    found = Score(**counts)
    if found.judgements_right > found.judgements:
        raise ValueError(
            f'{found.judgements_right} of the {found.judgements} judgements of {place} are right'
        )
    return found


def measure(texts: Iterable[Labelled], lexicon: Lexicon, lexicon_sha256: str) -> ReaderQuality:
    """
    Return how well labelled texts are read; ConfigurationError for one of no style of ours.

    `lexicon_sha256` is lexicon.lexicon_hash of the lexicon.
    """
    texts = list(texts)
    styles = {style: dict.fromkeys(VISIBILITIES, Score()) for style in STYLES}
    for text in texts:
        if text.style not in styles:
            raise ConfigurationError(
                f'the style of the labelled text {text.name} is {text.style!r}',
                f'label it with one of {", ".join(STYLES)} (docs/language.md)',
            )
        styles[text.style][text.labels.visibility] += score_one(text, lexicon)
    return ReaderQuality(lexicon_sha256, len(texts), styles, agreement(texts))
