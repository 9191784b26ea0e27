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

"""The families `onnx` and `torchscript`: segmentation networks in a file, a card beside them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from vlm_misalign_ros.core.errors import ModelError
from vlm_misalign_ros.core.models.families import (
    Describes,
    ModelReference,
    SegmentationOptions,
    Segments,
    VlmOptions,
)
from vlm_misalign_ros.core.models.label_maps import ClassMap
from vlm_misalign_ros.core.types import Kind, Role


@dataclass(frozen=True)
class Exported:
    """Networks of one format."""

    family: str
    needs: tuple[str, ...]
    """Packages that are optional."""

    @property
    def forms(self) -> tuple[str, ...]:
        """Return the strings that name its models."""
        return (f'{self.family}:FILE',)

    def parse(self, rest: str, text: str) -> ModelReference:
        """Return the network in the file `rest`."""
        path = Path(rest).expanduser()
        return ModelReference(text, self.family, path.name, file=path)

    def kind(self, reference: ModelReference) -> Kind:
        """Refuse: it describes nothing."""
        raise self._no_vlm(reference)

    def check(self, reference: ModelReference, role: Role) -> None:
        """Check packages, file, card and, for ONNX, the files that its weights are in."""
        if role is not Role.SEGMENTATION:
            raise self._no_vlm(reference)
        lacking = [name for name in self.needs if find_spec(name) is None]
        if lacking:
            raise ModelError(
                f'model {reference.text!r} needs {" and ".join(lacking)}, which is not installed',
                'pip install onnx onnxruntime (the extra onnx of vlm_misalign_ros)',
            )
        path = _file(reference)
        if not path.is_file():
            raise ModelError(f'model file {path} does not exist', 'give the path of the network')
        from vlm_misalign_ros.core.models import card

        card.read(path)
        self.files(reference)

    def files(self, reference: ModelReference) -> list[Path]:
        """Return every file that decides what the network answers."""
        from vlm_misalign_ros.core.models import card

        path = _file(reference)
        found = [path, card.path_of(path)]
        if self.family == 'onnx':
            from vlm_misalign_ros.core.models.exported import external_files

            found += external_files(path)
        return found

    def class_map(self, reference: ModelReference, label_map: str) -> ClassMap:
        """Return what the classes are in Cityscapes, by the card where nothing else is given."""
        from vlm_misalign_ros.core.models import card

        return card.read(_file(reference)).class_map(reference.text, label_map)

    def open_vlm(self, reference: ModelReference, options: VlmOptions) -> Describes:
        """Refuse: it describes nothing."""
        raise self._no_vlm(reference)

    def open_segmentation(
        self, reference: ModelReference, options: SegmentationOptions
    ) -> Segments:
        """Load the network."""
        from vlm_misalign_ros.core.models.exported import ExportedModel

        return ExportedModel(reference, options)

    def _no_vlm(self, reference: ModelReference) -> ModelError:
        return ModelError(
            f'model {reference.text!r} is of the family {self.family!r}, which only segments',
            'give a model of another family, such as transformers:NAME_OR_DIRECTORY',
        )


def _file(reference: ModelReference) -> Path:
    assert reference.file is not None
    return reference.file


ONNX = Exported('onnx', ('onnx', 'onnxruntime'))
TORCHSCRIPT = Exported('torchscript', ())
