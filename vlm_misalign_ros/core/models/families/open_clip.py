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

"""The family `open_clip`: contrastive models of its registry, of the hub and of directories."""

from __future__ import annotations

from pathlib import Path

from vlm_misalign_ros.core.errors import ModelError
from vlm_misalign_ros.core.models import files
from vlm_misalign_ros.core.models.families import (
    Describes,
    ModelReference,
    SegmentationOptions,
    Segments,
    VlmOptions,
    forms,
    refuse_segmentation,
)
from vlm_misalign_ros.core.models.weights import check_files
from vlm_misalign_ros.core.types import Kind, Role

CONFIG = 'open_clip_config.json'
WEIGHTS = (
    'open_clip_model.safetensors',
    'open_clip_pytorch_model.bin',
    'open_clip*.safetensors',
    '*.safetensors',
    '*.bin',
    '*.pt',
    '*.pth',
)


class OpenClip:
    """Models of open_clip."""

    forms = ('open_clip:NAME/PRETRAINED', 'open_clip:local-dir:DIRECTORY')

    def parse(self, rest: str, text: str) -> ModelReference:
        """Return the model that `rest` names; ModelError for another form."""
        if rest.startswith('local-dir:'):
            place = rest.removeprefix('local-dir:')
            if not place:
                raise ModelError(f'model {text!r} names no directory', f'give {forms()}')
            path = Path(place).expanduser()
            return ModelReference(text, 'open_clip', path.name, directory=path)
        if rest.startswith('hf-hub:'):
            return ModelReference(text, 'open_clip', rest)
        name, slash, pretrained = rest.partition('/')
        if not slash or not pretrained:
            raise ModelError(
                f'model {text!r} names no pretrained weights',
                'give open_clip:NAME/PRETRAINED, for example open_clip:ViT-B-32/laion2b_s34b_b79k',
            )
        return ModelReference(text, 'open_clip', name, pretrained)

    def kind(self, reference: ModelReference) -> Kind:
        """Return that it is contrastive."""
        return Kind.CONTRASTIVE

    def check(self, reference: ModelReference, role: Role) -> None:
        """Check directory, configuration and weights, or the name in the registry."""
        if role is Role.SEGMENTATION:
            raise refuse_segmentation(reference)
        if reference.directory is not None:
            files.check_directory(reference.directory, CONFIG, WEIGHTS, 'open_clip')
            check_files(reference.directory, WEIGHTS)
        elif not reference.name.startswith('hf-hub:'):
            _check_registry(reference)

    def open_vlm(self, reference: ModelReference, options: VlmOptions) -> Describes:
        """Load a contrastive model."""
        from vlm_misalign_ros.core.models.contrastive import ContrastiveModel
        from vlm_misalign_ros.core.models.contrastive_open_clip import OpenClipEmbedder

        return ContrastiveModel(reference, options, OpenClipEmbedder)

    def open_segmentation(
        self, reference: ModelReference, options: SegmentationOptions
    ) -> Segments:
        """Refuse: there are none."""
        raise refuse_segmentation(reference)


def _check_registry(reference: ModelReference) -> None:
    import open_clip

    known = open_clip.list_pretrained_tags_by_model(reference.name)
    if not known and reference.name not in open_clip.list_models():
        raise ModelError(
            f'open_clip has no model {reference.name!r}',
            'open_clip.list_models() lists them; give a local-dir: for one of your own',
        )
    if reference.pretrained not in known and not Path(reference.pretrained).is_file():
        raise ModelError(
            f'open_clip has no weights {reference.pretrained!r} for {reference.name}',
            'known: ' + (', '.join(known) or 'none; give a local-dir:'),
        )


FAMILY = OpenClip()
