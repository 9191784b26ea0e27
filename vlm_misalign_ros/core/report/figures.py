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

"""The figures of time: shares of pairs and answers, durations; each with its interval."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import nan
from typing import Any

import numpy as np

from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.metrics import durations, survival, temporal
from vlm_misalign_ros.core.metrics.durations import Durations
from vlm_misalign_ros.core.metrics.intervals import korn_graubard
from vlm_misalign_ros.core.metrics.scenes import scene_sums
from vlm_misalign_ros.core.metrics.temporal import Terms
from vlm_misalign_ros.core.metrics.timeline import NOT_KNOWN, Timeline


@dataclass(frozen=True)
class Figure:
    """What a share or a duration is called, and in what it is told."""

    name: str
    title: str
    seconds: bool = False


SHARES = (
    Figure('judgement_flicker', 'judgement flickers'),
    Figure('assertion_flicker', 'assertions flicker'),
    Figure('mentioned_flicker', 'of those made'),
    Figure('hallucination_persistence', 'hallucinated again'),
    Figure('omission_persistence', 'left out again'),
    Figure('stale_judgement', 'judgement stale'),
    Figure('stale_assertion', 'assertion stale'),
    Figure('stale_silence', 'silence stale'),
)
"""Rates over pairs of frames, and over answers that came late."""
LENGTHS = (
    Figure('time_to_hazard', 'hazard detected after', seconds=True),
    Figure('time_to_warning', 'told of after', seconds=True),
    Figure('time_to_class', 'critical class named after', seconds=True),
    Figure('hallucination_run', 'hallucination lasts', seconds=True),
    Figure('omission_run', 'omission lasts', seconds=True),
    Figure('recovery_judgement', 'judgement right again after', seconds=True),
    Figure('recovery_hallucination', 'free of hallucinations after', seconds=True),
    Figure('recovery_omission', 'nothing left out after', seconds=True),
)
"""Durations, of which the median is told."""
BY_CLASS = (
    'assertion_flicker',
    'mentioned_flicker',
    'hallucination_persistence',
    'omission_persistence',
    'stale_assertion',
    'stale_silence',
)


def shares_of(timeline: Timeline, critical: np.ndarray) -> dict[str, Terms]:
    """Return the terms of every share by line, (N,) or (N, 20)."""
    arrival = temporal.at_arrival(timeline)
    return {
        'judgement_flicker': temporal.judgement_flicker(timeline),
        'assertion_flicker': temporal.assertion_flicker(timeline),
        'mentioned_flicker': temporal.mentioned_flicker(timeline),
        'hallucination_persistence': temporal.hallucination_persistence(timeline),
        'omission_persistence': temporal.omission_persistence(timeline),
        'stale_judgement': temporal.stale_judgement(timeline, arrival),
        'stale_assertion': temporal.stale_assertion(timeline, arrival),
        'stale_silence': temporal.stale_silence(timeline, arrival, critical),
    }


def lengths_of(timeline: Timeline, critical: np.ndarray) -> dict[str, Durations]:
    """Return every kind of duration."""
    danger = timeline.hazards == temporal.HAZARD
    due = np.where(timeline.hazards == NOT_KNOWN, NOT_KNOWN, danger)
    warned = timeline.judgements == temporal.UNSAFE
    return {
        'time_to_hazard': durations.time_to_detect(timeline, due, warned),
        'time_to_warning': durations.time_to_tell(timeline, due, warned),
        'time_to_class': durations.joined(
            [_class_due(timeline, number) for number in np.flatnonzero(critical).tolist()]
        ),
        'hallucination_run': _runs(timeline, timeline.hallucinated, temporal.ABSENT),
        'omission_run': _runs(timeline, timeline.omitted, temporal.REQUIRED),
        'recovery_judgement': durations.recovery(timeline, durations.judgement_standing(timeline)),
        'recovery_hallucination': durations.recovery(
            timeline, durations.mention_standing(timeline)
        ),
        'recovery_omission': durations.recovery(
            timeline, durations.omission_standing(timeline, critical)
        ),
    }


def _class_due(timeline: Timeline, number: int) -> Durations:
    states = timeline.presence[:, number]
    due = np.where(states == NOT_KNOWN, NOT_KNOWN, states == temporal.REQUIRED)
    return durations.time_to_detect(timeline, due, timeline.asserted[:, number])


def _runs(timeline: Timeline, wrong: np.ndarray, possible: int) -> Durations:
    """Return the runs of every class that is `wrong`, over where it still could be and is not."""
    over = timeline.answered[:, None] & (timeline.presence == possible) & ~wrong
    return durations.joined(
        [
            durations.run_lengths(timeline, wrong[:, number], over[:, number])
            for number in range(len(SCORED))
        ]
    )


def by_scene(scenes: np.ndarray, terms: Terms, lines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """
    Return numerators and denominators over the chosen lines by scene, float64 (S,) each.

    `scenes`, int64 (N,), are those of all lines; those by class are summed over the classes.
    """
    count = int(scenes.max(initial=-1)) + 1
    over, under = (
        scene_sums(scenes[lines], (a if a.ndim == 1 else a.sum(axis=1))[lines].astype(int), count)
        for a in terms
    )
    return over, under


def share(timeline: Timeline, terms: Terms, lines: np.ndarray) -> dict[str, Any]:
    """Return a share over the chosen lines with its interval, counts and scenes."""
    over, under = by_scene(timeline.scenes, terms, lines)
    return {
        **asdict(korn_graubard(over, under)),
        'numerator': int(over.sum()),
        'denominator': int(under.sum()),
        'scenes': int((under > 0).sum()),
    }


def length(timeline: Timeline, found: Durations) -> dict[str, Any]:
    """Return the median of durations by Kaplan and Meier with its interval, and their counts."""
    scenes = timeline.scenes[found.lines]
    curve = survival.kaplan_meier(found.seconds, found.ended, scenes)
    return {
        **asdict(survival.median(curve)),
        'durations': len(found),
        'ended': int(found.ended.sum()),
        'censored': int((~found.ended).sum()),
        'at_once': int((found.ended & (found.seconds == 0)).sum()),
        'unseen': found.unseen,
        'mean_frames': float(found.frames.mean()) if len(found) else nan,
        'most_frames': int(found.frames.max(initial=0)),
        'longest': float(found.seconds.max()) if len(found) else nan,
        'scenes': len(np.unique(scenes)),
    }
