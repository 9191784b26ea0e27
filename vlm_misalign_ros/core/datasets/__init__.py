"""Frames from disk or from a generator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vlm_misalign_ros.core.datasets.cityscapes import CityscapesDataset


def open_dataset(
    root: str | Path,
    split: str = '',
    cities: Sequence[str] = (),
    limit: int = 0,
    sequences: bool = False,
) -> CityscapesDataset:
    """Open a data set in Cityscapes layout; arguments and errors as in CityscapesDataset.open."""
    return CityscapesDataset.open(root, split, cities, limit, sequences)
