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
One evaluation that uses the four plug-ins, to be run where street_extras is installed.

What a simulator would send is taken from the data set, its labels in the encoding `simple`; it is
evaluated as it comes into OUT/run, and written into the bag OUT/bag for whoever reads bags.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.typesys import Stores, get_typestore

from golden.replaying import NANO, image_message, values_message
from vlm_misalign_ros.bags.writer import BagWriter
from vlm_misalign_ros.core.corruptions import degrade, parse_conditions
from vlm_misalign_ros.core.datasets import open_dataset
from vlm_misalign_ros.core.evaluation import parts
from vlm_misalign_ros.core.evaluation.replaying import schedule
from vlm_misalign_ros.core.evaluation.session import Session
from vlm_misalign_ros.core.labels.classes import BY_NAME, TWO_WHEELERS, VEHICLE_MEMBERS
from vlm_misalign_ros.core.labels.encodings import open_encoding
from vlm_misalign_ros.core.labels.maps import read_labels
from vlm_misalign_ros.core.models.factory import load_vlm
from vlm_misalign_ros.core.settings.nodes import MonitorParameters
from vlm_misalign_ros.wire import topics
from vlm_misalign_ros.wire import values as codec

MODEL = 'rules'
CONDITIONS = ['clean', 'fog:3', 'fog:5', 'low_light:4']


def simple_of(labels: np.ndarray) -> np.ndarray:
    """Return Cityscapes label ids, uint8 (H, W), as the simulator has them."""
    values = np.full(256, 4, np.uint8)
    values[: BY_NAME['road'].id] = 0
    values[BY_NAME['road'].id] = 1
    values[[BY_NAME[name].id for name in (*VEHICLE_MEMBERS, *TWO_WHEELERS)]] = 2
    values[[BY_NAME['person'].id, BY_NAME['rider'].id]] = 3
    return values[labels]


def frames(folder: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (stamp, parts) of every frame and condition; the labels are not decoded."""
    dataset, model = open_dataset(f'flat:{folder}'), load_vlm('rules:darkness')
    for position, source in schedule(dataset, parse_conditions(CONDITIONS)):
        frame = dataset.read(position)
        assert frame.labels is not None
        made = degrade(frame.image, source.condition, 7, frame.key)
        answer = replace(model.describe(made.image), model=MODEL, latency=0.0)
        yield (
            NANO + round(source.index * NANO / 10),
            {
                parts.SOURCE: (source, frame.camera),
                parts.LABELS: simple_of(frame.labels),
                parts.CONDITION: made.applied,
                parts.vlm_part(MODEL): answer,
            },
        )


def evaluate(folder: str, out: Path) -> None:
    """Evaluate in this process."""
    encoding = open_encoding('simple')
    session = Session(
        MonitorParameters(
            models=(MODEL,),
            segmentation=False,
            instances=False,
            pictures=0,
            run_folder=str(out),
            deadline=1e9,
        )
    )
    for stamp, found in frames(folder):
        found[parts.LABELS] = read_labels(encoding, found[parts.LABELS])
        for name, value in found.items():
            session.add(stamp, name, value, 0.0)
    session.end(0.0)


def write_bag(folder: str, out: Path) -> None:
    """Write what the simulator, the corruption node and the model would have sent."""
    store = get_typestore(Stores.ROS2_JAZZY)
    bag = BagWriter(out)
    for first, (stamp, found) in enumerate(frames(folder)):
        for topic, message in (
            (
                topics.CAMERA_SOURCE,
                values_message(codec.source_to_values(*found[parts.SOURCE]), stamp),
            ),
            (topics.TRUTH_LABELS, image_message(found[parts.LABELS], stamp, 'mono8')),
            (
                topics.DEGRADED_CONDITION,
                values_message(codec.applied_to_values(found[parts.CONDITION]), stamp),
            ),
            (
                topics.vlm_description(MODEL),
                values_message(codec.description_to_values(found[parts.vlm_part(MODEL)]), stamp),
            ),
        ):
            if not first:
                bag.add_topic(f'/{topic}', message.__msgtype__)
            bag.write(f'/{topic}', bytes(store.serialize_cdr(message, message.__msgtype__)), stamp)
    bag.close()


if __name__ == '__main__':
    evaluate(sys.argv[1], Path(sys.argv[2]) / 'run')
    write_bag(sys.argv[1], Path(sys.argv[2]) / 'bag')
