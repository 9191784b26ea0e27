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

"""The corruptions by name: a row each, the package's own and those of plug-ins."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf, isfinite
from typing import Protocol

import numpy as np

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.registry import Registry


@dataclass(frozen=True)
class Effect:
    """What a corruption made of a picture."""

    image: np.ndarray
    """BGR uint8 (H, W, 3), of the size of the picture that came in."""
    parameters: dict[str, float] = field(default_factory=dict)
    """What was drawn and used, for the record."""
    occluder: np.ndarray | None = None
    """uint8 (H, W), 255 where the scene is covered; from a corruption that covers, else None."""


class Corruption(Protocol):
    """
    One kind of degradation; a module may be one.

    Two attributes may be left out. `severity_range`, (least, most), says that `apply` takes any
    real severity from least to most, worse the higher, with 0 for no change; without it only the
    whole ones from 1 to 5 are asked for. `options` names the settings that `apply` takes by name.
    """

    @property
    def covers(self) -> bool:
        """Tell whether it hides part of the scene, and says which by `Effect.occluder`."""

    def apply(self, image: np.ndarray, severity: float, rng: np.random.Generator, /) -> Effect:
        """
        Degrade contiguous BGR uint8 (H, W, 3), which stays as it is, at severity 1 to 5.

        Everything random comes from `rng`, which is seeded by run, frame and corruption, so that
        a frame is degraded the same way in every process and order.
        """


_HERE = 'vlm_misalign_ros.core.corruptions'

CORRUPTIONS: Registry[Corruption] = Registry(
    'vlm_misalign_ros.corruptions',
    'corruption',
    {
        'motion_blur': f'{_HERE}.motion_blur',
        'low_light': f'{_HERE}.low_light',
        'occlusion': f'{_HERE}.occlusion',
    },
    needs=('covers', 'apply'),
)
"""Every corruption by name."""


def severity_range(name: str) -> tuple[float, float] | None:
    """
    Return the real severities that a corruption takes; None where it takes whole ones alone.

    Raises ConfigurationError for an unknown corruption and for a range that is none.
    """
    found = getattr(CORRUPTIONS.load(name), 'severity_range', None)
    if found is None:
        return None
    try:
        least, most = (float(end) for end in found)
    except (TypeError, ValueError):
        least, most = inf, -inf
    if not (isfinite(least) and isfinite(most) and 0 <= least < most):
        raise ConfigurationError(
            f'corruption {name!r} has the severity_range {found!r}',
            'it has to be two numbers, 0 <= least < most; mend the package that brings it',
        )
    return least, most
