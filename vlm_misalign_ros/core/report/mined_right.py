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

"""Which right answers of a run stand beside its failures: as many as asked for, by a seed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.records.schema import FrameRecord

if TYPE_CHECKING:
    from vlm_misalign_ros.core.report.mining import Found

MOST_RIGHT = 100.0
"""Most right answers that are drawn for a failure."""


@dataclass(frozen=True)
class Right:
    """How many right answers are drawn to stand beside the failures, and which."""

    share: float = 0.0
    """As many times the failures of the same model and group; 0: none."""
    seed: int = 0
    group: Callable[[FrameRecord], str] = lambda record: ''
    """What keeps the share by itself, such as a split."""

    def __post_init__(self) -> None:
        """Raise ConfigurationError for what is no share."""
        if not 0 <= self.share <= MOST_RIGHT:
            raise ConfigurationError(
                f'the share of right answers is {self.share!r}', f'allowed: 0 to {MOST_RIGHT:g}'
            )

    def told(self) -> str:
        """Return what is drawn in words; nothing where nothing is."""
        if not self.share:
            return ''
        return (
            f'; beside them stand right answers, without a mistake of any kind, to pictures whose '
            f'mask held: {self.share:g} times as many as failures of the same model and split, '
            f'where there are so many, drawn by the seed {self.seed}'
        )

    def place(self, found: Found) -> tuple[str, str]:
        """Return the model and group of an answer."""
        return found.model, self.group(found.record)

    def rank(self, found: Found) -> int:
        """Return a number that decides who is drawn: of answer and seed alone, never of order."""
        record = found.record
        told = (self.seed, record.run, record.dataset, record.key, record.stamp, record.epoch)
        digest = blake2b(repr((*told, found.model)).encode(), digest_size=16).digest()
        return int.from_bytes(digest, 'big')

    def bounds(self, held: Iterable[Found]) -> dict[tuple[str, str], int]:
        """Return by model and group the highest rank that is drawn; -1 for none."""
        failures: Counter[tuple[str, str]] = Counter()
        ranks: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        for found in held:
            place = self.place(found)
            if found.failed:
                failures[place] += 1
            else:
                ranks[place].append(self.rank(found))
        bounds = {}
        for place, numbers in ranks.items():
            # Halves go up.
            count = int(self.share * failures[place] + 0.5)
            bounds[place] = sorted(numbers)[:count][-1] if count else -1
        return bounds
