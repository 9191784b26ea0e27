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
The table of channels: a row a topic, with the part it carries and how that is read.

Monitor, recorder and bag analysis listen by this table, so that a message means the same to each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import numpy as np

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.evaluation import parts
from vlm_misalign_ros.core.evaluation.parts import Wanted
from vlm_misalign_ros.core.labels.classes import CLASSES, IGNORE
from vlm_misalign_ros.core.labels.encodings import Encoding
from vlm_misalign_ros.core.labels.instances import AUTO, Numbered, read_instances
from vlm_misalign_ros.core.labels.maps import LabelMap, read_labels
from vlm_misalign_ros.core.settings.inputs import CameraParameters
from vlm_misalign_ros.wire import images, pixels, topics, transports
from vlm_misalign_ros.wire.camera import camera_from_info, rectified_by
from vlm_misalign_ros.wire.strange import of_strangers
from vlm_misalign_ros.wire.values import (
    applied_from_values,
    confidence_from_values,
    description_from_values,
    source_from_values,
    values_of,
)


class Form(Enum):
    """The message types that are used; the value is the type's name."""

    IMAGE = transports.IMAGE
    VALUES = 'diagnostic_msgs/msg/DiagnosticArray'
    CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'


COMPRESSED_IMAGE = transports.COMPRESSED_IMAGE
"""A type in which the channels of PACKED may come, too."""
_NONE = np.uint8(len(CLASSES))
"""The first value that is no train id."""
PACKED = (parts.SOURCE_IMAGE, *parts.TRUTH)
"""Parts that come from outside, by whatever transport: channels that are raw within a run."""


@dataclass(frozen=True)
class Context:
    """What reading a message needs beside the message."""

    encoding: Encoding
    """Of ground_truth/labels."""
    camera_height: float
    camera_pitch: float
    fallback: pixels.Fallback | None = None
    """Reads pictures of encodings that this package does not; None where nothing else is asked."""
    instances: str = AUTO
    """Encoding of ground_truth/instances, one of INSTANCE_ENCODINGS."""
    depth: str = images.METRIC
    """Encoding of ground_truth/depth: metric or carla."""
    rectified: bool = False
    """Whether the camera's pictures are."""

    @classmethod
    def by(
        cls, encoding: Encoding, chosen: CameraParameters, pictures: str, **more: Any
    ) -> Context:
        """Return what is needed by chosen parameters; `pictures` is their topic's full name."""
        rectified = rectified_by(chosen.camera_image, pictures)
        return cls(
            encoding, chosen.camera_height, chosen.camera_pitch, rectified=rectified, **more
        )


@dataclass(frozen=True)
class Channel:
    """One topic."""

    topic: str
    """Relative and remappable; `{model}` stands for the name of a VLM."""
    form: Form
    part: str
    """The part it carries; of a topic that is recorded only, the topic."""
    read: Callable[[Any, Context], Any] | None
    """From a message with the fields of its form to the part's value; None: recorded only."""
    recorded: bool = True
    """Whether bags have it."""


def _labels(message: Any, context: Context) -> LabelMap:
    return read_labels(context.encoding, images.label_pixels(message))


def _depth(message: Any, context: Context) -> np.ndarray:
    return images.depth(message, context.depth)


def _instances(message: Any, context: Context) -> np.ndarray | Numbered:
    array = images.whole(message, 'an instance map')
    return read_instances(array, context.instances, context.encoding)


def _mask(message: Any, context: Context) -> np.ndarray:
    return _plane(message, np.uint8, 'a mask is', 'mono8')


def _train_ids(message: Any, context: Context) -> np.ndarray:
    array = _plane(message, np.uint8, 'a mask is', 'mono8')
    # Counted from the first value that is none, modulo 256, what is strange comes first.
    if array.size and (array - _NONE).min() < np.uint8(IGNORE - len(CLASSES)):
        strange = (array >= len(CLASSES)) & (array != IGNORE)
        raise RecordError(
            f'a predicted mask holds {int(array[strange][0])}, which is no train id',
            f'publish train ids, 0 to {len(CLASSES) - 1}, and {IGNORE} for none',
        )
    return array


def _plane(message: Any, dtype: type, what: str, wanted: str) -> np.ndarray:
    array = pixels.to_array(message)
    if array.ndim != 2 or array.dtype != dtype:
        raise RecordError(f'{what} {message.encoding[:40]!r}', f'publish {wanted}')
    return array


def _picture(message: Any, context: Context) -> np.ndarray:
    return images.picture(message, context.fallback)


def _camera(message: Any, context: Context) -> Any:
    return camera_from_info(
        message, context.camera_height, context.camera_pitch, context.rectified
    )


def _values(convert: Callable[[dict[str, str]], Any]) -> Callable[[Any, Context], Any]:
    return lambda message, context: convert(values_of(message))


CHANNELS: tuple[Channel, ...] = (
    Channel(topics.CAMERA_IMAGE, Form.IMAGE, parts.SOURCE_IMAGE, _picture),
    Channel(topics.CAMERA_INFO, Form.CAMERA_INFO, parts.CAMERA, _camera),
    Channel(topics.CAMERA_SOURCE, Form.VALUES, parts.SOURCE, _values(source_from_values)),
    Channel(topics.TRUTH_LABELS, Form.IMAGE, parts.LABELS, _labels),
    Channel(topics.TRUTH_INSTANCES, Form.IMAGE, parts.INSTANCES, _instances),
    Channel(topics.TRUTH_DEPTH, Form.IMAGE, parts.DEPTH, _depth),
    Channel(topics.DEGRADED_IMAGE, Form.IMAGE, parts.IMAGE, _picture),
    Channel(topics.DEGRADED_CONDITION, Form.VALUES, parts.CONDITION, _values(applied_from_values)),
    Channel(topics.DEGRADED_OCCLUDER, Form.IMAGE, parts.OCCLUDER, _mask),
    Channel(topics.SEGMENTATION_LABELS, Form.IMAGE, parts.SEGMENTATION, _train_ids),
    Channel(
        topics.SEGMENTATION_CONFIDENCE,
        Form.VALUES,
        parts.CONFIDENCE,
        _values(confidence_from_values),
    ),
    Channel(
        topics.REFERENCE_CONFIDENCE, Form.VALUES, parts.REFERENCE, _values(confidence_from_values)
    ),
    Channel(
        topics.vlm_description('{model}'),
        Form.VALUES,
        parts.vlm_part('{model}'),
        _values(description_from_values),
    ),
    Channel(topics.RECORDER_FRAME, Form.VALUES, parts.RECORDER, _values(dict), recorded=False),
    Channel(topics.MONITOR_FRAME, Form.VALUES, topics.MONITOR_FRAME, None),
    Channel(topics.MONITOR_METRICS, Form.VALUES, topics.MONITOR_METRICS, None),
)


def read(channel: Channel, message: Any, context: Context) -> Any:
    """
    Return the value of a channel's part, read from a message of its form.

    Raises RecordError, and nothing else, for whatever a stranger may have put into it.
    """
    assert channel.read is not None
    with of_strangers():
        return channel.read(message, context)


def _opened(wanted: Wanted) -> Iterator[Channel]:
    """Yield the channels of this package, that of the answers once for each model."""
    for channel in CHANNELS:
        if '{model}' not in channel.topic:
            if channel.part not in wanted.outside:
                yield channel
            continue
        for name in wanted.models:
            if name in wanted.outside:
                continue
            yield replace(
                channel, topic=channel.topic.format(model=name), part=parts.vlm_part(name)
            )


def listened(wanted: Wanted) -> list[Channel]:
    """Return the channels of the parts that a listener takes."""
    names = set(parts.taken(wanted))
    return [channel for channel in _opened(wanted) if channel.part in names]


def recorded(wanted: Wanted) -> list[Channel]:
    """Return the channels of a bag: those of the parts taken, the camera's and the monitor's."""
    names = {*parts.taken(wanted), parts.CAMERA}
    return [
        channel
        for channel in _opened(wanted)
        if channel.recorded and (channel.read is None or channel.part in names)
    ]
