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

"""What a comparison of runs comes to: differences of rates, and judgements that turned."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import isnan, nan
from typing import Any

from vlm_misalign_ros.core.metrics.intervals import FEW_SCENES, Interval
from vlm_misalign_ros.core.metrics.rates import BY_NAME, Better
from vlm_misalign_ros.core.metrics.turned import Turned
from vlm_misalign_ros.core.report.limit import MIOU
from vlm_misalign_ros.core.report.verdict import Verdict


@dataclass(frozen=True)
class Difference:
    """A rate of one model under one condition, in a run and in the first."""

    run: str
    model: str
    against: str
    """Its name in the first run."""
    condition: str
    rate: str
    first: float
    """In the first run, over the common frames."""
    second: float
    value: float
    """Second less first."""
    low: float
    high: float
    """95 % interval over scenes."""
    scenes: int
    """With a denominator in both."""
    frames: int
    """Frames that both runs have."""
    scored: int
    """Those that both have scored."""

    @property
    def told(self) -> str:
        """Return `better` or `worse` where the interval leaves 0 out, else nothing."""
        if isnan(self.value) or not Interval(self.value, self.low, self.high).excludes_zero:
            return ''
        higher = self.rate == MIOU or BY_NAME[self.rate].better is Better.HIGHER
        return 'better' if (self.value > 0) is higher else 'worse'

    @property
    def few(self) -> bool:
        """Return whether it is from too few scenes to prove anything."""
        return not isnan(self.value) and self.scenes < FEW_SCENES


@dataclass(frozen=True)
class Flips:
    """Judgements of one model under one condition that turned wrong, or right."""

    run: str
    model: str
    against: str
    condition: str
    direction: str
    """smr_false_safe: scenes of a hazard; smr_false_alarm: clear ones."""
    turned: Turned
    unjudged: int
    """Common frames of this truth that one or both did not judge."""
    adjusted: float = nan
    """The p value, adjusted for all tests of the comparison (Holm 1979)."""


@dataclass(frozen=True)
class Comparison:
    """What was found."""

    first: str
    runs: tuple[str, ...]
    differences: tuple[Difference, ...]
    flips: tuple[Flips, ...]
    verdict: Verdict

    @property
    def tests(self) -> int:
        """Return how many p values the adjustment is for."""
        return sum(not isnan(entry.turned.p) for entry in self.flips)

    def to_plain(self) -> dict[str, Any]:
        """Return everything as plain data, NaN as None."""
        return {
            'first': self.first,
            'runs': list(self.runs),
            'differences': [
                _plain({**asdict(line), 'told': line.told}) for line in self.differences
            ],
            'turned': [
                _plain(
                    {
                        'run': line.run,
                        'model': line.model,
                        'against': line.against,
                        'condition': line.condition,
                        'direction': line.direction,
                        **asdict(line.turned),
                        'p_holm': line.adjusted,
                        'unjudged': line.unjudged,
                    }
                )
                for line in self.flips
            ],
            'tests': self.tests,
            'verdict': self.verdict.to_plain(),
        }


def _plain(line: dict[str, Any]) -> dict[str, Any]:
    return {k: None if isinstance(v, float) and isnan(v) else v for k, v in line.items()}
