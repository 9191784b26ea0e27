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
The length of an answer: what of a long one is kept, and what is written down of it.

Verdicts stand at the end and observations at the beginning, so that a long text keeps its head and
its tail. What a model only thought is left out before anything else is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

MAX_TEXT = 20_000
"""Characters of an answer that are kept and read."""

MAX_RAW = 10 * MAX_TEXT
"""Characters in which thoughts are looked for; it bounds the work."""

HEAD_SHARE = 0.6
"""Part of the bound that the head of a long text gets; its tail gets the rest."""

GAP = '\n…\n'
"""What stands where a text was cut."""

_SLACK = 200
"""Characters within which a cut moves to the end of a line, or else of a word."""

Span = tuple[int, int]

_TURNING = frozenset('\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069')
"""Characters that turn the direction of what is written around them."""

_THOUGHTS = (
    'think|thinking|thought|thoughts|reasoning|reflection|scratchpad|analysis|inner_monologue|'
    'seed:think|antthinking|begin_of_thought|end_of_thought'
)
_THOUGHT_MARK = re.compile(
    rf'<\|?(?P<end>/?)(?P<name>{_THOUGHTS})(?: [^<>\n]{{0,60}})?\|?>'
    r'|[\[◁](?P<end_2>/?)(?P<name_2>think)[\]▷]'
    r'|(?P<open><unused94>|<\|channel\|?>\s?(?:thought|analysis)(?:<\|message\|>)?)'
    r'|(?P<close><unused95>|<channel\|>|<\|channel\|>\s?final(?:<\|message\|>)?)'
    r'|(?P<answer><(?:answer|final_answer|solution|conclusion)>|<\|begin_of_solution\|>)',
    re.IGNORECASE,
)
_SIGNS = ('<', '[', '◁')
_BARE_CHANNELS = re.compile(r'\s*analysis\b')
"""What is left of such marks where a decoder skips special tokens."""
_BARE_FINAL = 'assistantfinal'


def thoughts(text: str) -> list[Span]:
    """
    Return where a model thinks before it answers, with the marks around it, in order.

    A thought that never ends goes on to the end, or to a mark of the answer. One that never began
    (a template may have put the mark into the prompt) reaches back to the beginning.
    """
    found: list[Span] = []
    start: int | None = None
    if not any(sign in text for sign in _SIGNS):
        return _bare_thought(text)
    for mark in _THOUGHT_MARK.finditer(text):
        begins, ends = _role(mark)
        if begins:
            start = mark.start() if start is None else start
        elif start is not None:
            found.append((start, mark.start() if mark['answer'] else mark.end()))
            start = None
        elif ends:
            found = [(0, mark.end())]
    if start is not None:
        found.append((start, len(text)))
    return found or _bare_thought(text)


def _bare_thought(text: str) -> list[Span]:
    end = text.rfind(_BARE_FINAL) if _BARE_CHANNELS.match(text) else -1
    return [(0, end + len(_BARE_FINAL))] if end > 0 else []


def _role(mark: re.Match[str]) -> tuple[bool, bool]:
    """Return whether a mark begins a thought, and whether it ends one."""
    name = mark['name'] or mark['name_2']
    if name:
        ends = bool(mark['end'] or mark['end_2']) or name.lower().startswith('end_of')
        return not ends, ends
    return bool(mark['open']), bool(mark['close'])


def head_and_tail(text: str, limit: int) -> tuple[int, int]:
    """
    Return where the head of a text ends and its tail begins, for `limit` characters of both.

    A cut falls on the end of a line, or else of a word, where one is near.
    """
    if len(text) <= limit:
        return len(text), len(text)
    head = int(limit * HEAD_SHARE)
    tail = len(text) - (limit - head)
    for sign in '\n', ' ':
        place = text.rfind(sign, head - _SLACK, head) if head > _SLACK else -1
        if place >= 0:
            head = place
            break
    for sign in '\n', ' ':
        place = text.find(sign, tail, tail + _SLACK)
        if place >= 0:
            tail = place + 1
            break
    return head, tail


@dataclass(frozen=True)
class Kept:
    """Which parts of a text are read, in order, as (start, end)."""

    head: tuple[Span, ...]
    tail: tuple[Span, ...]
    """Empty for a text that was not cut."""
    cut: int
    """Characters that were cut between head and tail; thoughts are no part of a text."""


def keep(text: str) -> Kept:
    """Return what is kept of a text: all but its thoughts, and MAX_TEXT characters at most."""
    first, last = head_and_tail(text, MAX_RAW)
    # Both ends are searched as one text: a thought may begin in the head and end in the tail.
    joined = text if first == last else text[:first] + text[last:]
    parts = _between(thoughts(joined), len(joined))
    length = sum(end - start for start, end in parts)
    head, tail = parts, list[Span]()
    cut = last - first
    if length > MAX_TEXT:
        rest = ''.join(joined[start:end] for start, end in parts)
        stop, go_on = head_and_tail(rest, MAX_TEXT - len(GAP))
        head, tail = _within(parts, 0, stop), _within(parts, go_on, length)
        cut += go_on - stop
    if first < last:
        head, tail = (_moved(spans, first, last - first) for spans in (head, tail))
    return Kept(tuple(head), tuple(tail), cut)


def _between(spans: list[Span], length: int) -> list[Span]:
    """Return what lies between spans of a text of `length` characters."""
    edges = [0, *(edge for span in spans for edge in span), length]
    return [pair for pair in zip(edges[::2], edges[1::2], strict=True) if pair[0] < pair[1]]


def _within(parts: list[Span], first: int, last: int) -> list[Span]:
    """Return the characters from `first` to `last`, counted over the parts alone."""
    found, passed = [], 0
    for start, end in parts:
        begin = start + max(first - passed, 0)
        stop = min(end, start + last - passed)
        if begin < stop:
            found.append((begin, stop))
        passed += end - start
    return found


def _moved(spans: list[Span], place: int, shift: int) -> list[Span]:
    """Return spans of a text from which `shift` characters were taken out at `place`."""
    found = []
    for start, end in spans:
        if start < place < end:
            found += [(start, place), (place + shift, end + shift)]
        else:
            add = shift if start >= place else 0
            found.append((start + add, end + add))
    return found


def blank(text: str, spans: Sequence[Span], last: str = ' ') -> str:
    """Return a text with spans, in order, as spaces; the last character of each is `last`."""
    if not spans:
        return text
    found, place = [], 0
    for start, end in spans:
        found += [text[place:start], ' ' * (end - start - 1), last if start < end else '']
        place = end
    return ''.join(found) + text[place:]


def without_controls(text: str) -> str:
    """
    Return a text without control characters except newline and tab, and without lone surrogates.

    Characters that turn the direction of writing go, too: they show other words than are read.
    """
    if text.isascii() and text.isprintable():
        return text
    return (
        ''.join(
            char
            for char in text
            if (char in '\n\t' or char.isprintable() or ord(char) > 159) and char not in _TURNING
        )
        .encode('utf-8', 'replace')
        .decode('utf-8')
    )


def clean_text(text: str) -> str:
    """
    Return what is written down of an answer: MAX_TEXT characters at most, no control characters.

    A longer text loses its thoughts, and if that is not enough its middle: `keep` says which.
    """
    if len(text) > MAX_TEXT:
        kept = keep(text)
        halves = (
            ''.join(text[start:end] for start, end in half) for half in (kept.head, kept.tail)
        )
        text = GAP.join(half for half in halves if half)
    return without_controls(text)
