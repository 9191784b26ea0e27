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

"""Reads the values of JSON: what keys and entries say of each class."""

from __future__ import annotations

import re
from typing import Any

from vlm_misalign_ros.core.language import answers
from vlm_misalign_ros.core.language.lexicon import Lexicon
from vlm_misalign_ros.core.language.mentions import Reading
from vlm_misalign_ros.core.language.prose import Prose
from vlm_misalign_ros.core.language.text import words
from vlm_misalign_ros.core.types import Mention

_DEPTH = 32
_NAMES = ('name', 'type', 'class', 'label', 'object', 'category', 'kind', 'item', 'entity')
_COUNTS = (
    'count',
    'number',
    'present',
    'visible',
    'detected',
    'quantity',
    'amount',
    'exists',
    'seen',
    'in_scene',
)
_ASKED = frozenset(('question', 'prompt', 'instruction', 'query'))
"""Keys of what the model was asked, which is nothing that it says."""
_READ = _ASKED.union(_NAMES, _COUNTS)


class Values:
    """Notes what JSON says; texts within it are read as prose."""

    def __init__(self, lexicon: Lexicon, reading: Reading, prose: Prose) -> None:
        """Note in `reading`."""
        self._lexicon = lexicon
        self._reading = reading
        self._prose = prose

    def read(self, value: Any, state: Mention | None = None, depth: int = 0) -> None:
        """Read a JSON value; `state` is what the keys above say of all that is in it."""
        if depth > _DEPTH:
            return
        if isinstance(value, str):
            self._prose.read_value(value, state)
        elif isinstance(value, list):
            for entry in value:
                self.read(entry, state, depth + 1)
        elif isinstance(value, dict):
            if self._entry(value, state):
                return
            for key, entry in value.items():
                if str(key).lower() not in _ASKED:
                    self._pair(str(key), entry, depth, state)

    def _entry(self, value: dict[Any, Any], state: Mention | None) -> bool:
        """Read `{"type": "car", "count": 2}`; return whether it was one."""
        keys = {str(key).lower(): entry for key, entry in value.items()}
        name = next((keys[key] for key in _NAMES if isinstance(keys.get(key), str)), None)
        if name is None:
            return False
        classes = answers.named_alone(words(name.replace('_', ' ')), self._lexicon)
        if not classes:
            return False
        stated = self._counted([keys[key] for key in _COUNTS if key in keys])
        self._reading.note(classes, state or stated or Mention.ASSERTED, words(name))
        if stated is not Mention.DENIED:
            for key, entry in keys.items():
                if isinstance(entry, str) and key not in _READ:
                    self._prose.read_value(entry, state)
        return True

    def _pair(self, key: str, entry: Any, depth: int, state: Mention | None) -> None:
        """Read `"cars": 2`."""
        tokens = words(re.sub(r'(?<=[a-z])(?=[A-Z])', ' ', key).replace('_', ' '))
        classes = answers.named_alone(tokens, self._lexicon)
        if classes:
            stated = (
                self._counted([entry[name] for name in entry if str(name).lower() in _COUNTS])
                if isinstance(entry, dict) and entry
                else answers.polarity(entry, self._lexicon)
            )
            self._reading.note(classes, state or stated or Mention.ASSERTED, tokens)
            if stated is Mention.DENIED or not isinstance(entry, (str, list, dict)):
                return
        if self._lexicon.absent.find(tokens) or any(word.startswith('not') for word in tokens):
            state = Mention.DENIED
        elif self._lexicon.uncertain.find(tokens):
            state = Mention.HEDGED
        self.read(entry, state, depth + 1)

    def _counted(self, counts: list[Any]) -> Mention | None:
        """Return what the first of some counts says; a thing that is not counted is there."""
        return answers.polarity(counts[0], self._lexicon) if counts else Mention.ASSERTED
