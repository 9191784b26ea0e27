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
Pseudo-labels: what a segmentation model makes of the frames between those that are labelled.

A data set in Cityscapes layout of which every 30th frame has labels becomes one in which every
frame has a model's, that frame too, so that the truth does not change its author on the way. What
is then measured against them is a disagreement between two models, and the records say so.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vlm_misalign_ros.core.datasets import DEFAULT, split_place
from vlm_misalign_ros.core.datasets.cityscapes import PSEUDO_LABELS, CityscapesDataset
from vlm_misalign_ros.core.datasets.cityscapes_index import Entry
from vlm_misalign_ros.core.errors import ConfigurationError, DatasetError
from vlm_misalign_ros.core.files import write_json
from vlm_misalign_ros.core.labels.classes import BY_NAME, to_label_ids
from vlm_misalign_ros.core.models.factory import (
    check,
    classes_of,
    load_segmentation,
    model_hash,
    parse,
)
from vlm_misalign_ros.core.models.whole import check_whole
from vlm_misalign_ros.core.types import Role

SCHEMA = 1
"""Version of pseudo_labels.json."""
OWN = ('ego vehicle', 'rectification border', 'out of roi')
"""Labels of the picture itself, which no model predicts: taken from frames that have labels."""
_LOOKED_AT = 40
"""Labelled frames at most that tell where these lie."""


@dataclass(frozen=True)
class Asked:
    """What is to be labelled, and by what."""

    dataset: str
    out: Path
    model: str
    split: str = ''
    cities: tuple[str, ...] = ()
    limit: int = 0
    input_height: int = 512
    device: str = 'auto'
    dtype: str = 'float32'
    threads: int = 1


def pseudo_label(
    asked: Asked, progress: Callable[[int, int], object] = lambda done, of: None
) -> dict[str, Any]:
    """
    Write a data set with a model's labels; return the content of its pseudo_labels.json.

    Pictures, cameras and disparities are linked (copied where links cannot be made); nothing of
    the data set is written to. Where labelled frames show ego vehicle and borders at most pixels,
    these keep their labels. Raises a MisalignError for data, model or folder that will not do: a
    model that cannot tell all 19 classes would have the others absent from every frame.
    """
    layout, root = split_place(asked.dataset)
    if layout != DEFAULT:
        raise ConfigurationError(
            f'data set {asked.dataset!r} is of the layout {layout!r}',
            'pseudo-labels are made for folders in Cityscapes layout',
        )
    if asked.out.exists() and (not asked.out.is_dir() or any(asked.out.iterdir())):
        raise DatasetError(f'{asked.out} is there already', 'choose a new folder')
    frames = CityscapesDataset.open(
        root, split=asked.split, cities=asked.cities, limit=asked.limit, sequences=True
    )
    if frames.pseudo_labels is not None:
        raise DatasetError(
            f'{root} has pseudo-labels already', 'give the data set that they were made of'
        )
    own, told_by = _own(frames)
    reference = parse(asked.model)
    check(reference, Role.SEGMENTATION)
    classes = classes_of(reference, '')
    if classes is not None:
        check_whole(asked.model, classes.lacking)
    network = load_segmentation(
        asked.model,
        device=asked.device,
        dtype=asked.dtype,
        threads=asked.threads,
        input_height=asked.input_height,
    )
    for index, entry in enumerate(frames.entries):
        found = network.segment(frames.read(index).image)
        check_whole(asked.model, found.lacking)
        labels = to_label_ids(found.labels)
        if own is not None and own.shape == labels.shape:
            labels = np.where(own > 0, own, labels)
        try:
            _save(asked.out, entry, labels)
        except OSError as error:
            raise DatasetError(
                f'{asked.out} cannot be written: {error.strerror}',
                'free space or choose another folder',
            ) from error
        progress(index + 1, len(frames))
    told = asdict(asked)
    del told['out']
    content = {
        'schema': SCHEMA,
        **told,
        'model_sha256': model_hash(reference),
        'frames': len(frames),
        'hood_from': told_by,
    }
    write_json(asked.out / PSEUDO_LABELS, content)
    return content


def _own(frames: CityscapesDataset) -> tuple[np.ndarray | None, int]:
    """
    Return what most labelled frames show of ego vehicle and borders, and how many were looked at.

    Label ids, uint8 (H, W), 0 elsewhere; None where no frame has labels.
    """
    labelled = [n for n, entry in enumerate(frames.entries) if entry.labels is not None]
    places = np.unique(np.linspace(0, len(labelled) - 1, min(_LOOKED_AT, len(labelled))).round())
    ids = [BY_NAME[name].id for name in OWN]
    counts: np.ndarray | None = None
    used = 0
    for place in places.astype(int).tolist():
        labels = frames.read(labelled[place]).labels
        if labels is None or (counts is not None and counts.shape[1:] != labels.shape):
            continue
        if counts is None:
            counts = np.zeros((len(ids), *labels.shape), np.uint16)
        counts += np.stack([labels == number for number in ids])
        used += 1
    if counts is None:
        return None, 0
    most = np.array(ids, np.uint8)[counts.argmax(axis=0)]
    return np.where(2 * counts.sum(axis=0) > used, most, np.uint8(0)), used


def _save(out: Path, entry: Entry, labels: np.ndarray) -> None:
    """Write one frame's labels and link its other files."""
    place = f'{entry.split}/{entry.city}'
    for folder, source in (
        ('leftImg8bit_sequence', entry.image),
        ('camera', entry.camera),
        ('disparity', entry.disparity),
    ):
        if source is not None:
            target = out / folder / place / source.name
            target.parent.mkdir(parents=True, exist_ok=True)
            _link(source, target)
    path = out / 'gtFine' / place / f'{entry.key}_gtFine_labelIds.png'
    path.parent.mkdir(parents=True, exist_ok=True)
    _, data = cv2.imencode('.png', labels)
    path.write_bytes(data.tobytes())


def _link(source: Path, target: Path) -> None:
    try:
        os.symlink(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)
