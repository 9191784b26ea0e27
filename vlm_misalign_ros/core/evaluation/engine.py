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
The in-process engine: frames go through corruption, models and evaluation in one process.

It does what the nodes of a run in lockstep do, by the same functions and into the same Session, so
that its records are theirs but for times. Each picture is decoded once, degraded once for each
condition, and shared by every model. What is kept between frames is kept by a run, not by the
engine: several may follow each other, over any frames and conditions, in any order of passes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from vlm_misalign_ros.core.corruptions import Manner, parse_conditions
from vlm_misalign_ros.core.datasets import Dataset
from vlm_misalign_ros.core.errors import ConfigurationError, RecordError
from vlm_misalign_ros.core.evaluation import parts
from vlm_misalign_ros.core.evaluation.engine_steps import (
    AskStep,
    DegradeStep,
    Job,
    Say,
    SegmentStep,
    Step,
    TruthStep,
)
from vlm_misalign_ros.core.evaluation.engine_values import source_heard
from vlm_misalign_ros.core.evaluation.lanes import Lane, open_lanes
from vlm_misalign_ros.core.evaluation.ledger import Closed
from vlm_misalign_ros.core.evaluation.parts import Wanted, taken, vlm_part
from vlm_misalign_ros.core.evaluation.replaying import (
    Sending,
    Sent,
    lockstep_stamp,
    schedule_by_frame,
)
from vlm_misalign_ros.core.evaluation.session import Session
from vlm_misalign_ros.core.models.answering import CheckedSegmentation
from vlm_misalign_ros.core.models.factory import (
    classes_told,
    load_segmentation,
    load_vlm,
    preprocessing_told,
)
from vlm_misalign_ros.core.settings.configuration import Configuration
from vlm_misalign_ros.core.settings.degrading import manner_of, scenario_of
from vlm_misalign_ros.core.settings.nodes import (
    ReplayParameters,
    SegmentationParameters,
    VlmParameters,
    segmentation_options,
    vlm_options,
)
from vlm_misalign_ros.core.types import Source

T = TypeVar('T')
Kept = dict[Hashable, Any]
"""Loaded models and their asks, by what decides them."""


@dataclass(frozen=True)
class Models:
    """The loaded models of a configuration."""

    segmentation: CheckedSegmentation | None
    vlms: tuple[tuple[VlmParameters, tuple[Lane, ...]], ...]
    """Each with its asks."""

    @classmethod
    def load(cls, configuration: Configuration, kept: Kept | None = None) -> Models:
        """
        Load every model and try out its asks; a MisalignError names what will not do.

        What is in `kept` already is not loaded again; what is loaded is put there.
        """
        kept = {} if kept is None else kept
        chosen = configuration.segmentation
        segmentation = (
            None if chosen is None else _once(kept, chosen, partial(_segmentation, chosen))
        )
        vlms = []
        for vlm in configuration.vlms:
            options = vlm_options(vlm)
            key = vlm.model, *sorted((name, repr(value)) for name, value in options.items())
            model = _once(kept, key, partial(load_vlm, vlm.model, **options))
            vlms.append((vlm, _once(kept, vlm, partial(open_lanes, model, vlm))))
        return cls(segmentation, tuple(vlms))


def _once(kept: Kept, key: Hashable, make: Callable[[], T]) -> T:
    if key not in kept:
        kept[key] = make()
    found: T = kept[key]
    return found


def _segmentation(chosen: SegmentationParameters) -> CheckedSegmentation:
    return load_segmentation(chosen.model, **segmentation_options(chosen))


def refuse_live(configuration: Configuration) -> None:
    """Raise ConfigurationError for what only a graph of nodes can do."""
    if configuration.replay is None:
        raise ConfigurationError('a live run needs the graph', 'leave out --in-process')
    asked = {
        'record': configuration.recorder is not None,
        'annotate': configuration.annotator is not None,
        'a topic of models outside the run': bool(configuration.outside),
        'a reference': configuration.reference is not None,
        'elsewhere': bool(configuration.elsewhere),
    }
    for name, there in asked.items():
        if there:
            raise ConfigurationError(
                f'the configuration has {name}, and in one process there are no topics',
                'leave it out, or leave out --in-process',
            )


class Engine:
    """The models of one configuration, and how frames go through them."""

    def __init__(
        self, configuration: Configuration, models: Models | None = None, say: Say = print
    ) -> None:
        """
        Load the models, unless they are given.

        `say` is told what a segmentation cannot tell, and what goes wrong with frames.

        Raises ConfigurationError for what only a graph of nodes can do, and a MisalignError that
        names the model that will not do.
        """
        refuse_live(configuration)
        self._chosen = configuration
        self._manner = manner_of(configuration.corruption)
        self._models = models or Models.load(configuration)
        self._say = say
        if (found := self._models.segmentation) is not None:
            for told in filter(None, (classes_told(found), preprocessing_told(found))):
                say(told)
        self.notes: list[str] = []
        """Models that were lost on the way, and why."""

    def run(self, frames: Iterable[Sent], session: Session) -> Iterator[list[Closed]]:
        """
        Yield what closes by each frame, in the order of `frames`.

        Passes may come in any order; within each, frames that are shown to somebody as past ones
        have to follow on each other. Raises a MisalignError where corruption, or a model at the
        first frame of all, fails too often in a row.
        """
        running = _Run(self._chosen, self._models, self._manner, session, self._say)
        for sent in frames:
            closed = running.take(sent)
            self.notes += running.lost()
            yield closed


class _Run:
    """What is kept from frame to frame."""

    def __init__(
        self, chosen: Configuration, models: Models, manner: Manner, session: Session, say: Say
    ) -> None:
        self._session = session
        self._deadline = chosen.monitor.deadline
        self._taken = frozenset(taken(Wanted.by(chosen.monitor)))
        self._truth = TruthStep(chosen.monitor)
        self._degrade = DegradeStep(chosen.corruption, manner, say)
        self._segment: SegmentStep | None = None
        if chosen.segmentation is not None and models.segmentation is not None:
            self._segment = SegmentStep(chosen.segmentation, models.segmentation, say)
        self._ask = [AskStep(vlm, lanes, say) for vlm, lanes in models.vlms]
        self._told: set[str] = set()

    @property
    def _gone(self) -> list[Step]:
        """Return the models of which nothing comes any more."""
        steps = [*([] if self._segment is None else [self._segment]), *self._ask]
        return [step for step in steps if step.gone is not None]

    def take(self, sent: Sent) -> list[Closed]:
        """Have a frame go through everything; return what closed by it."""
        if sent.past:
            self._remember(sent)
            return []
        # Of the run: a shard is no run of its own, and one that is gone on with has begun.
        first = not sent.source.index and not self._session.closed
        closed = self._add_sent(sent)
        job = self._degrade.take(sent)
        if self._segment is not None:
            self._segment.take(job)
        # The frame at which it gave up is one whose mask failed, as those before.
        of = self._segment
        segmented = of is not None and (of.gone is None or job.sure is not None)
        for step in self._ask:
            step.take(job, segmented)
        closed += self._add_made(job)
        for gone in (self._degrade, *(self._gone if first else ())):
            if gone.gone is not None:
                raise gone.gone
        if not closed:
            # All is said that will be: what is lacking is not waited for.
            closed += self._session.expire(time.monotonic() + self._deadline)
        return closed

    def _remember(self, sent: Sent) -> None:
        """Have a frame that was asked about before shown as a past one."""
        job = self._degrade.take(sent)
        for step in self._ask:
            step.remember(job)

    def lost(self) -> list[str]:
        """Return, once, what is to be told of models that are gone."""
        new = [step for step in self._gone if step.name not in self._told]
        self._told |= {step.name for step in new}
        return [
            f'{step.name} ended while the run went on, and its answers count as missing: '
            f'{step.gone}'
            for step in new
        ]

    def _add(self, stamp: int, part: str, value: object) -> list[Closed]:
        if part not in self._taken or value is None:
            return []
        if isinstance(value, RecordError):
            self._session.malformed(part, value)
            return []
        return self._session.add(stamp, part, value, time.monotonic())

    def _add_sent(self, sent: Sent) -> list[Closed]:
        """Tell what is known of a frame before anything is done to it."""
        told = source_heard(sent.source), sent.frame.camera
        closed = self._add(sent.stamp, parts.SOURCE, told)
        for part, value in self._truth.parts(sent.frame, sent.source.depth):
            closed += self._add(sent.stamp, part, value)
        return closed

    def _add_made(self, job: Job) -> list[Closed]:
        """Tell what was made of a frame."""
        degraded, stamp = job.degraded, job.sent.stamp
        made: list[tuple[str, object]] = [(parts.CONDITION, job.applied)]
        if degraded is not None:
            made += [(parts.OCCLUDER, degraded.occluder), (parts.IMAGE, degraded.image)]
        made += [(parts.CONFIDENCE, job.sure), (parts.SEGMENTATION, job.mask)]
        made += [(vlm_part(name), found) for name, found in job.answers.items()]
        return [closed for part, value in made for closed in self._add(stamp, part, value)]


def replayed(
    chosen: ReplayParameters,
    dataset: Dataset,
    wanted: Callable[[int, Source], bool | None] = lambda position, source: True,
) -> Iterator[Sent]:
    """
    Yield the frames of a run in lockstep, a frame under every condition before the next.

    Stamps and sources are those of the replay node, which goes through pass after pass. `wanted`
    is asked by position in the data set and source: what is not wanted is not decoded, and None
    has a frame come as a past one alone (`shards.Shard`). So some of the frames and conditions
    give the records that all of them give. Raises DatasetError for a frame
    that cannot be read.
    """
    # A frame does not come back once another has come.
    sending = Sending(dataset, scenario_of(chosen), budget=0)
    entries = schedule_by_frame(
        dataset,
        parse_conditions(list(chosen.conditions)),
        depth=chosen.depth and dataset.has_depth,
        hold=chosen.hold,
    )
    for position, source in entries:
        stamp, asked = lockstep_stamp(source.index, chosen), wanted(position, source)
        if asked is False:
            sending.skip(source, stamp)
        else:
            yield replace(sending.take(position, source, stamp), past=asked is None)
