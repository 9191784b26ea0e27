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

"""The family `miniature`: the trained models that this package brings along."""

from __future__ import annotations

from vlm_misalign_ros.core.errors import ModelError
from vlm_misalign_ros.core.files import PACKAGE
from vlm_misalign_ros.core.models.families import (
    FAMILIES,
    Describes,
    ModelReference,
    SegmentationOptions,
    Segments,
    VlmOptions,
    open_clip,
    transformers,
)
from vlm_misalign_ros.core.types import Kind, Role

MINIATURES = PACKAGE / 'miniatures'
"""A folder each."""
_OF = {open_clip.CONFIG: 'open_clip', transformers.CONFIG: 'transformers'}


def names() -> list[str]:
    """Return the miniatures that there are."""
    return sorted(
        path.parent.name for path in MINIATURES.glob('*/*config.json') if path.name in _OF
    )


class Miniature:
    """Names of local models; their own families do the rest."""

    forms = ('miniature:NAME',)

    def parse(self, rest: str, text: str) -> ModelReference:
        """Return the miniature of a name, as a model of its own family; ModelError for none."""
        if rest not in names():
            raise ModelError(f'there is no miniature {rest!r}', 'known: ' + ', '.join(names()))
        folder = MINIATURES / rest
        family = next(name for file, name in _OF.items() if (folder / file).is_file())
        return ModelReference(text, family, rest, directory=folder)

    def kind(self, reference: ModelReference) -> Kind:
        """Return the kind of the model's own family."""
        return FAMILIES.load(reference.family).kind(reference)

    def check(self, reference: ModelReference, role: Role) -> None:
        """Check as the model's own family does."""
        FAMILIES.load(reference.family).check(reference, role)

    def open_vlm(self, reference: ModelReference, options: VlmOptions) -> Describes:
        """Load as the model's own family does."""
        return FAMILIES.load(reference.family).open_vlm(reference, options)

    def open_segmentation(
        self, reference: ModelReference, options: SegmentationOptions
    ) -> Segments:
        """Load as the model's own family does."""
        return FAMILIES.load(reference.family).open_segmentation(reference, options)


FAMILY = Miniature()
