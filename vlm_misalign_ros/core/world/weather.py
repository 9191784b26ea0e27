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

"""Weather over the synthetic streets: light, sky, haze, wet roads, the colour of the day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vlm_misalign_ros.core.world.canvas import Color, Light

WEATHERS = ('sunny', 'overcast', 'haze', 'rain', 'dusk')
_SHARES = (0.34, 0.28, 0.12, 0.14, 0.12)


@dataclass(frozen=True)
class Weather:
    """One sequence's sky and light."""

    name: str
    light: Light
    zenith: Color
    horizon: Color
    clouds: float
    """How far clouds brighten and darken the sky, 0 to 1."""
    wet: float
    """How much the road mirrors, 0 to 1."""
    tint: Color
    """Factors on blue, green and red: the colour of the light and the camera's gain."""
    lamps: bool
    """Whether windows and lamps are lit."""


def make_weather(rng: np.random.Generator) -> Weather:
    """Draw the weather of a sequence."""
    name = WEATHERS[int(rng.choice(len(WEATHERS), p=_SHARES))]
    across, along = float(rng.uniform(-1.3, 1.3)), float(rng.uniform(-0.9, 0.9))
    gain = float(rng.uniform(0.88, 1.12))
    warm = float(rng.normal(0, 0.03))
    strength, visibility, wet, clouds = 0.0, 600.0, 0.0, 0.15
    grey = float(rng.uniform(185, 215))
    horizon: Color = (grey + 4, grey + 2, grey)
    zenith: Color = (grey - 10, grey - 16, grey - 22)
    if name == 'sunny':
        strength, clouds = float(rng.uniform(0.5, 0.95)), float(rng.uniform(0, 0.5))
        zenith = (
            float(rng.uniform(195, 235)),
            float(rng.uniform(140, 180)),
            float(rng.uniform(90, 130)),
        )
        horizon = (228.0, 214.0, 196.0)
        warm += 0.03
    elif name == 'overcast':
        strength, clouds = float(rng.uniform(0, 0.25)), float(rng.uniform(0.3, 0.9))
        visibility = float(rng.uniform(250, 600))
    elif name == 'haze':
        strength, visibility = float(rng.uniform(0, 0.3)), float(rng.uniform(70, 160))
        zenith = horizon
        gain *= 0.95
    elif name == 'rain':
        visibility, wet = float(rng.uniform(120, 300)), float(rng.uniform(0.25, 0.5))
        clouds = float(rng.uniform(0.4, 1.0))
        gain *= 0.85
        zenith, horizon = (grey - 50, grey - 54, grey - 58), (grey - 20, grey - 22, grey - 24)
    else:
        visibility = float(rng.uniform(200, 500))
        clouds, wet = float(rng.uniform(0, 0.6)), 0.2 * float(rng.random() < 0.3)
        zenith = (float(rng.uniform(120, 160)), float(rng.uniform(90, 115)), 95.0)
        horizon = (float(rng.uniform(120, 160)), 165.0, float(rng.uniform(190, 225)))
        gain *= float(rng.uniform(0.6, 0.78))
        warm += 0.06
    light = Light((across, along), strength, horizon, visibility)
    tint: Color = (gain * (1 - warm), gain, gain * (1 + warm))
    return Weather(name, light, zenith, horizon, clouds, wet, tint, name == 'dusk')
