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

"""Whether a segmentation model can stand for the truth: only one that tells every class."""

from __future__ import annotations

from collections.abc import Sequence

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.labels.classes import CLASSES


def check_whole(model: str, lacking: Sequence[str]) -> None:
    """Raise ConfigurationError for a model that lacks classes, which would count as absent."""
    if lacking:
        raise ConfigurationError(
            f'model {model!r} cannot tell {", ".join(lacking)}, and labels of it would say that '
            'there is none of them',
            f'choose a model that tells all {len(CLASSES)} classes',
        )
