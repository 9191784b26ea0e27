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

"""Options that are listed: `the car could: 1. go on, 2. stop` judges nothing."""

from __future__ import annotations

from collections.abc import Sequence

from vlm_misalign_ros.core.language.acts import Act
from vlm_misalign_ros.core.language.text import Sentence

_OPTIONS = 'options'


class Options:
    """Follows an answer sentence by sentence: whether a list of options goes on."""

    def __init__(self) -> None:
        """Start outside of any."""
        self._line = -1
        """Line that the list has come to; -1 outside of one."""
        self._one_line = False

    def go_on(self, sentence: Sentence, acts: Sequence[Act]) -> bool:
        """Take in a sentence; return whether it is an entry of such a list."""
        inside = self._line >= 0 and (
            sentence.line == self._line
            if self._one_line
            else self._line <= sentence.line <= self._line + 1
        )
        self._line = sentence.line if inside else -1
        if acts[-1].name == _OPTIONS and _introduces(sentence.words):
            self._line, self._one_line = sentence.line, sentence.words[-1] != ':'
        return inside


def _introduces(tokens: Sequence[str]) -> bool:
    """Return whether a list begins behind a sentence: `it could :`, `it could : 1`."""
    return tokens[-1] == ':' or tokens[-1].isdigit() and ':' in tokens[-4:]
