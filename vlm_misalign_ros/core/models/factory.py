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

"""From a model's string to its reference, its kind and its adapter."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from vlm_misalign_ros.core.errors import FrameError, ModelError
from vlm_misalign_ros.core.models.answering import CheckedSegmentation, CheckedVlm, try_out
from vlm_misalign_ros.core.models.families import (
    FAMILIES,
    ModelReference,
    SegmentationOptions,
    VlmOptions,
    forms,
)
from vlm_misalign_ros.core.models.files import files_hash, weights_hash
from vlm_misalign_ros.core.models.label_maps import ClassMap, class_map
from vlm_misalign_ros.core.models.library_options import Options, model_options
from vlm_misalign_ros.core.types import Kind, Role


def parse(text: str) -> ModelReference:
    """Return the model that a string names; ModelError tells the forms that are understood."""
    family, colon, rest = text.partition(':')
    known = family in FAMILIES and (rest if colon else _bare(family))
    if not known:
        raise ModelError(f'model {text!r} is not understood', f'give {forms()}')
    return FAMILIES.load(family).parse(rest, text)


def _bare(family: str) -> bool:
    """Return whether the name of a family alone is one of its models."""
    return bool(getattr(FAMILIES.load(family), 'bare', False))


def kind_of(reference: ModelReference) -> Kind:
    """Return how a VLM answers: by scores, in words or from the mask."""
    return FAMILIES.load(reference.family).kind(reference)


def check(reference: ModelReference, role: Role) -> None:
    """Raise ModelError for what can be seen to be wrong with a model without loading it."""
    FAMILIES.load(reference.family).check(reference, role)


_PLACES = ('revision', 'subfolder', 'variant')
"""What in model_kwargs chooses other weights under the same name."""


def model_hash(reference: ModelReference, model_kwargs: Options | str = '') -> str:
    """
    Return the hash of a local model's files, or the string that names another one.

    Where `model_kwargs` choose a revision, a subfolder or a variant, these stand before it.
    """
    named = local_hash(reference) or reference.text
    given = model_options(model_kwargs)
    chosen = {name: given[name] for name in _PLACES if name in given}
    return f'{json.dumps(chosen, sort_keys=True)} of {named}' if chosen else named


def local_hash(reference: ModelReference) -> str:
    """Return the hash of a local model's files; empty for one that is not local."""
    if reference.file is not None:
        family: Any = FAMILIES.load(reference.family)
        return files_hash(family.files(reference), reference.file.parent)
    return '' if reference.directory is None else weights_hash(reference.directory)


def model_facts(text: str, **options: Any) -> dict[str, Any]:
    """
    Return what is known of a model only by asking it, for the manifest; most families ask nothing.

    `options` are the fields of VlmOptions. ModelError says why it does not answer.
    """
    reference = parse(text)
    ask = getattr(FAMILIES.load(reference.family), 'facts', None)
    if ask is None:
        return {}
    with _opening():
        found: dict[str, Any] = ask(reference, VlmOptions(**options))
    return found


@contextmanager
def _opening() -> Iterator[None]:
    """Turn what a model cannot do with its own prompts into a ModelError: no frame is to blame."""
    try:
        yield
    except FrameError as error:
        raise ModelError(error.what, error.remedy) from error


def load_segmentation(model: str, **options: Any) -> CheckedSegmentation:
    """
    Check, load and try out a segmentation model; `options` are the fields of SegmentationOptions.

    ModelError says why it cannot work; after that every mask is checked (core/models/answering).
    """
    reference = parse(model)
    check(reference, Role.SEGMENTATION)
    chosen = SegmentationOptions(**options)
    with _opening():
        opened = FAMILIES.load(reference.family).open_segmentation(reference, chosen)
    found = CheckedSegmentation(model, opened)
    try_out(found)
    return found


def classes_of(reference: ModelReference, label_map: str) -> ClassMap | None:
    """
    Return what a segmentation model's classes are in Cityscapes, without loading it.

    None where its files are not here, or its family (of a plug-in, say) does not tell.
    """
    family: Any = FAMILIES.load(reference.family)
    if reference.file is not None:
        found: ClassMap = family.class_map(reference, label_map)
        return found
    tell = getattr(family, 'class_names', None)
    if tell is None or reference.directory is None:
        return None
    return class_map(tell(reference), reference.text, label_map)


def classes_told(model: CheckedSegmentation) -> str:
    """Return in words what a model tells of the 19 classes; empty where that is everything."""
    classes = getattr(model, 'classes', None)
    return classes.told(model.text) if isinstance(classes, ClassMap) else ''


def preprocessing_told(model: CheckedSegmentation) -> str:
    """Return in words how a model is given pictures, and why; empty where nothing was chosen."""
    way = getattr(model, 'preprocessing', None)
    return '' if way is None else f'preprocessing of {model.text}: {way.told}'


def load_vlm(model: str, **options: Any) -> CheckedVlm:
    """
    Check, load and try out a vision-language model; `options` are the fields of VlmOptions.

    ModelError says why it cannot work; after that every answer is checked (core/models/answering).
    """
    reference = parse(model)
    check(reference, Role.VLM)
    with _opening():
        opened = FAMILIES.load(reference.family).open_vlm(reference, VlmOptions(**options))
    found = CheckedVlm(model, opened)
    try_out(found)
    return found
