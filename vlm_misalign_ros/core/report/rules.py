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

"""What a run is judged by: limits, coverage, scenes, and where they came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.records.ending import evaluation_settings
from vlm_misalign_ros.core.report.limit import Limit
from vlm_misalign_ros.core.report.limits import parse_limits
from vlm_misalign_ros.core.settings.nodes import EvaluationParameters
from vlm_misalign_ros.core.settings.parameters import check, table

CONFIGURATION = 'configuration'
COMMAND_LINE = 'command line'
ORIGIN = 'limits_from'
"""Where the manifest keeps which of the two it was."""
_DECIDING = ('minimum_coverage', 'minimum_scenes', 'limits', 'truth')


@dataclass(frozen=True)
class Rules:
    """What a verdict is made by."""

    limits: tuple[Limit, ...] = ()
    minimum_coverage: float = 0.95
    minimum_scenes: int = 20
    origin: str = CONFIGURATION
    """Where the limits came from."""
    truth: bool = True
    """Ground truth was expected; without it all that is judged is whether enough was compared."""

    @classmethod
    def of(cls, parameters: EvaluationParameters, origin: str = CONFIGURATION) -> Rules:
        """Return those of a run's parameters; ConfigurationError names a wrong limit."""
        return cls(
            parse_limits(parameters.limits),
            parameters.minimum_coverage,
            parameters.minimum_scenes,
            origin,
            parameters.truth,
        )

    def with_limits(self, entries: Sequence[str]) -> Rules:
        """Return the rules with limits of the command line instead, if there are any."""
        if not entries:
            return self
        return replace(self, limits=parse_limits(entries), origin=COMMAND_LINE)

    def to_plain(self) -> dict[str, Any]:
        """Return the rules as plain data."""
        return {
            'limits': [str(limit) for limit in self.limits],
            'from': self.origin,
            'minimum_coverage': self.minimum_coverage,
            'minimum_scenes': self.minimum_scenes,
            **({} if self.truth else {'truth': False}),
        }


def rules_of(manifest: Mapping[str, Any]) -> Rules:
    """
    Return what a run was to be judged by, from its manifest alone.

    What it does not name has its default. ConfigurationError names a value that will not do;
    RecordError says that there is no configuration, since limits that are lost could not fail.
    """
    values = evaluation_settings(manifest)
    if values is None:
        raise RecordError(
            'manifest.json is no manifest of a run: its configuration is '
            f'{str(manifest.get("configuration"))[:60]!r}',
            'give the folder of a run as it was left',
        )
    found = {
        entry.name: check(entry, values[entry.name], 'the manifest')
        for entry in table(EvaluationParameters)
        if entry.name in _DECIDING and entry.name in values
    }
    given = manifest.get(ORIGIN) == COMMAND_LINE
    return Rules.of(EvaluationParameters(**found), COMMAND_LINE if given else CONFIGURATION)
