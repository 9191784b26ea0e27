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
Records scored again by other settings: what was said and what is true, held against each other.

Neither models nor pictures nor labels are needed: a record keeps what they gave. What is scored is
scored by the functions that the monitor scores with (evaluation/scored); what a record lacks for a
change is refused with its reason. What was not scored before, is not now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec import structs

from vlm_misalign_ros.core.errors import MAX_REASON, ConfigurationError
from vlm_misalign_ros.core.evaluation.redeciding import Decider
from vlm_misalign_ros.core.evaluation.remapping import Remapper
from vlm_misalign_ros.core.evaluation.rereading import Rereader
from vlm_misalign_ros.core.evaluation.retruth import Corridors
from vlm_misalign_ros.core.evaluation.scored import own_of, scored
from vlm_misalign_ros.core.records.schema import AnswerEntry, FrameRecord, ModelEntry, Status
from vlm_misalign_ros.core.records.truths import TruthEntry
from vlm_misalign_ros.core.types import Description, Kind

LEXICON, POINTS, CORRIDOR, CRITICAL = 'lexicon', 'threshold', 'corridor', 'critical'
"""What changes an answer, or what is made of it."""


@dataclass(frozen=True)
class Change:
    """One answer that is another now, or of which something else is made."""

    name: str
    """Of the ask, in the records."""
    text: str
    before: dict[str, Any]
    """What is not the same, by what it is called."""
    after: dict[str, Any]
    why: tuple[str, ...]


@dataclass
class Rescorer:
    """Scores records again."""

    critical: tuple[str, ...]
    former_critical: tuple[str, ...]
    corridors: Corridors
    rereader: Rereader | None = None
    """None where the lexicon is that of the run."""
    deciders: Mapping[str, Decider] = field(default_factory=dict)
    """By the name of the ask, of models with other operating points."""
    remapper: Remapper | None = None
    """None where the label map is that of the run."""
    answers: int = 0
    """Answers that were scored."""

    def rescored(self, record: FrameRecord) -> tuple[FrameRecord, list[Change]]:
        """
        Return the record of a frame by the other settings, and the answers that changed by it.

        ConfigurationError says what a record lacks.
        """
        place = f'in frame {record.stamp} ({record.key[:80]}, {record.condition.name[:80]})'
        truth = record.truth
        if truth is not None:
            self._refuse(self.corridors.lacking(truth), 'the corridor', place)
            truth = self.corridors.retold(truth)
        models: dict[str, ModelEntry] = {}
        changes: list[Change] = []
        for name, entry in record.models.items():
            models[name] = self._entry(name, entry, truth, place)
            changes += self._changes(name, entry, models[name], record.truth, truth)
        mask = record.segmentation
        if self.remapper is not None:
            self._refuse(self.remapper.lacking_of(mask), 'the label map', place)
            mask = self.remapper.remapped(mask)
        return structs.replace(record, truth=truth, models=models, segmentation=mask), changes

    def _entry(
        self, name: str, entry: ModelEntry, truth: TruthEntry | None, place: str
    ) -> ModelEntry:
        answer = entry.answer
        if answer is None:
            return entry
        if self.rereader is not None:
            self._refuse(self.rereader.lacking(answer), 'the lexicon', f'of {name} {place}')
            answer = self.rereader.reread(name, answer)
        if name in self.deciders and answer.kind is Kind.CONTRASTIVE:
            answer = self.deciders[name].redecided(answer, place)
        score = entry.score
        if score is not None and entry.status is Status.SCORED and truth is not None:
            self.answers += 1
            own = own_of(score, truth.visible is not None)
            if isinstance(own, str):
                if self.changed:
                    self._refuse(own, 'any setting', f'of {name} {place}')
            else:
                score = scored(description_of(name, answer), truth, own, self.critical)
        return structs.replace(entry, answer=answer, score=score)

    @property
    def changed(self) -> bool:
        """Return whether any setting is another."""
        return bool(
            self.corridors.changed
            or self.rereader is not None
            or self.deciders
            or set(self.critical) != set(self.former_critical)
        )

    def _refuse(self, lacking: str, what: str, place: str) -> None:
        if lacking:
            raise ConfigurationError(
                f'{what} cannot be changed: {place} {lacking}'[:MAX_REASON],
                'records of this version keep it: run again, or analyse the bag again',
            )

    def _changes(
        self,
        name: str,
        entry: ModelEntry,
        made: ModelEntry,
        former: TruthEntry | None,
        truth: TruthEntry | None,
    ) -> Iterator[Change]:
        if made == entry and truth == former:
            return
        before, after = _told(entry, former), _told(made, truth)
        names = [key for key in {**before, **after} if before.get(key) != after.get(key)]
        if not names:
            return
        why: list[str] = []
        if entry.answer != made.answer:
            why.append(POINTS if name in self.deciders else LEXICON)
        if entry.score is not None and former is not None and truth is not None:
            if (former.hazard, former.hazard_visible) != (truth.hazard, truth.hazard_visible):
                why.append(CORRIDOR)
            if set(self.critical) != set(self.former_critical):
                why.append(CRITICAL)
        yield Change(
            name,
            '' if entry.answer is None else entry.answer.text,
            {key: before.get(key) for key in names},
            {key: after.get(key) for key in names},
            tuple(why),
        )


def _told(entry: ModelEntry, truth: TruthEntry | None) -> dict[str, Any]:
    """Return what of an answer, and of what is made of it, is shown where it changes."""
    found: dict[str, Any] = {}
    answer = entry.answer
    if answer is not None:
        found['judgement'] = answer.judgement.value
        said = {**answer.mentions, **answer.further}
        found |= {name: state.value for name, state in said.items()}
        if answer.paraphrases:
            found['paraphrases'] = [entry.value for entry in answer.paraphrases]
        if answer.clean is not None and answer.clean.error is None:
            found['clean judgement'] = answer.clean.judgement.value
            found |= {f'clean {n}': state.value for n, state in answer.clean.mentions.items()}
    if entry.score is not None:
        found['hallucinated'], found['omitted'] = entry.score.hallucinated, entry.score.omitted
        if truth is not None:
            found['hazard'] = truth.hazard.value
            if truth.hazard_visible is not None:
                found['visible hazard'] = truth.hazard_visible.value
    return found


def description_of(name: str, answer: AnswerEntry) -> Description:
    """Return an answer as it was before it was written down, as far as scoring asks."""
    return Description(
        model=name,
        kind=answer.kind,
        text=answer.text,
        mentions=answer.mentions,
        further=answer.further,
        scores=answer.scores,
        judgement=answer.judgement,
        judgement_score=answer.judgement_score,
        prompt_id=answer.prompt_id,
        truncated=answer.truncated,
        cut=answer.cut,
        style=answer.style,
        view=answer.view,
        input=answer.input,
        shown=answer.shown,
        prompted=tuple(answer.prompted),
        paraphrases=tuple(answer.paraphrases),
        paraphrased=tuple(answer.paraphrased),
        context=answer.context,
    )
