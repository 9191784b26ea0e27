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

"""Calibrates a contrastive model on the clean frames of a data set, without ROS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

from vlm_misalign_ros.core.datasets import open_dataset
from vlm_misalign_ros.core.errors import ConfigurationError, DatasetError, ModelError
from vlm_misalign_ros.core.labels.classes import BY_NAME, CLASSES, STUFF, STUFF_SHARE
from vlm_misalign_ros.core.language.prompts import DEFAULT, prompts_hash
from vlm_misalign_ros.core.models import calibration
from vlm_misalign_ros.core.models.factory import kind_of, load_vlm, model_hash, parse
from vlm_misalign_ros.core.models.query import Query
from vlm_misalign_ros.core.truth.inventory import Inventory
from vlm_misalign_ros.core.truth.read import TruthMaps, TruthSettings, read_truth, trust_of
from vlm_misalign_ros.core.truth.trust import Trust
from vlm_misalign_ros.core.types import Frame, Hazard, Kind, Presence


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
            f'model {model!r} is generative and has no scores to calibrate',
            'give an open_clip: model',
        )
    frames = open_dataset(dataset, split=split, cities=cities, limit=limit)
    network = cast(ScoresClasses, load_vlm(model, prompt=prompt, device=device, threads=threads))
    scores, truths = [], []
    unscorable: list[str] = []
    for number, frame in enumerate(frames):
        truth, trust = frame_truth(frame, settings)
        if truth is None:
            unscorable.append(f'{frame.key}: {trust.reason}')
        else:
            scores.append(network.raw_scores(Query((frame.image,))))
            truths.append(truth)
        if progress is not None:
            progress(number + 1, len(frames))
    points = calibration.calibrate(scores, truths)
    if not points:
        lost = f'{len(unscorable)} of {len(frames)} frames are unscorable ({unscorable[0]})'
        raise DatasetError(
            f'{dataset} has no class with {calibration.LEAST} positives and negatives'
            + (f'; {lost}' if unscorable else ''),
            'calibrate on more frames that are labelled',
        )
    return calibration.Calibration(
        model,
        model_hash(reference),
        prompt or DEFAULT,
        prompts_hash(prompt),
        points,
        {
            'dataset': frames.name,
            'split': split,
            'frames': len(truths),
            **({'unscorable': len(unscorable)} if unscorable else {}),
            'cities': sorted({entry.city for entry in frames.entries}),
        },
        settings.to_plain(),
    )


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
