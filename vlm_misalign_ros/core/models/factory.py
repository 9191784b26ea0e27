"""From a model's string to its adapter; heavy libraries are imported only for what is used."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.models import reference
from vlm_misalign_ros.core.types import Description, Segmented


class Segments(Protocol):
    """A segmentation model."""

    def segment(self, bgr: np.ndarray) -> Segmented:
        """Return train ids and how sure the model is, of a BGR uint8 (H, W, 3) picture."""
        ...


class Describes(Protocol):
    """A vision-language model."""

    kind: str

    def describe(self, bgr: np.ndarray) -> Description:
        """Return what the model says of a BGR uint8 (H, W, 3) picture."""
        ...


def load_segmentation(
    model: str,
    *,
    device: str = 'auto',
    dtype: str = 'float32',
    input_height: int = 512,
    threads: int = 1,
    trust_remote_code: bool = False,
) -> Segments:
    """Load a segmentation model; raises ModelError or ConfigurationError."""
    from vlm_misalign_ros.core.models.segmentation import SegmentationModel

    return SegmentationModel(model, device, dtype, input_height, threads, trust_remote_code)


def load_vlm(
    model: str,
    *,
    prompt_id: str = '',
    device: str = 'auto',
    dtype: str = 'float32',
    threads: int = 1,
    max_new_tokens: int = 96,
    threshold: float = 0.5,
    calibration: str = '',
    field_of_view: str = 'whole',
    uncertainty: bool = True,
    trust_remote_code: bool = False,
) -> Describes:
    """Load a VLM of either kind; raises ModelError or ConfigurationError."""
    if reference.parse(model).kind == 'contrastive':
        from vlm_misalign_ros.core.models.contrastive import ContrastiveModel

        return ContrastiveModel(
            model, prompt_id, device, dtype, threads, threshold, calibration, field_of_view
        )
    if calibration:
        raise ConfigurationError(
            f'model {model!r} is generative and has no scores to calibrate',
            'leave out its calibration',
        )
    from vlm_misalign_ros.core.models.generative import GenerativeModel

    return GenerativeModel(
        model,
        prompt_id,
        device,
        dtype,
        threads,
        max_new_tokens,
        field_of_view,
        uncertainty,
        trust_remote_code,
    )
