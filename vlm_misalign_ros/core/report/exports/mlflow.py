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

"""A run as MLflow keeps it: parameters, rates as metrics by severity, files as artifacts."""

from __future__ import annotations

import re
import time
from itertools import islice
from pathlib import Path
from typing import Any

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.report.exports.tracked import PROJECT, Told, package, told_of
from vlm_misalign_ros.core.report.exports.writing import Exported

_UNNAMED = re.compile(r'[^\w\-. :/]')
"""What MLflow takes in no name."""
_PARAMETER = 500
"""Characters of a parameter that every store takes."""
_BATCH = {'metrics': 1000, 'params': 100}
"""Most that are logged at once (mlflow.tracking.MlflowClient.log_batch)."""


def write_mlflow(folder: Path, out: Path) -> Exported:
    """
    Log a run into the tracking store in `out`, a folder that MLflow makes or has made.

    The store is the database mlflow.db, with the artifacts beside it; more runs may follow. Raises
    ConfigurationError where MLflow is not installed, RecordError for what is no run and what
    MLflow refuses.
    """
    client_of = package('mlflow.tracking', 'mlflow').MlflowClient
    entities = package('mlflow.entities', 'mlflow')
    told = told_of(folder)
    try:
        out.mkdir(parents=True, exist_ok=True)
        client = client_of(tracking_uri=f'sqlite:///{out.absolute() / "mlflow.db"}')
        return _log(client, entities, told, out.absolute() / 'artifacts')
    except Exception as error:  # of the library, its database, the disk
        raise RecordError(
            f'MLflow refuses the run {folder}: {type(error).__name__}: {error}',
            'give another folder, or a store that this version of MLflow reads',
        ) from error


def _log(client: Any, entities: Any, told: Told, artifacts: Path) -> Exported:
    known = client.get_experiment_by_name(PROJECT)
    number = (
        client.create_experiment(PROJECT, artifact_location=artifacts.as_uri())
        if known is None
        else known.experiment_id
    )
    run = client.create_run(number, tags=told.tags, run_name=told.name).info.run_id
    now = int(time.time() * 1000)
    metrics = [
        entities.Metric(_named(point.name), point.value, now, point.severity)
        for point in told.points
    ]
    parameters = [
        entities.Param(_named(name), value[:_PARAMETER]) for name, value in told.parameters.items()
    ]
    for kind, entries in (('metrics', metrics), ('params', parameters)):
        rest = iter(entries)
        while part := list(islice(rest, _BATCH[kind])):
            client.log_batch(run, **{kind: part})
    for path in told.files:
        client.log_artifact(run, str(path))
    client.set_terminated(run)
    found = Exported()
    found.counts.update(metrics=len(metrics), params=len(parameters), artifacts=len(told.files))
    found.notes.append(f'MLflow run {run} of the experiment {PROJECT}')
    return found


def _named(name: str) -> str:
    return _UNNAMED.sub('_', name)[:250]
