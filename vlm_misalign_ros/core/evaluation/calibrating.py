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

"""Calibrates a contrastive model, or a mask reader, on the clean frames of a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol, cast

import numpy as np

from vlm_misalign_ros.core.datasets import Dataset, open_dataset
from vlm_misalign_ros.core.errors import ConfigurationError, DatasetError, ModelError
from vlm_misalign_ros.core.labels.classes import BY_NAME, CLASSES, STUFF, STUFF_SHARE
from vlm_misalign_ros.core.language.prompts import DEFAULT, prompts_hash
from vlm_misalign_ros.core.models import calibration
from vlm_misalign_ros.core.models.factory import (
    kind_of,
    load_segmentation,
    load_vlm,
    model_hash,
    parse,
)
from vlm_misalign_ros.core.models.families import SegmentationOptions
from vlm_misalign_ros.core.models.frozen import LEAST
from vlm_misalign_ros.core.models.least_areas import LeastAreas, set_areas
from vlm_misalign_ros.core.models.mask_reading import IN_THE_WAY, NO_HOOD, Mask, in_the_way
from vlm_misalign_ros.core.models.query import Query
from vlm_misalign_ros.core.truth.inventory import Inventory
from vlm_misalign_ros.core.truth.read import TruthMaps, TruthSettings, read_truth, trust_of
from vlm_misalign_ros.core.truth.trust import Trust
from vlm_misalign_ros.core.types import Frame, Hazard, Kind, Presence

HOOD_FRAMES = 40
"""Frames of which the hood is looked for."""
EGO = BY_NAME['ego vehicle'].id


class ScoresClasses(Protocol):
    """A contrastive model, as calibration needs it."""

    def raw_scores(self, query: Query, /) -> dict[str, float]:
        """Return the uncalibrated score of each class and of SAFETY, 0 to 1."""


def calibrate_model(
    model: str,
    dataset: str,
    split: str = '',
    cities: tuple[str, ...] = (),
    limit: int = 0,
    prompt: str = '',
    device: str = 'auto',
    threads: int = 1,
    settings: TruthSettings = TruthSettings(),  # noqa: B008  (frozen)
    progress: Callable[[int, int], object] | None = None,
) -> calibration.Calibration:
    """
    Return the operating points of a contrastive model on clean labelled frames.

    A class is there when it is REQUIRED (stuff: when it covers STUFF_SHARE of the picture), is
    not when it is ABSENT, and between counts as neither; safe is CLEAR against HAZARD. Raises a
    MisalignError naming the model or data that will not do.
    """
    reference = parse(model)
    if kind_of(reference) is not Kind.CONTRASTIVE:
        raise ModelError(
            f'model {model!r} is {kind_of(reference).value} and has no scores to calibrate',
            'give an open_clip: model, or mask_reader with the segmentation that it reads',
        )
    frames = open_dataset(dataset, split=split, cities=cities, limit=limit)
    network = cast(ScoresClasses, load_vlm(model, prompt=prompt, device=device, threads=threads))
    scores, truths = [], []
    clean = _Clean(frames, settings, progress)
    for frame, truth in clean:
        scores.append(network.raw_scores(Query((frame.image,))))
        truths.append(truth)
    points = calibration.calibrate(scores, truths)
    if not points:
        raise clean.refuse(dataset)
    return calibration.Calibration(
        model,
        model_hash(reference),
        prompt or DEFAULT,
        prompts_hash(prompt),
        points,
        clean.told(split),
        settings.to_plain(),
    )


def calibrate_mask_reader(
    segmentation: str,
    dataset: str,
    split: str = '',
    cities: tuple[str, ...] = (),
    limit: int = 0,
    input_height: int = SegmentationOptions.input_height,
    device: str = 'auto',
    threads: int = 1,
    settings: TruthSettings = TruthSettings(),  # noqa: B008  (frozen)
    progress: Callable[[int, int], object] | None = None,
) -> LeastAreas:
    """
    Return the least areas of what a segmentation predicts on clean labelled frames.

    What is there and what is not is told as for `calibrate_model`. Raises a MisalignError naming
    the model or data that will not do.
    """
    reference = parse(segmentation)
    frames = open_dataset(dataset, split=split, cities=cities, limit=limit)
    network = load_segmentation(
        segmentation, input_height=input_height, device=device, threads=threads
    )
    hood = hood_of(frames)
    areas, truths = [], []
    clean = _Clean(frames, settings, progress)
    for frame, truth in clean:
        mask = Mask.of(network.segment(frame.image).labels, hood)
        areas.append({**mask.areas(), IN_THE_WAY: in_the_way(mask, frame.known_camera, settings)})
        safe = truth[calibration.SAFETY]
        truths.append({**truth, IN_THE_WAY: None if safe is None else not safe})
    found = set_areas(areas, truths)
    if not found:
        raise clean.refuse(dataset)
    return LeastAreas(
        segmentation,
        model_hash(reference),
        input_height,
        found,
        clean.told(split),
        settings.to_plain(),
        hood,
    )


def hood_of(frames: Dataset) -> float:
    """
    Return from which part of the height on the frames of a data set show the ego vehicle.

    The median over some frames, spread over all, of the first row that holds it; NO_HOOD where
    most show none, or the labels do not tell it.
    """
    first = []
    for index in np.unique(np.linspace(0, len(frames) - 1, HOOD_FRAMES).round().astype(int)):
        labels = frames.read(int(index)).labels
        held = np.zeros(1, bool) if labels is None else (labels == EGO).any(axis=1)
        first.append(float(held.argmax()) / len(held) if held.any() else NO_HOOD)
    return round(float(np.median(first)), 6)


class _Clean:
    """The frames of a data set that can be scored, with what is true of them."""

    def __init__(
        self,
        frames: Dataset,
        settings: TruthSettings,
        progress: Callable[[int, int], object] | None,
    ) -> None:
        self._frames = frames
        self._settings = settings
        self._progress = progress
        self._used = 0
        self._unscorable: list[str] = []

    def __iter__(self) -> Iterator[tuple[Frame, dict[str, bool | None]]]:
        for number, frame in enumerate(self._frames):
            truth, trust = frame_truth(frame, self._settings)
            if truth is None:
                self._unscorable.append(f'{frame.key}: {trust.reason}')
            else:
                self._used += 1
                yield frame, truth
            if self._progress is not None:
                self._progress(number + 1, len(self._frames))

    def told(self, split: str) -> dict[str, Any]:
        """Return what the frames were, for the file."""
        lost = len(self._unscorable)
        return {
            'dataset': self._frames.name,
            'split': split,
            'frames': self._used,
            **({'unscorable': lost} if lost else {}),
            'cities': sorted({entry.city for entry in self._frames.entries}),
        }

    def refuse(self, dataset: str) -> DatasetError:
        """Return the error of data that are too few for any class."""
        told = f'{dataset} has no class with {LEAST} positives and negatives'
        if self._unscorable:
            lost = f'{len(self._unscorable)} of {len(self._frames)} frames are unscorable'
            told += f'; {lost} ({self._unscorable[0]})'
        return DatasetError(told, 'calibrate on more frames that are labelled')


def frame_truth(
    frame: Frame, settings: TruthSettings
) -> tuple[dict[str, bool | None] | None, Trust]:
    """
    Return what is there, by class, and whether going on is safe; None where neither counts.

    A frame whose labels say too little has no truth at all: None. Beside it stands what the
    labels are worth. Raises ConfigurationError for a frame without labels.
    """
    if frame.labels is None:
        raise ConfigurationError(f'frame {frame.key} has no labels', 'calibrate on labelled data')
    trust = trust_of(frame, settings)
    if not trust.scorable:
        return None, trust
    truth = read_truth(TruthMaps.of(frame), frame.camera, settings)
    found = {name: _there(name, truth.seen.scene[name], truth.seen.inventory) for name in CLASSES}
    verdict = truth.hazard.verdict
    found[calibration.SAFETY] = (
        None if verdict is Hazard.INDETERMINATE else (verdict is Hazard.CLEAR)
    )
    return found, trust


def _there(name: str, state: Presence, inventory: Inventory) -> bool | None:
    if state is Presence.ABSENT:
        return False
    if name in STUFF:
        height, width = inventory.shape
        share = inventory.pixels[BY_NAME[name].id] / (height * width)
        return True if share >= STUFF_SHARE else None
    return True if state is Presence.REQUIRED else None
