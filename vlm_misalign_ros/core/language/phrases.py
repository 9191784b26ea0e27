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

"""Phrases as trees of words, by which they are found, the longest first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from vlm_misalign_ros.core.language.text import words

NOTHING: tuple[int, list[Any]] = (0, [])
"""What `Phrases.longest` returns where no phrase starts."""


class Phrases:
    """Phrases as a tree of words; finds the longest that starts at a place."""

    def __init__(self) -> None:
        """Start empty."""
        self.begins: dict[str, Any] = {}
        """By the words that phrases begin with: `in` tells fast whether one may."""

    def add(self, phrase: Sequence[str], meaning: Any) -> None:
        """Add a phrase; a later meaning of the same phrase joins the earlier ones."""
        node = self.begins
        for word in phrase:
            node = node.setdefault(word, {})
        meanings = node.setdefault('', [])
        if meaning not in meanings:
            meanings.append(meaning)

    def longest(self, tokens: Sequence[str], start: int) -> tuple[int, list[Any]]:
        """Return (words, meanings) of the longest phrase at `start`; (0, []) for none."""
        node = self.begins.get(tokens[start]) if start < len(tokens) else None
        if node is None:
            return NOTHING
        length, meanings = NOTHING
        index = start + 1
        while node is not None:
            if '' in node:
                length, meanings = index - start, node['']
            node = node.get(tokens[index]) if index < len(tokens) else None
            index += 1
        return length, meanings

    def find(self, tokens: Sequence[str]) -> bool:
        """Return whether any phrase stands anywhere in `tokens`."""
        return any(
            word in self.begins and self.longest(tokens, start)[0]
            for start, word in enumerate(tokens)
        )


def phrases(entries: Iterable[str]) -> Phrases:
    """Return phrases as a tree of words."""
    found = Phrases()
    for entry in entries:
        found.add(words(str(entry)), True)
    return found


def lengths(found: Phrases, tokens: Sequence[str], start: int) -> list[int]:
    """Return the lengths of the phrases that begin at `start`, the longest first."""
    node = found.begins.get(tokens[start]) if start < len(tokens) else None
    lengths: list[int] = []
    place = start + 1
    while node is not None:
        if '' in node:
            lengths.insert(0, place - start)
        node = node.get(tokens[place]) if place < len(tokens) else None
        place += 1
    return lengths
