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

"""VLM node: one vision-language model, one description for every degraded picture and ask."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from vlm_misalign_ros.core.checksums import checksum
from vlm_misalign_ros.core.errors import ConfigurationError, RecordError
from vlm_misalign_ros.core.evaluation import parts
from vlm_misalign_ros.core.evaluation.asker import Asker, Shown
from vlm_misalign_ros.core.evaluation.lanes import (
    NO_MASK,
    NO_SEGMENTATION,
    answer,
    open_lanes,
    put_all,
    sequence_of,
)
from vlm_misalign_ros.core.evaluation.pairing import Pairing, Past
from vlm_misalign_ros.core.labels.encodings import open_encoding
from vlm_misalign_ros.core.models.answering import CheckedVlm
from vlm_misalign_ros.core.models.factory import load_vlm
from vlm_misalign_ros.core.settings.asks import asks_of
from vlm_misalign_ros.core.settings.nodes import VlmParameters, vlm_options
from vlm_misalign_ros.core.types import Camera, Confidence, Failed, NoCamera, Passed, Source
from vlm_misalign_ros.nodes import messages, qos, runtime
from vlm_misalign_ros.nodes.clean import CleanPictures, Slot, clean_pictures, pictures_of
from vlm_misalign_ros.nodes.managed import GOT_LOST, ManagedNode
from vlm_misalign_ros.nodes.masks import mask_of
from vlm_misalign_ros.wire import channels, topics
from vlm_misalign_ros.wire import values as codec


@dataclass(frozen=True)
class _Task:
    """The asks of one lane about one frame, and what they need of it."""

    message: Image
    """The degraded picture."""
    past: tuple[Image, ...]
    """It, and those before it that are shown, oldest first."""
    lane: _Lane
    mask: Any = None
    """The message with the mask."""
    sure: Confidence | Failed | None = None
    camera: Camera | None = None
    clean: tuple[Slot, ...] = ()
    """Where the clean pictures of `past` come; none where nobody asks about them."""
    came: float = field(default_factory=time.monotonic)
    """When all of it was there."""
    answered: set[str] = field(default_factory=set)
    """Asks of which an answer, or why there is none, is published."""


@dataclass(frozen=True)
class _Lane:
    """Asks that need the same parts of a frame, and as many past ones."""

    number: int
    askers: tuple[Asker, ...]
    pairing: Pairing
    past: Past


class Vlm(ManagedNode):
    """Runs one VLM over degraded/image_raw, and puts each of its asks to it."""

    def __init__(self, **kwargs: object) -> None:
        """Read the parameters; then load the model and start to listen, or wait to be told."""
        super().__init__('vlm', **kwargs)
        self._chosen = chosen = self.read_parameters(VlmParameters)
        if not chosen.name:
            raise ConfigurationError(
                "parameter 'name' of a vlm node is empty",
                'give the model a name for topics and records',
            )
        self._asks = asks_of(chosen)
        self._vitals = {
            ask.name: self.watch_over(topics.vlm_description(ask.name), chosen.hung_after)
            for ask in self._asks
        }
        self._reading = channels.Context.by(
            # Masks are of train ids, whatever the truth is written in.
            open_encoding('cityscapes_label_ids'),
            chosen,
            self.resolve_topic_name(topics.CAMERA_IMAGE),
        )
        self._model: CheckedVlm | None = None
        self._camera: Camera | None = None
        self._lanes: tuple[_Lane, ...] = ()
        self._clean: CleanPictures | None = None
        self.manage(chosen.autostart)

    def load(self) -> None:
        """Load the model, try out its asks, then start to listen."""
        chosen, asks = self._chosen, self._asks
        self._model = model = load_vlm(chosen.model, **vlm_options(chosen))
        lanes = open_lanes(model, chosen)
        self._answers = {
            ask.name: self.create_publisher(
                DiagnosticArray, topics.vlm_description(ask.name), qos.result_qos()
            )
            for ask in asks
        }
        self._lanes = tuple(
            _Lane(
                number,
                lane.askers,
                Pairing(lane.needed, chosen.queue_size),
                Past(lane.frames, lane.stride),
            )
            for number, lane in enumerate(lanes)
        )
        past = max(ask.chosen.frames * ask.chosen.stride for ask in asks)
        self._clean = clean_pictures(self, chosen, past)
        self._worker = self.start_worker(
            self._work,
            chosen.policy,
            chosen.queue_size,
            chosen.max_failures,
            self._fail,
            chosen.concurrency,
            self._drop,
        )
        self.hear_announced(self._tell_lost_picture)
        self._listen()

    def unload(self) -> None:
        """Let go of the model, and of the frames that are kept for it."""
        self._account()
        self._model, self._clean, self._lanes = None, None, ()

    def pause(self) -> None:
        """Pass over what waits."""
        self._worker.pass_over(self.idle)

    def on_stop(self) -> None:
        """Say what is to be said at the end."""
        self._account()

    def _account(self) -> None:
        """Say how often a served model was asked, and what it cost."""
        account = getattr(self._model, 'account', None)
        if account is not None:
            self.get_logger().info(account())

    def _listen(self) -> None:
        needed = frozenset().union(*(lane.pairing.needed for lane in self._lanes))
        if parts.SEGMENTATION in needed:
            self._receive(parts.SEGMENTATION, lambda message: message)
            self._receive(parts.CONFIDENCE, _confidence)
            if not self._chosen.source:
                self._receive(parts.CAMERA, self._keep_camera)
        if parts.SOURCE in needed:
            self._receive(parts.SOURCE, _source)
        self.receive_images(
            topics.DEGRADED_IMAGE,
            self._chosen.reliability,
            partial(self._take, parts.IMAGE, lambda message: message),
        )

    def _receive(self, part: str, read: Callable[[Any], Any]) -> None:
        channel = next(row for row in channels.CHANNELS if row.part == part)
        self.receive(channel, self._chosen.reliability, partial(self._take, part, read))

    def _keep_camera(self, message: CameraInfo) -> None:
        row = next(row for row in channels.CHANNELS if row.part == parts.CAMERA)
        found = channels.read(row, message, self._reading)
        self._camera = found if isinstance(found, Camera) else None

    def _take(self, part: str, read: Callable[[Any], Any], message: Any) -> None:
        """Take up a part of a frame, in the thread of the subscriptions."""
        try:
            stamp, value = codec.stamp_of(message.header), read(message)
        except RecordError as error:
            self._say(f'{part} cannot be read: {error}')
            return
        if part == parts.CAMERA:
            return
        if part == parts.IMAGE:
            for vitals in self._vitals.values():
                vitals.came()
            for lane in self._lanes:
                lane.pairing.turn(stamp)
            self.picture_came(stamp, message.header.frame_id)
        for lane in self._lanes:
            why = self._why_not(lane, part, value)
            if why:
                if lane.pairing.pass_over(stamp):
                    self._pass_over(lane, message.header, why)
                continue
            if self.idle:
                continue
            if not isinstance(value, Passed):
                self._pair(lane, stamp, part, value)
            if isinstance(value, Failed):
                # There will be no mask: nobody waits for it.
                self._pair(lane, stamp, parts.SEGMENTATION, value)

    def _why_not(self, lane: _Lane, part: str, value: Any) -> str:
        """Return why a part has a lane pass its frame over; empty where it does not."""
        if part == parts.IMAGE and self.idle:
            return self.idle
        if part == parts.IMAGE and self._gets_no_mask(lane):
            return NO_MASK + NO_SEGMENTATION
        if isinstance(value, Passed) and part in lane.pairing.needed:
            return NO_MASK + value.reason
        return ''

    def _gets_no_mask(self, lane: _Lane) -> bool:
        """Return whether a lane needs a mask, and nobody is there to send one."""
        needed = parts.SEGMENTATION in lane.pairing.needed
        return needed and not self.count_publishers(
            self.resolve_topic_name(topics.SEGMENTATION_LABELS)
        )

    def _pair(self, lane: _Lane, stamp: int, part: str, value: Any) -> None:
        found = lane.pairing.add(stamp, part, value)
        if found is not None:
            self._worker.submit(self._task(lane, stamp, found), lane.number)
        for old, there in lane.pairing.let_go():
            # Of a picture that never came here, others say what became of it.
            if parts.IMAGE in there and lane.pairing.pass_over(old):
                lacking = ' and '.join(sorted(lane.pairing.needed - there.keys()))
                self._pass_over(lane, there[parts.IMAGE].header, f'its {lacking} did not come')

    def _task(self, lane: _Lane, stamp: int, found: dict[str, Any]) -> _Task:
        source, told = found.get(parts.SOURCE, (None, self._camera))
        camera = told if isinstance(told, Camera) else None
        picture = found[parts.IMAGE]
        past = lane.past.add(stamp, sequence_of(source), picture)
        mask, sure = found.get(parts.SEGMENTATION), found.get(parts.CONFIDENCE)
        clean: tuple[Slot, ...] = ()
        # Nobody makes a mask of the clean picture.
        if self._clean is not None and parts.SEGMENTATION not in lane.pairing.needed:
            clean = tuple(self._clean.claim(codec.stamp_of(entry.header)) for entry in past)
        return _Task(picture, past, lane, mask, sure, camera, clean)

    def _work(self, task: _Task) -> None:
        """Put every ask to the model; one that fails takes no other with it."""
        stamp = messages.stamp_of(task.message.header)
        waited = time.monotonic() - task.came
        picture = messages.bgr_pixels(task.message)
        past = tuple(messages.bgr_pixels(message) for message in task.past[:-1])
        told = checksum(picture)
        mask = mask_of(task.mask, task.sure, picture, told, self._reading)
        shown = Shown((*past, picture), mask, task.camera)
        clean = partial(pictures_of, task.clean) if task.clean else None

        def put(asker: Asker) -> None:
            self._vitals[asker.name].begin(stamp, waited)
            found = answer(asker, shown, told, clean)
            age = self.age_of(task.message.header)
            found = replace(found, waited=waited, age=age)
            self._publish(task, asker.name, codec.description_to_values(found))
            self._vitals[asker.name].end(stamp, age)

        put_all(task.lane.askers, put, partial(self._refuse, task))

    def _tell_lost_picture(self, header: Header) -> None:
        """Say that there will be no answers to a picture that never came here."""
        stamp = messages.stamp_of(header)
        for lane in self._lanes:
            if lane.pairing.pass_over(stamp):
                for asker in lane.askers:
                    self._vitals[asker.name].lose()
                    self._send(asker.name, header, codec.failed_to_values(Failed(GOT_LOST)))

    def _drop(self, task: _Task, reason: str) -> None:
        self._pass_over(task.lane, task.message.header, reason)

    def _pass_over(self, lane: _Lane, header: Header, reason: str) -> None:
        """Say that a frame was left out on purpose, so that nobody waits for its answers."""
        for asker in lane.askers:
            self._vitals[asker.name].pass_over()
            self._send(asker.name, header, codec.passed_to_values(Passed(reason)))

    def _fail(self, task: _Task, reason: str) -> None:
        """Say that there will be no answer to this picture, so that nobody waits for it."""
        for asker in task.lane.askers:
            if asker.name not in task.answered:
                self._refuse(task, asker.name, reason)

    def _refuse(self, task: _Task, name: str, reason: str) -> None:
        self._vitals[name].fail(reason)
        self._publish(task, name, codec.failed_to_values(Failed(reason)))

    def _publish(self, task: _Task, name: str, values: codec.Values) -> None:
        task.answered.add(name)
        self._send(name, task.message.header, values)

    def _send(self, name: str, header: Header, values: codec.Values) -> None:
        values['dropped'] = str(self._worker.dropped)
        self._answers[name].publish(messages.values_message(f'vlm: {name}', values, header))


def _confidence(message: DiagnosticArray) -> Confidence | Failed | Passed:
    return codec.confidence_from_values(codec.values_of(message))


def _source(message: DiagnosticArray) -> tuple[Source, Camera | NoCamera | None]:
    return codec.source_from_values(codec.values_of(message))


def main() -> int:
    """Run the node."""
    return runtime.main(Vlm)


if __name__ == '__main__':
    sys.exit(main())
