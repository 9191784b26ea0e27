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
How likely a generative model answers yes, and how likely no: whole words, not first tokens.

A tokenizer may have ` yes` as one token, as three, or share its first one with other words, so
the words are scored along every way in which they are written: the product of the probabilities
of their tokens, less that of a next token which makes another word of it ("no" of "nothing").
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch

Path = tuple[int, ...]
Follow = Callable[[Path, int], tuple[list[int], torch.Tensor]]
"""(tokens to begin with, tokens to add) to the answer's tokens, and the log-probabilities, (N, V),
at each of them."""

GREEDY = 4
"""Tokens of the first, greedy answer: what it goes through is known without asking again."""
CALLS = 6
"""Answers that are forced at most, each along one way of writing a word."""
_LEAST = 0.01
"""Part of what is known from which on it is worth to ask again; what the words have to come to."""
_CONTINUING = 1e-3
"""Probability from which on a next token is looked at."""
_LEADS = ('', ' ', '\n', '\n\n', '"', '**')
_DIGITS = 6


class YesNo:
    """The ways in which one tokenizer writes yes and no."""

    def __init__(self, tokenizer: Any, asked: str) -> None:
        """Find them, alone and after the text `asked`, on which a tokenization may depend."""
        self._tokenizer = tokenizer
        yes, no = (self._ways(word, asked) for word in ('yes', 'no'))
        both = yes & no
        self.yes, self.no = _shortest(yes - both), _shortest(no - both)

    def _ids(self, text: str) -> Path:
        return tuple(self._tokenizer(text, add_special_tokens=False).input_ids)

    def _ways(self, word: str, asked: str) -> set[Path]:
        before = self._ids(asked)
        found = set()
        for lead in _LEADS:
            for form in (word, word.title(), word.upper()):
                found.add(self._ids(lead + form))
                whole = self._ids(asked + lead + form)
                if whole[: len(before)] == before:
                    found.add(whole[len(before) :])
        # Where the prompt ends in a space or a line break the word comes without its own.
        for way in tuple(found):
            for start in range(1, len(way)):
                if self._text(way[:start]).strip():
                    break
                found.add(way[start:])
        unknown = self._tokenizer.unk_token_id
        return {
            way
            for way in found
            if unknown not in way and self._text(way).strip(' \n"*').lower() == word
        }

    def _text(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=True))

    def probability(self, follow: Follow) -> float | None:
        """
        Return P(yes) / (P(yes) + P(no)), six digits; None where both are unlikely.

        `follow` asks the model: once, greedily, and again only for a way of writing a word that
        is likely enough and not known yet.
        """
        if not self.yes or not self.no:
            return None
        known: dict[Path, torch.Tensor] = {}
        _learn(known, *follow((), GREEDY))
        for _ in range(CALLS):
            yes, no, unknown = self._tally(known)
            chance, way = max(unknown, default=(0.0, ()))
            if chance < _LEAST * max(yes + no, _LEAST):
                break
            _learn(known, *follow(way, 1))
        yes, no, _ = self._tally(known)
        return round(yes / (yes + no), _DIGITS) if yes + no >= _LEAST else None

    def _tally(
        self, known: dict[Path, torch.Tensor]
    ) -> tuple[float, float, list[tuple[float, Path]]]:
        """Return P(yes) and P(no) as far as they are known, and (P, way) of what is not."""
        sums = [0.0, 0.0]
        unknown = []
        for place, ways in enumerate((self.yes, self.no)):
            for way in ways:
                chance, whole = _reach(known, way)
                if not whole:
                    unknown.append((chance, way))
                elif way in known:
                    sums[place] += chance * (1 - self._continuing(way, known[way]))
                else:
                    unknown.append((chance, way))
                    sums[place] += chance
        return sums[0], sums[1], unknown

    def _continuing(self, way: Path, row: torch.Tensor) -> float:
        """Return the probability that the next token makes another word of it."""
        said = self._text(way)
        chances = row.exp()
        total = 0.0
        for token in torch.nonzero(chances >= _CONTINUING).flatten().tolist():
            longer = self._text((*way, token))
            if longer.startswith(said) and longer[len(said) : len(said) + 1].isalnum():
                total += float(chances[token])
        return min(total, 1.0)


def _learn(known: dict[Path, torch.Tensor], tokens: Sequence[int], rows: torch.Tensor) -> None:
    """Note the log-probabilities after each beginning of an answer."""
    for place, row in enumerate(rows):
        known.setdefault(tuple(tokens[:place]), row.double().cpu())


def _reach(known: dict[Path, torch.Tensor], way: Path) -> tuple[float, bool]:
    """Return the probability of a way as far as it is known, and whether that is to its end."""
    total = 0.0
    for place, token in enumerate(way):
        row = known.get(way[:place])
        if row is None:
            return math.exp(total), False
        total += float(row[token])
    return math.exp(total), True


def _shortest(ways: Iterable[Path]) -> list[Path]:
    """Return the ways in a fixed order, without those that another one begins."""
    kept: list[Path] = []
    for way in sorted(ways, key=lambda entry: (len(entry), entry)):
        if way and not any(way[: len(shorter)] == shorter for shorter in kept):
            kept.append(way)
    return kept
