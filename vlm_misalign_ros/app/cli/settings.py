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

"""Settings that several verbs take as `key=value`."""

from __future__ import annotations

from collections.abc import Sequence

from vlm_misalign_ros.core.truth.read import TruthSettings


def truth_of(overrides: Sequence[str]) -> TruthSettings:
    """Return the settings of the truth; ConfigurationError names a wrong one."""
    from vlm_misalign_ros.core.settings.configuration import override
    from vlm_misalign_ros.core.settings.nodes import TruthParameters, truth_settings
    from vlm_misalign_ros.core.settings.parameters import build

    return truth_settings(build(TruthParameters, override({}, overrides), 'the truth'))
