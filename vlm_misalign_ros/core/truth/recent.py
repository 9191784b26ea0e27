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
The scene that was looked at last, of which nothing is derived again while it stays.

An evaluation goes through one labelled frame under condition after condition: what is true of it
is the same each time, but for what an occluder leaves to see.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from vlm_misalign_ros.core.labels.maps import LabelMap
from vlm_misalign_ros.core.labels.shares import Limits
from vlm_misalign_ros.core.truth.maps import TruthMaps
from vlm_misalign_ros.core.truth.read import Truth, TruthSettings, behind, read_scene
from vlm_misalign_ros.core.truth.spans import Runs
from vlm_misalign_ros.core.truth.trust import Trust, assess
from vlm_misalign_ros.core.types import Camera, NoCamera

_STEP = 64
"""Rows of which one is compared first: maps of different scenes differ there."""


class LastScene:
    """Gives what `assess` and `read_truth` give; maps are compared to the last pixel."""

    def __init__(self) -> None:
        """Begin with none."""
        self._trust: tuple[tuple[Any, ...], Trust] | None = None
        self._runs: tuple[np.ndarray, Runs] | None = None
        self._scene: tuple[tuple[Any, ...], Truth] | None = None

    def trust(self, labels: LabelMap, instances: np.ndarray | None, limits: Limits) -> Trust:
        """Return whether a frame with these labels can be scored, as `assess` does."""
        key = (*(getattr(labels, entry.name) for entry in fields(labels)), instances, limits)
        if self._trust is None or not _alike(self._trust[0], key):
            counts = self._runs_of(labels.labels).histogram()
            self._trust = key, assess(labels, instances, limits, counts)
        return self._trust[1]

    def truth(
        self, maps: TruthMaps, camera: Camera | NoCamera | None, settings: TruthSettings
    ) -> Truth:
        """Return what is true of a frame, as `read_truth` does."""
        told = maps.labels, maps.instances, maps.depth, maps.telling, maps.tells_hood
        key = (*told, camera, settings)
        if self._scene is None or not _alike(self._scene[0], key):
            self._scene = key, read_scene(maps, camera, settings, self._runs_of(maps.labels))
        scene = self._scene[1]
        return scene if maps.visible is None else behind(scene, maps)

    def _runs_of(self, labels: np.ndarray) -> Runs:
        if self._runs is None or self._runs[0] is not labels:
            self._runs = labels, Runs.of(labels)
        return self._runs[1]


def _alike(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    return all(
        _same(a, b) if isinstance(a, np.ndarray) or isinstance(b, np.ndarray) else a == b
        for a, b in zip(one, other, strict=True)
    )


def _same(one: Any, other: Any) -> bool:
    """Return whether two maps, or none, have the same pixels."""
    if one is other:
        return True
    if one is None or other is None or one.dtype != other.dtype or one.shape != other.shape:
        return False
    return np.array_equal(one[::_STEP], other[::_STEP]) and np.array_equal(one, other)
