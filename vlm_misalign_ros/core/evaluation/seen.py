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

"""The frames of a run as its models saw them, drawn again from its data set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vlm_misalign_ros.core.corruptions import parse_conditions
from vlm_misalign_ros.core.datasets import Dataset, split_place
from vlm_misalign_ros.core.errors import DatasetError, RecordError
from vlm_misalign_ros.core.evaluation import parts
from vlm_misalign_ros.core.evaluation.degraded import degrade_frame
from vlm_misalign_ros.core.evaluation.engine_steps import TruthStep
from vlm_misalign_ros.core.evaluation.replaying import (
    Sending,
    Sent,
    lockstep_stamp,
    open_replayed,
    schedule,
)
from vlm_misalign_ros.core.labels.instances import Numbered
from vlm_misalign_ros.core.labels.maps import LabelMap
from vlm_misalign_ros.core.records.schema import FrameRecord
from vlm_misalign_ros.core.settings.configuration import Configuration
from vlm_misalign_ros.core.settings.degrading import manner_of, scenario_of
from vlm_misalign_ros.core.settings.nodes import ReplayParameters
from vlm_misalign_ros.core.stamps import parse_stamp
from vlm_misalign_ros.core.types import Source

Wanted = Callable[[FrameRecord], bool]


@dataclass(frozen=True, eq=False)
class Seen:
    """A closed frame with what it was about."""

    record: FrameRecord
    picture: np.ndarray
    """As the models saw it, BGR uint8 (H, W, 3)."""
    clean: np.ndarray | None = None
    """As the camera saw it; None where that is not known."""
    labels: np.ndarray | None = None
    """Cityscapes label ids, uint8 (H, W); None where there are none, or they cannot be read."""
    instances: np.ndarray | None = None
    """Cityscapes instance ids, uint16 (H, W), likewise."""
    mask: np.ndarray | None = None
    """What the segmentation found, train ids, uint8 (H, W); None where nobody kept it."""


def draw_again(
    configuration: Configuration,
    records: Iterable[FrameRecord],
    wanted: Wanted,
    folder: Path | None = None,
    place: str = '',
) -> Iterator[Seen]:
    """
    Yield the wanted frames of a replayed run in the order of its records, each as it was seen.

    `records` are in the order of their stamps, as a run leaves them. `place` is where the data set
    lies by now, else it is looked for from the working directory and from the folders above the
    run's `folder`. Raises RecordError for a run that was not replayed, and for a picture that is
    another than the run's, DatasetError for a data set that cannot be read.
    """
    replay = configuration.replay
    if replay is None:
        raise RecordError(
            'the run was not made of a data set: its pictures are not known',
            'record the run (record=true), and give the folder of the run with its bag',
        )
    replay = _found(replay, folder, place)
    dataset = open_replayed(replay)
    sending = Sending(dataset, scenario_of(replay))
    drawing = _Drawing(configuration)
    frames = iter(records)
    record = next(frames, None)
    for position, source in _scheduled(replay, dataset):
        stamp = lockstep_stamp(source.index, replay)
        while record is not None and parse_stamp(record.stamp) < stamp:
            record = next(frames, None)
        if record is None:
            return
        if parse_stamp(record.stamp) != stamp or not wanted(record):
            sending.skip(source, stamp)
            continue
        yield drawing.of(sending.take(position, source, stamp), record)


def _scheduled(chosen: ReplayParameters, dataset: Dataset) -> Iterator[tuple[int, Source]]:
    return schedule(
        dataset,
        parse_conditions(list(chosen.conditions)),
        chosen.loop,
        depth=False,
        hold=chosen.hold,
    )


def _found(chosen: ReplayParameters, folder: Path | None, place: str) -> ReplayParameters:
    """Return the parameters of a replay with the place at which its data set lies by now."""
    if place:
        return replace(chosen, dataset=place)
    kind, path = split_place(chosen.dataset)
    if folder is None or path.is_absolute() or path.exists():
        return chosen
    for above in folder.resolve().parents:
        if (above / path).exists():
            return replace(chosen, dataset=f'{kind}:{above / path}')
    raise DatasetError(
        f'the data set {chosen.dataset} of the run {folder} is not there',
        'say where it lies: --dataset PLACE',
    )


class _Drawing:
    """Draws frames as one run did."""

    def __init__(self, configuration: Configuration) -> None:
        self._seed = configuration.corruption.seed
        self._manner = manner_of(configuration.corruption)
        self._truth = TruthStep(configuration.monitor)

    def of(self, sent: Sent, record: FrameRecord) -> Seen:
        source = sent.source
        if (source.key, source.condition.name) != (record.key, record.condition.name):
            raise RecordError(
                f'frame {record.stamp} is {record.key} under {record.condition.name} in the '
                f'records, and {source.key} under {source.condition.name} by the configuration',
                'give the data set that the run was made of',
            )
        degraded = degrade_frame(
            np.ascontiguousarray(sent.frame.image),
            source.condition,
            self._seed,
            source.draw or source.key,
            self._manner,
            source.image,
        )
        told = degraded.applied.image
        if record.image is not None and record.image != told:
            raise RecordError(
                f'frame {record.key} under {record.condition.name} is another picture than the '
                f"run's: {told}, not {record.image}",
                'give the data set, and use the version of this package, that the run was made by',
            )
        truth = dict(self._truth.parts(sent.frame, depth=False))
        labels = truth.get(parts.LABELS)
        ids = labels.labels if isinstance(labels, LabelMap) and not labels.problem else None
        found = truth.get(parts.INSTANCES)
        if isinstance(found, Numbered):
            found = None if ids is None else found.resolved(ids)
        instances = found if isinstance(found, np.ndarray) else None
        return Seen(record, degraded.image, sent.frame.image, ids, instances)
