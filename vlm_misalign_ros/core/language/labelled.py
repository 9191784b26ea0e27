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

"""Texts labelled by people, and how well they are read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from math import nan
from pathlib import Path
from typing import Any

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.language.lexicon import Lexicon
from vlm_misalign_ros.core.language.reading import read
from vlm_misalign_ros.core.types import Judgement, Mention

CLEAR, LOW = 'clear', 'low'
VISIBILITIES = (CLEAR, LOW)
"""Whether a text says that its picture is dark, blurred, foggy, covered or hard to see."""
_STATES = (Mention.HEDGED, Mention.DENIED, Mention.ASSERTED)
_LABELS = frozenset(('asserted', 'denied', 'hedged', 'judgement', 'visibility'))


@dataclass(frozen=True)
class Labels:
    """What one person says of a text, by the rules in docs/language.md."""

    mentions: Mapping[str, Mention]
    """ASSERTED, DENIED and HEDGED, by name in labels.SCORED."""
    judgement: Judgement
    visibility: str
    """One of VISIBILITIES."""

    @property
    def asserted(self) -> frozenset[str]:
        """Return the classes that are ASSERTED."""
        return frozenset(
            name for name, state in self.mentions.items() if state is Mention.ASSERTED
        )


@dataclass(frozen=True)
class Labelled:
    """A text and what it says, by the rules in docs/language.md."""

    name: str
    text: str
    labels: Labels
    """Those that count."""
    style: str = ''
    """One of types.Style where its quality is to be measured; else what its authors wrote."""
    prompt: str = ''
    """What was asked."""
    others: Mapping[str, Labels] = field(default_factory=dict)
    """Those of further labellers, by key in the file (`second`); none where there was one."""


@dataclass(frozen=True)
class Score:
    """Counts over texts; of classes as ASSERTED, and of judgements."""

    true_positives: int = 0
    false_positives: int = 0
    false_negatives: int = 0
    true_negatives: int = 0
    """Classes that a text does not assert and that were not taken for asserted."""
    judgements_right: int = 0
    judgements: int = 0

    @property
    def precision(self) -> float:
        """Return the share of the assertions found that are right; NaN without any."""
        return _share(self.true_positives, self.false_positives)

    @property
    def recall(self) -> float:
        """Return the share of the assertions made that are found; NaN without any."""
        return _share(self.true_positives, self.false_negatives)

    @property
    def false_alarm(self) -> float:
        """Return the share of the classes not asserted that are found; NaN without any."""
        return _share(self.false_positives, self.true_negatives)

    @property
    def judgement_accuracy(self) -> float:
        """Return the share of the judgements that are right; NaN without any."""
        return _share(self.judgements_right, self.judgements - self.judgements_right)

    def __add__(self, other: Score) -> Score:
        """Return the sum of the counts."""
        return Score(
            *(getattr(self, entry.name) + getattr(other, entry.name) for entry in fields(self))
        )


def _share(part: int, rest: int) -> float:
    return part / (part + rest) if part + rest else nan


def load(path: Path) -> list[Labelled]:
    """
    Read a JSON-lines file of `{id, text, asserted, denied, hedged, judgement}`.

    `style`, `visibility` (`clear` where it is lacking) and `prompt` may stand beside them, and
    under `second` (or `third`) what another labeller said otherwise: `{}` where nothing.
    ConfigurationError names the line that is none of these.
    """
    found = []
    for number, line in enumerate(path.read_text(encoding='utf-8').splitlines(), 1):
        if not line.strip():
            continue
        try:
            found.append(_labelled(json.loads(line), number))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigurationError(
                f'{path}, line {number}, is no labelled text: {error}',
                'docs/language.md says how texts are labelled',
            ) from error
    return found


def _labelled(entry: dict[str, Any], number: int) -> Labelled:
    others: dict[str, Labels] = {}
    for key in ('second', 'third'):
        if key in entry:
            unknown = sorted(entry[key].keys() - _LABELS)
            if unknown:
                raise ValueError(f'{key} has no {unknown[0]!r}')
            others[key] = _labels({**entry, **entry[key]})
    return Labelled(
        str(entry.get('id', number)),
        entry['text'],
        _labels(entry),
        entry.get('style', ''),
        entry.get('prompt', ''),
        others,
    )


def _labels(entry: Mapping[str, Any]) -> Labels:
    mentions = {name: state for state in _STATES for name in entry.get(state.value.lower(), ())}
    unknown = sorted(set(mentions) - set(SCORED))
    if unknown:
        raise ValueError(f'no class is named {unknown[0]!r}')
    visibility = entry.get('visibility', CLEAR)
    if visibility not in VISIBILITIES:
        raise ValueError(f'the visibility is {visibility!r}, none of {", ".join(VISIBILITIES)}')
    return Labels(mentions, Judgement(entry['judgement']), visibility)


def score(texts: Iterable[Labelled], lexicon: Lexicon) -> Score:
    """Return how well texts are read."""
    return sum((score_one(text, lexicon) for text in texts), Score())


def score_one(labelled: Labelled, lexicon: Lexicon) -> Score:
    """Return how well one text is read."""
    reading = read(labelled.text, lexicon, labelled.prompt)
    found = {name for name, state in reading.mentions.items() if state is Mention.ASSERTED}
    wanted = labelled.labels.asserted
    return Score(
        len(found & wanted),
        len(found - wanted),
        len(wanted - found),
        len(set(SCORED) - found - wanted),
        int(reading.judgement is labelled.labels.judgement),
        1,
    )
