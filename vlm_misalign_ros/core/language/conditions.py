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

"""Conditions of a judgement: `once it is clear, proceed`, `safe only if nobody crosses`."""

from __future__ import annotations

from collections.abc import Sequence

from vlm_misalign_ros.core.language.lexicon import Lexicon
from vlm_misalign_ros.core.language.text import starts_with

_WEIGHING = (
    'reviewing',
    'considering',
    'analyzing',
    'analysing',
    'looking',
    'assessing',
    'examining',
    'evaluating',
    'weighing',
    'taking',
    'checking',
    'seeing',
    'all',
    'that',
    'everything',
)
"""What makes `after` and `given` no conditions: `after considering everything, go`."""
_OPENS = frozenset((',', ':', ';', 'and', 'but', 'that'))
CLOSES = frozenset((',', ':', ';', ')', '-', 'so', 'therefore', 'but'))
_CONSEQUENCE = frozenset((',', ';', ':', 'and', 'but', 'as'))
_OF_TIME = frozenset(('how', 'before', 'until'))


class Condition:
    """Follows a sentence word by word: whether what comes next stands under a condition."""

    def __init__(self, tokens: Sequence[str], lexicon: Lexicon) -> None:
        """Start without one."""
        self._tokens = tokens
        self._phrases = lexicon.conditions
        self._goes_before = self._first = False
        self.holds = False

    def pass_by(self, index: int, judged: int) -> None:
        """Take in the word at `index`, where a phrase of `judged` words judges."""
        word = self._tokens[index]
        length = (
            self._phrases.longest(self._tokens, index)[0] if word in self._phrases.begins else 0
        )
        if (
            not judged
            and length
            and (word != 'should' or index == 0 or self._tokens[index - 1] in _OPENS)
            and not starts_with(self._tokens[index + length :], *_WEIGHING)
        ):
            self.holds = True
            self._first = index == 0
            self._goes_before = index == 0 or self._tokens[index - 1] in _OPENS
        elif word == ':' and self._first:
            pass
        elif word != ',' and word in CLOSES or word == ',' and not self._goes_before:
            self.holds = False


def is_of_waiting(tokens: Sequence[str], index: int) -> bool:
    """Return whether a condition before is to wait for: `until that is clear, do not move`."""
    return any(word in ('until', 'before') for word in tokens[:index])


def condition_follows(tokens: Sequence[str], start: int, lexicon: Lexicon) -> bool:
    """Return whether a judgement depends on what comes after it: `safe only once ...`."""
    for index in range(start, min(start + 3, len(tokens))):
        if tokens[index] in _CONSEQUENCE:
            return False
        length, _ = lexicon.conditions.longest(tokens, index)
        if length and tokens[index] not in _OF_TIME:
            return True
    return False
