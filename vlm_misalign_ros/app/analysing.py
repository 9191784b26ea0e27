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

"""Bags scored by the configuration of their run: one, or several at once with one summary."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from enum import Enum
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from vlm_misalign_ros.bags.continuing import BAG, LAST, content_of
from vlm_misalign_ros.core.errors import ConfigurationError, RecordError
from vlm_misalign_ros.core.files import read_json, sha256_of, write_json
from vlm_misalign_ros.core.records.ending import MANIFEST
from vlm_misalign_ros.core.records.manifest import OtherRun
from vlm_misalign_ros.core.report.verdict import Verdict

JOB = 'job.json'
"""How a bag among several was scored; written once it is."""
MERGED = 'all'
"""Folder of the summary of several bags, beside theirs."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Job:
    """A bag, and how it is scored."""

    bag: Path
    out: Path
    config: str = ''
    """Path or name of a configuration; empty for that of the bag's run."""
    overrides: Sequence[str] = ()
    namespace: str = ''
    limits: Sequence[str] = ()
    topics: Mapping[str, str] = field(default_factory=dict)
    """Rules that go before those of the configuration."""
    resume: bool = False
    """Whether an analysis that was interrupted is gone on with."""


def score(job: Job, progress: Progress | None = None) -> Verdict:
    """Score one bag; MisalignError as `bags.analyse` raises it."""
    from vlm_misalign_ros.bags.analyse import analyse
    from vlm_misalign_ros.bags.places import run_config
    from vlm_misalign_ros.core.settings.configuration import (
        find_config,
        override,
        parse,
        read_yaml,
    )
    from vlm_misalign_ros.core.settings.nodes import EvaluationParameters
    from vlm_misalign_ros.core.settings.parameters import table
    from vlm_misalign_ros.nodes.bridge import by_cv_bridge
    from vlm_misalign_ros.wire.truths import remapped

    config = job.config or run_config(job.bag)
    parameters, namespace = EvaluationParameters(), job.namespace
    remap: dict[str, str] = {}
    if config:
        configuration = parse(override(read_yaml(find_config(config)), list(job.overrides)))
        parameters = EvaluationParameters(
            **{
                entry.name: getattr(configuration.monitor, entry.name)
                for entry in table(EvaluationParameters)
            }
        )
        namespace = namespace or configuration.namespace
        remap = remapped(configuration)
    elif job.overrides:
        raise ConfigurationError(
            f'overrides {list(job.overrides)} have no configuration to apply to', 'give --config'
        )
    return analyse(
        job.bag,
        job.out,
        parameters,
        namespace,
        progress,
        by_cv_bridge,
        job.limits,
        {**remap, **job.topics},
        job.resume,
    )


def names(bags: Sequence[Path]) -> list[str]:
    """Return a name for each bag, each once: its own, or that of the run whose bag it is."""
    found: list[str] = []
    for bag in bags:
        whole = bag.resolve()
        stem = whole.parent.name if whole.stem == 'bag' else whole.stem
        name = stem if stem != MERGED else f'{stem}_'
        number = 2
        while name in found:
            name = f'{stem}_{number}'
            number += 1
        found.append(name)
    return found


def score_all(
    jobs: Sequence[Job], out: Path, processes: int, progress: Progress | None = None
) -> Verdict:
    """
    Score several bags, each in a process, and merge them into one run below `out`.

    Bags that were scored into these folders before are not scored again, and one that was begun
    is gone on with: a call that was stopped goes on where it was. What cannot be gone on with is
    begun anew, unless its job says to `resume`. `progress` is told (bags done, bags). Raises as
    `score` does for the first bag that cannot be scored, once the others are done, and as `merge`
    does.
    """
    from vlm_misalign_ros.core.records.merge import merge
    from vlm_misalign_ros.core.report.finalise import finalise

    states = [_state(job) for job in jobs]
    waiting = [job for job, state in zip(jobs, states, strict=True) if state is not State.DONE]
    failed: dict[int, Exception] = {}
    if waiting:
        pool = ProcessPoolExecutor(
            max_workers=max(1, min(processes, len(waiting))), mp_context=get_context('spawn')
        )
        with pool:
            running = {pool.submit(_score_quietly, job): job for job in waiting}
            for done in as_completed(running):
                error = done.exception()
                if isinstance(error, Exception):
                    failed[jobs.index(running[done])] = error
                if progress is not None:
                    finished = len(jobs) - len(waiting)
                    finished += sum(future.done() for future in running)
                    progress(finished, len(jobs))
    if failed:
        raise failed[min(failed)]
    whole = out / MERGED
    if (whole / MANIFEST).is_file():
        # It is made of the others alone, and they may have become more.
        shutil.rmtree(whole)
    merge(whole, [job.out for job in jobs])
    return finalise(whole)


def _score_quietly(job: Job) -> None:
    """Score a bag in a process of its own."""
    # A bag that changes while it is read is another one afterwards.
    told = _told(job)
    try:
        score(replace(job, resume=_state(job) is State.BEGUN))
    except OtherRun:
        if job.resume:
            raise
        shutil.rmtree(job.out)
        score(job)
    write_json(job.out / JOB, told)


def _told(job: Job) -> dict[str, Any]:
    """Return what decides how a bag is scored."""
    from vlm_misalign_ros.bags.places import run_config
    from vlm_misalign_ros.core.settings.configuration import find_config

    config = job.config or run_config(job.bag)
    return {
        'bag': str(job.bag.resolve()),
        'content of the bag': content_of(job.bag),
        'config': sha256_of(find_config(config)) if config else '',
        'overrides': list(job.overrides),
        'namespace': job.namespace,
        'limits': list(job.limits),
        'topics': dict(job.topics),
    }


class State(Enum):
    """How far the analysis of a bag has come."""

    NEW = 'new'
    BEGUN = 'begun'
    DONE = 'done'


def _state(job: Job) -> State:
    """
    Return how far the analysis of a bag among several has come.

    RecordError where the folder has the analysis of another bag, of one that changed since, or by
    other settings, and where it was not made here.
    """
    if not (job.out / MANIFEST).is_file():
        return State.NEW
    if (job.out / JOB).is_file():
        before, now = read_json(job.out / JOB, ''), _told(job)
        other = [name for name, value in now.items() if before.get(name) != value]
        if other:
            raise RecordError(
                f'{job.out} holds an analysis with another {" and ".join(other)}',
                'give another --out, or remove it',
            )
        return State.DONE
    told = read_json(job.out / MANIFEST, '').get(BAG)
    if told != str(job.bag):
        raise RecordError(f'{job.out} holds another run, of {told}', 'give another --out')
    if (job.out / LAST).is_file():
        raise RecordError(
            f'{job.out} holds an analysis of {told} that was not made as one of several',
            'give another --out, or remove it',
        )
    return State.BEGUN
