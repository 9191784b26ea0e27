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

"""The family `mask_reader`: says what the predicted mask holds; the string names its areas."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vlm_misalign_ros.core.errors import ConfigurationError, ModelError
from vlm_misalign_ros.core.models.families import (
    FAMILIES,
    Describes,
    ModelReference,
    SegmentationOptions,
    Segments,
    VlmOptions,
    refuse_segmentation,
)
from vlm_misalign_ros.core.models.library_options import refuse_options
from vlm_misalign_ros.core.types import Kind, Role

if TYPE_CHECKING:
    from vlm_misalign_ros.core.models.least_areas import LeastAreas

NAME = 'mask_reader'
BESIDE = 'calibration.json'
"""Beside a segmentation model: the least areas of its own."""


class MaskReaders:
    """Readers of predicted masks, told apart by their least areas."""

    forms = (NAME, f'{NAME}:FILE', f'{NAME}:SEGMENTATION_MODEL')
    bare = True
    """The name alone is a model: the one with the areas of the truth."""
    reads_masks = True

    def parse(self, rest: str, text: str) -> ModelReference:
        """Return the reader of the string `text`; it is no directory's."""
        return ModelReference(text, NAME, NAME, rest)

    def kind(self, reference: ModelReference) -> Kind:
        """Return that it reads masks."""
        return Kind.MASK

    def check(self, reference: ModelReference, role: Role) -> None:
        """Read the least areas that the string names."""
        if role is Role.SEGMENTATION:
            raise refuse_segmentation(reference)
        areas_of(reference)

    def open_vlm(self, reference: ModelReference, options: VlmOptions) -> Describes:
        """Return the reader; it has no weights."""
        if options.calibration:
            raise ConfigurationError(
                f'model {reference.text!r} has a calibration of {options.calibration!r} beside it',
                f'name it in the model: {NAME}:{options.calibration}',
            )
        refuse_options(options, NAME)
        from vlm_misalign_ros.core.models.mask_reader import MaskReader

        return MaskReader(reference.text, areas_of(reference))

    def open_segmentation(
        self, reference: ModelReference, options: SegmentationOptions
    ) -> Segments:
        """Refuse: it reads masks and makes none."""
        raise refuse_segmentation(reference)


def areas_of(reference: ModelReference) -> LeastAreas | None:
    """
    Return the least areas that a reader's string names; None for those of the truth.

    Raises ModelError where there is no such file or model, ConfigurationError for a file that
    will not do.
    """
    place = reference.pretrained
    if not place:
        return None
    from vlm_misalign_ros.core.models.least_areas import load

    return load(_file(place))


def _file(place: str) -> Path:
    """Return the file that a string names: itself, or what lies beside a segmentation model."""
    path = Path(place).expanduser()
    family, colon, rest = place.partition(':')
    if path.is_file() or family not in FAMILIES or not colon:
        return path
    directory = FAMILIES.load(family).parse(rest, place).directory
    if directory is None or not (directory / BESIDE).is_file():
        raise ModelError(
            f'segmentation model {place!r} has no {BESIDE} beside it',
            f'make it with: vlm-misalign calibrate {NAME} --segmentation {place} --out FILE, '
            f'and give {NAME}:FILE',
        )
    return directory / BESIDE


FAMILY = MaskReaders()
