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

"""Degrades one frame under one condition, the same way in every process and order."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from vlm_misalign_ros.core.corruptions.conditions import BLANK, CLEAN, SEVERITIES
from vlm_misalign_ros.core.corruptions.registry import CORRUPTIONS, Effect
from vlm_misalign_ros.core.errors import ConfigurationError, MisalignError
from vlm_misalign_ros.core.types import Applied, Condition

GREY = 128
"""Every value of a blank picture."""
_REMEDY = 'mend or uninstall the package that brings it'
LEAST_SIDE = 16
"""Smallest height and width, in pixels, that is degraded."""


@dataclass(frozen=True)
class Degraded:
    """A frame after degradation."""

    image: np.ndarray
    """BGR uint8 (H, W, 3)."""
    occluder: np.ndarray | None
    """uint8 (H, W), 255 where the scene is covered; None unless the corruption covers."""
    applied: Applied


def seed_of(run_seed: int, frame_key: str, corruption: str) -> int:
    """
    Return the seed of a corruption on a frame: 63 bits of a BLAKE2b digest, not negative.

    The severity does not enter: a frame is blurred in the same direction and dirtied in the same
    places at every severity, only more.
    """
    text = f'{operator.index(run_seed)}|{frame_key}|{corruption}'
    digest = blake2b(text.encode()).digest()
    return int.from_bytes(digest[:8], 'big') & (2**63 - 1)


def degrade(image: np.ndarray, condition: Condition, run_seed: int, frame_key: str) -> Degraded:
    """
    Degrade `image`, contiguous BGR uint8 (H, W, 3) with H and W 16 at least.

    The result depends on the arguments alone. Under `clean` it holds `image` itself; `image` is
    never written to. Raises ConfigurationError for an unknown corruption or severity and for
    another type of image.
    """
    check_condition(condition)
    _check_image(image)
    name, severity = condition.corruption, condition.severity
    seed = seed_of(run_seed, frame_key, name)
    if name == BLANK:
        return Degraded(np.full_like(image, GREY), None, Applied(condition, seed))
    if severity == 0:
        return Degraded(image, None, Applied(condition, seed))
    rng = np.random.Generator(np.random.PCG64(seed))
    corruption = CORRUPTIONS.load(name)
    try:
        effect = corruption.apply(image, severity, rng)
    except (MisalignError, MemoryError):
        raise
    except Exception as error:  # a plug-in may fail in any way; the user needs its name
        raise ConfigurationError(
            f'corruption {name!r} failed on frame {frame_key!r} at severity {severity}: '
            f'{type(error).__name__}: {error}',
            _REMEDY,
        ) from error
    _check_effect(effect, image, name)
    return Degraded(
        effect.image, effect.occluder, Applied(condition, seed, effect.parameters, covers(name))
    )


def try_out(conditions: Iterable[Condition]) -> None:
    """Apply each corruption once to a small picture; ConfigurationError for one that fails."""
    picture = np.full((LEAST_SIDE, 2 * LEAST_SIDE, 3), GREY, np.uint8)
    for condition in {entry.corruption: entry for entry in conditions}.values():
        degrade(picture, condition, 0, 'a trial before the run')


def covers(name: str) -> bool:
    """Return whether a corruption hides part of the scene; False for one that is not known."""
    return name in CORRUPTIONS and CORRUPTIONS.load(name).covers


def _check_effect(effect: Effect, image: np.ndarray, name: str) -> None:
    """Refuse what a plug-in made that no node could pass on."""
    if not isinstance(effect, Effect) or not isinstance(effect.image, np.ndarray):
        raise ConfigurationError(
            f'corruption {name!r} gave a {type(effect).__name__}, not an Effect with an image',
            _REMEDY,
        )
    made, mask = effect.image, effect.occluder
    if made.shape != image.shape or made.dtype != np.uint8:
        raise ConfigurationError(
            f'corruption {name!r} made {made.dtype} {made.shape} of uint8 {image.shape}',
            'it has to keep size and type; ' + _REMEDY,
        )
    if covers(name) is not (mask is not None) or (
        mask is not None and (mask.shape != image.shape[:2] or mask.dtype != np.uint8)
    ):
        raise ConfigurationError(
            f'corruption {name!r} says covers={covers(name)} and gives '
            f'{"no mask" if mask is None else f"a mask of {mask.dtype} {mask.shape}"}',
            'a corruption that covers gives a uint8 (H, W) mask, another one none',
        )


def check_condition(condition: Condition) -> None:
    """Raise ConfigurationError for an unknown corruption or severity."""
    name, severity = condition.corruption, condition.severity
    if name in (CLEAN, BLANK):
        if severity != 0:
            raise ConfigurationError(f'severity {severity!r} of {name} is unknown', 'Allowed: 0')
        return
    if name not in CORRUPTIONS:
        raise ConfigurationError(
            f'corruption {name!r} is unknown',
            f'Allowed: {CLEAN}, {BLANK}, {", ".join(CORRUPTIONS.names())}',
        )
    if isinstance(severity, bool) or not isinstance(severity, int) or severity not in SEVERITIES:
        raise ConfigurationError(
            f'severity {severity!r} of {name} is unknown',
            f'Allowed: whole numbers from {SEVERITIES[0]} to {SEVERITIES[-1]}',
        )


def _check_image(image: np.ndarray) -> None:
    """Refuse whatever is not contiguous BGR uint8 of a sufficient size."""
    allowed = f'Allowed: a contiguous uint8 array (H, W, 3), H and W {LEAST_SIDE} at least'
    if not isinstance(image, np.ndarray):
        raise ConfigurationError(f'image is a {type(image).__name__}', allowed)
    if image.dtype != np.uint8:
        raise ConfigurationError(f'image has dtype {image.dtype}', allowed)
    if image.ndim != 3 or image.shape[2] != 3 or min(image.shape[:2]) < LEAST_SIDE:
        raise ConfigurationError(f'image has shape {image.shape}', allowed)
    if not image.flags.c_contiguous:
        raise ConfigurationError(f'image has strides {image.strides}', allowed)
