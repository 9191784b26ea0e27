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

"""How sure the segmentation was, to and from the pairs of `segmentation/confidence`."""

from __future__ import annotations

from collections.abc import Mapping

from vlm_misalign_ros.core.types import Confidence, Failed, Passed
from vlm_misalign_ros.wire.by_class import classes_to_values, entropies_of, lacking_of
from vlm_misalign_ros.wire.clean import against_clean_of, against_clean_to_values
from vlm_misalign_ros.wire.scalars import share
from vlm_misalign_ros.wire.told import Values, absent_of, checksum_of, delays, optional, seconds_of


def confidence_to_values(told: Confidence) -> Values:
    """Return the pairs of a `segmentation/confidence` message."""
    return {
        'entropy': repr(told.entropy),
        'confidence': repr(told.confidence),
        'image': told.image,
        'mask': told.mask,
        'latency': optional(told.latency),
        **delays(told),
        **classes_to_values(told),
        **against_clean_to_values(told.against_clean),
    }


def confidence_from_values(values: Mapping[str, str]) -> Confidence | Failed | Passed:
    """
    Read a `segmentation/confidence` message; Failed where the model failed on the frame.

    Passed where the frame was passed over. Raises RecordError naming a value that is not 0 to 1,
    and an entropy of what is no class.
    """
    absent = absent_of(values)
    if absent is not None:
        return absent
    entropy, confidence = (share(values.get(n, ''), n) for n in ('entropy', 'confidence'))
    return Confidence(
        entropy,
        confidence,
        checksum_of(values, 'image'),
        checksum_of(values, 'mask'),
        entropies_of(values),
        lacking_of(values),
        seconds_of(values, 'latency'),
        seconds_of(values, 'waited'),
        seconds_of(values, 'age'),
        against_clean_of(values),
    )
