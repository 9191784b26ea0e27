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

"""How monitor/metrics tells rates."""

from __future__ import annotations

from collections.abc import Mapping

from vlm_misalign_ros.core.metrics.rates import Rate


def told_rates(found: Mapping[str, Rate]) -> dict[str, str]:
    """Return rates as text by key: value, interval and counts."""
    values: dict[str, str] = {}
    for name, rate in found.items():
        values[f'{name}/metric_value'] = repr(rate.value)
        values[f'{name}/min'] = repr(rate.low)
        values[f'{name}/max'] = repr(rate.high)
        if rate.denominator is not None:
            values[f'{name}/numerator'] = str(rate.numerator)
            values[f'{name}/denominator'] = str(rate.denominator)
    return values
