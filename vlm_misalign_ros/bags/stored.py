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

"""What a recording is made of, however it is stored: streams, messages, and what is lost."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from vlm_misalign_ros.core.language.lines import line

NANO = 1_000_000_000
MAX_SIZE = 128 << 20
"""Bytes, unpacked, that a chunk or a message may have: a hostile length is refused above it."""
ROOM = 2 * MAX_SIZE
"""Bytes of unpacked chunks that are held at once, however they overlap in time."""
MAX_TEXT = 1 << 20
"""Bytes that a definition of a message, or a list of QoS profiles, may have."""
MAX_TOLD = 1000
"""Characters of what is told of a bag at once: names in it are anybody's."""


@dataclass(frozen=True)
class Definition:
    """How a file defines a message type."""

    encoding: str = ''
    """`ros2msg`, `ros2idl`, or what else the file says."""
    text: str = ''


@dataclass(frozen=True)
class Stream:
    """What a file holds of one topic, of one type and one publisher."""

    number: int
    """By which the file knows it."""
    topic: str
    type: str
    format: str = 'cdr'
    """How its messages are serialised."""
    definition: Definition = Definition()
    qos: str = ''
    """The offered QoS profiles, YAML as they were recorded."""


def full_type(name: str) -> str:
    """Return a message type with its middle part, which old recorders left out."""
    package, slash, rest = name.partition('/')
    return f'{package}/msg/{rest}' if slash and rest and '/' not in rest else name


class Stored(NamedTuple):
    """A message of a file."""

    arrival: int
    """When it was recorded, nanoseconds."""
    number: int
    """Of its stream."""
    data: bytes | memoryview
    """A view where what it lies in holds little else, and need not be copied."""


@dataclass(frozen=True)
class Loss:
    """Something of a bag that cannot be read."""

    what: str
    messages: int | None = None
    """How many; None where nothing tells."""
    start: int | None = None
    end: int | None = None
    """The stretch of time in which they were, nanoseconds; None where nothing tells."""

    def __str__(self) -> str:
        """Return it in words, in one line, with messages and seconds where they are known."""
        told = []
        if self.messages is not None:
            told.append(f'{self.messages} messages')
        if self.start is not None and self.end is not None:
            told.append(f'{max(0, self.end - self.start) / NANO:.3f} s')
        what = line(self.what, MAX_TOLD)
        return f'{what} ({", ".join(told)})' if told else what


def covered(losses: Iterable[Loss]) -> float | None:
    """Return the seconds in which something was lost, each once; None where no loss tells."""
    spans = sorted(
        (loss.start, loss.end)
        for loss in losses
        if loss.start is not None and loss.end is not None
    )
    total, reached = 0, spans[0][0] if spans else 0
    for start, end in spans:
        total += max(0, end - max(start, reached))
        reached = max(end, reached)
    return total / NANO if spans else None


class Storage(Protocol):
    """A file of a bag."""

    path: Path
    streams: dict[int, Stream]
    start: int | None
    """No message is before it, nanoseconds; None where that is not known."""
    promised: dict[int, int] | None
    """Messages by stream that the file says it has; None where it says nothing."""
    losses: dict[int, Loss]
    """By where in the file; complete when its messages were read."""
    faults: list[str]
    """What is wrong with it though nothing is lost by it."""

    def messages(
        self, numbers: Collection[int], start: int | None = None, end: int | None = None
    ) -> Iterator[Stored]:
        """Yield the messages of streams by arrival, from `start` on and before `end`."""

    def close(self) -> None:
        """Close it."""
