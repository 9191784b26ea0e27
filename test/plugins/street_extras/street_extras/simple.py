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


SIMPLE: Encoding = ValueEncoding('simple', _table())
