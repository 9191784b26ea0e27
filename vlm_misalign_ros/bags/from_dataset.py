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

"""A data set as a bag: the pictures of a camera and the ground truth, at a rate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vlm_misalign_ros.bags.messages import image_bytes, info_bytes, values_bytes
from vlm_misalign_ros.bags.whole import refuse_present, whole_folder
from vlm_misalign_ros.bags.writer import BagWriter
from vlm_misalign_ros.core.checksums import checksum
from vlm_misalign_ros.core.datasets import Dataset
from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.evaluation.replaying import protocol_of, told_of
from vlm_misalign_ros.core.stamps import NANO
from vlm_misalign_ros.core.types import Condition, Frame, Source
from vlm_misalign_ros.wire import topics
from vlm_misalign_ros.wire.channels import Form
from vlm_misalign_ros.wire.values import source_to_values

_FORMS = {
    topics.CAMERA_SOURCE: Form.VALUES,
    topics.CAMERA_INFO: Form.CAMERA_INFO,
    topics.TRUTH_LABELS: Form.IMAGE,
    topics.TRUTH_INSTANCES: Form.IMAGE,
    topics.TRUTH_DEPTH: Form.IMAGE,
    topics.CAMERA_IMAGE: Form.IMAGE,
}
RATES = 0.01, 1000.0
"""Least and most Hz."""


@dataclass(frozen=True)
class Timing:
    """When the frames of a bag are."""

    rate: float = 10.0
    """Hz."""
    start: float = 1.0
    """Stamp of the first, seconds."""

    def stamp(self, index: int) -> int:
        """Return the stamp of a frame, nanoseconds."""
        return round(self.start * NANO) + round(index * NANO / self.rate)


def write_dataset(
    dataset: Dataset,
    out: Path,
    timing: Timing,
    namespace: str = '',
    progress: Callable[[int, int], object] | None = None,
) -> int:
    """
    Write every frame of a data set as the replay node publishes it; return how many there are.

    A frame has a stamp of its own, which is also when it is recorded. camera/source tells its
    name, and what camera_info cannot say of the camera. Raises DatasetError for a frame that
    cannot be read, and leaves nothing then.
    """
    if not RATES[0] <= timing.rate <= RATES[1] or not 0 <= timing.start <= 2e9:
        raise ConfigurationError(
            f'rate {timing.rate:g} from {timing.start:g} s cannot be',
            f'give {RATES[0]:g} to {RATES[1]:g} Hz, and 0 to 2e9 seconds',
        )
    refuse_present(out)
    prefix = '/'.join(['', *(part for part in [namespace.strip('/')] if part), ''])
    protocol = protocol_of(dataset)
    with whole_folder(out) as folder:
        bag = BagWriter(folder)
        known: set[str] = set()

        def put(topic: str, data: bytes, stamp: int) -> None:
            if topic not in known:
                known.add(topic)
                bag.add_topic(prefix + topic, _FORMS[topic].value)
            bag.write(prefix + topic, data, stamp)

        for index, entry in enumerate(dataset.entries):
            frame, stamp = dataset.read(index), timing.stamp(index)
            source = Source(
                dataset.name,
                entry.sequence,
                entry.key,
                index,
                len(dataset),
                0,
                Condition(),
                frame.depth is not None,
                image=checksum(frame.image),
                protocol=protocol,
            )
            values = source_to_values(told_of(source, frame), frame.camera)
            put(topics.CAMERA_SOURCE, values_bytes('source', values, stamp), stamp)
            for topic, data in _messages(frame, stamp):
                put(topic, data, stamp)
            if progress is not None:
                progress(index + 1, len(dataset))
        bag.close()
    return len(dataset)


def _messages(frame: Frame, stamp: int) -> list[tuple[str, bytes]]:
    """Return what of a frame goes with its source, the picture last."""
    found = []
    if frame.camera is not None:
        found.append((topics.CAMERA_INFO, info_bytes(frame.camera, stamp)))
    if frame.labels is not None:
        found.append((topics.TRUTH_LABELS, image_bytes(frame.labels, stamp, 'mono8')))
    if frame.instances is not None:
        found.append((topics.TRUTH_INSTANCES, image_bytes(frame.instances, stamp, 'mono16')))
    if frame.depth is not None:
        found.append((topics.TRUTH_DEPTH, image_bytes(frame.depth, stamp, '16UC1')))
    return [*found, (topics.CAMERA_IMAGE, image_bytes(frame.image, stamp, 'bgr8'))]
