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
Messages of nodes outside, of types that nobody here has heard of: read by their structure.

The stamp is `header.stamp`, or `stamp` beside the text; the text is the message's only string, or
the one that has a name for it or is named. Live messages and those of bags have the same fields.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.evaluation.outside import Outside, outside_part
from vlm_misalign_ros.core.evaluation.placing import Claim
from vlm_misalign_ros.core.labels.classes import to_train_ids
from vlm_misalign_ros.core.labels.encodings import Encoding, open_encoding
from vlm_misalign_ros.core.labels.maps import read_labels
from vlm_misalign_ros.core.labels.shares import Limits
from vlm_misalign_ros.core.settings.outside import (
    OutsideMaskParameters,
    OutsideParameters,
    OutsideVlmParameters,
)
from vlm_misalign_ros.wire.channels import Form
from vlm_misalign_ros.wire.pixels import to_label_pixels
from vlm_misalign_ros.wire.strange import of_strangers
from vlm_misalign_ros.wire.values import check_stamp, description_from_values, values_of

TEXTS = ('data', 'text')
"""Names of the field that has the text, where a message has several strings."""
MOST_BYTES = 1 << 24
"""Bytes of a message in words; a longer one is refused unread."""


def check_size(form: str, size: int) -> None:
    """Raise RecordError for a message of the type `form` that has too many bytes to be read."""
    if form != Form.IMAGE.value and size > MOST_BYTES:
        raise RecordError(
            f'a {form} has {size} bytes', f'{MOST_BYTES} at most are read of an answer'
        )


def names_of(message: Any) -> list[str]:
    """Return the names of a message's fields, of rclpy or of rosbags; RecordError for neither."""
    told = getattr(message, 'get_fields_and_field_types', None)
    if told is not None:
        return list(told())
    if is_dataclass(message):
        # rosbags has the name of the type among them.
        return [entry.name for entry in fields(message) if not entry.name.startswith('__')]
    raise RecordError(f'a {type(message).__name__} is no message')


def stamp_in(message: Any) -> int | None:
    """
    Return the time of `header.stamp`, or of `stamp`, in nanoseconds; None where there is neither.

    Raises RecordError for what is no time of a frame.
    """
    stamp: Any = getattr(getattr(message, 'header', None), 'stamp', None)
    stamp = getattr(message, 'stamp', None) if stamp is None else stamp
    if not hasattr(stamp, 'sec') or not hasattr(stamp, 'nanosec'):
        return None
    return check_stamp(stamp.sec, stamp.nanosec)


def text_in(message: Any, path: str = '') -> str:
    """Return the text of a message; RecordError names the strings of one where it is not plain."""
    if path:
        found = message
        for name in path.split('.'):
            found = getattr(found, name, None)
        if not isinstance(found, str):
            raise RecordError(
                f'a message has no string {path!r}',
                'set `field` to one of ' + (', '.join(_strings(message)) or 'those it has: none'),
            )
        return found
    strings = _strings(message)
    chosen = strings if len(strings) == 1 else [name for name in TEXTS if name in strings]
    if not chosen:
        raise RecordError(
            f'a message has the strings {", ".join(strings) or "none"}, and it is not plain which '
            'is the answer',
            'set `field` to its name',
        )
    return str(getattr(message, chosen[0]))


def _strings(message: Any) -> list[str]:
    return [name for name in names_of(message) if isinstance(getattr(message, name), str)]


class OutsideTopic:
    """One topic from outside: makes claims of its messages."""

    def __init__(
        self, name: str, chosen: OutsideParameters, outside: Outside, limits: Limits
    ) -> None:
        """Open the encoding of a mask; ConfigurationError where there is none such."""
        self.name = name
        self.chosen = chosen
        self.part = outside_part(name)
        self._outside = outside
        self._limits = limits
        self._encoding: Encoding | None = None
        if isinstance(chosen, OutsideMaskParameters):
            self._encoding = open_encoding(chosen.label_encoding, limits)

    def claim(self, message: Any, form: str, arrival: int) -> Claim:
        """
        Return the claim of a message of the type `form` that came at `arrival`, nanoseconds.

        Raises RecordError, and nothing else, for whatever a stranger may have put into it.
        """
        with of_strangers():
            return self._claim(message, form, arrival)

    def _claim(self, message: Any, form: str, arrival: int) -> Claim:
        stamp = stamp_in(message)
        if self._encoding is not None:
            if form != Form.IMAGE.value:
                raise RecordError(f'a mask came as {form[:80]}', f'publish {Form.IMAGE.value}')
            return Claim(lambda: self._mask(message), stamp, arrival)
        if form == Form.VALUES.value:
            told = description_from_values(values_of(message))
            return Claim(lambda: told, stamp, arrival)
        field = self.chosen.field if isinstance(self.chosen, OutsideVlmParameters) else ''
        return self._outside.claim(self.part, text_in(message, field), stamp, arrival)

    def _mask(self, message: Any) -> np.ndarray:
        """Return train ids, uint8 (H, W); RecordError for a mask that its encoding cannot read."""
        assert self._encoding is not None
        with of_strangers():
            read = read_labels(self._encoding, to_label_pixels(message))
        share = read.outside.total / max(1, read.labels.size)
        if read.problem or share > self._limits.unlabelled_share:
            raise RecordError(
                read.problem or f'{share:.0%} of a mask is outside the table of {read.encoding}',
                'set `label_encoding` of the segmentation; `vlm-misalign labels` says which it is',
            )
        if lacking := read.telling.lacking:
            raise RecordError(
                f'masks of {read.encoding} cannot tell {", ".join(lacking)}',
                'mIoU is over the 19 classes of Cityscapes: a mean over fewer compares with none',
            )
        return to_train_ids(read.labels)
