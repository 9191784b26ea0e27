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

"""A corruption's scale: its parameter at every severity, whole or between."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from vlm_misalign_ros.core.errors import ConfigurationError


@dataclass(frozen=True)
class Scale:
    """
    The values of one parameter at severity 0, 1, 2 and so on, linear between them.

    Severity 0 changes nothing, 1 to 5 are the severities of conditions; those beyond 5 are reached
    only where a run asks for measured losses and its model bears more than 5 costs.
    """

    values: tuple[float, ...]

    @property
    def range(self) -> tuple[float, float]:
        """Return the least and the greatest severity."""
        return 0.0, float(len(self.values) - 1)

    def at(self, severity: float) -> float:
        """Return the parameter at a severity; ConfigurationError where it is off the scale."""
        least, most = self.range
        if not isfinite(severity) or not least <= severity <= most:
            raise ConfigurationError(
                f'severity {severity!r} is off the scale', f'allowed: {least:g} to {most:g}'
            )
        below = min(int(severity), len(self.values) - 2)
        low, high = self.values[below], self.values[below + 1]
        part = severity - below
        # A whole severity gives the value of the table to the last digit.
        return high if part == 1 else low + (high - low) * part
