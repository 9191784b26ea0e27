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

"""Monitor node: joins everything by stamp, scores it, publishes rates, writes the run."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray

from vlm_misalign_ros.core.errors import ExitCode, MisalignError, RecordError
from vlm_misalign_ros.core.evaluation.disagreement import meaning, status_name
from vlm_misalign_ros.core.evaluation.ledger import Closed
from vlm_misalign_ros.core.evaluation.parts import CONDITION, DEPTH, Wanted
from vlm_misalign_ros.core.evaluation.session import Session
from vlm_misalign_ros.core.labels.encodings import open_encoding
from vlm_misalign_ros.core.records.ending import Ending, told_ending, write_ending
from vlm_misalign_ros.core.records.schema import encode
from vlm_misalign_ros.core.report.finalise import finalise
from vlm_misalign_ros.core.report.limit import check_models
from vlm_misalign_ros.core.report.rules import Rules
from vlm_misalign_ros.core.settings.nodes import MonitorParameters, truth_settings
from vlm_misalign_ros.core.settings.outside import EXACT, read_outside
from vlm_misalign_ros.core.stamps import NANO
from vlm_misalign_ros.core.types import Passed
from vlm_misalign_ros.nodes import diagnosing, messages, outside, qos, runtime
from vlm_misalign_ros.nodes.bridge import by_cv_bridge
from vlm_misalign_ros.nodes.publishers import Publishers
from vlm_misalign_ros.nodes.sight import GraphSight, answering, listened_by
from vlm_misalign_ros.nodes.transports import ImageInputs
from vlm_misalign_ros.nodes.watching import Watch
from vlm_misalign_ros.wire import topics
from vlm_misalign_ros.wire.channels import PACKED, Channel, Context, listened, read
from vlm_misalign_ros.wire.outside import OutsideTopic
from vlm_misalign_ros.wire.telling import tell
from vlm_misalign_ros.wire.transports import Carrier

WARNINGS = 50
"""Warnings that the terminal shows; the log has all."""


class Monitor(runtime.MisalignNode):
    """The one node that knows truth and answers."""

    def __init__(self, **kwargs: object) -> None:
        """Open the run and start to listen."""
        super().__init__('monitor', **kwargs)
        self._chosen = chosen = self.read_parameters(MonitorParameters)
        self._rules = Rules.of(chosen)
        check_models(self._rules.limits, chosen.models, chosen.segmentation)
        self._topics: dict[str, str] = {}
        self._who = Publishers(self)
        self._warned = 0
        self._absent: list[str] = []
        self._session = Session(chosen, log=self._warn, publishers=self._senders)
        self._began = time.monotonic()
        self._frame_id = 'camera'
        results = qos.result_qos()
        self._frames = self.create_publisher(DiagnosticArray, topics.MONITOR_FRAME, results)
        self._metrics = self.create_publisher(DiagnosticArray, topics.MONITOR_METRICS, results)
        self._diagnostics = self.create_publisher(DiagnosticArray, topics.DIAGNOSTICS, results)
        self._sight = GraphSight(self)
        self._watch = Watch(
            tell, self._sight, listened_by(chosen), chosen.deadline, time.monotonic()
        )
        self._listen()
        self.create_timer(min(0.1, chosen.deadline / 4), self._tick)
        self.create_timer(1.0, self._diagnose)

    @property
    def closed(self) -> int:
        """How many frames are closed; any thread may ask."""
        return self._session.closed

    def _warn(self, text: str) -> None:
        self.get_logger().warning(text)
        self._warned += 1
        if self._warned <= WARNINGS:
            tell(text if self._warned < WARNINGS else 'further warnings are in the log alone')

    def _listen(self) -> None:
        chosen = self._chosen
        context = Context.by(
            open_encoding(chosen.label_encoding, truth_settings(chosen).limits),
            chosen,
            self.resolve_topic_name(topics.CAMERA_IMAGE),
            fallback=by_cv_bridge,
            instances=chosen.instance_encoding,
            depth=chosen.depth_encoding,
        )
        images = ImageInputs(self, chosen.image_transport)
        for channel in listened(Wanted.by(chosen, chosen.recorder)):
            self._topics[channel.part] = self.resolve_topic_name(channel.topic)
            take = partial(self._add, channel, context)
            if channel.part in PACKED:
                images.receive(
                    channel.topic,
                    chosen.reliability,
                    take,
                    depth=channel.part == DEPTH,
                    opened=partial(self._opened, channel.part),
                )
            else:
                self.receive(channel, chosen.reliability, take)
        limits = truth_settings(chosen).limits
        self._outside = {
            name: OutsideTopic(name, entry, self._session.outside, limits)
            for name, entry in read_outside(chosen.outside).items()
        }
        self._listener = outside.Listener(
            self,
            {name: topic.chosen for name, topic in self._outside.items()},
            self._hear,
            self._session.outside.refused,
        )
        for name, topic in self._outside.items():
            self._topics[topic.part] = self._listener.topic(name)

    def _opened(self, part: str, carrier: Carrier) -> None:
        self._topics[part] = carrier.topic

    def _senders(self, part: str) -> list[str]:
        return self._who.on(self._topics[part]) if part in self._topics else []

    def _hear(self, name: str, form: str, data: bytes, info: Mapping[str, Any]) -> None:
        """Take an answer of a node outside."""
        topic, arrival = self._outside[name], _arrival(info)
        try:
            claim = topic.claim(outside.decoded(data, form), form, arrival)
        except RecordError as error:
            self._session.malformed(topic.part, error)
            return
        now, sender = time.monotonic(), self._who.sent(self._topics[topic.part], info)
        # By the other rules a stamp is no frame's.
        stamp = claim.stamp if topic.chosen.rule == EXACT else None
        self._watch.came(topic.part, stamp, now)
        self._publish(self._session.answer(topic.part, claim, now, sender))

    def _add(
        self, channel: Channel, context: Context, message: Any, info: Mapping[str, Any]
    ) -> None:
        try:
            value = read(channel, message, context)
            stamp = messages.stamp_of(message.header)
        except RecordError as error:
            self._session.malformed(channel.part, error)
            return
        self._frame_id = message.header.frame_id
        if isinstance(value, Passed):
            self._watch.passed(channel.part, stamp, value.reason, time.monotonic())
        elif not self._chosen.lockstep or stamp >= NANO:
            told = value if channel.part == CONDITION else None
            name = '' if told is None else told.condition.name
            asked = told is not None and told.shown
            self._watch.came(channel.part, stamp, time.monotonic(), name, asked)
        sender = self._who.sent(self._topics[channel.part], info)
        now = time.monotonic()
        self._publish(self._session.add(stamp, channel.part, value, now, sender, _arrival(info)))

    def _publish(self, closed: list[Closed]) -> None:
        for frame in closed:
            header = messages.make_header(frame.stamp, self._frame_id)
            values = {} if frame.record is None else {'record': encode(frame.record).decode()}
            self._frames.publish(messages.values_message('frame', values, header))
            if frame.metrics:
                self._metrics.publish(
                    DiagnosticArray(
                        header=header,
                        status=[
                            messages.status(f'monitor: {name}', pairs, message=meaning(name))
                            for name, pairs in frame.metrics.items()
                        ],
                    )
                )
        if self._session.complete or 0 < self._chosen.frames <= self._session.closed:
            self.finished = True

    def _tick(self) -> None:
        now = time.monotonic()
        self._listener.look()
        if self._absent:
            self._look_for_absent(now)
        self._publish(self._session.expire(now))
        elapsed = now - self._began
        # Nodes that load take none of the time; one that never comes takes the rest of it.
        ready = self._watch.ready_at
        begun = now - ready if ready is not None else elapsed - self._chosen.startup_timeout
        if 0 < self._chosen.duration <= begun:
            self.finished = True
        if (
            self._chosen.lockstep
            and not self._session.started
            and elapsed > self._chosen.startup_timeout
        ):
            lacking = ', '.join(self._session.waiting_for()) or 'every node'
            raise MisalignError(
                f'no frame within {self._chosen.startup_timeout:g} s; no answer from {lacking}',
                'see the log of that node',
            )

    def _look_for_absent(self, now: float) -> None:
        """Have nobody wait for nodes that are gone, until they are back."""
        self._absent = self._watch.absent(now)
        self._publish(self._session.without(self._absent, now))

    def _diagnose(self) -> None:
        """Publish verdicts on /diagnostics, few and named; values live on monitor/metrics."""
        now = time.monotonic()
        self._watch.tick(now, partial(answering, self._sight, self._chosen))
        self._look_for_absent(now)
        if not self._chosen.lockstep and self._session.closed:
            self._watch.rates(self._session.metrics, now)
        told = {
            self._sight.resolve(entry.topic): diagnosing.of_topic(entry, self._sight, now)
            for entry in self._watch.listened
        }
        session, chosen = self._session, self._chosen
        rolling = session.metrics() if session.closed else {}
        for name, states in session.accounting.items():
            told[f'{name} coverage'] = diagnosing.of_model(
                session.coverage(name),
                session.closed,
                chosen.minimum_coverage if chosen.truth else 0.0,
                rolling.get(f'rolling: {name}', {}),
                ', '.join(f'{count} {state}' for state, count in states.items() if count),
            )
            if not chosen.truth or name in session.disagreement.asked:
                told[f'{name} self-consistency'] = diagnosing.of_agreement(
                    session.disagreement.frames[name],
                    session.closed,
                    0.0 if chosen.truth else chosen.minimum_coverage,
                    rolling.get(status_name('rolling', name), {}),
                )
        statuses = [
            messages.status(
                f'{self.full_name}: {name}', found.values, bytes([found.level]), found.text
            )
            for name, found in told.items()
        ]
        lacking = session.waiting_for()
        statuses.append(
            messages.status(
                f'{self.full_name}: join',
                {
                    'closed': str(session.closed),
                    'total': str(session.total),
                    'waiting_for': ', '.join(lacking),
                    **{key: str(count) for key, count in session.counters.items()},
                },
            )
        )
        header = messages.make_header(self.get_clock().now().nanoseconds, '')
        self._diagnostics.publish(DiagnosticArray(header=header, status=statuses))

    def on_stop(self) -> None:
        """Close what is open, write the results, and set the exit code by the verdict."""
        lost = {f'lost/{name}': count for name, count in self._listener.lost.items() if count}
        self._session.counters.update(lost)
        self._publish(self._session.end(time.monotonic()))
        interrupted = not self.finished and self.failure is None
        folder = self._session.folder
        # A run that never began has no verdict; whoever started it says why, and tidies up.
        if folder is not None and (self.finished or self._session.closed):
            write_ending(folder, self._ending(folder, interrupted))
            verdict = finalise(folder, self._rules)
            self.exit_code = verdict.exit_code
            print(f'verdict: {verdict.text}', flush=True)
        if interrupted:
            self.exit_code = ExitCode.INTERRUPTED

    def _ending(self, folder: Path, interrupted: bool) -> Ending:
        """Return what only this process knows of the run, and what it was told of its end."""
        chosen, session = self._chosen, self._session
        failure, notes = told_ending(folder)
        ends = [count for count in (session.total, chosen.frames) if count]
        return Ending(
            expected_frames=min(ends, default=None),
            interrupted=interrupted,
            endless=not (chosen.lockstep or chosen.duration or chosen.frames),
            failure=str(self.failure or self.cause or failure or '') or None,
            notes=[*session.notes, *notes],
        )

    def on_abandoned(self) -> None:
        """Close the records; `vlm-misalign report` makes the results when somebody asks."""
        self._session.end(time.monotonic())


def _arrival(info: Mapping[str, Any]) -> int:
    """Return when a message came, nanoseconds, however long it waited to be taken."""
    return int(info.get('received_timestamp') or 0) or time.time_ns()


def main() -> int:
    """Run the node."""
    return runtime.main(Monitor, keeps=True)


if __name__ == '__main__':
    sys.exit(main())
