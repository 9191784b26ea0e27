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

"""
Model families: which strings name a model, of what kind it is, what to check, how to open it.

Heavy libraries are imported only by what is opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from vlm_misalign_ros.core.errors import ConfigurationError, ModelError
from vlm_misalign_ros.core.models.library_options import Options
from vlm_misalign_ros.core.models.query import Query
from vlm_misalign_ros.core.registry import Registry
from vlm_misalign_ros.core.types import Description, Kind, Role, Segmented


@dataclass(frozen=True)
class ModelReference:
    """A model, by family and by name or directory."""

    text: str
    """The string that it was given as."""
    family: str
    """The family that checks and opens it."""
    name: str
    """Name on a hub or in a registry; the directory's name for a local one."""
    pretrained: str = ''
    """open_clip: tag of the weights."""
    directory: Path | None = None
    """Where a local one lies."""
    file: Path | None = None
    """The file that it is, where it is one."""


@dataclass(frozen=True)
class VlmOptions:
    """How a vision-language model is run; the fields are those of VlmParameters."""

    prompt: str = ''
    """What it is asked by a query without a prompt; empty: the model's own default."""
    device: str = 'auto'
    dtype: str = 'float32'
    threads: int = 1
    max_new_tokens: int = 96
    threshold: float = 0.5
    calibration: str = ''
    field_of_view: str = 'whole'
    uncertainty: bool = True
    lexicon: str = ''
    trust_remote_code: bool = False
    model_kwargs: Options | str = ''
    """What from_pretrained of the network is given beside; a mapping, or JSON of one."""
    processor_kwargs: Options | str = ''
    """What from_pretrained of the processor is given."""
    generation_kwargs: Options | str = ''
    """What generate is given, for the answer."""
    base_url: str = ''
    api_key_env: str = 'OPENAI_API_KEY'
    picture_format: str = 'png'
    jpeg_quality: int = 90
    longest_edge: int = 0
    timeout: float = 60.0
    retries: int = 3
    concurrency: int = 1
    requests_per_minute: float = 0.0
    token_budget: int = 0
    answer_cache: str = ''


@dataclass(frozen=True)
class SegmentationOptions:
    """How a segmentation model is run; the fields are those of SegmentationParameters."""

    device: str = 'auto'
    dtype: str = 'float32'
    input_height: int = 512
    label_map: str = ''
    threads: int = 1
    trust_remote_code: bool = False


class Segments(Protocol):
    """A segmentation model that is loaded."""

    def segment(self, bgr: np.ndarray, /) -> Segmented:
        """Return train ids and how sure the model is, of a BGR uint8 (H, W, 3) picture."""


class Describes(Protocol):
    """A vision-language model that is loaded."""

    @property
    def kind(self) -> Kind:
        """Whether it scores classes, answers in words or reads masks."""

    def describe(self, query: Query, /) -> Description:
        """
        Return what the model answers.

        One loaded model is asked in several ways, so that nothing of a question is kept.
        FrameError says what of it the model cannot be asked: words alone, a system prompt.
        """


class Family(Protocol):
    """
    One way to name and open models; `FAMILY:REST` is the string of a model.

    A family with an attribute `bare` that is true has a model that `FAMILY` alone names; those
    of one with `reads_masks` are shown masks and nothing else. `class_names(reference)` of a
    family tells the {index: name} of a segmentation model in a folder without loading it; one
    whose references have a `file` has `files(reference)`, every file that decides what is
    answered, and `class_map(reference, label_map)` in its place.
    """

    @property
    def forms(self) -> tuple[str, ...]:
        """Return the strings that name its models, for messages."""

    def parse(self, rest: str, text: str, /) -> ModelReference:
        """Return the model that `rest` of the string `text` names; ModelError for none."""

    def kind(self, reference: ModelReference, /) -> Kind:
        """Return how a VLM of this reference answers."""

    def check(self, reference: ModelReference, role: Role, /) -> None:
        """Raise ModelError for what can be seen to be wrong without loading the model."""

    def open_vlm(self, reference: ModelReference, options: VlmOptions, /) -> Describes:
        """Load a vision-language model; raises ModelError or ConfigurationError."""

    def open_segmentation(
        self, reference: ModelReference, options: SegmentationOptions, /
    ) -> Segments:
        """Load a segmentation model; raises ModelError or ConfigurationError."""


_HERE = 'vlm_misalign_ros.core.models.families'
FAMILIES: Registry[Family] = Registry(
    'vlm_misalign_ros.model_families',
    'model family',
    {
        'open_clip': f'{_HERE}.open_clip:FAMILY',
        'transformers': f'{_HERE}.transformers:FAMILY',
        'transformers-clip': f'{_HERE}.transformers_clip:FAMILY',
        'miniature': f'{_HERE}.miniature:FAMILY',
        'onnx': f'{_HERE}.exported:ONNX',
        'torchscript': f'{_HERE}.exported:TORCHSCRIPT',
        'mask_reader': f'{_HERE}.mask_reader:FAMILY',
        'openai': f'{_HERE}.openai:FAMILY',
    },
    needs=('forms', 'parse', 'kind', 'check', 'open_vlm', 'open_segmentation'),
)
"""Every model family by name."""


def forms() -> str:
    """Return every string that names a model, for messages."""
    known = [form for name in FAMILIES.names() for form in forms_of(name)]
    return ', '.join(known[:-1]) + ' or ' + known[-1]


def forms_of(family: str) -> tuple[str, ...]:
    """Return the strings that name models of a family, also of one that cannot be loaded."""
    try:
        return tuple(FAMILIES.load(family).forms)
    except ConfigurationError:
        return (f'{family}:...',)


def reads_masks(text: str) -> bool:
    """Return whether a string names a model that is shown the mask and nothing else."""
    family = text.partition(':')[0]
    return family in FAMILIES and bool(getattr(FAMILIES.load(family), 'reads_masks', False))


def refuse_segmentation(reference: ModelReference) -> ModelError:
    """Return the error of a family that has no segmentation models."""
    return ModelError(
        f'model {reference.name!r} is of the family {reference.family!r}, '
        'which has no segmentation models',
        'give a model of another family, such as transformers:NAME_OR_DIRECTORY',
    )
