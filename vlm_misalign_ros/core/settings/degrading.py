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

"""What the parameters of replay and corruption say of degrading: severities, and the scenario."""

from __future__ import annotations

from pathlib import Path

from vlm_misalign_ros.core.corruptions import Manner
from vlm_misalign_ros.core.corruptions.measured import load as load_severities
from vlm_misalign_ros.core.corruptions.scenario import Scenario, load_scenario
from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.settings.nodes import CorruptionParameters, ReplayParameters


def manner_of(parameters: CorruptionParameters) -> Manner:
    """Return how a run degrades; ConfigurationError for a file of severities that will not do."""
    file = parameters.severity_by_miou
    severities = load_severities(Path(file).expanduser()) if file else None
    return Manner(severities, parameters.keep_lamps)


def scenario_of(parameters: ReplayParameters | CorruptionParameters) -> Scenario | None:
    """Return the scenario of a node, if it has one; ConfigurationError for what will not do."""
    if not parameters.scenario:
        return None
    if isinstance(parameters, ReplayParameters):
        beside = 'conditions' if parameters.conditions != ('clean',) else ''
    else:
        beside = 'schedule' if parameters.schedule else ''
        beside = 'condition' if parameters.condition != 'clean' else beside
    if beside:
        raise ConfigurationError(
            f'a scenario ({parameters.scenario}) is given, and {beside}', 'leave one of them out'
        )
    return load_scenario(Path(parameters.scenario).expanduser())
