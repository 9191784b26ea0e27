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

"""A run as Weights & Biases keeps it, offline: nothing is sent anywhere."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.report.exports.tracked import PROJECT, Told, package, told_of
from vlm_misalign_ros.core.report.exports.writing import Exported
from vlm_misalign_ros.core.report.loading import load_run

SEVERITY = 'severity'
"""The step of every curve."""


def write_wandb(folder: Path, out: Path) -> Exported:
    """
    Write OUT/wandb/offline-run-...; `wandb sync` of that folder sends it where its user wants.

    Raises ConfigurationError where wandb is not installed, RecordError for what is no run and
    what wandb refuses.
    """
    wandb = package('wandb', 'wandb')
    told, rates = told_of(folder), load_run(folder).rates
    try:
        out.mkdir(parents=True, exist_ok=True)
        return _log(wandb, told, rates, out)
    except Exception as error:  # of the library, its service, the disk
        raise RecordError(
            f'wandb refuses the run {folder}: {type(error).__name__}: {error}',
            'give another folder',
        ) from error


def _log(wandb: Any, told: Told, rates: Any, out: Path) -> Exported:
    run = wandb.init(
        project=PROJECT,
        name=told.name,
        dir=str(out.absolute()),
        mode='offline',
        config={**told.parameters, **told.tags},
        settings=wandb.Settings(
            silent=True, console='off', disable_git=True, x_disable_meta=True, x_disable_stats=True
        ),
    )
    by_severity: dict[int, dict[str, float]] = defaultdict(dict)
    for point in told.points:
        by_severity[point.severity][point.name] = point.value
    run.define_metric('*', step_metric=SEVERITY)
    for severity, values in sorted(by_severity.items()):
        run.log({SEVERITY: severity, **values})
    run.log({'rates': wandb.Table(dataframe=rates.astype(object).where(rates.notna(), None))})
    artifact = wandb.Artifact(f'run-{_named(told.name)}', 'run')
    for path in told.files:
        artifact.add_file(str(path))
    run.log_artifact(artifact)
    place = Path(run.dir).parent
    run.finish()
    found = Exported()
    found.counts.update(
        values=len(told.points), artifacts=len(told.files), config=len(told.parameters)
    )
    found.notes.append(f'send it, where that is wanted, with: wandb sync {place}')
    return found


def _named(name: str) -> str:
    """Return a name as artifacts may have it."""
    return ''.join(
        char if char.isascii() and (char.isalnum() or char in '-_.') else '_' for char in name
    )[:100]
