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

"""The family `transformers-clip`: contrastive models in the format of transformers."""

from __future__ import annotations

from vlm_misalign_ros.core.errors import ModelError
from vlm_misalign_ros.core.models import files
from vlm_misalign_ros.core.models.families import (
    Describes,
    ModelReference,
    SegmentationOptions,
    Segments,
    VlmOptions,
    refuse_segmentation,
)
from vlm_misalign_ros.core.models.families.transformers import CONFIG, WEIGHTS, local_or_hub
from vlm_misalign_ros.core.models.weights import check_files
from vlm_misalign_ros.core.types import Kind, Role

NAME = 'transformers-clip'


class TransformersClip:
    """Models of transformers that compare pictures with texts: CLIP, SigLIP, AltCLIP, ALIGN."""

    forms = ('transformers-clip:NAME_OR_DIRECTORY',)

    def parse(self, rest: str, text: str) -> ModelReference:
        """Return the model that `rest` names: a directory, or OWNER/NAME on the hub."""
        return local_or_hub(NAME, rest, text)

    def kind(self, reference: ModelReference) -> Kind:
        """Return that it is contrastive."""
        return Kind.CONTRASTIVE

    def check(self, reference: ModelReference, role: Role) -> None:
        """Check directory, configuration and weights."""
        if role is Role.SEGMENTATION:
            raise refuse_segmentation(reference)
        if reference.directory is None:
            return
        config = files.check_directory(reference.directory, CONFIG, WEIGHTS, NAME)
        check_files(reference.directory, WEIGHTS)
        if config.get('text_config') is None and 'model_type' not in config:
            raise ModelError(
                f'{reference.directory / CONFIG} names no model_type', 'save the model again'
            )

    def open_vlm(self, reference: ModelReference, options: VlmOptions) -> Describes:
        """Load a contrastive model."""
        from vlm_misalign_ros.core.models.contrastive import ContrastiveModel
        from vlm_misalign_ros.core.models.contrastive_transformers import TransformersEmbedder

        return ContrastiveModel(reference, options, TransformersEmbedder)

    def open_segmentation(
        self, reference: ModelReference, options: SegmentationOptions
    ) -> Segments:
        """Refuse: there are none."""
        raise refuse_segmentation(reference)


FAMILY = TransformersClip()
