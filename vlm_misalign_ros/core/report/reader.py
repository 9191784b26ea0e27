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
The text reader's error that belongs to the answers of a run, and the rates corrected for it.

Which error an answer has depends on its style and on whether its picture is hard to see; how well
each kind is read was measured for the package, or on answers of the run itself (an audit).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vlm_misalign_ros.core.files import sha256_of
from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.language.labelled import CLEAR, LOW
from vlm_misalign_ros.core.language.lexicon import lexicon_hash
from vlm_misalign_ros.core.language.quality import ALL, QUALITY, ReaderQuality
from vlm_misalign_ros.core.language.styles import STYLES
from vlm_misalign_ros.core.metrics.extractor import Corrected, carried
from vlm_misalign_ros.core.metrics.rates import RateRow, ReaderError
from vlm_misalign_ros.core.report.table import Table

AUDIT = 'reader_audit.json'
"""In a run folder: how well the answers of this run are read, by `vlm-misalign mentions audit`."""
PACKAGE = 'package'
LOW_SEVERITY = 3
"""From this severity on the pictures of a condition count as hard to see."""


@dataclass(frozen=True)
class Reader:
    """How well answers are read, and where that comes from."""

    quality: ReaderQuality
    source: str = PACKAGE
    """PACKAGE, or the name of the run's audit."""
    sha256: str = ''
    """Of the audit's file."""


def reader_of(folder: Path, lexicon_sha256: str = '') -> tuple[Reader | None, list[str]]:
    """
    Return how well the answers in a run folder are read, and what is to be noted of it.

    By the run's own audit (AUDIT) where there is one, else by what the package brings. None for a
    lexicon that was never measured, as one with additions; without a hash it is the package's
    own. An audit of answers that another lexicon has read is not used, and a note says so.
    ConfigurationError for a file that is none.
    """
    lexicon = lexicon_sha256 or lexicon_hash()
    notes, path = [], folder / AUDIT
    if path.exists():
        audit = ReaderQuality.load(path)
        sha256 = sha256_of(path)
        if audit.lexicon_sha256 == lexicon:
            told = (
                "rates of generative models are corrected for the reader's error in "
                f'{audit.texts} labelled answers of this run ({AUDIT}, sha256 {sha256[:12]})'
            )
            return Reader(audit, AUDIT, sha256), [told]
        notes.append(
            f'{AUDIT} is not used: it was made with the lexicon {audit.lexicon_sha256[:12]}, the '
            f'answers were read with {lexicon[:12]}'
        )
    quality = ReaderQuality.load(QUALITY)
    return (Reader(quality) if quality.lexicon_sha256 == lexicon else None), notes


@dataclass(frozen=True)
class Kinds:
    """The answers of a table, sorted by how well they are read."""

    reader: Reader
    table: Table
    codes: np.ndarray
    """Kind of each line, int64 (N,): twice the number of its style, which begins at 1, and 1 more
    where its picture is hard to see."""

    @classmethod
    def of(cls, reader: Reader, table: Table) -> Kinds:
        """Sort the answers of a table."""
        low = np.array([severity >= LOW_SEVERITY for severity in table.severities], bool)
        return cls(reader, table, 2 * (table.styles.astype(np.int64) + 1) + low[table.conditions])

    def corrected(self, rate: RateRow, chosen: np.ndarray) -> Corrected | None:
        """
        Return a rate over the chosen lines, bool (N,), without the error of their kinds.

        None where it has none, or is no proportion in some scene.
        """
        over, under = self.table.sums(rate, chosen)
        if rate.reader_error is None or np.any(over > under):
            return None
        absent = self.table.count('absent')[chosen].sum() / (chosen.sum() * len(SCORED) or 1)
        judging = rate.reader_error is ReaderError.JUDGEMENT
        kinds: dict[str, list[int]] = {}
        for code in np.unique(self.codes[chosen]):
            kinds.setdefault(self._known(int(code), judging), []).append(int(code))
        parts = [
            self.table.sums(rate, chosen & np.isin(self.codes, codes)) for codes in kinds.values()
        ]
        counts = np.array(parts).reshape(-1, 2, len(over))
        scores = [self.reader.quality.named(name) for name in kinds]
        return carried(rate, counts[:, 0], counts[:, 1], float(absent), scores)

    def told(self, chosen: np.ndarray) -> dict[str, Any]:
        """Return which kinds the chosen lines are of, and of what their errors are known."""
        kinds = {}
        for code, count in zip(*np.unique(self.codes[chosen], return_counts=True), strict=True):
            kinds[_name(int(code))] = {
                'answers': int(count),
                'classes_by': self._known(int(code), judging=False),
                'judgements_by': self._known(int(code), judging=True),
            }
        return {
            'source': self.reader.source,
            'sha256': self.reader.sha256,
            'texts': self.reader.quality.texts,
            'kinds': kinds,
        }

    def _known(self, code: int, judging: bool) -> str:
        """Return the name of the cell of the quality that holds for a kind."""
        return self.reader.quality.known(*_kind(code), judging)


def in_words(told: Mapping[str, Any]) -> str:
    """Return what `Kinds.told` says as a sentence; also that nothing is known (no `source`)."""
    if not told['source']:
        return (
            'how well the lexicon of this run reads was never measured, so no rate is corrected.'
        )
    where = 'texts of the package'
    if told['source'] != PACKAGE:
        where = f'answers of this run ({told["source"]}, sha256 {told["sha256"][:12]})'
    kinds = []
    for kind, known in told['kinds'].items():
        classes, judgements = known['classes_by'], known['judgements_by']
        by = [] if classes == judgements == kind else [f'by {classes}']
        if judgements != classes:
            by.append(f'judgements by {judgements}')
        told_by = f' ({", ".join(by)})' if by else ''
        kinds.append(f'{kind} {known["answers"]} answers{told_by}')
    return (
        f"corrected for the reader's error in {told['texts']} labelled {where}: "
        f'{"; ".join(kinds)}.'
    )


def _kind(code: int) -> tuple[str, bool]:
    """Return style, empty where it is not known, and whether pictures are hard to see."""
    return ('', *STYLES)[code // 2], bool(code % 2)


def _name(code: int) -> str:
    style, low = _kind(code)
    return f'{style or ALL}/{LOW if low else CLEAR}'
