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

"""Answers in tags: `<safe>false</safe>`, `<object name="car" count="2"/>`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from vlm_misalign_ros.core.language import keys
from vlm_misalign_ros.core.language.answers import named_alone
from vlm_misalign_ros.core.language.embedded import value_at
from vlm_misalign_ros.core.language.lexicon import Lexicon
from vlm_misalign_ros.core.language.nodes import Node

_TAG = re.compile(r'<(?P<close>/?)(?P<name>[A-Za-z][\w-]{0,40}+)(?P<rest>[^<>]{0,300}+)>')
_ATTRIBUTE = re.compile(r"""([\w-]{1,40}+)\s{0,3}[:=]\s{0,3}["']([^"'<>]{0,200})["']""")
_DEPTH = 32
_PLAIN = frozenset(
    'points point ref box img image quad s b i u p br hr em strong ul ol li h1 h2 h3 h4 span div '
    'pre code table tr td th thead tbody a sub sup bbox'.split()
)
"""Tags of layout, and of places in a picture, which stand in prose."""
_WRAPPING = frozenset(
    'answer response output result final description caption summary text message'.split()
)
_HOLDING = frozenset(
    'objects object visible present detected found entities items agents road_users'.split()
)


@dataclass
class _Element:
    """What stands between two tags."""

    name: str
    start: int
    inner: int
    """Where what it holds begins."""
    stop: int = 0
    """Where what it holds ends."""
    end: int = 0
    attributes: str = ''
    within: list[_Element] = field(default_factory=list)


def find_tags(text: str, lexicon: Lexicon) -> tuple[list[Node], list[tuple[int, int]]]:
    """
    Return what tags say that name a field, and the places of tags that wrap prose alone.

    `<cars>2</cars>` becomes an object of one key. Linear in the text's length.
    """
    found: list[Node] = []
    marks: list[tuple[int, int]] = []
    for element in _elements(text):
        _take(element, text, lexicon, found, marks)
    return found, marks


def _elements(text: str) -> list[_Element]:
    """Return the outermost elements; one that is not closed ends where the text does."""
    top: list[_Element] = []
    stack: list[_Element] = []
    for tag in _TAG.finditer(text):
        name = tag['name'].lower()
        if name in _PLAIN:
            continue
        # <safe>false<safe>: the bar of the closing tag is missing.
        again = bool(stack) and stack[-1].name == name and not stack[-1].within
        if tag['close'] or again:
            _close_all(stack, name, tag)
        if tag['close'] or again or len(stack) >= _DEPTH:
            continue
        element = _Element(name, tag.start(), tag.end(), attributes=tag['rest'])
        (stack[-1].within if stack else top).append(element)
        if tag['rest'].endswith('/'):
            _close(element, tag.end(), tag.end())
        else:
            stack.append(element)
    for element in stack:
        _close(element, len(text), len(text))
    return top


def _close_all(stack: list[_Element], name: str, tag: re.Match[str]) -> None:
    """Close the innermost open element of a name, and those within it."""
    if any(element.name == name for element in stack):
        while stack[-1].name != name:
            _close(stack.pop(), tag.start(), tag.start())
        _close(stack.pop(), tag.start(), tag.end())


def _close(element: _Element, stop: int, end: int) -> None:
    element.stop, element.end = stop, end


def _take(
    element: _Element, text: str, lexicon: Lexicon, found: list[Node], marks: list[tuple[int, int]]
) -> None:
    """Take in an element that names a field, or what is within one that does not."""
    attributes = _attributes(element)
    if attributes is not None:
        inner = _value(element, text, 0)
        if inner.value or inner.pairs:
            attributes.append((Node(element.inner, element.inner, ''), inner))
        found.append(Node(element.start, element.end, pairs=attributes))
    elif _is_field(element.name, lexicon):
        key = Node(element.start + 1, element.start + 1 + len(element.name), element.name)
        value = _value(element, text, 0)
        found.append(Node(element.start, element.end, pairs=[(key, value)]))
    else:
        if element.end > element.stop or element.within:
            marks += (element.start, element.inner), (element.stop, element.end)
        for inner_element in element.within:
            _take(inner_element, text, lexicon, found, marks)


def _is_field(name: str, lexicon: Lexicon) -> bool:
    """Return whether the name of a tag says what stands in it."""
    tokens = keys.key_words(name)
    return not _WRAPPING.issuperset(tokens) and (
        keys.means(tokens) is not None
        or keys.is_verdict(tokens)
        or keys.is_advice(tokens)
        or name in _HOLDING
        or lexicon.absent.find(tokens)
        or lexicon.uncertain.find(tokens)
        or keys.is_ego(tokens)
        or bool(named_alone(keys.thing_words(tokens), lexicon))
    )


def _attributes(element: _Element) -> list[tuple[Node, Node]] | None:
    """Return the attributes of an element that says in one what it is about; None for others."""
    if '"' not in element.attributes and "'" not in element.attributes:
        return None
    begin = element.inner - 1 - len(element.attributes)
    found = [
        (
            Node(begin + part.start(1), begin + part.end(1), part[1]),
            Node(begin + part.start(2), begin + part.end(2), part[2]),
        )
        for part in _ATTRIBUTE.finditer(element.attributes)
    ]
    named = any(str(key.value).strip().lower() in keys.NAMES for key, _ in found)
    return found if named else None


def _value(element: _Element, text: str, depth: int) -> Node:
    """Return what an element holds: text, JSON, or elements by their names."""
    if element.within and depth < _DEPTH:
        pairs = list(_inner_pairs(element, text, depth + 1))
        if len({key.value for key, _ in pairs}) == len(pairs):
            return Node(element.inner, element.stop, pairs=pairs)
        items = [Node(key.start, entry.end, pairs=[(key, entry)]) for key, entry in pairs]
        return Node(element.inner, element.stop, items=items)
    inner = text[element.inner : element.stop]
    place = element.inner + len(inner) - len(inner.lstrip())
    if text[place : place + 1] in ('{', '['):
        node = value_at(text[: element.stop], place)
        if node is not None:
            return node
    return Node(element.inner, element.stop, inner.strip(), cut=element.end == element.stop)


def _inner_pairs(element: _Element, text: str, depth: int) -> Iterator[tuple[Node, Node]]:
    place = element.inner
    for inner in element.within:
        between = text[place : inner.start].strip()
        if between:
            yield Node(place, place, ''), Node(place, inner.start, between)
        key = Node(inner.start + 1, inner.start + 1 + len(inner.name), inner.name)
        attributes = _attributes(inner)
        if attributes is None:
            yield key, _value(inner, text, depth)
        else:
            yield (
                Node(inner.start, inner.start, ''),
                Node(inner.start, inner.end, pairs=attributes),
            )
        place = inner.end
    rest = text[place : element.stop].strip()
    if rest:
        yield Node(place, place, ''), Node(place, element.stop, rest)
