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

"""What was read in an answer: mentions of classes, the words for them, and a judgement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.language.bounding import Span
from vlm_misalign_ros.core.types import Judgement, Mention

_RANK = {Mention.HYPOTHETICAL: 0, Mention.HEDGED: 1, Mention.DENIED: 2, Mention.ASSERTED: 3}
"""Of several mentions of one class the strongest counts."""


@dataclass
class Reading:
    """What an answer says."""

    mentions: dict[str, Mention] = field(default_factory=dict)
    """By name in labels.SCORED."""
    further: dict[str, Mention] = field(default_factory=dict)
    """By name of a class of the user's own, which is counted and never scored."""
    phrases: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The words by which each class was first asserted."""
    spans: dict[str, Span] = field(default_factory=dict)
    """
    Where the words stand that name a class as what it is, (start, end) in the answer.

    Those that first assert it, and of the other states those that came last. Where none name it,
    since the prompt had, it is the first word of the answer to that.
    """
    judgement: Judgement = Judgement.UNPARSED
    judged_span: Span | None = None
    """Where the words stand that judge; None where nothing is judged."""
    rule: str = ''
    """What told the judgement: one of deciding.RULES, or nothing."""
    cut: int = 0
    """Characters left out in the middle of an answer that is too long."""
    language: str = ''
    """`en`, `other` (which is not read) or, for an answer without words, nothing."""
    find_style: Callable[[], str] | None = field(default=None, repr=False, compare=False)
    """Tells the kind of answer, which costs some time, where it is asked for."""

    @cached_property
    def style(self) -> str:
        """Return the kind of answer it is, one of styles.STYLES; empty where nobody looks."""
        return self.find_style() if self.find_style else ''

    def note(
        self,
        classes: Sequence[str],
        mention: Mention | None,
        name: Sequence[str] = (),
        corrects: bool = False,
        span: Span | None = None,
    ) -> None:
        """
        Take in one mention; with `corrects` it counts over what was said before.

        Its words are `name`, and stand at `span`.
        """
        if mention is None:
            return
        for entry in classes:
            scored = entry in SCORED
            said = self.mentions if scored else self.further
            old = said.get(entry)
            if old is None or corrects or _RANK[mention] > _RANK[old]:
                said[entry] = mention
            if said[entry] is mention:
                self._place(entry, span, first=old is mention is Mention.ASSERTED)
            if mention is Mention.ASSERTED and name and scored:
                self.phrases.setdefault(entry, tuple(name))

    def _place(self, entry: str, span: Span | None, first: bool) -> None:
        """Keep where a class was said to be what it is; with `first` what is there stays."""
        if span is not None:
            if not first or entry not in self.spans:
                self.spans[entry] = span
        elif not first:
            self.spans.pop(entry, None)


def to_plain(reading: Reading) -> dict[str, Any]:
    """
    Return a reading as `vlm-misalign mentions` prints it.

    `further` is there only where a class of the user's own was mentioned.
    """

    def of(state: Mention) -> list[str]:
        return [name for name in SCORED if reading.mentions.get(name) is state]

    plain: dict[str, Any] = {
        'asserted': of(Mention.ASSERTED),
        'denied': of(Mention.DENIED),
        'hedged': of(Mention.HEDGED),
        'judgement': reading.judgement.value,
    }
    if reading.further:
        plain['further'] = {name: state.value for name, state in reading.further.items()}
    return plain


def to_record(text: str, reading: Reading) -> dict[str, Any]:
    """
    Return a reading of `text` with all that is known of it, as `vlm-misalign mentions` prints it.

    To what `to_plain` returns come `hypothetical`; `classes`, by name, with state, whether it is
    `scored`, `start`, `end` and the `words` that stand there; `judged`, the same of the judgement
    with its `rule`, or None; `style`, `language` and `cut`.
    """
    plain = to_plain(reading)
    plain['hypothetical'] = [
        name for name in SCORED if reading.mentions.get(name) is Mention.HYPOTHETICAL
    ]
    plain['classes'] = {
        name: {
            'state': state.value,
            'scored': name in SCORED,
            **_cut_out(text, reading.spans.get(name)),
        }
        for name, state in (reading.mentions | reading.further).items()
    }
    plain['judged'] = (
        {'rule': reading.rule, **_cut_out(text, reading.judged_span)} if reading.rule else None
    )
    return {**plain, 'style': reading.style, 'language': reading.language, 'cut': reading.cut}


def _cut_out(text: str, span: Span | None) -> dict[str, Any]:
    start, end = span or (None, None)
    return {'start': start, 'end': end, 'words': None if span is None else text[start:end]}
