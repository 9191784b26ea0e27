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

from vlm_misalign_ros.core.condition import Condition
from vlm_misalign_ros.core.corruptions.degrading import seed_of
from vlm_misalign_ros.core.corruptions.scenario import seeding
from vlm_misalign_ros.core.datasets import split_place
from vlm_misalign_ros.core.errors import DatasetError, MisalignError, RecordError
from vlm_misalign_ros.core.evaluation.degraded import degrade_frame
from vlm_misalign_ros.core.evaluation.replaying import FrameCache, lockstep_stamp, open_replayed
from vlm_misalign_ros.core.records.schema import FrameRecord
from vlm_misalign_ros.core.settings.degrading import manner_of
from vlm_misalign_ros.core.settings.nodes import CorruptionParameters, ReplayParameters
from vlm_misalign_ros.core.settings.parameters import build
from vlm_misalign_ros.core.stamps import parse_stamp
from vlm_misalign_ros.core.types import Frame


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
    """Makes pictures of a run again, in any order; decoded frames are kept as a replay does."""

    def __init__(
        self,
        replay: ReplayParameters,
        corruption: CorruptionParameters,
        folder: Path,
        dataset: str = '',
    ) -> None:
        """
        Open what a run replayed; `dataset` says where it is now, if it has moved.

        A relative place is looked for from here, then from the folders around the run's `folder`.
        Raises DatasetError where there is none, or where it cannot be read.
        """
        self._replay = replace(replay, dataset=dataset or _found(replay.dataset, folder))
        self._dataset = open_replayed(self._replay)
        self._seed = corruption.seed
        self._manner = manner_of(corruption)
        self._entries = self._dataset.entries
        self._places = {entry.key: place for place, entry in enumerate(self._entries)}
        self._frames = FrameCache(self._dataset.read)

    @classmethod
    def open(cls, manifest: Mapping[str, Any], folder: Path, dataset: str = '') -> Again:
        """Open what the run of a manifest replayed; a MisalignError where it replayed nothing."""
        configuration = manifest.get('configuration')
        told = configuration.get('replay') if isinstance(configuration, Mapping) else None
        if not isinstance(configuration, Mapping) or not isinstance(told, Mapping):
            raise DatasetError(f'{folder} replayed no data set', 'pictures are made from one')
        degrading = configuration.get('corruption')
        degrading = degrading if isinstance(degrading, Mapping) else {}
        return cls(
            build(ReplayParameters, _known(told), 'replay'),
            build(CorruptionParameters, _known(degrading), 'corruption'),
            folder,
            dataset,
        )

    def make(self, record: FrameRecord) -> Made:
        """
        Return a frame made again.

        Raises a MisalignError that says why it cannot be: DatasetError where the data set does not
        have it, RecordError where what comes out is another picture than the record's, where
        the record tells neither its checksum nor a seed of this run, and where data set or
        corruption, which may be anybody's, fail in whatever way.
        """
        try:
            return self._make(record)
        except (MisalignError, MemoryError):
            raise
        except Exception as error:
            raise RecordError(
                f'frame {record.key!r:.120} under {record.condition.name:.120} cannot be made '
                f'again: {type(error).__name__}: {error}'
            ) from error

    def _make(self, record: FrameRecord) -> Made:
        place = self._places.get(record.key)
        if place is None:
            raise DatasetError(f'{self._dataset.name} has no frame {record.key!r:.120}')
        frame = self._frames.get(place)
        condition = Condition(record.condition.corruption, record.condition.severity)
        draw = self._draw(record, condition, place)
        degraded = degrade_frame(
            np.ascontiguousarray(frame.image),
            condition,
            self._seed,
            record.key if draw is None else draw,
            self._manner,
        )
        told = degraded.applied.image
        if record.image != told if record.image else draw is None:
            raise RecordError(
                f'frame {record.key!r:.120} under {condition.name:.120} is another picture than '
                f"the run's: {told}, not {record.image or 'of its seed':.80}",
                'give the data set, and use the version of this package, that the run was made by',
            )
        return Made(frame, degraded.image, bool(record.image))

    def _draw(self, record: FrameRecord, condition: Condition, place: int) -> str | None:
        """Return what seeded the degradation, by the seed in the record; None where none does."""
        first = condition.parts[0].corruption
        for draw in self._draws(record, place):
            if seed_of(self._seed, draw, first) == record.condition.seed:
                return draw
        return None

    def _draws(self, record: FrameRecord, place: int) -> Iterator[str]:
        yield record.key
        hold = self._replay.hold
        if self._replay.scenario:
            stamp = parse_stamp(record.stamp)
            yield seeding(stamp - lockstep_stamp(0, self._replay))
            sequence, begin = self._entries[place].sequence, place
            # What is held is a sequence of its own.
            while hold == 1 and begin and self._entries[begin - 1].sequence == sequence:
                begin -= 1
            time = stamp - lockstep_stamp(begin * hold, self._replay)
            yield seeding(time, sequence if hold == 1 else record.key)
        for time in range(1, hold):
            yield f'{record.key}+{time}'


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
    raise DatasetError(
        f'the data set {place} of the run {folder} is not there',
        'say where it lies: --dataset PLACE',
    )
