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
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

from vlm_misalign_ros.core.corruptions.conditions import BLANK, CLEAN, SEVERITIES
from vlm_misalign_ros.core.corruptions.measured import MeasuredSeverities
from vlm_misalign_ros.core.corruptions.registry import CORRUPTIONS, Effect, severity_range
from vlm_misalign_ros.core.errors import ConfigurationError, MisalignError
from vlm_misalign_ros.core.types import Applied, Condition

GREY = 128
"""Every value of a blank picture."""
_REMEDY = 'mend or uninstall the package that brings it'
LEAST_SIDE = 16
"""Smallest height and width, in pixels, that is degraded."""


@dataclass(frozen=True)
class Manner:
    """How a run degrades, other than by its conditions."""

    severities: MeasuredSeverities | None = None
    """What severity 1 to 5 stand for: measured losses of a model instead of the fixed tables."""
    keep_lamps: bool = False
    """Low light: whether the brightest pixels stay as they are."""

    def options(self, name: str) -> dict[str, Any]:
        """Return the settings that a corruption takes by name."""
        taken = getattr(CORRUPTIONS.load(name), 'options', ())
        return {'keep_lamps': True} if self.keep_lamps and 'keep_lamps' in taken else {}


PLAIN = Manner()
"""Fixed severities."""


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


def degrade(
    image: np.ndarray, condition: Condition, run_seed: int, frame_key: str, manner: Manner = PLAIN
) -> Degraded:
    """
    Degrade `image`, contiguous BGR uint8 (H, W, 3) with H and W 16 at least.

    The result depends on the arguments alone. Under `clean` it holds `image` itself; `image` is
    never written to. At a measured severity the parameters hold it, with the loss that it stands
    for, as `severity` and `loss`. Raises ConfigurationError for an unknown corruption or severity,
    for a loss that the model was not measured at and for another type of image.
    """
    check_condition(condition)
    _check_image(image)
    if condition.composed:
        return _one_after_the_other(image, condition, run_seed, frame_key, manner)
    severity = condition.severity
    if severity == 0 or manner.severities is None:
        return degrade_at(image, condition, severity, run_seed, frame_key, manner)
    level = manner.severities.level(condition)
    return degrade_at(
        image, condition, level.severity, run_seed, frame_key, manner, {'loss': level.loss}
    )


def _one_after_the_other(
    image: np.ndarray, condition: Condition, run_seed: int, frame_key: str, manner: Manner
) -> Degraded:
    """
    Apply the parts of a condition in turn, each drawing what it draws alone.

    Parameters are named `low_light.exposure`; what any part covers is covered. The seed is that of
    the first part.
    """
    parameters: dict[str, float] = {}
    occluder: np.ndarray | None = None
    seeds = []
    for part in condition.parts:
        done = degrade(image, part, run_seed, frame_key, manner)
        image = np.ascontiguousarray(done.image)
        name = part.corruption
        parameters |= {f'{name}.{key}': value for key, value in done.applied.parameters.items()}
        if occluder is None or done.occluder is None:
            occluder = done.occluder if occluder is None else occluder
        else:
            occluder = np.maximum(occluder, done.occluder)
        seeds.append(done.applied.seed)
    applied = Applied(condition, seeds[0], parameters, occluder is not None)
    return Degraded(image, occluder, applied)


def degrade_at(
    image: np.ndarray,
    condition: Condition,
    severity: float,
    run_seed: int,
    frame_key: str,
    manner: Manner = PLAIN,
    told: Mapping[str, float] | None = None,
) -> Degraded:
    """
    Degrade as `degrade` does, at any real severity that the condition's corruption takes.

    `condition` names the corruption; `told` joins the parameters. Raises ConfigurationError for a
    severity that the corruption does not take.
    """
    name = condition.corruption
    seed = seed_of(run_seed, frame_key, name)
    if name == BLANK:
        return Degraded(np.full_like(image, GREY), None, Applied(condition, seed))
    if name == CLEAN:
        return Degraded(image, None, Applied(condition, seed))
    rng = np.random.Generator(np.random.PCG64(seed))
    corruption = CORRUPTIONS.load(name)
    if severity not in SEVERITIES:
        _check_real(name, severity)
    elif severity_range(name) is None:
        severity = int(severity)
    try:
        effect = corruption.apply(image, severity, rng, **manner.options(name))
    except (MisalignError, MemoryError):
        raise
    except Exception as error:  # a plug-in may fail in any way; the user needs its name
        raise ConfigurationError(
            f'corruption {name!r} failed on frame {frame_key!r} at severity {severity}: '
            f'{type(error).__name__}: {error}',
            _REMEDY,
        ) from error
    _check_effect(effect, image, name)
    parameters = dict(effect.parameters)
    if told is not None:
        parameters |= {'severity': float(severity), **told}
    return Degraded(
        effect.image, effect.occluder, Applied(condition, seed, parameters, covers(name))
    )


def try_out(conditions: Iterable[Condition], manner: Manner = PLAIN) -> None:
    """Apply each condition once to a small picture; ConfigurationError for one that fails."""
    picture = np.full((LEAST_SIDE, 2 * LEAST_SIDE, 3), GREY, np.uint8)
    for condition in conditions:
        degrade(picture, condition, 0, 'a trial before the run', manner)


def covers(name: str) -> bool:
    """Return whether a corruption, or one of several, hides part of the scene; else False."""
    parts = (part.corruption for part in Condition(name).parts)
    return any(part in CORRUPTIONS and CORRUPTIONS.load(part).covers for part in parts)


def _check_real(name: str, severity: float) -> None:
    """Refuse a real severity that a corruption does not take."""
    found = severity_range(name)
    if found is None:
        raise ConfigurationError(
            f'corruption {name!r} takes whole severities alone, not {severity!r}',
            'docs/extending.md says how it can take others (severity_range)',
        )
    if not found[0] <= severity <= found[1]:
        raise ConfigurationError(
            f'severity {severity!r} of {name} is off its scale',
            f'allowed: {found[0]:g} to {found[1]:g}',
        )


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
    """Raise ConfigurationError for an unknown corruption or severity, of several in any part."""
    name, severity = condition.corruption, condition.severity
    if condition.composed:
        for part in condition.parts:
            if part.corruption in (CLEAN, BLANK):
                raise ConfigurationError(
                    f'{condition.name!r} has {part.corruption} among others', 'leave it out'
                )
            check_condition(part)
        if condition != Condition.of(condition.parts):
            raise ConfigurationError(
                f'severity {severity!r} of {name} is none of its parts', 'give the highest of them'
            )
        return
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
