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

"""
Severities that stand for measured losses of a model, instead of the fixed tables.

`vlm-misalign severities` measures what a segmentation model keeps of its clean mIoU at each
severity, and where on a corruption's scale given shares are lost. Its file says which severity,
real numbers among them, a run then uses for `low_light:3`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isclose, isfinite
from pathlib import Path
from typing import Any

import numpy as np

from vlm_misalign_ros.core.corruptions.registry import CORRUPTIONS, severity_range
from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.files import write_json
from vlm_misalign_ros.core.types import Condition

SCHEMA = 1
LOSSES = (0.05, 0.10, 0.20, 0.35, 0.50)
"""Share of the clean mIoU that severity 1 to 5 cost, where nothing else is asked for."""
AGAIN = 'make it again with: vlm-misalign severities'


@dataclass(frozen=True)
class Level:
    """What a severity stands for: a loss, and the place on the scale that costs it."""

    loss: float
    severity: float


@dataclass(frozen=True)
class Point:
    """What a model keeps at one severity."""

    severity: float
    kept: float
    """mIoU over clean mIoU."""


def place_of_loss(curve: Sequence[Point], loss: float, anchored: bool) -> float:
    """
    Return the least severity at which the share `loss` of the clean mIoU is lost.

    `curve` holds what was measured, by rising severity; `anchored` says that severity 0 changes
    nothing. Where more is kept at a higher severity the two are pooled (isotonic regression, Ayer
    et al. 1955); between severities the share is linear. Raises ConfigurationError for a loss
    outside what was measured.
    """
    severities = [point.severity for point in curve]
    kept = [min(point.kept, 1.0) for point in curve]
    if anchored:
        severities, kept = [0.0, *severities], [1.0, *kept]
    falling = _falling(kept)
    wanted = 1 - loss
    if not falling or wanted > falling[0]:
        raise ConfigurationError(
            f'a loss of {loss:.0%} is less than its least severity costs '
            f'({severities[0]:g}: {1 - falling[0]:.0%})'
            if falling
            else 'nothing was measured'
        )
    for place in range(1, len(falling)):
        high, low = falling[place - 1], falling[place]
        if low <= wanted < high:
            part = (high - wanted) / (high - low)
            return severities[place - 1] + part * (severities[place] - severities[place - 1])
    if wanted == falling[0]:
        return severities[0]
    raise ConfigurationError(
        f'a loss of {loss:.0%} is more than was measured '
        f'(severity {severities[-1]:g} costs {1 - falling[-1]:.0%})'
    )


def _falling(values: Sequence[float]) -> list[float]:
    """Return the falling sequence nearest to `values` (pool adjacent violators)."""
    pools: list[tuple[float, int]] = []
    for value in values:
        pools.append((value, 1))
        while len(pools) > 1 and pools[-2][0] < pools[-1][0]:
            (one, many), (other, more) = pools[-2:]
            pools[-2:] = [((one * many + other * more) / (many + more), many + more)]
    return [value for value, count in pools for _ in range(count)]


def parameters_at(name: str, severity: float) -> dict[str, float]:
    """
    Return what a corruption's effect says it used on a grey picture 2048 wide.

    What differs between draws (a direction, a kind) is left out; nine digits are kept, so that
    processors agree.
    """
    picture = np.full((16, 2048, 3), 128, np.uint8)
    corruption = CORRUPTIONS.load(name)
    first, *others = (
        corruption.apply(picture, severity, np.random.Generator(np.random.PCG64(seed))).parameters
        for seed in range(4)
    )
    return {
        key: float(f'{value:.9g}')
        for key, value in sorted(first.items())
        if all(other.get(key) == value for other in others)
    }


def scale_of(name: str) -> list[dict[str, float]]:
    """
    Return the parameters of a corruption at its whole severities, from 1.

    A file of severities and a manifest hold them, so that what was made with another scale is
    told from what was made with this.
    """
    found = severity_range(name)
    most = 5 if found is None else int(found[1])
    return [parameters_at(name, severity) for severity in range(1, most + 1)]


@dataclass(frozen=True)
class MeasuredSeverities:
    """What one model loses at each severity of each corruption, and which severities cost what."""

    path: Path
    content: Mapping[str, Any]
    """Everything in the file but its hash, as `vlm-misalign severities` wrote it."""
    sha256: str

    @property
    def model(self) -> str:
        """Return the model's string."""
        return str(self.content['model'])

    def level(self, condition: Condition) -> Level:
        """Return what a condition stands for; ConfigurationError where that was not measured."""
        found = self.content['corruptions'].get(condition.corruption)
        if found is None:
            raise ConfigurationError(
                f'{self.path} has no corruption {condition.corruption!r}, asked for by '
                f'{condition.name!r}',
                f'it has: {", ".join(self.content["corruptions"])}; {AGAIN}',
            )
        entry = found['levels'][condition.severity - 1]
        if entry['severity'] is None:
            raise ConfigurationError(
                f'{condition.name!r} stands for no severity that was measured: {entry["problem"]} '
                f'({self.path}, {self.model})',
                'leave this condition out, or ask for other losses: vlm-misalign severities '
                '--losses',
            )
        return Level(float(entry['loss']), float(entry['severity']))

    def check(self, conditions: Iterable[Condition]) -> None:
        """Raise ConfigurationError for a condition without a severity, or with another scale."""
        parts = (part for condition in conditions for part in condition.parts)
        wanted = [part for part in parts if part.severity]
        for condition in wanted:
            self.level(condition)
        for name in dict.fromkeys(condition.corruption for condition in wanted):
            if not _alike(scale_of(name), self.content['corruptions'][name]['scale']):
                raise ConfigurationError(
                    f'{self.path} was made with another {name}: its severities mean something '
                    'else here',
                    AGAIN,
                )

    def facts(self) -> dict[str, Any]:
        """Return what a manifest says of it."""
        return {
            'file': str(self.path),
            'sha256': self.sha256,
            'model': self.model,
            'model_sha256': self.content['model_sha256'],
            'input_height': self.content['input_height'],
            'keep_lamps': self.content['keep_lamps'],
            'data': self.content['data'],
            'levels': {
                name: entry['levels'] for name, entry in self.content['corruptions'].items()
            },
        }


def _alike(ours: list[dict[str, float]], theirs: Any) -> bool:
    """Return whether two scales mean the same, up to how a processor rounds."""
    return (
        isinstance(theirs, list)
        and len(ours) == len(theirs)
        and all(
            isinstance(other, dict)
            and one.keys() == other.keys()
            and all(
                isinstance(other[key], (int, float))
                and isclose(one[key], other[key], rel_tol=1e-6)
                for key in one
            )
            for one, other in zip(ours, theirs, strict=True)
        )
    )


def digest(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a file's content."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def save(path: Path, content: Mapping[str, Any]) -> str:
    """Write the file, and return the hash in it; RecordError when the disk refuses."""
    found = digest(content)
    write_json(path, {**content, 'sha256': found})
    return found


def load(path: Path) -> MeasuredSeverities:
    """Read a file of severities; ConfigurationError unless it is whole and as it was made."""
    try:
        data = json.loads(path.read_text(encoding='utf-8'))
        if data.get('schema') != SCHEMA:
            raise ConfigurationError(
                f'severities {path} have the schema {data.get("schema")!r}, this version {SCHEMA}',
                AGAIN,
            )
        stated = data.pop('sha256')
        if digest(data) != stated:
            raise ConfigurationError(f'severities {path} were changed after they were made', AGAIN)
        found = MeasuredSeverities(path, data, stated)
        found.facts()
        for name, entry in data['corruptions'].items():
            _check_levels(name, entry)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f'severities {path} cannot be read: {type(error).__name__} {error}', AGAIN
        ) from error
    return found


def _check_levels(name: str, entry: Mapping[str, Any]) -> None:
    """Raise ValueError for levels that are none."""
    if len(entry['levels']) != len(LOSSES) or 'scale' not in entry:
        raise ValueError(f'{name} has {len(entry["levels"])} levels')
    for level in entry['levels']:
        severity = level['severity']
        if not isfinite(level['loss']) or not (
            isinstance(level['problem'], str) if severity is None else isfinite(severity)
        ):
            raise ValueError(f'{name} has the level {level!r}')
