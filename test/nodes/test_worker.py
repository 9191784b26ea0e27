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

"""The worker thread of model nodes."""

import threading

import pytest

pytest.importorskip('vlm_misalign_ros.nodes.worker')
from vlm_misalign_ros.core.errors import (  # noqa: E402
    ConfigurationError,
    FrameError,
    ModelError,
    NothingSaid,
    RecordError,
)
from vlm_misalign_ros.nodes.worker import Guard, Worker  # noqa: E402


class Gate:
    """Work that stands still until the test opens it."""

    def __init__(self):
        self.started, self.open, self.done = threading.Event(), threading.Event(), []
        self.finished = threading.Semaphore(0)

    def __call__(self, item):
        self.started.set()
        assert self.open.wait(10)
        self.done.append(item)
        self.finished.release()


def run(policy, capacity, items):
    gate = Gate()
    worker = Worker(gate, policy, capacity)
    worker.submit(items[0])
    assert gate.started.wait(10)
    for item in items[1:]:
        worker.submit(item)
    gate.open.set()
    for _ in range(len(items) - worker.dropped):
        assert gate.finished.acquire(timeout=10)
    worker.stop()
    return gate.done, worker.dropped


def test_every_frame_is_worked_on_in_order():
    assert run('every_frame', 10, [1, 2, 3, 4]) == ([1, 2, 3, 4], 0)


def test_latest_keeps_only_the_newest_and_counts_the_rest():
    assert run('latest', 10, [1, 2, 3, 4]) == ([1, 4], 2)


def test_a_full_queue_drops_the_oldest_and_counts_it():
    assert run('every_frame', 2, [1, 2, 3, 4]) == ([1, 3, 4], 1)


@pytest.mark.parametrize(
    'policy, reason',
    [
        ('latest', 'a newer frame was taken (policy latest)'),
        ('every_frame', 'the queue was full (queue_size 1)'),
    ],
)
def test_what_is_dropped_is_told_by_whoever_submits(policy, reason):
    gate, told = Gate(), []
    worker = Worker(
        gate, policy, 1, passed=lambda *what: told.append((*what, threading.get_ident()))
    )
    worker.submit(1)
    assert gate.started.wait(10)
    for item in (2, 3, 4):
        worker.submit(item)
    here = threading.get_ident()
    assert told == [(2, reason, here), (3, reason, here)]
    gate.open.set()
    worker.stop()


def test_lanes_take_no_room_from_each_other():
    gate = Gate()
    worker = Worker(gate, 'latest', 1)
    worker.submit('first')
    assert gate.started.wait(10)
    for item, lane in (('a1', 0), ('b1', 1), ('a2', 0), ('b2', 1), ('a3', 0)):
        worker.submit(item, lane)
    gate.open.set()
    for _ in range(3):
        assert gate.finished.acquire(timeout=10)
    worker.stop()
    assert gate.done == ['first', 'b2', 'a3'] and worker.dropped == 3


def test_an_error_is_kept_for_the_node():
    failed = threading.Event()

    def work(item):
        failed.set()
        raise ValueError(item)

    worker = Worker(work, 'every_frame', 4)
    worker.submit('broken')
    assert failed.wait(10)
    for thread in worker._threads:
        thread.join(10)
    assert isinstance(worker.error, ValueError)


def test_several_threads_work_on_as_many_items_at_once_begun_in_order():
    begun, ended, lock = [], threading.Semaphore(0), threading.Lock()
    taken = threading.Semaphore(0)
    together, last = threading.Barrier(4), threading.Event()

    def work(item):
        with lock:
            begun.append(item)
        taken.release()
        if item < 3:
            # Nobody gets on before three are under way and the test has looked.
            together.wait(10)
            together.wait(10)
        else:
            last.set()
        ended.release()

    worker = Worker(work, 'every_frame', 2, threads=3)
    for item in range(3):
        worker.submit(item)
        assert taken.acquire(timeout=10)
    together.wait(10)
    assert begun == [0, 1, 2]
    for item in range(3, 7):
        worker.submit(item)
    # Three in hand and two that wait: the oldest of the others are gone.
    assert worker.dropped == 2 and len(begun) == 3
    together.wait(10)
    assert last.wait(10)
    for _ in range(5):
        assert ended.acquire(timeout=10)
    worker.stop()
    assert sorted(begun) == [0, 1, 2, 5, 6]


# Guard ---------------------------------------------------------------------------------------


class Guarded:
    """A guard over work that raises what it is given, and what it told."""

    def __init__(self, most):
        self.failed, self.said, self.done = [], [], 0
        self.guard = Guard(
            self.work, lambda item, reason: self.failed.append(reason), most, self.said.append
        )

    def work(self, item):
        if item is not None:
            raise item
        self.done += 1

    def take(self, *items):
        for item in items:
            self.guard(item)
        return self


BAD = FrameError('model m gave nan')


def test_a_failure_costs_its_item_and_is_told():
    got = Guarded(3).take(None, BAD, None, ValueError('x'), None)
    assert got.done == 3
    assert got.failed == ['model m gave nan', 'ValueError: x']
    assert got.said == ['model m gave nan (failure 1)', 'ValueError: x (failure 2)']


def test_so_many_failures_in_a_row_end_it_with_the_last_reason():
    got = Guarded(3).take(BAD, BAD, None, BAD, BAD)
    with pytest.raises(ModelError, match='3 frames in a row failed; the last: KeyError: 1'):
        got.take(KeyError(1))
    # The last one was told, too, before the end.
    assert len(got.failed) == 5


@pytest.mark.parametrize('error', [RecordError('unreadable'), NothingSaid('empty')])
def test_messages_of_strangers_and_empty_answers_never_end_it(error):
    got = Guarded(2).take(BAD, *[error] * 50, None)
    assert got.done == 1 and got.guard.failures == 51
    # They break no row, either: nothing came between two failures of its own.
    got = Guarded(2).take(BAD, error)
    with pytest.raises(ModelError):
        got.take(BAD)


def test_failures_of_several_threads_are_all_counted_and_end_it_after_as_many():
    got, errors = Guarded(0), []
    limited = Guarded(400)

    def fail(guarded):
        for _ in range(100):
            try:
                guarded.take(BAD)
            except ModelError as error:
                errors.append(str(error))

    for guarded in (got, limited):
        threads = [threading.Thread(target=fail, args=(guarded,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert got.guard.failures == limited.guard.failures == 400
    assert errors == [
        '400 frames in a row failed; the last: model m gave nan. max_failures is how many may'
    ]


def test_with_0_any_number_may_fail():
    assert Guarded(0).take(*[BAD] * 100, None).done == 1


def test_what_the_user_has_to_mend_ends_it_at_once():
    with pytest.raises(ConfigurationError):
        Guarded(0).take(ConfigurationError('wrong'))
