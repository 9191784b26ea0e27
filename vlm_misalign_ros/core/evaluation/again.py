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
The pictures of a run, made again from its data set: the clean one, and degraded as it was.

What is made again is held against the checksum in the record: it is that picture, or none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vlm_misalign_ros.core.corruptions import Manner
from vlm_misalign_ros.core.corruptions.degrading import seed_of
from vlm_misalign_ros.core.datasets import Dataset, split_place
from vlm_misalign_ros.core.errors import DatasetError, MisalignError
from vlm_misalign_ros.core.evaluation.degraded import degrade_frame
from vlm_misalign_ros.core.evaluation.replaying import open_replayed
from vlm_misalign_ros.core.records.schema import FrameRecord
from vlm_misalign_ros.core.settings.degrading import manner_of
from vlm_misalign_ros.core.settings.nodes import CorruptionParameters, ReplayParameters
from vlm_misalign_ros.core.settings.parameters import build
from vlm_misalign_ros.core.stamps import NANO, parse_stamp
from vlm_misalign_ros.core.types import Condition, Frame


@dataclass(frozen=True)
class Made:
    """A frame of a run, made again."""

    frame: Frame
    """As the data set has it: its picture is the clean one."""
    degraded: np.ndarray
    """BGR uint8 (H, W, 3)."""
    verified: bool
    """Whether it is the picture of the record, by its checksum."""


class Again:
    """Makes pictures of a run again."""

    def __init__(
        self, dataset: Dataset, replay: ReplayParameters, seed: int, manner: Manner
    ) -> None:
        """Take frames from `dataset` and degrade them by the seed and in the manner of a run."""
        self._dataset = dataset
        self._replay = replay
        self._seed = seed
        self._manner = manner
        self._places = {entry.key: place for place, entry in enumerate(dataset.entries)}
        self._last: tuple[int, Frame] | None = None

    @classmethod
    def open(cls, manifest: Mapping[str, Any], folder: Path, dataset: str = '') -> Again:
        """
        Open what a run replayed; `dataset` says where it is now, if it has moved.

        A relative place is looked for from here, then from the folders around the run folder.
        Raises a MisalignError, such as DatasetError where there is none, naming the place.
        """
        configuration = manifest.get('configuration')
        told = configuration.get('replay') if isinstance(configuration, Mapping) else None
        if not isinstance(configuration, Mapping) or not isinstance(told, Mapping):
            raise DatasetError(f'{folder} replayed no data set', 'pictures are made from one')
        replay = build(ReplayParameters, _known(told), 'replay')
        degrading = configuration.get('corruption')
        corruption = build(
            CorruptionParameters,
            _known(degrading if isinstance(degrading, Mapping) else {}),
            'corruption',
        )
        replay = replace(replay, dataset=dataset or _found(replay.dataset, folder))
        return cls(open_replayed(replay), replay, corruption.seed, manner_of(corruption))

    def make(self, record: FrameRecord) -> Made:
        """
        Return a frame made again; what was read last is kept.

        Raises a MisalignError that says why it cannot be: the data set does not have it, or what
        comes out is another picture than the record's.
        """
        place = self._places.get(record.key)
        if place is None:
            raise DatasetError(f'{self._dataset.name} has no frame {record.key!r:.120}')
        if self._last is None or self._last[0] != place:
            self._last = place, self._dataset.read(place)
        frame = self._last[1]
        condition = Condition(record.condition.corruption, record.condition.severity)
        degraded = degrade_frame(
            np.ascontiguousarray(frame.image),
            condition,
            self._seed,
            self._draw(record, condition),
            self._manner,
        )
        if record.image and degraded.applied.image != record.image:
            raise DatasetError(
                f'{record.key!r:.120} under {condition.name} comes out as another picture than '
                'the run had',
                'give the data set, the seed and the package version that it was made with',
            )
        return Made(frame, degraded.image, bool(record.image))

    def _draw(self, record: FrameRecord, condition: Condition) -> str:
        """Return what seeded the degradation, by the seed that the record has."""
        first = condition.parts[0].corruption
        for draw in self._draws(record):
            if seed_of(self._seed, draw, first) == record.condition.seed:
                return draw
        return record.key

    def _draws(self, record: FrameRecord) -> Iterator[str]:
        yield record.key
        for time in range(1, self._replay.hold):
            yield f'{record.key}+{time}'
        if self._replay.scenario:
            begin = round(self._replay.start_stamp * NANO)
            yield str(parse_stamp(record.stamp) - begin)


def why_not(error: MisalignError) -> str:
    """Return in short why a picture cannot be made again."""
    return error.what


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a section of a manifest as its parameters take them."""
    return {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}


def _found(place: str, folder: Path) -> str:
    """Return where a data set is: as it was named, or seen from a folder around the run's."""
    kind, root = split_place(place)
    if root.exists() or root.is_absolute():
        return place
    for parent in folder.resolve().parents:
        if (parent / root).exists():
            return f'{kind}:{parent / root}'
    return place
