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

"""What every node shares: parameters, the main loop, signals, exit codes."""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import copy
from typing import Any, TypeVar

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    ParameterType,
    SetParametersResult,
)
from rclpy.clock import Clock, ClockType  # type: ignore[attr-defined]  # where Humble has it
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from vlm_misalign_ros.core.errors import ConfigurationError, ExitCode, MisalignError
from vlm_misalign_ros.core.settings.parameters import Parameter, check, table
from vlm_misalign_ros.core.stamps import age_of
from vlm_misalign_ros.nodes import lifeline, messages, qos
from vlm_misalign_ros.nodes.vitals import Vitals
from vlm_misalign_ros.nodes.worker import Guard, Worker
from vlm_misalign_ros.wire import topics
from vlm_misalign_ros.wire.channels import Channel, Form
from vlm_misalign_ros.wire.environment import prepare_process

P = TypeVar('P')

KINDS = 64
"""Warnings that are told apart; strangers may send any number."""

_CLASSES = {Form.IMAGE: Image, Form.VALUES: DiagnosticArray, Form.CAMERA_INFO: CameraInfo}

_TYPES = {
    bool: ParameterType.PARAMETER_BOOL,
    int: ParameterType.PARAMETER_INTEGER,
    float: ParameterType.PARAMETER_DOUBLE,
    str: ParameterType.PARAMETER_STRING,
    tuple: ParameterType.PARAMETER_STRING_ARRAY,
}


def _descriptor(entry: Parameter) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(
        name=entry.name,
        type=_TYPES[entry.type],
        description=entry.description,
        additional_constraints=', '.join(entry.choices),
        read_only=not entry.live,
    )
    low, high = entry.minimum, entry.maximum
    if low is None and high is None:
        return descriptor
    if entry.type is int:
        descriptor.integer_range = [
            IntegerRange(
                from_value=int(low if low is not None else -(2**62)),
                to_value=int(high if high is not None else 2**62),
                step=0,
            )
        ]
    elif entry.type is float:
        descriptor.floating_point_range = [
            FloatingPointRange(
                from_value=float(low if low is not None else -1e300),
                to_value=float(high if high is not None else 1e300),
                step=0.0,
            )
        ]
    return descriptor


class MisalignNode(Node):
    """
    A node whose parameters are one frozen dataclass.

    `finished` ends the main loop with `exit_code`; errors of worker threads surface there too.
    """

    def __init__(self, name: str, **kwargs: Any) -> None:
        """Create the node; `kwargs` go to rclpy (parameter_overrides for composition)."""
        self._open_to_overrides = False
        super().__init__(name, **kwargs)
        self._open_to_overrides = True
        self.finished = False
        self.exit_code: int = ExitCode.PASS
        self.failure: MisalignError | None = None
        """What ended the main loop before `finished`; None where it was stopped from outside."""
        self.cause = ''
        """Why it was stopped from outside, where that is known."""
        self.workers: list[Worker[Any]] = []
        self.watched: dict[str, Vitals] = {}
        """What is told of this node on /diagnostics, by topic."""
        self._said: set[str] = set()
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)

    def create_timer(
        self, timer_period_sec: float, callback: Any, *more: Any, **options: Any
    ) -> Any:
        """
        Return a timer of the machine's own clock, unless another is asked for.

        With use_sim_time that of the node stands still while /clock does: a watchdog would
        watch no longer, and a run would not come to its end.
        """
        if len(more) < 2:
            options.setdefault('clock', self._steady)
        return super().create_timer(timer_period_sec, callback, *more, **options)

    def create_publisher(self, msg_type: Any, topic: str, qos_profile: Any, **more: Any) -> Any:
        """Return a publisher, its QoS open to `qos_overrides` parameters."""
        chosen = self._overridable(qos_profile, more)
        return super().create_publisher(msg_type, topic, chosen, **more)

    def create_subscription(
        self, msg_type: Any, topic: str, callback: Any, qos_profile: Any, **more: Any
    ) -> Any:
        """Return a subscription, its QoS open to `qos_overrides` parameters."""
        chosen = self._overridable(qos_profile, more)
        return super().create_subscription(msg_type, topic, callback, chosen, **more)

    def _overridable(self, profile: Any, more: dict[str, Any]) -> Any:
        """Return a profile for one end alone: overriding changes it where it is."""
        if not self._open_to_overrides:
            # What rclpy makes for itself.
            return profile
        more.setdefault('qos_overriding_options', qos.overridable())
        return QoSProfile(depth=profile) if isinstance(profile, int) else copy(profile)

    @property
    def full_name(self) -> str:
        """Name in its namespace, without a leading /, by which nodes of several cameras differ."""
        return str(self.get_fully_qualified_name()).lstrip('/')

    def read_parameters(self, cls: type[P]) -> P:
        """Declare every parameter of `cls` and return the typed object."""
        values = {}
        for entry in table(cls):
            default: Any = list(entry.default) if entry.type is tuple else entry.default
            if default == []:
                # rclpy takes an empty list for an array of bytes, and a parameter without a
                # value spoils every answer that it is part of: one empty string stands for none.
                default = ['']
            try:
                value = self.declare_parameter(entry.name, default, _descriptor(entry)).value
            except ParameterException as error:
                raise ConfigurationError(
                    f'parameter {entry.name!r} of {self.get_name()} cannot be set: {error}',
                    f'it is a {entry.type.__name__}: {entry.description}',
                ) from error
            if entry.type is tuple:
                value = [text for text in value if text]
            values[entry.name] = check(entry, value, self.get_name())
        return cls(**values)

    def on_live_parameters(self, cls: type, apply: Callable[[str, Any], None]) -> None:
        """Call `apply(name, value)` when a live parameter changes; its errors refuse it."""
        entries = {entry.name: entry for entry in table(cls)}

        def changed(parameters: list[RosParameter[Any]]) -> SetParametersResult:
            try:
                for parameter in parameters:
                    if parameter.name in entries:
                        entry = entries[parameter.name]
                        apply(entry.name, check(entry, parameter.value, self.get_name()))
            except MisalignError as error:
                return SetParametersResult(successful=False, reason=str(error))
            return SetParametersResult(successful=True)

        self.add_on_set_parameters_callback(changed)

    def publish_images(self, topic: str, reliability: str = 'reliable') -> Any:
        """
        Return a publisher of images.

        What is reliable reaches listeners of both kinds, RViz among them.
        """
        return self.create_publisher(Image, topic, qos.image_qos(reliability))

    def receive_images(
        self, topic: str, reliability: str, callback: Callable[[Image], None]
    ) -> Any:
        """Subscribe to images."""
        return self.create_subscription(Image, topic, callback, qos.image_qos(reliability))

    def receive(
        self, channel: Channel, reliability: str, callback: Callable[..., None], raw: bool = False
    ) -> None:
        """
        Subscribe to a channel; with `raw` the callback gets serialised messages.

        A callback that has to have two arguments gets rclpy's information on each message, too.
        """
        if channel.form is Form.VALUES:
            profile = qos.result_qos()
        elif channel.form is Form.CAMERA_INFO:
            profile = qos.result_qos('best_effort')
        else:
            profile = qos.image_qos(reliability)
        self.create_subscription(_CLASSES[channel.form], channel.topic, callback, profile, raw=raw)

    def start_worker(
        self,
        work: Callable[[Any], None],
        policy: str,
        capacity: int,
        most: int = 0,
        failed: Callable[[Any, str], None] = lambda item, reason: None,
        threads: int = 1,
        passed: Callable[[Any, str], None] = lambda item, reason: None,
    ) -> Worker[Any]:
        """
        Start a worker. What goes wrong with one item costs that item: `failed` is told why.

        `passed` is told which items were passed over by policy, and why. With several threads
        `work` and `failed` are called by several at once.

        A message that cannot be read (RecordError) is somebody else's, and says nothing of this
        node. After `most` other failures in a row (0: never) this node ends with the last reason.
        """
        guard = Guard(work, failed, most, self._say)
        worker: Worker[Any] = Worker(guard, policy, capacity, threads, passed)
        self.workers.append(worker)
        return worker

    def watch_over(self, topic: str, hung_after: float) -> Vitals:
        """Return what gathers how this node is, told once a second of `topic` that it makes."""
        if not self.watched:
            self._diagnostics = self.create_publisher(
                DiagnosticArray, topics.DIAGNOSTICS, qos.result_qos()
            )
            self.create_timer(1.0, self.tell_vitals)
        self.watched[topic] = vitals = Vitals(hung_after)
        return vitals

    def tell_vitals(self) -> None:
        """Publish on /diagnostics how this node is, a status a topic."""
        waiting = sum(worker.waiting for worker in self.workers)
        told = {topic: vitals.told(waiting) for topic, vitals in self.watched.items()}
        self._diagnostics.publish(
            DiagnosticArray(
                header=messages.make_header(self.get_clock().now().nanoseconds, ''),
                status=[
                    messages.status(
                        f'{self.full_name}: {topic}',
                        found.values,
                        bytes([found.level]),
                        found.text,
                    )
                    for topic, found in told.items()
                ],
            )
        )

    def age_of(self, header: Header) -> float | None:
        """Return how many seconds ago a header's stamp was; None where clocks do not agree."""
        return age_of(messages.stamp_of(header), self.get_clock().now().nanoseconds)

    def _say(self, text: str) -> None:
        """Warn at once of what is new, and every 5 s of what goes on; numbers make nothing new."""
        kind = re.sub(r'\d+', '', text)
        if kind not in self._said and len(self._said) < KINDS:
            self._said.add(kind)
            self.get_logger().warning(text)
        else:
            self.get_logger().warning(text, throttle_duration_sec=5.0)

    def raise_worker_errors(self) -> None:
        """Raise what a worker thread died of."""
        for worker in self.workers:
            if worker.error is not None:
                raise worker.error

    def on_stop(self) -> None:
        """Release and write what is left; called once, when the loop has ended."""

    def on_abandoned(self) -> None:
        """Do so in the little time that is left once whoever started the run is gone."""
        self.on_stop()

    def destroy_node(self) -> None:
        """Stop the workers, then destroy the node."""
        for worker in self.workers:
            worker.stop()
        super().destroy_node()


def spin(node: MisalignNode, stopped: Callable[[], bool]) -> int:
    """Run one node until it has finished, is stopped or fails; return its exit code."""
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    code: int = ExitCode.PASS
    try:
        while rclpy.ok() and not node.finished and not stopped():
            executor.spin_once(timeout_sec=0.1)
            node.raise_worker_errors()
    except ExternalShutdownException:
        pass
    except MisalignError as error:
        lifeline.report_error(node.get_name(), error)
        node.failure = error
        code = error.exit_code
    finally:
        executor.remove_node(node)
        executor.shutdown()
    try:
        if getattr(stopped, 'abandoned', False):
            node.on_abandoned()
        else:
            node.on_stop()
    except MisalignError as error:
        lifeline.report_error(node.get_name(), error)
        code = code or error.exit_code
    return code or node.exit_code


def main(
    build: Callable[[], MisalignNode], args: list[str] | None = None, keeps: bool = False
) -> int:
    """
    Build a node, spin it, and return the process's exit code.

    `keeps`: the node has files to close when the run's parent is gone.
    """
    stop = lifeline.catch_signals()
    lifeline.hold(stop.on_lost, keeps, ExitCode.ERROR)
    name = build.__name__
    node: MisalignNode | None = None
    try:
        prepare_process()
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
        node = build()
        stop.starting = False
        name = node.get_name()
        return spin(node, stop)
    except BaseException as error:  # noqa: B036  (SystemExit of a library says 1, which is FAIL)
        return lifeline.report_failure(name, error, stop.interrupted)
    finally:
        lifeline.deafen()
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
