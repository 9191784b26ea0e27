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

"""Managed nodes: configure loads the model, activate runs it, deactivate pauses, cleanup frees."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.lifecycle import LifecycleNodeMixin, LifecycleState, TransitionCallbackReturn
from std_msgs.msg import Header
from std_srvs.srv import SetBool

from vlm_misalign_ros.core.errors import MisalignError, RecordError
from vlm_misalign_ros.core.evaluation.pairing import Announced
from vlm_misalign_ros.core.evaluation.parts import CONDITION
from vlm_misalign_ros.nodes import messages, runtime
from vlm_misalign_ros.wire import channels
from vlm_misalign_ros.wire import values as codec

PAUSED = 'its node is paused'
"""Why a node that is inactive passes frames over."""
GOT_LOST = 'the picture got lost on its way to this node'
UNLOADED = 'not configured: no model is loaded'


class ManagedNode(LifecycleNodeMixin, runtime.MisalignNode):
    """
    A node with a model, and the states of a ROS 2 managed node.

    A subclass loads in `load` and calls `manage` at the end of its constructor. While it is
    inactive, `idle` says why it passes every frame over. Its service `~/enable` pauses it
    (data: false) and has it go on. A model that cannot be loaded leaves the node unconfigured,
    its reason in the log and on /diagnostics; where the node starts itself, it ends with it.
    """

    def __init__(self, name: str, **kwargs: Any) -> None:
        """Create the node, unconfigured."""
        runtime.MisalignNode.__init__(self, name, **kwargs)
        LifecycleNodeMixin.__init__(self)
        self.idle = UNLOADED
        self._configured = False
        self._failed: Exception | None = None
        self._made: tuple[list[Any], list[Any]] = ([], [])
        self._announced = Announced()
        self._lost: Callable[[Header], None] = lambda header: None
        self.create_service(SetBool, '~/enable', self._enable)

    def load(self) -> None:
        """Load the model, and make everything that needs it."""
        raise NotImplementedError

    def unload(self) -> None:
        """Let go of the model; subscriptions, publishers and workers are gone by then."""

    def pause(self) -> None:
        """Pass over what waits; called when the node becomes inactive."""

    def manage(self, autostart: bool) -> None:
        """Wait for somebody to configure the node, or begin by itself; raises why it cannot."""
        self._set_idle(UNLOADED)
        if not autostart:
            self.get_logger().info(
                f'waits to be configured: ros2 lifecycle set {self.get_fully_qualified_name()} '
                'configure'
            )
            return
        self.trigger_configure()
        if self._failed is not None:
            raise self._failed
        self.trigger_activate()

    def hear_announced(self, lost: Callable[[Header], None]) -> None:
        """
        Listen to what announces each degraded picture; `lost` is told of those that got lost.

        Who calls this has to call `picture_came` for every picture.
        """
        self._announced, self._lost = Announced(), lost
        row = next(row for row in channels.CHANNELS if row.part == CONDITION)
        self.receive(row, 'reliable', self._announce)

    def _announce(self, message: DiagnosticArray) -> None:
        try:
            stamp = codec.stamp_of(message.header)
            applied = codec.applied_from_values(codec.values_of(message))
        except RecordError as error:
            self._say(f'{CONDITION} cannot be read: {error}')
            return
        if applied.shown:
            self._tell_lost(self._announced.announce(stamp), message.header.frame_id)

    def picture_came(self, stamp: int, frame_id: str) -> None:
        """Take note that a picture came, which may show that others never will."""
        self._tell_lost(self._announced.came(stamp), frame_id)

    def _tell_lost(self, stamps: list[int], frame_id: str) -> None:
        for stamp in stamps:
            self._lost(messages.make_header(stamp, frame_id))

    def _set_idle(self, reason: str) -> None:
        self.idle = reason
        for vitals in self.watched.values():
            vitals.idle = reason

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model; a failure, with its reason in the log, leaves the node as it was."""
        there = {id(entry) for entry in (*self.subscriptions, *self.publishers)}
        try:
            self.load()
        except Exception as error:  # rclpy would swallow it
            self._keep_made(there)
            self._free()
            self._failed = error
            kind = '' if isinstance(error, MisalignError) else f'{type(error).__name__}: '
            self._tell_cause(f'cannot be configured: {kind}{error}')
            return TransitionCallbackReturn.FAILURE
        self._failed = None
        self._tell_cause('')
        self._keep_made(there)
        self._configured = True
        self._set_idle(PAUSED)
        return TransitionCallbackReturn.SUCCESS

    def _tell_cause(self, cause: str) -> None:
        if cause:
            self.get_logger().error(cause)
        for vitals in self.watched.values():
            vitals.cause = cause

    def _keep_made(self, there: set[int]) -> None:
        """Keep what loading has made beside what was there."""
        self._made = (
            [entry for entry in self.subscriptions if id(entry) not in there],
            [entry for entry in self.publishers if id(entry) not in there],
        )

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Take the frames that come from now on."""
        self._set_idle('')
        return TransitionCallbackReturn.SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Pass over what waits and what comes; the frame in hand is finished."""
        self._set_idle(PAUSED)
        self.pause()
        return TransitionCallbackReturn.SUCCESS

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the model; nothing is listened to until the node is configured again."""
        self._free()
        self._set_idle(UNLOADED)
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the model and end the node."""
        self._free()
        self.finished = True
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Go back to where nothing is loaded."""
        self._free()
        self._set_idle(UNLOADED)
        return TransitionCallbackReturn.SUCCESS

    def _free(self) -> None:
        subscriptions, publishers = self._made
        for subscription in subscriptions:
            self.destroy_subscription(subscription)
        for worker in self.workers:
            worker.stop()
        self.workers.clear()
        for publisher in publishers:
            self.destroy_publisher(publisher)
        self._made = ([], [])
        self._configured = False
        self.unload()
        gc.collect()
        torch = sys.modules.get('torch')
        if torch is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        """Pause the node, or have it go on."""
        wanted = bool(request.data)
        if not self._configured:
            response.success = False
            response.message = str(self._failed or UNLOADED)
            return response
        if wanted == bool(self.idle):
            (self.trigger_activate if wanted else self.trigger_deactivate)()
        response.success = wanted != bool(self.idle)
        response.message = 'active' if not self.idle else 'paused'
        return response
