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
What a run found, in plain sentences made from its numbers: a page's first screen, a CI's summary.

The conditions that are spoken of are chosen by what segmentation keeps there, never by how the
rates came out, so no sentence is the best of many tries. A difference is claimed where its paired
interval excludes 0 and at least FEW_SCENES scenes stand behind it; else it is said that it is not
shown. What is not known is said to be so. Names are bounded and printable, and nothing is escaped:
who puts a sentence into HTML or Markdown does that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vlm_misalign_ros.core.corruptions import BLANK, CLEAN
from vlm_misalign_ros.core.metrics.intervals import FEW_SCENES
from vlm_misalign_ros.core.metrics.rates import Rate
from vlm_misalign_ros.core.report.found import Found, found_in
from vlm_misalign_ros.core.report.sentences import OVERALL, Sentence, Words, words_of
from vlm_misalign_ros.core.report.wording import (
    NAMED,
    count,
    figure,
    known,
    listed,
    named,
    percent,
    points,
    span,
    span_of,
)

BEARABLE = 0.8
"""Share of the clean mIoU from which segmentation is taken to bear a condition."""


def headline_of(folder: Path) -> list[Sentence]:
    """Return the sentences of a finished run folder; RecordError where its tables are missing."""
    return headline(found_in(folder))


def headline(found: Found) -> list[Sentence]:
    """Return what there is to say, the most important first."""
    if not found.totals:
        return [Sentence('scope', 'No model was asked: there is nothing to say of any.')]
    return [
        _scope(found),
        *_at_conditions(found),
        *(sentence for of in OVERALL for sentence in of(found)),
    ]


def _scope(found: Found) -> Sentence:
    totals = found.totals
    scenes = max(line.scenes or 0 for line in totals)
    frames = max(line.frames for line in totals)
    blank = any(line.corruption == BLANK for line in found.lines)
    text = (
        f'{count(len(totals), "model")} ({listed([line.model for line in totals], 6)}) on '
        f'{count(scenes, "independent scene")}: {count(frames, "frame")} under '
        f'{count(len(found.conditions), "condition")}'
        + (', and a blank picture as control.' if blank else '.')
    )
    if against := found.analysis.get('against'):
        text += (
            f' There is no ground truth: every rate is {named(str(against))}, says how far two '
            'models disagree, and is no accuracy.'
        )
    if found.few:
        text += (
            f' Fewer than {FEW_SCENES} scenes prove nothing: numbers are told, and no difference '
            'is claimed.'
        )
    return Sentence('scope', text)


def _at_conditions(found: Found) -> Iterator[Sentence]:
    """Say what the hardest conditions cost segmentation, and each model."""
    chosen = _chosen(found)
    if not chosen:
        yield Sentence('segmentation', f'What segmentation keeps is not known: {_why_not(found)}.')
    for condition, borne in chosen:
        yield _segmentation(found, condition, borne)
        every = [_Models.of(found, condition, words) for words in words_of(found)]
        yield from (models.said() for models in every if models.shown)
        yield from _not_shown(every, found.few)


def _why_not(found: Found) -> str:
    if (found.analysis.get('segmentation') or {}).get('mixed'):
        return 'masks with different classes are mixed'
    if not found.masks:
        return 'no mask was scored'
    if found.conditions == [CLEAN]:
        return 'nothing was degraded'
    return 'no clean masks were scored to hold it against'


def _chosen(found: Found) -> list[tuple[str, bool]]:
    """Return the hardest condition that segmentation bears, True, and the hardest of all."""
    kept = {
        name: float(value)
        for name in found.conditions
        if known(value := found.kept(name).get('value'))
    }
    borne = [name for name in kept if kept[name] >= BEARABLE]
    chosen = [(min(borne, key=lambda name: kept[name]), True)] if borne else []
    if len(borne) < len(kept):
        chosen.append((min(kept, key=lambda name: kept[name]), False))
    return chosen


def _segmentation(found: Found, condition: str, borne: bool) -> Sentence:
    kept, here, clean = found.kept(condition), found.masks[condition], found.masks.get(CLEAN) or {}
    which = (
        f'the hardest that leaves {percent(BEARABLE)} or more' if borne else 'the hardest of all'
    )
    text = (
        f'At {named(condition)} ({which}) segmentation keeps {percent(kept["value"])}{span(kept)} '
        f'of its {found.miou}: {figure(here.get("value"))} of {figure(clean.get("value"))}, '
        f'{count(int(kept.get("scenes") or 0), "scene")}.'
    )
    high, enough = kept.get('high'), (kept.get('scenes') or 0) >= FEW_SCENES
    return Sentence('segmentation', text, known(high) and high < 1 and enough and not found.few)


@dataclass
class _Models:
    """Of which models a rate differs from clean under a condition, and of which none is shown."""

    found: Found
    condition: str
    words: Words
    worse: list[_Change] = field(default_factory=list)
    better: list[_Change] = field(default_factory=list)
    open: list[_Change] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, found: Found, condition: str, words: Words) -> _Models:
        """Sort the models of a run."""
        sorted_by = cls(found, condition, words)
        for model, entry in found.models:
            told = (entry.get('differences') or {}).get(condition) or {}
            sorted_by._sort(model, told.get(words.rate) or {}, told.get('scenes') or 0)
        for changes in (sorted_by.worse, sorted_by.open):
            changes.sort(key=lambda change: -change.difference['value'])
        sorted_by.better.sort(key=lambda change: change.difference['value'])
        return sorted_by

    def _sort(self, model: str, difference: dict[str, float], scenes: int) -> None:
        here, clean = (
            self.found.rate(name, model, self.words.rate) for name in (self.condition, CLEAN)
        )
        if not known(difference.get('value')) or here is None or clean is None:
            self.unknown.append(model)
            return
        low, high = difference.get('low'), difference.get('high')
        enough = min(scenes, here.scenes or 0, clean.scenes or 0) >= FEW_SCENES
        change = _Change(model, here, clean, difference, enough)
        if enough and known(low) and low > 0:
            self.worse.append(change)
        elif enough and known(high) and high < 0:
            self.better.append(change)
        else:
            self.open.append(change)

    @property
    def shown(self) -> bool:
        """Return whether any difference is."""
        return bool(self.worse or self.better)

    def said(self) -> Sentence:
        """Return what changes, of which some is shown."""
        parts = []
        for changes, also in ((self.worse, 'also'), (self.better, 'less also')):
            if not changes:
                continue
            others = [change.short() for change in changes[1:NAMED]]
            if len(changes) > NAMED:
                others.append(f'{len(changes) - NAMED} more')
            parts.append(changes[0].told(self.words))
            parts += [f'{also} {", ".join(others)}'] if others else []
        if self.open:
            parts.append(f'not shown for {listed([change.model for change in self.open])}')
        if self.unknown:
            parts.append(f'not known for {listed(self.unknown)}')
        return Sentence('rates', f'{self.words.topic}: {"; ".join(parts)}.', True)


def _not_shown(every: Sequence[_Models], few: bool) -> Iterator[Sentence]:
    """Say which rates are not shown to change, and which are not known."""
    known_of = [models for models in every if models.open and not models.shown]
    if few:
        groups = [('No change is claimed; the largest are', known_of)]
    else:
        groups = [
            (claim, [models for models in known_of if models.open[0].enough == enough])
            for enough, claim in (
                (True, 'No change is shown of'),
                (
                    False,
                    f'No change is claimed from fewer than {FEW_SCENES} scenes; the largest are',
                ),
            )
        ]
    for claim, of in groups:
        told = [f'{one.words.topic.lower()}, {one.open[0].told(one.words)}' for one in of]
        if told:
            yield Sentence('rates', f'{claim}: {"; ".join(told)}.')
    unknown = [
        models.words.topic.lower()
        for models in every
        if not models.open + models.worse + models.better
    ]
    if unknown:
        yield Sentence('rates', f'Nothing is known of {listed(unknown, 4)} there.')


@dataclass(frozen=True)
class _Change:
    """A rate of one model, here and on clean pictures."""

    model: str
    here: Rate
    clean: Rate
    difference: Mapping[str, float]
    enough: bool
    """Whether as many scenes stand behind it as a claim takes."""

    def told(self, words: Words) -> str:
        """Return it in full."""
        return (
            f'{named(self.model)} {words.does} {percent(self.here.value)}{span_of(self.here)} '
            f'{words.of} ({percent(self.clean.value)} clean; {points(self.difference)}; '
            f'{self.here.counts} in {count(self.here.scenes or 0, "scene")})'
        )

    def short(self) -> str:
        """Return it in short."""
        return (
            f'{named(self.model)} {percent(self.here.value)} ({percent(self.clean.value)}; '
            f'{points(self.difference)})'
        )
