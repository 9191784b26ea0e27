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

"""Measures what a segmentation model keeps of its mIoU under each corruption, without ROS."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from vlm_misalign_ros.core.corruptions import CORRUPTIONS, Manner, degrade_at, severity_range
from vlm_misalign_ros.core.corruptions.conditions import SEVERITIES
from vlm_misalign_ros.core.corruptions.measured import (
    LOSSES,
    SCHEMA,
    Point,
    parameters_at,
    place_of_loss,
    scale_of,
)
from vlm_misalign_ros.core.datasets import Dataset, open_dataset
from vlm_misalign_ros.core.errors import ConfigurationError, DatasetError
from vlm_misalign_ros.core.metrics.confusion import SHAPE, confusion, miou
from vlm_misalign_ros.core.metrics.kept import kept
from vlm_misalign_ros.core.metrics.known import Known, told_alone
from vlm_misalign_ros.core.metrics.scenes import scenes_of
from vlm_misalign_ros.core.models.factory import load_segmentation, model_hash, parse
from vlm_misalign_ros.core.models.families import Segments
from vlm_misalign_ros.core.types import Condition

Progress = Callable[[int, int], object]
Where = tuple[str, float]
"""A corruption and a severity of it; `clean` has severity 0."""
CLEAN: Where = ('clean', 0.0)


@dataclass(frozen=True)
class Asked:
    """What is measured, and on what."""

    model: str
    dataset: str
    split: str = ''
    cities: tuple[str, ...] = ()
    limit: int = 0
    corruptions: tuple[str, ...] = ()
    """Names; empty: those of this package."""
    losses: tuple[float, ...] = LOSSES
    input_height: int = 512
    device: str = 'auto'
    dtype: str = 'float32'
    threads: int = 1
    seed: int = 0
    keep_lamps: bool = False
    label_map: str = ''
    check: bool = False
    """Whether to run once more at the severities that were found."""


@dataclass(frozen=True)
class _Frame:
    """Where a frame comes from, as scenes are told by."""

    dataset: str
    sequence: str
    key: str
    stamp: str = '0.000000000'
    index: int | None = 0
    run: str | None = None


def measure_severities(asked: Asked, progress: Progress | None = None) -> dict[str, Any]:
    """
    Return the content of a file of severities (corruptions/measured.py).

    Whole severities 1 to 5 are measured, and further ones of a corruption's scale until the
    greatest of the losses is passed; the severities of the losses lie between them. Raises a
    MisalignError naming the model, data, corruption or loss that will not do.
    """
    _check_losses(asked.losses)
    names = asked.corruptions or CORRUPTIONS.builtin()
    for name in names:
        severity_range(name)
    reference = parse(asked.model)
    frames = open_dataset(asked.dataset, split=asked.split, cities=asked.cities, limit=asked.limit)
    network = load_segmentation(
        asked.model,
        device=asked.device,
        dtype=asked.dtype,
        threads=asked.threads,
        input_height=asked.input_height,
        label_map=asked.label_map,
    )
    table = _Table(asked, frames, network, progress)
    table.fill([CLEAN, *((name, float(k)) for name in names for k in SEVERITIES)])
    clean = table.miou(CLEAN)
    if not isfinite(clean) or clean <= 0:
        raise DatasetError(
            f'{asked.model} has a clean mIoU of {clean:.3f} on {asked.dataset}',
            'measure on labelled frames that the model can segment',
        )
    _go_beyond(table, names, 1 - max(asked.losses))
    found = {name: _corruption(table, name, asked.losses) for name in names}
    if asked.check:
        _check_levels(table, found)
    return {
        'schema': SCHEMA,
        'model': asked.model,
        'model_sha256': model_hash(reference),
        'input_height': asked.input_height,
        'dtype': asked.dtype,
        'keep_lamps': asked.keep_lamps,
        'seed': asked.seed,
        'data': {
            'dataset': frames.name,
            'split': asked.split,
            'cities': sorted({entry.city for entry in frames.entries}),
            'frames': len(frames),
            'first': frames.entries[0].key,
            'last': frames.entries[-1].key,
            'scenes': table.scenes,
        },
        'clean_miou': clean,
        **({'lacking': list(table.known.lacking)} if table.known.lacking else {}),
        'corruptions': found,
    }


def _check_losses(losses: Sequence[float]) -> None:
    """Refuse losses that are no shares, or do not rise from severity to severity."""
    rising = all(a < b for a, b in zip(losses, losses[1:], strict=False))
    if len(losses) != len(SEVERITIES) or not rising or not 0 < losses[0] or not losses[-1] < 1:
        raise ConfigurationError(
            f'losses are {", ".join(f"{loss:g}" for loss in losses)}',
            'give five rising shares of the clean mIoU between 0 and 1, such as '
            + ' '.join(f'{loss:g}' for loss in LOSSES),
        )


class _Table:
    """The confusion matrix of every frame, clean and under each corruption and severity."""

    def __init__(
        self, asked: Asked, frames: Dataset, network: Segments, progress: Progress | None
    ) -> None:
        self._asked = asked
        self._frames = frames
        self._network = network
        self._progress = progress
        self._manner = Manner(keep_lamps=asked.keep_lamps)
        self._done = self._total = 0
        self._scene = scenes_of(
            _Frame(frames.name, entry.sequence, entry.key) for entry in frames.entries
        )
        self.scenes = int(self._scene.max()) + 1
        self.known = Known()
        self._by_scene: dict[Where, np.ndarray] = {}

    def fill(self, wanted: Sequence[Where]) -> None:
        """Segment every frame under what was not measured yet."""
        places = [place for place in dict.fromkeys(wanted) if place not in self._by_scene]
        self._total += len(places) * len(self._frames)
        for place in places:
            self._by_scene[place] = np.zeros((self.scenes, *SHAPE), np.int64)
        for index, scene in enumerate(self._scene):
            frame = self._frames.read(index)
            if frame.labels is None:
                raise DatasetError(f'frame {frame.key} has no labels', 'measure on labelled data')
            image = np.ascontiguousarray(frame.image)
            for place in places:
                name, severity = place
                made = degrade_at(
                    image, Condition(name), severity, self._asked.seed, frame.key, self._manner
                )
                seen = self._network.segment(made.image)
                self.known.add(seen.lacking)
                matrix = told_alone(confusion(frame.labels, seen.labels), seen.lacking)
                self._by_scene[place][scene] += matrix
                self._done += 1
                if self._progress is not None:
                    self._progress(self._done, self._total)

    def severities(self, name: str) -> list[float]:
        """Return the severities at which a corruption was measured, rising."""
        return sorted(severity for other, severity in self._by_scene if other == name)

    def miou(self, place: Where) -> float:
        """Return the mIoU over all frames."""
        return miou(self._by_scene[place].sum(axis=0))

    def kept(self, place: Where) -> dict[str, float | None]:
        """Return what is kept of the clean mIoU, with its interval by scene."""
        value, low, high = kept_interval(self._by_scene[CLEAN], self._by_scene[place])
        return {
            'kept': value,
            'low': low if isfinite(low) else None,
            'high': high if isfinite(high) else None,
        }


def kept_interval(clean: np.ndarray, degraded: np.ndarray) -> tuple[float, float, float]:
    """
    Return the ratio of two mIoU over the same scenes with its 95 % interval (metrics/kept).

    Both are confusion matrices by scene, int64 (scenes, 19, 20).
    """
    found = kept(*(_areas(matrices) for matrices in (clean, degraded)))
    return found.value, found.low, found.high


def _areas(matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return hits and unions of each class by scene, int64 (scenes, 19) each."""
    hits = np.diagonal(matrices, axis1=1, axis2=2)
    predicted = matrices[:, :, : SHAPE[0]].sum(axis=1)
    return hits, matrices.sum(axis=2) + predicted - hits


def _go_beyond(table: _Table, names: Sequence[str], least: float) -> None:
    """Measure past severity 5, a severity at a time, where more is kept than was asked for."""
    while True:
        further = []
        for name in names:
            found = severity_range(name)
            last = table.severities(name)[-1]
            kept = table.miou((name, last)) / table.miou(CLEAN)
            if found is not None and last + 1 <= found[1] and kept > least:
                further.append((name, last + 1))
        if not further:
            return
        table.fill(further)


def _corruption(table: _Table, name: str, losses: Sequence[float]) -> dict[str, Any]:
    """Return what was measured of a corruption, and the severities of the losses."""
    found = severity_range(name)
    places = [(name, severity) for severity in table.severities(name)]
    curve = [
        {'severity': place[1], 'miou': table.miou(place), **table.kept(place)} for place in places
    ]
    usable = [
        Point(place[1], table.miou(place) / table.miou(CLEAN))
        for place in places
        if found is None or found[0] <= place[1] <= found[1]
    ]
    levels: list[dict[str, Any]] = []
    for loss in losses:
        try:
            if found is None:
                raise ConfigurationError(
                    f'corruption {name!r} takes whole severities alone (no severity_range)'
                )
            severity = place_of_loss(usable, loss, anchored=found[0] == 0)
            levels.append(
                {'loss': loss, 'severity': severity, 'parameters': parameters_at(name, severity)}
            )
        except ConfigurationError as error:
            levels.append({'loss': loss, 'severity': None, 'problem': error.what})
    return {
        'range': None if found is None else list(found),
        'scale': scale_of(name),
        'curve': curve,
        'levels': levels,
    }


def _check_levels(table: _Table, found: Mapping[str, Mapping[str, Any]]) -> None:
    """Measure at the severities that were found, and say what is kept there."""
    levels = [
        ((name, level['severity']), level)
        for name, entry in found.items()
        for level in entry['levels']
        if level['severity'] is not None
    ]
    table.fill([place for place, _ in levels])
    for place, level in levels:
        level.update(table.kept(place))
