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

"""The family `transformers`: generative VLMs and segmentation models, of the hub or local."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vlm_misalign_ros.core.errors import ConfigurationError, ModelError
from vlm_misalign_ros.core.models import files
from vlm_misalign_ros.core.models.families import (
    Describes,
    ModelReference,
    SegmentationOptions,
    Segments,
    VlmOptions,
)
from vlm_misalign_ros.core.models.weights import check_files
from vlm_misalign_ros.core.types import Kind, Role

CONFIG = 'config.json'
WEIGHTS = ('model*.safetensors', 'pytorch_model*.bin')


def local_or_hub(family: str, rest: str, text: str) -> ModelReference:
    """Return the model that `rest` names: a directory, or OWNER/NAME on the hub."""
    path = Path(rest).expanduser()
    local = rest[0] in './~' or rest.count('/') != 1 and '/' in rest or path.is_dir()
    return ModelReference(
        text, family, path.name if local else rest, directory=path if local else None
    )


class Transformers:
    """Models of transformers."""

    forms = ('transformers:NAME_OR_DIRECTORY',)

    def parse(self, rest: str, text: str) -> ModelReference:
        """Return the model that `rest` names: a directory, or OWNER/NAME on the hub."""
        return local_or_hub('transformers', rest, text)

    def kind(self, reference: ModelReference) -> Kind:
        """Return that it is generative."""
        return Kind.GENERATIVE

    def check(self, reference: ModelReference, role: Role) -> None:
        """Check directory, configuration, weights and, for segmentation, the classes."""
        if reference.directory is None:
            return
        config = files.check_directory(reference.directory, CONFIG, WEIGHTS, 'transformers')
        check_files(reference.directory, WEIGHTS)
        if role is Role.SEGMENTATION and not config.get('id2label'):
            raise ModelError(
                f'segmentation model {reference.directory} names no classes',
                'id2label in its config.json is {index: name}',
            )

    def class_names(self, reference: ModelReference) -> dict[Any, Any]:
        """Return {index: name} of the classes of a local segmentation model."""
        assert reference.directory is not None
        config = files.read_config(reference.directory, CONFIG, 'transformers')
        return dict(config.get('id2label') or {})

    def open_vlm(self, reference: ModelReference, options: VlmOptions) -> Describes:
        """Load an image-text-to-text model."""
        if options.calibration:
            raise ConfigurationError(
                f'model {reference.text!r} is generative and has no scores to calibrate',
                'leave out its calibration',
            )
        from vlm_misalign_ros.core.models.generative import GenerativeModel

        return GenerativeModel(reference, options)

    def open_segmentation(
        self, reference: ModelReference, options: SegmentationOptions
    ) -> Segments:
        """Load a semantic or universal segmentation model."""
        from vlm_misalign_ros.core.models.segmentation import SegmentationModel

        return SegmentationModel(reference, options)


FAMILY = Transformers()
