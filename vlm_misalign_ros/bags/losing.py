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

"""What a recorder itself says that it lost: rosbag2's topic events/rosbag2_messages_lost."""

from __future__ import annotations

from collections import defaultdict

from vlm_misalign_ros.bags.reading import CDR, Bag
from vlm_misalign_ros.bags.stored import MAX_TEXT
from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.language.lines import line

LOST = 'events/rosbag2_messages_lost'
_TOPICS = 20
"""Topics of which it is told."""


def told_lost(bag: Bag) -> list[str]:
    """Return what the recorder of a bag lost, a line a topic."""
    found: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    unread = 0
    names = [name for name in bag.topics if name.endswith(f'/{LOST}')]
    # Of another serialisation it is a topic of somebody else's.
    for raw in bag.messages([name for name in names if bag.topics[name].format == CDR]):
        try:
            entries = (
                bag.decode(raw).messages_lost_statistics if len(raw.data) < MAX_TEXT else None
            )
            for entry in entries or []:
                counts = found[line(str(entry.topic_name), 200)]
                counts[0] += int(entry.messages_lost_in_transport)
                counts[1] += int(entry.messages_lost_in_recorder)
            unread += entries is None
        except (RecordError, AttributeError, TypeError, ValueError):
            unread += 1
    lines = [
        f'the recorder of the bag lost {transport + recorder} messages of {topic}: {transport} '
        f'before they reached it, {recorder} before they were written'
        for topic, (transport, recorder) in sorted(found.items())[:_TOPICS]
        if transport + recorder
    ]
    if unread:
        lines.append(
            f'{unread} messages of {line(names[0], 200)}, which tell of losses, cannot be read'
        )
    return lines
