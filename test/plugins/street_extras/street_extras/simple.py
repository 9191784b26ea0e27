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

"""The label encoding `simple`: label maps of five values."""

from __future__ import annotations

import numpy as np

from vlm_misalign_ros.core.labels.classes import BY_NAME
from vlm_misalign_ros.core.labels.encodings import UNKNOWN, Encoding, ValueEncoding

NAMES = {1: 'road', 2: 'car', 3: 'person', 4: 'building'}
"""Cityscapes name by value: 2 is any vehicle, 4 everything that stands; 0 is void."""


def _table() -> np.ndarray:
    """Return the Cityscapes label id of every value, uint8 (256,)."""
    table = np.full(256, UNKNOWN, np.uint8)
    for value, name in NAMES.items():
        table[value] = BY_NAME[name].id
    return table


MERGED = {
    BY_NAME['car'].id: [BY_NAME[name].id for name in ('truck', 'bus', 'motorcycle', 'bicycle')],
    BY_NAME['person'].id: [BY_NAME['rider'].id],
}
"""Label ids that stand for others, too."""

SIMPLE: Encoding = ValueEncoding('simple', _table(), merged=MERGED)
