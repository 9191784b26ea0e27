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
From labels to the reader's error on a run: agreement, what counts, counts by style.

Two people's labels count where they agree; where they differ, as somebody settled it, else not.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.language.labelled import Score
from vlm_misalign_ros.core.language.styles import STYLES
from vlm_misalign_ros.core.report.audit.labels import CLEAR, LOW, Label
from vlm_misalign_ros.core.report.audit.sample import Drawn, Read, Sample
from vlm_misalign_ros.core.types import Judgement

RESULT = 'reader_audit.json'
"""The name of the result in a run folder, where the report looks for it."""
Labels = Mapping[str, Label]


@dataclass(frozen=True)
class Decided:
    """What holds of a text, as far as it is decided."""

    classes: dict[str, bool]
    """Whether it asserts each class that is decided."""
    judgement: Judgement | None
    low: bool


@dataclass(frozen=True)
class Difference:
    """In what two labels of a text differ."""

    id: str
    one: Label
    other: Label

    @property
    def classes(self) -> list[str]:
        """Return the classes that only one of the labels has."""
        return [name for name in SCORED if name in self.one.asserted ^ self.other.asserted]

    def __str__(self) -> str:
        """Return the difference in words, first against second."""
        parts = [
            f'{name} (only the {"first" if name in self.one.asserted else "second"})'
            for name in self.classes
        ]
        if self.one.judgement is not self.other.judgement:
            parts.append(f'{self.one.judgement.value} / {self.other.judgement.value}')
        if self.one.low is not self.other.low:
            parts.append(f'visibility {_seen(self.one)} / {_seen(self.other)}')
        return '; '.join(parts)


def _seen(label: Label) -> str:
    return LOW if label.low else CLEAR


def kappa(pairs: Sequence[tuple[Hashable, Hashable]]) -> tuple[float | None, float | None]:
    """
    Return the share of pairs that agree, and Cohen's kappa (1960): None where it is not defined.

    kappa = (p_o - p_e) / (1 - p_e), where p_e is the agreement expected of two people who give
    their labels at random, as often as they gave them.
    """
    if not pairs:
        return None, None
    total = len(pairs)
    same = sum(one == other for one, other in pairs)
    first, second = (Counter(pair[side] for pair in pairs) for side in (0, 1))
    chance = sum(first[value] * second[value] for value in first)
    if chance == total * total:
        return same / total, None
    return same / total, (same * total - chance) / (total * total - chance)


def differences(one: Labels, other: Labels, order: Iterable[str]) -> list[Difference]:
    """Return the texts that both labelled and do not agree on, in the given order."""
    found = []
    for name in order:
        if name in one and name in other:
            difference = Difference(name, one[name], other[name])
            if str(difference):
                found.append(difference)
    return found


def agreement(
    one: Labels, other: Labels | None, settled: Labels, decided: Mapping[str, Decided]
) -> dict[str, Any]:
    """Return how far the labellers agree, over the texts that both labelled, as plain data."""
    if other is None:
        return {'labellers': 1}
    both = [(one[name], other[name]) for name in one if name in other]
    by_class = {
        name: [(name in first.asserted, name in second.asserted) for first, second in both]
        for name in SCORED
    }
    found: dict[str, Any] = {
        'labellers': 2,
        'texts': len(both),
        'asserted': _told([pair for pairs in by_class.values() for pair in pairs]),
        'judgement': _told([(first.judgement, second.judgement) for first, second in both]),
        'visibility': _told([(first.low, second.low) for first, second in both]),
        'classes': {name: _told(pairs) for name, pairs in by_class.items()},
    }
    entries = decided.values()
    found['settled'] = len(settled)
    found['left_out'] = {
        'classes': sum(len(SCORED) - len(entry.classes) for entry in entries),
        'judgements': sum(entry.judgement is None for entry in entries),
    }
    return found


def _told(pairs: Sequence[tuple[Hashable, Hashable]]) -> dict[str, float | None]:
    return dict(zip(('raw', 'kappa'), kappa(pairs), strict=True))


def decide(one: Labels, other: Labels | None, settled: Labels) -> dict[str, Decided]:
    """
    Return what holds of each text, by its name.

    A text that was settled is as it was settled; else it has to be labelled by both, where there
    are two, and what they differ in is not decided. Its visibility is low where both say so.
    """
    names = {*one, *settled} if other is None else {*(one.keys() & other.keys()), *settled}
    found = {}
    for name in names:
        labels = [settled[name]] if name in settled else [one[name]]
        if other is not None and name not in settled:
            labels.append(other[name])
        found[name] = _agreed(labels)
    return found


def _agreed(labels: Sequence[Label]) -> Decided:
    first, last = labels[0], labels[-1]
    undecided = first.asserted ^ last.asserted
    return Decided(
        {name: name in first.asserted for name in SCORED if name not in undecided},
        first.judgement if first.judgement is last.judgement else None,
        first.low and last.low,
    )


def score_one(decided: Decided, read: Read) -> Score:
    """Return the counts of one answer."""
    hits = Counter((said, name in read.asserted) for name, said in decided.classes.items())
    return Score(
        hits[True, True],
        hits[False, True],
        hits[True, False],
        hits[False, False],
        int(decided.judgement is read.judgement),
        int(decided.judgement is not None),
    )


def scored(
    sample: Sample, readings: Mapping[int, Read], decided: Mapping[str, Decided]
) -> Iterator[tuple[Drawn, Decided, Score]]:
    """Yield each drawn answer that is labelled, with what holds of it and its counts."""
    for answer in sample.answers:
        if answer.id in decided:
            entry = decided[answer.id]
            yield answer, entry, score_one(entry, readings[answer.number])


def visibility_of(answer: Drawn, entry: Decided) -> str:
    """Return the visibility under which an answer counts: low by its condition or its label."""
    return LOW if answer.low or entry.low else CLEAR


def by_style(found: Iterable[tuple[Drawn, Decided, Score]]) -> dict[str, dict[str, Score]]:
    """Return the counts by style and visibility, styles in the order of STYLES."""
    sums: dict[str, dict[str, Score]] = {}
    for answer, entry, counts in found:
        cells = sums.setdefault(answer.style, {CLEAR: Score(), LOW: Score()})
        cells[visibility_of(answer, entry)] += counts
    return {style: sums[style] for style in STYLES if style in sums}


def result(
    sample: Sample, styles: Mapping[str, Mapping[str, Score]], texts: int, agreed: dict[str, Any]
) -> dict[str, Any]:
    """Return what reader_audit.json has: the reader's counts on this run."""
    return {
        'lexicon_sha256': sample.head.lexicon_sha256,
        'texts': texts,
        'agreement': agreed,
        'styles': {
            style: {name: asdict(counts) for name, counts in cells.items()}
            for style, cells in styles.items()
        },
    }


def weighted(found: Sequence[tuple[Drawn, Decided, Score]]) -> dict[str, float | None]:
    """
    Return precision, recall and share of right judgements, each answer as it stands for the run.

    An answer weighs the answers of its stratum by those of it that are labelled (Horvitz and
    Thompson 1952). None where there is nothing to divide by.
    """
    labelled = Counter(answer.stratum for answer, _, _ in found)
    sums: dict[str, float] = defaultdict(float)
    for answer, _, counts in found:
        weight = answer.stratum_size / labelled[answer.stratum]
        for name, count in asdict(counts).items():
            sums[name] += weight * count
    return shares(sums)


def shares(counts: Mapping[str, float]) -> dict[str, float | None]:
    """Return precision, recall and share of right judgements of counts by name."""
    hits = counts['true_positives']
    parts = {
        'precision': (hits, hits + counts['false_positives']),
        'recall': (hits, hits + counts['false_negatives']),
        'judgements_right': (counts['judgements_right'], counts['judgements']),
    }
    return {name: over / under if under else None for name, (over, under) in parts.items()}


def faults(
    found: Iterable[tuple[Drawn, Decided, Score]], readings: Mapping[int, Read]
) -> list[dict[str, Any]]:
    """Return what was read otherwise than labelled, an entry a text."""
    told: dict[str, dict[str, Any]] = {}
    for answer, entry, counts in found:
        read = readings[answer.number]
        if not (counts.false_positives or counts.false_negatives or _otherwise(entry, read)):
            continue
        if answer.id in told:
            told[answer.id]['answers'] += 1
            continue
        said = entry.classes
        told[answer.id] = {
            'id': answer.id,
            'style': answer.style,
            'answers': 1,
            'invented': [name for name in said if name in read.asserted and not said[name]],
            'missed': [name for name in said if said[name] and name not in read.asserted],
            'judgement': _otherwise(entry, read),
            'text': answer.text,
        }
    return list(told.values())


def _otherwise(entry: Decided, read: Read) -> list[str] | None:
    """Return (the judgement that holds, the one that was read) where they differ."""
    if entry.judgement is None or entry.judgement is read.judgement:
        return None
    return [entry.judgement.value, read.judgement.value]


@dataclass(frozen=True)
class Outcome:
    """What the labels of a draw say of the reader."""

    sample: Sample
    readings: Mapping[int, Read]
    lines: list[tuple[Drawn, Decided, Score]]
    """Each labelled answer with its counts; none where nothing is labelled."""
    agreed: dict[str, Any]
    differing: list[Difference]
    """Texts that two people differ on and nobody settled, in the order of the draw."""

    @classmethod
    def of(
        cls,
        sample: Sample,
        readings: Mapping[int, Read],
        one: Labels,
        other: Labels | None = None,
        settled: Labels | None = None,
    ) -> Outcome:
        """Hold the labels of one person, or those of two, against what was read."""
        settled = settled or {}
        decided = decide(one, other, settled)
        order = [answer.id for answer in sample.texts if answer.id not in settled]
        return cls(
            sample,
            readings,
            list(scored(sample, readings, decided)),
            agreement(one, other, settled, decided),
            [] if other is None else differences(one, other, order),
        )

    def result(self) -> dict[str, Any]:
        """Return what RESULT has."""
        return result(self.sample, by_style(self.lines), len(self.lines), self.agreed)

    def details(self) -> dict[str, Any]:
        """Return what is kept beside the draw: all that was read otherwise than labelled, too."""
        return {
            'seed': self.sample.head.seed,
            'records_sha256': self.sample.head.records_sha256,
            'drawn': len(self.sample.answers),
            'labelled': len(self.lines),
            'texts_labelled': len({answer.id for answer, _, _ in self.lines}),
            'agreement': self.agreed,
            'weighted': weighted(self.lines),
            'faults': faults(self.lines, self.readings),
        }
