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

"""In what two bags differ: messages by stamp, and of this package's values the fields."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vlm_misalign_ros.bags.headers import Headers
from vlm_misalign_ros.bags.reading import CDR, Bag, Raw, open_bag
from vlm_misalign_ros.bags.spooling import Spool
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.records.schema import FrameRecord, decode
from vlm_misalign_ros.core.records.store import comparable
from vlm_misalign_ros.core.records.times import IN_RESULTS
from vlm_misalign_ros.core.stamps import format_stamp
from vlm_misalign_ros.core.types import Description
from vlm_misalign_ros.wire import topics
from vlm_misalign_ros.wire.channels import Form
from vlm_misalign_ros.wire.strange import of_strangers
from vlm_misalign_ros.wire.values import description_from_values, description_to_values, values_of

_TIMES = (topics.MONITOR_METRICS, topics.DIAGNOSTICS.lstrip('/'))
"""Topics that tell of nothing but times: two runs never have them alike."""
_ANSWER = '/description'
_RECORD = 'record'
_SHOWN = 80
_MOST_FIELDS = 100


@dataclass
class Difference:
    """How a topic differs."""

    name: str
    types: tuple[str, str]
    counts: tuple[int, int] = (0, 0)
    alone: tuple[int, int] = (0, 0)
    """Messages that are in one bag only."""
    differ: int = 0
    fields: Counter[str] = field(default_factory=Counter)
    """Messages by the field that differs, of values of this package."""
    first: str = ''
    """Where the first difference is, in words."""
    by_order: bool = False
    """Whether messages have no stamps, and were matched one by one."""

    @property
    def same(self) -> bool:
        """Return whether there is no difference."""
        return self.types[0] == self.types[1] and not any((*self.alone, self.differ))

    def to_plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            'name': self.name,
            'types': list(self.types),
            'messages': list(self.counts),
            'alone': list(self.alone),
            'differ': self.differ,
            'fields': dict(self.fields.most_common(_MOST_FIELDS)),
            'first': self.first,
            'by_order': self.by_order,
            'same': self.same,
        }


@dataclass(frozen=True)
class Comparison:
    """How two bags differ."""

    topics: tuple[Difference, ...]
    left_out: tuple[str, ...]
    """Topics that are about times alone."""
    unread: tuple[str, ...]
    """Topics of which nobody knows whether they are the same: they are no CDR."""
    lost: tuple[str, str]
    """What of each bag could not be read."""

    @property
    def same(self) -> bool:
        """Return whether they hold the same, and all of it could be read."""
        return all(entry.same for entry in self.topics) and not any((*self.lost, *self.unread))

    def to_plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            'same': self.same,
            'topics': [entry.to_plain() for entry in self.topics],
            'left_out': list(self.left_out),
            'unread': list(self.unread),
            'lost': list(self.lost),
        }


def compare_bags(
    first: Path, second: Path, progress: Callable[[int, int], object] | None = None
) -> Comparison:
    """
    Return in what two bags differ, times aside; when messages were recorded counts for nothing.

    Messages are matched by the stamp of their header, those without one in their order. Raises
    RecordError for a bag in which nothing can be read.
    """
    with Spool() as spool, open_bag(first) as one, open_bag(second) as other:
        bags = (one, other)
        names = sorted(one.topics.keys() | other.topics.keys())
        left_out = tuple(name for name in names if _is_of_times(name))
        unread = tuple(name for name in names if name not in left_out and _is_strange(name, bags))
        compared = [name for name in names if name not in {*left_out, *unread}]
        ordered = _read(bags, set(compared), spool, progress)
        found = [_difference(spool, name, bags, name in ordered) for name in compared]
        return Comparison(tuple(found), left_out, unread, (one.told(), other.told()))


def _read(
    bags: tuple[Bag, Bag],
    names: set[str],
    spool: Spool,
    progress: Callable[[int, int], object] | None,
) -> set[str]:
    """Put the messages of two bags into the spool; return the topics with some without a stamp."""
    done, total = 0, sum(bag.count or 0 for bag in bags)
    ordered: set[str] = set()
    for side, bag in enumerate(bags):
        reading = _Reading(bag)
        for raw in bag.messages(names & bag.topics.keys()):
            stamp, digest, plain = reading.of(raw)
            if stamp is None:
                ordered.add(raw.topic)
            spool.add(side, raw.topic, 0 if stamp is None else stamp, digest, plain)
            done += 1
            if progress is not None:
                progress(done, total)
    return ordered


def _is_of_times(name: str) -> bool:
    return name.endswith(tuple(f'/{topic}' for topic in _TIMES))


def _is_strange(name: str, bags: tuple[Bag, Bag]) -> bool:
    return any(name in bag.topics and bag.topics[name].format != CDR for bag in bags)


class _Reading:
    """Reads messages of one bag as they are compared."""

    def __init__(self, bag: Bag) -> None:
        self._bag = bag
        self._headers = Headers(bag)

    def of(self, raw: Raw) -> tuple[int | None, bytes, str]:
        """Return (stamp, digest, values as JSON or nothing)."""
        stamp = self._headers.stamp(raw)
        plain = self._plain(raw)
        data = plain.encode() if plain else raw.data
        return stamp, hashlib.blake2b(data, digest_size=16).digest(), plain

    def _plain(self, raw: Raw) -> str:
        """Return the values of a message without times, as JSON; empty for any other message."""
        if raw.type != Form.VALUES.value:
            return ''
        try:
            with of_strangers():
                values = values_of(self._bag.decode(raw))
        except RecordError:
            return ''
        return json.dumps(_without_times(raw.topic, values), sort_keys=True)


def _without_times(topic: str, values: dict[str, str]) -> dict[str, Any]:
    """Return the values of a message, times aside."""
    try:
        if topic.endswith(_ANSWER):
            answer = description_from_values(values)
            if isinstance(answer, Description):
                values = description_to_values(_timeless(answer))
        elif _RECORD in values:
            record = decode(values[_RECORD].encode(), topic)
            if isinstance(record, FrameRecord):
                return {**values, _RECORD: comparable(record)}
    except RecordError:
        pass
    return {key: value for key, value in values.items() if key not in IN_RESULTS}


def _timeless(answer: Description) -> Description:
    clean = answer.clean
    return replace(
        answer,
        latency=0.0,
        waited=None,
        age=None,
        cached=False,
        clean=_timeless(clean) if isinstance(clean, Description) else clean,
    )


def _difference(spool: Spool, name: str, bags: tuple[Bag, Bag], by_order: bool) -> Difference:
    types = tuple(bag.topics[name].type if name in bag.topics else '' for bag in bags)
    found = Difference(name, (types[0], types[1]), by_order=by_order)
    found.counts = spool.count(0, name), spool.count(1, name)
    alone = []
    for side in (0, 1):
        number = 0
        for stamp, nth in spool.alone(name, side):
            number += 1
            found.first = found.first or f'{_where(stamp, by_order, nth)} is in one bag only'
        alone.append(number)
    found.alone = alone[0], alone[1]
    for pair in spool.differing(name):
        found.differ += 1
        where = _where(pair.stamp, by_order, pair.nth)
        if not pair.first or not pair.second:
            found.first = found.first or f'{where}: other bytes'
            continue
        lines = dict(_fields('', json.loads(pair.first), json.loads(pair.second)))
        for key in lines:
            if key in found.fields or len(found.fields) < _MOST_FIELDS:
                found.fields[key] += 1
        key = next(iter(lines), '')
        found.first = found.first or f'{where}: {key} {lines.get(key, "")}'.rstrip()
    return found


def _where(stamp: int, by_order: bool, nth: int = 0) -> str:
    if by_order:
        return f'message {nth + 1}' if nth or not stamp else format_stamp(stamp)
    return format_stamp(stamp) + (f' (number {nth + 1})' if nth else '')


def _fields(place: str, one: Any, other: Any) -> Iterator[tuple[str, str]]:
    """Yield (field, how it differs) of two values."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            inner = f'{place}.{key}' if place else str(key)
            yield from _fields(inner, one.get(key), other.get(key))
    elif one != other:
        yield place, f'{str(one)[:_SHOWN]!r} != {str(other)[:_SHOWN]!r}'
