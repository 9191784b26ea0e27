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

"""What is asked of a corruption: its name and severity, or several at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

JOINED = '+'
"""Between the corruptions of a condition that is several at once."""
_SEVERITIES = frozenset('12345')


@dataclass(frozen=True)
class Condition:
    """
    A corruption asked for: `clean` (severity 0) or a corruption's name with severity 1-5.

    Several at once are one whose name is theirs joined by `+`, in the order in which they are
    applied, such as `low_light:2+motion_blur:1`; its severity is the highest of them.
    """

    corruption: str = 'clean'
    severity: int = 0

    @property
    def composed(self) -> bool:
        """Return whether it is several at once."""
        return JOINED in self.corruption

    @property
    def name(self) -> str:
        """Return `clean` or, for example, `motion_blur:3`."""
        whole = self.composed or self.severity == 0
        return self.corruption if whole else f'{self.corruption}:{self.severity}'

    @property
    def parts(self) -> tuple[Condition, ...]:
        """Return what it is made of, in order; a part that says no severity has 0."""
        if not self.composed:
            return (self,)
        split = (part.partition(':') for part in self.corruption.split(JOINED))
        return tuple(
            Condition(name, int(told) if told in _SEVERITIES else 0) for name, _, told in split
        )

    @classmethod
    def of(cls, parts: Sequence[Condition]) -> Condition:
        """Return several as one; one alone as it is."""
        if len(parts) == 1:
            return parts[0]
        names = JOINED.join(part.name for part in parts)
        return cls(names, max(part.severity for part in parts))
