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

"""Recovers a bag: what is whole in a damaged one becomes a sound one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from vlm_misalign_ros.bags.reading import CDR, Bag, open_bag
from vlm_misalign_ros.bags.whole import refuse_present, whole_folder
from vlm_misalign_ros.bags.writer import BagWriter
from vlm_misalign_ros.core.errors import RecordError


@dataclass(frozen=True)
class Recovered:
    """What came of a recovery."""

    messages: int
    """Written to the new bag."""
    topics: dict[str, int]
    """Messages by topic."""
    told: str
    """What is lost, in messages and seconds; empty for nothing."""
    faults: list[str] = field(default_factory=list)
    """What was wrong though nothing is lost by it."""
    left_out: list[str] = field(default_factory=list)
    """Topics that no bag of ours can hold, with the reason, and messages of another type."""


def recover(
    bag: Path, target: Path, progress: Callable[[int, int | None], None] | None = None
) -> Recovered:
    """
    Write what is whole of a bag into a new one at `target`: messages as they are, in MCAP.

    `progress` is told (messages written, messages promised or None). RecordError where nothing
    is whole, or `target` exists or cannot be written; then nothing is left at `target`.
    """
    refuse_present(target)
    with open_bag(bag) as source, whole_folder(target) as made:
        return _write(source, made, progress)


def _write(
    source: Bag, folder: Path, progress: Callable[[int, int | None], None] | None
) -> Recovered:
    writer = BagWriter(folder)
    counts: Counter[str] = Counter()
    left_out: list[str] = []
    names = []
    for topic in sorted(source.topics.values(), key=lambda topic: topic.name):
        if topic.format != CDR or not topic.type:
            left_out.append(f'{topic.name} is serialised as {topic.format[:40]!r}')
            continue
        try:
            writer.add_topic(topic.name, topic.type, schema=topic.definition, qos=topic.qos)
        except RecordError as error:
            left_out.append(f'{topic.name}: {error.what}')
            continue
        names.append(topic.name)
    others: Counter[tuple[str, str]] = Counter()
    for raw in source.messages(names):
        if raw.type != source.topics[raw.topic].type:
            others[raw.topic, raw.type] += 1
            continue
        writer.write(raw.topic, raw.data, raw.arrival)
        counts[raw.topic] += 1
        if progress is not None:
            progress(counts.total(), source.count)
    writer.close()
    left_out.extend(
        f'{count} messages of {topic}, which are {kind} and not {source.topics[topic].type}'
        for (topic, kind), count in sorted(others.items())
    )
    if not counts:
        raise RecordError(
            f'nothing of bag {source.path} is whole: {source.told() or "it holds no messages"}'
        )
    return Recovered(
        counts.total(), dict(sorted(counts.items())), source.told(), source.faults, left_out
    )
