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

"""Header times: nanoseconds as an integer inside, `seconds.nanoseconds` as text in records."""

from __future__ import annotations

import re

NANO = 1_000_000_000
"""Nanoseconds in a second."""

AGREE = 600.0
"""Seconds behind a clock within which a stamp is taken to be of that clock."""

PATTERN = r'^(-?[0-9]{1,12})\.([0-9]{9})$(?!\n)'
"""What `format_stamp` writes, and no line break behind it, as a regular expression."""
_TEXT = re.compile(PATTERN)


def join_stamp(seconds: int, nanoseconds: int) -> int:
    """Return the nanoseconds of a ROS time, whose parts are `sec` and `nanosec`."""
    return seconds * NANO + nanoseconds


def split_stamp(stamp: int) -> tuple[int, int]:
    """Return (seconds, nanoseconds) of a stamp; the nanoseconds are never negative."""
    return divmod(stamp, NANO)


def age_of(stamp: int, now: int) -> float | None:
    """
    Return how many seconds `now` is behind a stamp, both in nanoseconds; None if nobody can tell.

    A stamp that lies ahead of the clock, or more than AGREE behind it, is of another one: of a
    recording, of a simulator whose time is not used, or of a machine whose clock is wrong.
    """
    seconds = (now - stamp) / NANO
    return seconds if 0 <= seconds <= AGREE else None


def format_stamp(stamp: int) -> str:
    """Return nanoseconds as `seconds.nanoseconds`, such as `1.100000000`."""
    seconds, nanoseconds = split_stamp(stamp)
    return f'{seconds}.{nanoseconds:09d}'


def parse_stamp(text: str) -> int:
    """Return the nanoseconds of `format_stamp`'s text; ValueError for any other text."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise ValueError(f'stamp {text[:40]!r} is not of the form seconds.nanoseconds')
    return join_stamp(int(match[1]), int(match[2]))
