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
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.language.lexicon import Lexicon
from vlm_misalign_ros.core.language.reading import read
from vlm_misalign_ros.core.types import Judgement, Mention


@dataclass(frozen=True)
class Labelled:
    """A text and what it says, by the rules in docs/language.md."""

    name: str
    text: str
    mentions: dict[str, Mention]
    """ASSERTED, DENIED and HEDGED, by name in labels.SCORED."""
    judgement: Judgement


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
        """Return the share of the assertions found that are right."""
        return self.true_positives / (self.true_positives + self.false_positives)

    @property
    def recall(self) -> float:
        """Return the share of the assertions made that are found."""
        return self.true_positives / (self.true_positives + self.false_negatives)

    @property
    def judgement_accuracy(self) -> float:
        """Return the share of the judgements that are right."""
        return self.judgements_right / self.judgements

    def __add__(self, other: Score) -> Score:
        """Return the sum of the counts."""
        return Score(
            *(getattr(self, entry.name) + getattr(other, entry.name) for entry in fields(self))
        )


def load(path: Path) -> list[Labelled]:
    """
    Read a JSON-lines file of `{id, text, asserted, denied, hedged, judgement}`.

    ConfigurationError names the line that is none of these.
    """
    found = []
    for number, line in enumerate(path.read_text(encoding='utf-8').splitlines(), 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            mentions = {
                name: state
                for state in (Mention.HEDGED, Mention.DENIED, Mention.ASSERTED)
                for name in entry.get(state.value.lower(), ())
            }
            unknown = sorted(set(mentions) - set(SCORED))
            if unknown:
                raise ValueError(f'no class is named {unknown[0]!r}')
            found.append(
                Labelled(
                    str(entry.get('id', number)),
                    entry['text'],
                    mentions,
                    Judgement(entry['judgement']),
                )
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigurationError(
                f'{path}, line {number}, is no labelled text: {error}',
                'docs/language.md says how texts are labelled',
            ) from error
    return found


def score(texts: Iterable[Labelled], lexicon: Lexicon) -> Score:
    """Return how well texts are read."""
    total = Score()
    for labelled in texts:
        reading = read(labelled.text, lexicon)
        found = {name for name, state in reading.mentions.items() if state is Mention.ASSERTED}
        wanted = {name for name, state in labelled.mentions.items() if state is Mention.ASSERTED}
        total += Score(
            len(found & wanted),
            len(found - wanted),
            len(wanted - found),
            len(set(SCORED) - found - wanted),
            int(reading.judgement is labelled.judgement),
            1,
        )
    return total
