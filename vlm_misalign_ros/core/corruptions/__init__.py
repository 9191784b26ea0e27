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

"""Camera degradations, parameterised by severity and seeded by frame."""

from vlm_misalign_ros.core.corruptions.conditions import (
    BLANK,
    CLEAN,
    SEVERITIES,
    parse_conditions,
    single_condition,
)
from vlm_misalign_ros.core.corruptions.degrading import (
    Degraded,
    Manner,
    covers,
    degrade,
    degrade_at,
    seed_of,
    try_out,
)
from vlm_misalign_ros.core.corruptions.registry import (
    CORRUPTIONS,
    Corruption,
    Effect,
    severity_range,
)

__all__ = [
    'BLANK',
    'CLEAN',
    'CORRUPTIONS',
    'SEVERITIES',
    'Corruption',
    'Degraded',
    'Effect',
    'Manner',
    'covers',
    'degrade',
    'degrade_at',
    'parse_conditions',
    'seed_of',
    'severity_range',
    'single_condition',
    'try_out',
]
