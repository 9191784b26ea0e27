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
What the answers to a frame are held against: its truth, where everything says it can be trusted.

Labels that say too little, maps that do not fit, parts that came twice with other content or are
of another picture: whatever speaks against scoring a frame is gathered here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vlm_misalign_ros.core.evaluation.join import Joined
from vlm_misalign_ros.core.evaluation.parts import (
    CAMERA,
    CONDITION,
    DEPTH,
    IMAGE,
    INSTANCES,
    LABELS,
    OCCLUDER,
    REFERENCE,
    SEGMENTATION,
    SOURCE,
    SOURCE_IMAGE,
    Parts,
    concerned,
    is_shared,
)
from vlm_misalign_ros.core.evaluation.verifying import Evidence, verify
from vlm_misalign_ros.core.labels.instances import Numbered
from vlm_misalign_ros.core.labels.maps import LabelMap
from vlm_misalign_ros.core.labels.telling import Telling
from vlm_misalign_ros.core.records.schema import Status
from vlm_misalign_ros.core.records.truths import LabelsEntry
from vlm_misalign_ros.core.truth.read import Truth, TruthMaps, TruthSettings, known_depth
from vlm_misalign_ros.core.truth.recent import LastScene
from vlm_misalign_ros.core.truth.trust import Fault, Trust
from vlm_misalign_ros.core.types import Camera, Failed, NoCamera, Passed, Source

MOST_STRETCHED = 1.05
"""Factor by which the sides of labels and picture may differ in proportion."""
MOST_SCALED = 16
"""Factor by which labels may be smaller or larger than the picture."""

_SPARED = (LABELS, REFERENCE, CAMERA, IMAGE, SOURCE_IMAGE)
"""Shared parts without which a frame is scored, or (labels) has a status of its own."""
_NEVER_CAME = {
    CONDITION: 'degraded/condition never came: nobody knows what was shown',
    OCCLUDER: 'degraded/occluder never came: nobody knows what was covered',
    SOURCE: 'camera/source never came (monitor.source=false where there is none)',
    INSTANCES: 'ground_truth/instances never came (monitor.instances=false where there are none)',
    DEPTH: 'ground_truth/depth never came (it was asked for, or its source tells of it)',
}


@dataclass(frozen=True)
class Held:
    """What the answers to a frame are held against, and what of it can be trusted."""

    maps: TruthMaps | None
    """None without ground truth that can be trusted."""
    truth: Truth | None
    labels: LabelMap | None
    trust: Trust | None
    """What the labels are worth; None where none came."""
    doubled: set[str]
    """For whom something came twice with other content: models, SEGMENTATION."""
    evidence: Evidence
    unused: str
    """
    Which of the maps was not used though the labels were, or why a reference made no labels;
    empty otherwise.
    """

    @classmethod
    def nothing(cls, joined: Joined, models: Sequence[str], reason: str) -> Held:
        """Return that nothing can be held against a frame, whatever came of it, and why."""
        doubled = _doubled(joined, models)
        return cls(None, None, None, None, doubled, Evidence(problem=reason), '')

    @property
    def problem(self) -> str:
        """Return why the truth of the frame cannot be used, or what of it was not; or empty."""
        if self.evidence.problem:
            return self.evidence.problem
        if self.trust is None:
            return self.unused
        return self.trust.reason or '; '.join(filter(None, (self.trust.note, self.unused)))

    def lost(self, name: str, part: str, came: object) -> Status | None:
        """
        Return why `part`, of the model `name`, is not scored; None where it is.

        `came` is what came of it: None, Failed and Passed are nothing to be scored.
        """
        if name in self.doubled:
            return Status.DOUBLED
        if self.evidence.problem or part in self.evidence.problems:
            return Status.UNSCORABLE
        if self.trust is not None and not self.trust.scorable:
            return Status.UNSCORABLE
        if self.truth is None:
            return Status.UNMATCHED
        if self.evidence.passed or isinstance(came, Passed):
            return Status.DROPPED
        return Status.MISSING if came is None or isinstance(came, Failed) else None

    def entry(self) -> LabelsEntry | None:
        """Return what the labels were worth as a record shows it; None where none came."""
        if self.labels is None or self.trust is None:
            return None
        return LabelsEntry(
            self.labels.encoding,
            round(self.trust.said.share, 6),
            self.labels.outside.values,
            self.labels.outside.others,
            self.trust.fault,
        )


def hold(
    joined: Joined,
    source: Source | None,
    camera: Camera | NoCamera | None,
    models: Sequence[str],
    settings: TruthSettings,
    last: LastScene | None = None,
) -> Held:
    """Return what the answers to a closed frame are held against; `last`: the scene before."""
    last = last or LastScene()
    joined = _numbered(joined)
    parts, twice = joined.parts, joined.heard.counts
    evidence = verify(joined, models)
    evidence.problem = evidence.problem or _lacking(joined)
    labels = _labels(joined, source)
    trust = None if labels is None else _trust(labels, parts, settings, last)
    misfit = _mask_misfit(parts.get(SEGMENTATION), labels)
    if misfit:
        evidence.problems.setdefault(SEGMENTATION, misfit)
    trusted = not (evidence.problem or any(map(is_shared, twice)))
    maps = _maps(labels, trust, parts) if trusted else None
    return Held(
        maps,
        None if maps is None else last.truth(maps, camera, settings),
        labels,
        trust,
        _doubled(joined, models),
        evidence,
        _unused(parts),
    )


def _numbered(joined: Joined) -> Joined:
    """Return a frame whose objects, where they came by numbers alone, are told by its labels."""
    parts = joined.parts
    instances, labels = parts.get(INSTANCES), parts.get(LABELS)
    if not isinstance(instances, Numbered) or labels is None:
        return joined
    resolved = instances.resolved(LabelMap.of(labels).labels)
    return replace(joined, parts={**parts, INSTANCES: resolved})


def _lacking(joined: Joined) -> str:
    """
    Say which part that decides for everybody never came though it was asked for; empty for none.

    What such a part would have told is unknown. Without labels nothing is held against anything.
    """
    if LABELS not in joined.parts:
        return ''
    names = [name for name in joined.missing if is_shared(name) and name not in _SPARED]
    return '; '.join(_NEVER_CAME.get(name, f'{name} never came') for name in names)


def _doubled(joined: Joined, models: Sequence[str]) -> set[str]:
    """Return for whom something came twice with other content."""
    return {name for part in joined.heard.counts for name in concerned(part, models)}


def _trust(labels: LabelMap, parts: Parts, settings: TruthSettings, last: LastScene) -> Trust:
    """Return what the labels of a frame are worth beside its other maps."""
    trust = last.trust(labels, parts.get(INSTANCES), settings.limits)
    misfit = _misfit(labels.labels, parts)
    return Trust(trust.said, Fault.SIZE, misfit) if misfit and trust.scorable else trust


def _unused(parts: Parts) -> str:
    told = parts.get(REFERENCE)
    if LABELS not in parts and isinstance(told, (Failed, Passed)):
        return f'no labels of the reference: {told.reason}'
    depth: np.ndarray | None = parts.get(DEPTH)
    if LABELS in parts and depth is not None and known_depth(depth) is None:
        return f'depth is {int(depth[0, 0])} throughout and was not used'
    return ''


def _labels(joined: Joined, source: Source | None) -> LabelMap | None:
    """Return the labels of a frame, with what its source says of them; None without any."""
    if LABELS not in joined.parts:
        return None
    labels = LabelMap.of(joined.parts[LABELS])
    # No model knows the ego vehicle, whether what it says of its labels came or not.
    referred = REFERENCE in joined.parts or REFERENCE in joined.missing
    if referred or source is not None and not source.tells_hood:
        labels = replace(labels, tells_hood=False)
    if not referred and source is not None and not source.about.tells_all:
        labels = replace(labels, telling=Telling.of(source.about))
    return labels


def _maps(labels: LabelMap | None, trust: Trust | None, parts: Parts) -> TruthMaps | None:
    """Return the ground truth of a frame; None where there is none, or none to be trusted."""
    if labels is None or trust is None or not trust.scorable:
        return None
    occluder: np.ndarray | None = parts.get(OCCLUDER)
    visible = None if occluder is None else occluder == 0
    depth = known_depth(parts.get(DEPTH))
    return TruthMaps(
        labels.labels, parts.get(INSTANCES), depth, visible, labels.telling, labels.tells_hood
    )


def _misfit(labels: np.ndarray, parts: Parts) -> str:
    """Say which map or picture has a size that the labels do not go with; empty when all do."""
    height, width = labels.shape
    for name in (INSTANCES, OCCLUDER, DEPTH):
        other: np.ndarray | None = parts.get(name)
        if other is not None and other.shape != labels.shape:
            return (
                f'{name} {other.shape[1]} x {other.shape[0]} do not fit labels {width} x {height}'
            )
    picture: np.ndarray | None = parts.get(IMAGE)
    if picture is not None and not _fits(picture, labels):
        return (
            f'labels {width} x {height} do not fit the picture '
            f'{picture.shape[1]} x {picture.shape[0]}'
        )
    return ''


def _fits(one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether two maps (H, W, ...) can be of one view, the one larger than the other."""
    rows, columns = one.shape[0] / other.shape[0], one.shape[1] / other.shape[1]
    stretched: float = max(rows, columns) / min(rows, columns)
    return stretched <= MOST_STRETCHED and 1 / MOST_SCALED <= rows <= MOST_SCALED


def _mask_misfit(mask: np.ndarray | None, labels: LabelMap | None) -> str:
    """Say that a mask cannot be held against the labels for its size; empty when it can."""
    if mask is None or labels is None or _fits(mask, labels.labels):
        return ''
    height, width = labels.labels.shape
    return f'a mask {mask.shape[1]} x {mask.shape[0]} does not fit labels {width} x {height}'
