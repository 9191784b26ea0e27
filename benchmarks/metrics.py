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
What the metrics of a frame cost, against a plain way and against a copy of the masks.

The mask comparison is timed against what cityscapesScripts does in Python (unique pairs) and
numpy.bincount; the rest is all the monitor computes of a frame: inventory, three-state truth,
hazard and its sweep, the scores of three models, and the record.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
from pathlib import Path

import numpy as np
from timing import median_ms

from vlm_misalign_ros.core.datasets.cityscapes import CityscapesDataset
from vlm_misalign_ros.core.evaluation.evaluator import Evaluator
from vlm_misalign_ros.core.evaluation.join import Joined
from vlm_misalign_ros.core.evaluation.parts import (
    CONDITION,
    DEPTH,
    INSTANCES,
    LABELS,
    SEGMENTATION,
    SOURCE,
    vlm_part,
)
from vlm_misalign_ros.core.labels.classes import LABELS as TABLE
from vlm_misalign_ros.core.metrics.confusion import confusion
from vlm_misalign_ros.core.settings.nodes import EvaluationParameters
from vlm_misalign_ros.core.truth.inventory import take_inventory
from vlm_misalign_ros.core.types import (
    Applied,
    Condition,
    Description,
    Frame,
    Judgement,
    Kind,
    Mention,
    Source,
)
from vlm_misalign_ros.core.world import generate

MODELS = ('first', 'second', 'third')


def to_train_ids(labels: np.ndarray) -> np.ndarray:
    table = np.full(256, 255, np.uint8)
    for label in TABLE:
        if 0 <= label.train_id < 19:
            table[label.id] = label.train_id
    return table[labels]


def disturbed(labels: np.ndarray) -> np.ndarray:
    """Return train ids that are wrong in places, as a model's mask."""
    wrong = to_train_ids(labels)
    rng = np.random.default_rng(0)
    for _ in range(40):
        top, left = rng.integers(0, labels.shape[0]), rng.integers(0, labels.shape[1])
        wrong[top : top + 60, left : left + 90] = rng.integers(0, 19)
    return wrong


def bincount(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Count pairs the usual way in numpy."""
    pairs = truth.astype(np.int64).ravel() * 256 + predicted.ravel()
    return np.bincount(pairs, minlength=65536)


def unique(truth: np.ndarray, predicted: np.ndarray) -> dict[int, int]:
    """Count pairs as cityscapesScripts does without its compiled module."""
    encoded = truth.astype(np.int32) * 34 + predicted
    values, counts = np.unique(encoded, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def joined(frame: Frame, predicted: np.ndarray) -> Joined:
    """Return the frame as the join hands it to the evaluation."""
    condition = Condition('clean')
    answers = {
        vlm_part(name): Description(
            name,
            Kind.GENERATIVE,
            'a car and a person',
            {'car': Mention.ASSERTED, 'person': Mention.ASSERTED},
            judgement=Judgement.SAFE,
        )
        for name in MODELS
    }
    return Joined(
        0,
        {
            SOURCE: (
                Source(
                    frame.dataset,
                    frame.sequence,
                    frame.key,
                    0,
                    1,
                    0,
                    condition,
                    frame.depth is not None,
                ),
                frame.camera,
            ),
            CONDITION: Applied(condition, 0),
            LABELS: frame.labels,
            INSTANCES: frame.instances,
            DEPTH: frame.depth,
            SEGMENTATION: predicted,
            **answers,
        },
        (),
        'complete',
    )


def measure(name: str, frame: Frame, repeats: int) -> None:
    assert frame.labels is not None
    labels, predicted = frame.labels, disturbed(frame.labels)
    target = np.empty_like(labels)

    def copy() -> None:
        np.copyto(target, labels)
        np.copyto(target, predicted)

    evaluator = Evaluator(EvaluationParameters(models=MODELS))
    parts = joined(frame, predicted)
    mask = median_ms(lambda: confusion(labels, predicted), repeats)
    whole = median_ms(lambda: evaluator.evaluate(parts), repeats)
    found = take_inventory(labels, frame.instances, frame.depth)
    print(
        f'{name}: {labels.shape[1]} x {labels.shape[0]}, {len(found.things)} things, depth: '
        f'{"measured" if frame.depth is not None else "flat ground"}'
    )
    rows = [
        ('copy of both masks', median_ms(copy, repeats)),
        ('mask comparison', mask),
        ('  numpy.bincount', median_ms(lambda: bincount(labels, predicted), repeats)),
        (
            '  numpy.unique, as cityscapesScripts',
            median_ms(lambda: unique(labels, predicted), max(3, repeats // 5)),
        ),
        (
            'inventory of things',
            median_ms(lambda: take_inventory(labels, frame.instances, frame.depth), repeats),
        ),
        ('all of a frame', whole),
        ('all beyond the mask comparison', whole - mask),
    ]
    for label, took in rows:
        print(f'  {label:<38}{took:8.2f} ms{took / mask:8.1f} x the mask comparison')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--repeats', type=int, default=31)
    parser.add_argument('--cityscapes', type=Path, help='a Cityscapes folder to measure on, too')
    arguments = parser.parse_args()
    gc.freeze()
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder), 3, seed=1, width=2048, height=1024)
        for frame in CityscapesDataset.open(folder):
            measure(frame.key, frame, arguments.repeats)
    if arguments.cityscapes:
        for frame in CityscapesDataset.open(arguments.cityscapes):
            measure(frame.key, frame, arguments.repeats)


if __name__ == '__main__':
    main()
