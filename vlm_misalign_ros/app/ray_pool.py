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

"""Works on shards of runs in the processes of a Ray cluster that is there already."""

from __future__ import annotations

import os
import platform
import secrets
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vlm_misalign_ros.app.shard_pool import Event, Part, Worker
from vlm_misalign_ros.core.errors import ConfigurationError, MisalignError, RecordError
from vlm_misalign_ros.wire.environment import prepare_process

_TOKEN = '.ray'
"""File by which a process shows that it sees the folder of the sweep, and not one of its own."""
_GO_ON = 'run the same command again to go on'
Runs = Sequence[tuple[Path, Mapping[str, Any]]]


class RemoteWorker:
    """A `Worker` in a process of the cluster."""

    def __init__(self, runs: Runs, place: str, token: str) -> None:
        """Take up runs; `place` is where relative paths begin."""
        self._runs = runs
        self._place = place
        self._token = token
        self._worker: Worker | None = None

    def ready(self) -> str:
        """
        Return what is wrong with this process, empty where it can work.

        It has to see the folders as the one that began the sweep does.
        """
        host = platform.node()
        try:
            os.chdir(self._place)
            seen = (self._runs[0][0].parent / _TOKEN).read_text(encoding='utf-8')
        except OSError as error:
            return f'{host} cannot read {error.filename}'
        if seen != self._token:
            return f'{host} has another folder {self._runs[0][0].parent}'
        prepare_process()
        self._worker = Worker(self._runs)
        return ''

    def work(self, part: Part) -> Iterator[Event]:
        """Make the records of a part; see `Worker.work`."""
        assert self._worker is not None
        yield from self._worker.work(part)


def check_ray() -> None:
    """Raise ConfigurationError where ray is not installed."""
    if find_spec('ray') is None:
        raise ConfigurationError(
            '--engine ray needs the package ray', "pip install 'vlm_misalign_ros[ray]'"
        )


def on_ray(runs: Runs, parts: Iterable[Part], processes: int = 0) -> Iterator[Event]:
    """
    Work on parts in so many processes of a Ray cluster; 0: one for each of its processors.

    The cluster is that of RAY_ADDRESS, or of this machine, and is left as it is. Raises
    ConfigurationError without ray or a cluster, RecordError for a process that does not see the
    folders or was ended, and what `Worker.work` raises; what is whole by then stays.
    """
    ray = _connected()
    folder = runs[0][0].parent
    token = secrets.token_hex(8)
    try:
        (folder / _TOKEN).write_text(token, encoding='utf-8')
        absolute = [(run.absolute(), chosen) for run, chosen in runs]
        yield from _Cluster(ray, absolute, deque(parts), processes, token).events()
    finally:
        # Its processes end with the connection of the one that began them.
        ray.shutdown()
        (folder / _TOKEN).unlink(missing_ok=True)


def _connected() -> Any:
    check_ray()
    import ray

    try:
        ray.init(address='auto', log_to_driver=False, logging_level='ERROR')
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ConfigurationError(
            f'no Ray cluster answers: {str(error)[:200]}',
            'begin one (ray start --head), or set RAY_ADDRESS',
        ) from error
    return ray


class _Cluster:
    def __init__(
        self, ray: Any, runs: Runs, waiting: deque[Part], processes: int, token: str
    ) -> None:
        self._ray = ray
        self._waiting = waiting
        resources = ray.cluster_resources()
        count = min(processes or max(1, int(resources.get('CPU', 1))), len(waiting))
        # Ray hides the accelerators of a machine from whom none was promised.
        share = min(1.0, resources.get('GPU', 0) / max(count, 1))
        kind = ray.remote(num_cpus=1, num_gpus=share)(RemoteWorker)
        place = os.getcwd()
        self._workers = [kind.remote(runs, place, token) for _ in range(count)]

    def events(self) -> Iterator[Event]:
        """Give each process a part as it is ready, and the next as it is through."""
        answers = {worker.ready.remote(): worker for worker in self._workers}
        busy: dict[Any, Any] = {}
        while (answers and self._waiting) or busy:
            found, _ = self._ray.wait([*answers, *busy], num_returns=1)
            for one in found:
                if one in answers:
                    worker = answers.pop(one)
                    if wrong := self._got(one):
                        raise RecordError(
                            f'a process of the Ray cluster does not see the sweep: {wrong}',
                            'put data and results where all machines of the cluster see them '
                            'under the same names',
                        )
                    self._give(worker, busy)
                    continue
                worker = busy.pop(one)
                event = self._next(one)
                if event is None:
                    self._give(worker, busy)
                else:
                    busy[one] = worker
                    yield event

    def _give(self, worker: Any, busy: dict[Any, Any]) -> None:
        if self._waiting:
            part = self._waiting.popleft()
            busy[worker.work.options(num_returns='streaming').remote(part)] = worker

    def _next(self, stream: Any) -> Event | None:
        """Return what a process tells next; None where it is through with its part."""
        try:
            reference = next(stream)
        except StopIteration:
            return None
        event = self._got(reference)
        assert isinstance(event, Event)
        return event

    def _got(self, reference: Any) -> Any:
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, MisalignError):
                raise error.cause from None
            raise
        except self._ray.exceptions.RayActorError as error:
            raise RecordError(
                f'a process of the Ray cluster was ended: {str(error)[:200]}', _GO_ON
            ) from error
