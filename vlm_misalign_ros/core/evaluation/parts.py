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
The table of the parts that a frame is joined from: who takes each, and when a frame needs it.

`wire/channels` says on which topic each travels. Monitor, recorder and bag analysis are made from
the two tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from vlm_misalign_ros.core.settings.nodes import EvaluationParameters
from vlm_misalign_ros.core.settings.outside import MASK, outside_names
from vlm_misalign_ros.core.types import Applied, Failed, Passed, Source

Parts = dict[str, Any]
"""Values by the names of their parts."""

SOURCE, CAMERA = 'source', 'camera'
LABELS, INSTANCES, DEPTH = 'labels', 'instances', 'depth'
SOURCE_IMAGE, IMAGE = 'source_image', 'image'
CONDITION, OCCLUDER = 'condition', 'occluder'
SEGMENTATION, CONFIDENCE = 'segmentation', 'confidence'
REFERENCE = 'reference'
"""What the reference says of the labels that it makes, or why there will be none."""
RECORDER = 'recorder'
_VLM = 'vlm:'

PICTURES = (CONDITION, IMAGE, SOURCE, SOURCE_IMAGE)
"""Parts that are sent once for each picture."""
TRUTH = (LABELS, INSTANCES, DEPTH)
"""Parts that may come without a picture, as from a simulator that labels faster than it films."""
_NO_SIGN = {*TRUTH, CAMERA, RECORDER}


def vlm_part(name: str) -> str:
    """Return the name under which the answer of model `name` joins."""
    return _VLM + name


def model_of(part: str) -> str:
    """Return the model whose answer a part is; any other part stays what it is."""
    return part.removeprefix(_VLM)


def is_pictured(names: Iterable[str]) -> bool:
    """Return whether parts are those of a picture: a part of it itself, an answer or a mask."""
    return any(name not in _NO_SIGN for name in names)


def is_shared(part: str) -> bool:
    """Return whether a part decides for everybody, being no answer and no mask."""
    return part not in (SEGMENTATION, CONFIDENCE, RECORDER) and not part.startswith(_VLM)


def concerned(part: str, models: Iterable[str]) -> list[str]:
    """Return for whom a part decides: models, SEGMENTATION, or all of them."""
    if is_shared(part):
        return [*models, SEGMENTATION]
    if part == RECORDER:
        return []
    return [model_of(part)] if part.startswith(_VLM) else [SEGMENTATION]


@dataclass(frozen=True)
class Wanted:
    """What a listener takes of a run."""

    models: tuple[str, ...] = ()
    truth: bool = True
    """There is ground truth."""
    source: bool = True
    """camera/source comes with every frame; without it the camera is told by camera_info."""
    instances: bool = True
    depth: bool = False
    """Depth comes with every frame, not only with those whose source says so."""
    any_depth: bool = True
    """Depth is taken where it comes."""
    segmentation: bool = True
    confidence: bool = True
    failure: bool = False
    """Confidence is listened for in any case: it says where there will be no mask."""
    image: bool = True
    source_image: bool = False
    reference: bool = False
    """A reference makes the labels, and says so of each."""
    recorder: bool = False
    """Frames wait until the recorder has them."""
    outside: tuple[str, ...] = ()
    """Models, and SEGMENTATION, that answer on topics of their own."""

    @classmethod
    def by(cls, parameters: EvaluationParameters, recorder: bool = False) -> Wanted:
        """Return what an evaluation with these parameters takes."""
        outside = outside_names(parameters.outside)
        # A mask from outside comes alone: nobody says how sure its model was, or that it failed.
        told = parameters.segmentation and MASK not in outside
        return cls(
            models=parameters.models,
            source=parameters.source,
            truth=parameters.truth,
            instances=parameters.truth and parameters.instances,
            depth=parameters.truth and parameters.depth,
            any_depth=parameters.truth and (parameters.depth or parameters.source),
            segmentation=parameters.segmentation,
            confidence=told and parameters.confidence,
            failure=told,
            image=parameters.pictures > 0,
            reference=bool(parameters.reference),
            recorder=recorder,
            outside=outside,
        )


@dataclass(frozen=True)
class PartRow:
    """One part."""

    name: str
    taken: Callable[[Wanted], bool]
    """Whether it is listened for."""
    needed: Callable[[Wanted, Parts], bool]
    """Whether a frame has to have it, given the parts that it has."""
    parameter: str = ''
    """The parameter of the evaluation that asks for it; empty where there is none."""
    told_by_topic: bool = False
    """Whether, in a bag, the topic alone decides that it is asked for."""


def _always(wanted: Wanted, parts: Parts) -> bool:
    return True


def _never(wanted: Wanted, parts: Parts) -> bool:
    return False


def _is_degraded(parts: Parts) -> bool:
    """Return whether there is a picture to describe: its condition does not say otherwise."""
    applied: Applied | None = parts.get(CONDITION)
    return applied is None or applied.shown


def _has_depth(wanted: Wanted, parts: Parts) -> bool:
    told: tuple[Source, Any] | None = parts.get(SOURCE)
    return wanted.any_depth and (wanted.depth or told is not None and told[0].depth)


def has_no_mask(parts: Parts) -> bool:
    """Return whether the segmentation says, in place of its confidence, that there is no mask."""
    return isinstance(parts.get(CONFIDENCE), (Failed, Passed))


def _is_segmented(wanted: Wanted, parts: Parts) -> bool:
    return wanted.segmentation and not has_no_mask(parts) and _is_degraded(parts)


def _is_confident(wanted: Wanted, parts: Parts) -> bool:
    return wanted.confidence and _is_degraded(parts)


def has_no_labels(parts: Parts) -> bool:
    """Return whether the reference says that it makes no labels of this frame."""
    return isinstance(parts.get(REFERENCE), (Failed, Passed))


def _is_labelled(wanted: Wanted, parts: Parts) -> bool:
    if not wanted.reference:
        return wanted.truth
    # It is shown what is degraded, and nothing else.
    return wanted.truth and not has_no_labels(parts) and _is_degraded(parts)


def _is_referred(wanted: Wanted, parts: Parts) -> bool:
    return wanted.reference and _is_degraded(parts)


def _is_shown(wanted: Wanted, parts: Parts) -> bool:
    return wanted.image and _is_degraded(parts)


def _is_covered(wanted: Wanted, parts: Parts) -> bool:
    applied: Applied | None = parts.get(CONDITION)
    return applied is not None and applied.covers and applied.shown


PARTS: tuple[PartRow, ...] = (
    PartRow(CONDITION, lambda w: True, _always),
    PartRow(LABELS, lambda w: w.truth, _is_labelled, 'truth'),
    PartRow(REFERENCE, lambda w: w.reference, _is_referred),
    PartRow(SOURCE, lambda w: w.source, lambda w, _: w.source, 'source', told_by_topic=True),
    PartRow(CAMERA, lambda w: not w.source, _never),
    PartRow(INSTANCES, lambda w: w.instances, lambda w, _: w.instances, 'instances'),
    PartRow(DEPTH, lambda w: w.any_depth, _has_depth, 'depth'),
    PartRow(
        SEGMENTATION, lambda w: w.segmentation, _is_segmented, 'segmentation', told_by_topic=True
    ),
    PartRow(CONFIDENCE, lambda w: w.confidence or w.failure, _is_confident, 'confidence'),
    PartRow(IMAGE, lambda w: w.image, _is_shown, 'pictures'),
    PartRow(SOURCE_IMAGE, lambda w: w.source_image, lambda w, _: w.source_image),
    PartRow(OCCLUDER, lambda w: True, _is_covered),
    PartRow(RECORDER, lambda w: w.recorder, lambda w, _: w.recorder),
)
"""Every part but the answers, of which there is one a model, taken and needed."""

BY_NAME = {row.name: row for row in PARTS}


def needs(wanted: Wanted, parts: Parts) -> list[str]:
    """Return the names of the parts that a frame needs, given those it has."""
    found = [row.name for row in PARTS if row.needed(wanted, parts)]
    if _is_degraded(parts):
        found.extend(vlm_part(name) for name in wanted.models)
    return found


def taken(wanted: Wanted) -> Iterator[str]:
    """Yield the names of the parts that are listened for."""
    yield from (row.name for row in PARTS if row.taken(wanted))
    yield from (vlm_part(name) for name in wanted.models)
