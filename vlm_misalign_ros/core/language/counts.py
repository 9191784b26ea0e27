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

"""Counts of zero in prose that hold for one name alone: `0 cars, 3 people`, `persons - 0`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vlm_misalign_ros.core.language.answers import named_alone
from vlm_misalign_ros.core.language.lexicon import Lexicon
from vlm_misalign_ros.core.language.nodes import Node
from vlm_misalign_ros.core.language.text import words

_ZERO = r'(?:0|[Zz]ero)\b(?![.,:/%]\d|%)'
_NAME = r'(?P<name>[A-Za-z]++(?:[ -][A-Za-z]++){0,3})'
_END = r'(?=[ \t]{0,2}(?:[,;.)\]|!\n]|and\b|but\b|\Z))'
_NUMBERED = (
    r'(?=[ \t]{0,2}(?:[.;)\]|!\n]|\Z|(?:,[ \t]{0,2})?(?:(?:and|but)[ \t])?[ \t]{0,2}'
    r'(?:\d|(?:a|an|one|two|three|four|five|six|seven|eight|nine|ten|several|many|some|zero)\b)))'
)
_BEHIND = re.compile(
    rf'(?:[ \t]{{0,2}}(?:[:;=(-]|[x×](?=0))[ \t]{{0,2}}'
    rf'|[ \t](?:is|are|was|were|equals)[ \t])(?P<zero>{_ZERO}){_END}\)?'
)
"""What may follow a name: a mark or a verb, and zero."""
_BEFORE = re.compile(rf'(?<![\w.,/:-])(?P<zero>0[ \t]?[x×]|{_ZERO})[ \t]{{1,2}}{_NAME}')
_NAMED = re.compile(_NAME)
_NUMBERS = re.compile(_NUMBERED)
_VERBS = frozenset(('is', 'are', 'was', 'were', 'equals'))
_COUNTS = frozenset('number count amount total quantity'.split())
_LONGEST = 60


def find_counts(text: str, lexicon: Lexicon) -> list[Node]:
    """
    Return the counts of zero in a text as objects with the name as key.

    `0 cars` counts where what follows is counted, too, or nothing does: what a list of names
    without numbers means under one zero is left to prose.
    """
    found = [*_behind(text, lexicon), *_before(text, lexicon)]
    found.sort(key=lambda node: node.start)
    apart: list[Node] = []
    for node in found:
        if not apart or node.start >= apart[-1].end:
            apart.append(node)
    return apart


def _behind(text: str, lexicon: Lexicon) -> Iterator[Node]:
    """Yield `persons - 0`, `pedestrians (0)`, `the number of cars is 0`."""
    for found in _BEHIND.finditer(text):
        start = max(found.start() - _LONGEST, 0)
        before = text[start : found.start()]
        names = list(re.finditer(r'[A-Za-z]+', re.split(r'[^A-Za-z -]', before)[-1]))[-6:]
        line = len(before) - len(re.split(r'[^A-Za-z -]', before)[-1])
        by_verb = found[0].split()[0].lower() in _VERBS
        for place in range(len(names)):
            begin = start + line + names[place].start()
            tokens = words(text[begin : found.start()])
            if by_verb and _COUNTS.isdisjoint(tokens):
                break
            if named_alone(tokens, lexicon):
                yield _node(text, begin, found.start(), found.span('zero'), found.end())
                break


def _before(text: str, lexicon: Lexicon) -> Iterator[Node]:
    """Yield `0 cars`, `0x truck`."""
    for found in _BEFORE.finditer(text):
        parts = list(re.finditer(r'[A-Za-z]+', found['name']))
        for part in reversed(parts):
            end = found.start('name') + part.end()
            begin = found.start('name')
            if named_alone(words(text[begin:end]), lexicon):
                if _NUMBERS.match(text, end):
                    yield _node(text, begin, end, found.span('zero'), end)
                break


def _node(text: str, begin: int, end: int, zero: tuple[int, int], stop: int) -> Node:
    key = Node(begin, end, text[begin:end].strip())
    start = min(begin, zero[0])
    return Node(start, max(stop, end), pairs=[(key, Node(*zero, 0))])
