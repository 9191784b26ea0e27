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
Does seeing the past help? Asks that show several frames, held against asks that show one.

Two asks of one model are compared over the frames that both answered: the difference of each
share of time, paired by scene. They are asks of one model where the manifest says so, by its hash,
or its name where it has none; kind, prompt and input have to agree, too. What no manifest tells is
not compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from vlm_misalign_ros.core.corruptions import BLANK
from vlm_misalign_ros.core.metrics.paired import difference
from vlm_misalign_ros.core.metrics.temporal import Terms
from vlm_misalign_ros.core.metrics.timeline import Timeline
from vlm_misalign_ros.core.report.figures import by_scene, shares_of
from vlm_misalign_ros.core.report.timelines import Times

PAIRED = (
    'judgement_flicker',
    'assertion_flicker',
    'mentioned_flicker',
    'hallucination_persistence',
    'omission_persistence',
)
"""Shares that are compared."""
ALIKE = ('judgement_flicker', 'assertion_flicker')
"""Those of which both are asked at the same places."""


def against_single(times: Times, models: Mapping[str, Any]) -> list[dict[str, Any]]:
    """
    Return, for each pair of asks, the shares of both and how much more the past has.

    `models` is what the manifest says of each, by name.
    """
    return [
        _compared(times, single, past)
        for past, ask in times.asks.items()
        for single, other in times.asks.items()
        if ask.shown > 1 == other.shown
        and of_one_model(models.get(past), models.get(single))
        and (ask.kind, ask.prompt_id, ask.input) == (other.kind, other.prompt_id, other.input)
    ]


def of_one_model(one: Any, other: Any) -> bool:
    """Return whether two entries of a manifest's `models` are known to be of one model."""
    told = _identity(one)
    return told is not None and told == _identity(other)


def _identity(entry: Any) -> Any:
    """Return what a model is known by; None where nothing tells."""
    return (entry.get('sha256') or entry.get('model')) if isinstance(entry, dict) else None


def _compared(times: Times, single: str, past: str) -> dict[str, Any]:
    one, more = times.timelines[single], times.timelines[past]
    _, here, there = np.intersect1d(one.frames, more.frames, return_indices=True)
    blank = np.array([name == BLANK for name in times.corruptions], bool)
    both = one.pairs[here] & more.pairs[there] & ~blank[one.conditions[here]]
    here, there = here[both], there[both]
    ones, mores = shares_of(one, times.critical), shares_of(more, times.critical)
    return {
        'single': single,
        'past': past,
        'shown': times.asks[past].shown,
        'pairs': len(here),
        **{
            name: _difference(name, (one, ones[name], here), (more, mores[name], there))
            for name in PAIRED
        },
    }


def _difference(
    name: str,
    first: tuple[Timeline, Terms, np.ndarray],
    second: tuple[Timeline, Terms, np.ndarray],
) -> dict[str, Any]:
    (one, (over, under), here), (_, (others, unders), there) = first, second
    own, own_under, of, of_under = over[here], under[here], others[there], unders[there]
    if name in ALIKE:
        # The same places of both: what one of them did not judge says nothing of the other.
        own_under = of_under = own_under & of_under
        own, of = own & own_under, of & of_under
    every = np.arange(len(here))
    scenes = one.scenes[here]
    terms = [by_scene(scenes, pair, every) for pair in ((own, own_under), (of, of_under))]
    single, past = (over.sum() / under.sum() if under.sum() else np.nan for over, under in terms)
    return {
        **asdict(difference(*terms)),
        'single': float(single),
        'past': float(past),
        'scenes': int(((terms[0][1] > 0) | (terms[1][1] > 0)).sum()),
    }
