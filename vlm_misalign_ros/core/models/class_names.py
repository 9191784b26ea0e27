"""From a segmentation model's own class names to Cityscapes train ids."""

from __future__ import annotations

from typing import Any

from vlm_misalign_ros.core.errors import ModelError
from vlm_misalign_ros.core.labels.classes import CLASSES


def train_ids(id2label: dict[Any, Any], model: str) -> dict[int, int]:
    """
    Return {the model's class index: Cityscapes train id} by the names in `id2label`.

    Classes that Cityscapes does not have are left out; ModelError when one of the 19 is missing.
    """
    wanted = {_plain(name): index for index, name in enumerate(CLASSES)}
    found = {
        int(index): wanted[_plain(str(name))]
        for index, name in id2label.items()
        if _plain(str(name)) in wanted
    }
    missing = [name for index, name in enumerate(CLASSES) if index not in found.values()]
    if missing:
        raise ModelError(
            f'segmentation model {model} does not know the class{"es" * (len(missing) > 1)} '
            + ', '.join(repr(name) for name in missing),
            'use a model trained on Cityscapes, with its class names in id2label',
        )
    return found


def _plain(name: str) -> str:
    return name.strip().lower().replace('_', ' ').replace('-', ' ')
