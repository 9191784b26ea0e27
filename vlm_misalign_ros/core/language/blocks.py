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

"""Keys on lines of their own, indented as in YAML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from vlm_misalign_ros.core.language import keys
from vlm_misalign_ros.core.language.embedded import value_at
from vlm_misalign_ros.core.language.nodes import UNKNOWN, Node

_KEY = re.compile(
    r"""(["']?)(?P<key>[A-Za-z_][\w-]{0,60}+(?: ?#?\d{1,3})?)\1"""
    r"""[ \t]*+:(?:[ \t]++(?P<value>.*))?$"""
)
_SPACED_KEY = re.compile(r'(?P<key>[A-Za-z_][\w #-]{0,60}+)[ \t]*+:(?:[ \t]++(?P<value>.*))?$')
_LITERALS = {'true': True, 'false': False, 'null': None, '~': None}
_NO_PROSE = re.compile(r'(?:true|false|null|True|False)|[\[{].*')
_FENCE = re.compile(r"[ \t]*+(?:[`']{3}|~~~)[ \t]*+(\w*)[ \t]*+")
_DEPTH = 32


@dataclass(slots=True)
class _Line:
    """One line that is a key with its value, an entry behind a dash, or both."""

    start: int
    """Of what follows the dash."""
    end: int
    indent: int
    dash: bool
    key: str
    value: str


def find_blocks(text: str) -> list[Node]:
    """
    Return blocks of keys in a text as objects and lists.

    Without a fence of YAML a block counts when each of its lines is a key or an entry, and one is
    of a kind that prose has not: a key with an underscore, `true`, a list in brackets.
    """
    found: list[Node] = []
    lines: list[_Line | None] = []
    start, yaml = 0, False
    for raw in (*text.split('\n'), ''):
        fence = _FENCE.fullmatch(raw)
        if fence or not raw.strip():
            block = [line for line in lines if line is not None]
            if block and len(block) == len(lines) and (yaml or _is_block(block)):
                found.append(_Block(text).read(block))
            lines = []
            if fence:
                yaml = not yaml and fence[1].lower() in ('yaml', 'yml')
        else:
            lines.append(_line(raw, start, yaml))
        start += len(raw) + 1
    return found


def _line(raw: str, start: int, yaml: bool) -> _Line | None:
    """Return what a line is; None for prose."""
    if len(raw) > 400:
        return None
    plain = raw.lstrip(' \t')
    dash = plain[:2] == '- '
    indent = len(raw) - len(plain)
    said = plain[2:].lstrip() if dash else plain
    place = start + len(raw) - len(said)
    found = _KEY.match(said) or (_SPACED_KEY.match(said) if yaml else None)
    if found is None and not dash:
        return None
    key = found['key'] if found else ''
    value = (found['value'] or '' if found else said).strip()
    return _Line(place, start + len(raw.rstrip()), indent, dash, key, value)


def _is_block(lines: Sequence[_Line]) -> bool:
    """Return whether lines are keys and entries of a kind that prose has not."""
    counted = any(line.key in keys.COUNTS for line in lines)
    return len(lines) > 1 and any(
        line.key
        and (
            '_' in line.key
            or not (line.key.islower() or line.key.istitle() or line.key.isupper())
            or _NO_PROSE.fullmatch(line.value) is not None
            or (line.dash or counted)
            and line.key in keys.NAMES
        )
        for line in lines
    )


class _Block:
    """Builds the value of a block line by line."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._open: list[tuple[int, Node]] = []
        """What is open, the outermost first: how far it is indented, and what it is."""

    def read(self, lines: Sequence[_Line]) -> Node:
        """Return the value of all lines."""
        root = Node(lines[0].start, lines[-1].end)
        for line in lines:
            # An entry of a list may be as far indented as the key that the list is under.
            if line.dash:
                items = self._container(2 * line.indent + 1, line, root)
                if line.key:
                    entry = Node(line.start, line.end, UNKNOWN)
                    self._add(items, '', entry)
                    self._pair(2 * line.indent + 4, line, root)
                else:
                    self._add(items, '', self._leaf(line))
            else:
                self._pair(2 * line.indent, line, root)
        return root

    def _pair(self, indent: int, line: _Line, root: Node) -> None:
        self._add(self._container(indent, line, root), line.key, self._leaf(line), line.start)

    def _container(self, indent: int, line: _Line, root: Node) -> Node:
        """Return the object or list at an indentation, opened where there is none yet."""
        while len(self._open) > 1 and self._open[-1][0] > indent:
            self._open.pop()
        if self._open and (self._open[-1][0] >= indent or len(self._open) > _DEPTH):
            return self._open[-1][1]
        node = self._last(line) if self._open else root
        node.value = None
        if indent % 2:
            node.items = []
        else:
            node.pairs = []
        self._open.append((indent, node))
        return node

    def _last(self, line: _Line) -> Node:
        """Return the value that waits for what is indented under it."""
        parent = self._open[-1][1]
        last = parent.items[-1] if parent.items else parent.pairs[-1][1] if parent.pairs else None
        if last is None or last.value is not UNKNOWN:
            last = Node(line.start, line.end, UNKNOWN)
            self._add(parent, '', last)
        return last

    def _add(self, parent: Node, key: str, value: Node, start: int = 0) -> None:
        for _, node in self._open:
            node.end = value.end
        if parent.pairs is not None:
            parent.pairs.append((Node(start, start + len(key), key), value))
        elif parent.items is not None:
            inner = [(Node(start, start + len(key), key), value)]
            parent.items.append(Node(value.start, value.end, pairs=inner) if key else value)

    def _leaf(self, line: _Line) -> Node:
        start = line.end - len(line.value)
        if not line.value:
            return Node(line.end, line.end, UNKNOWN)
        if line.value[0] in '[{':
            node = value_at(self._text[: line.end], start)
            if node is not None:
                return node
        plain = re.split(r'\s#', line.value, maxsplit=1)[0].strip(' "\'|>')
        value = _LITERALS.get(plain.lower(), plain)
        return Node(start, line.end, value)
