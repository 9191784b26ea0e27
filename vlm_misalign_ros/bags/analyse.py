"""
Analyse a recorded bag offline: the same core, the same records, no ROS installation.

The answers in the bag (masks and descriptions) are scored against the ground truth in it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.highlevel import AnyReader, AnyReaderError
from rosbags.typesys import Stores, get_typestore

from vlm_misalign_ros.core.errors import ConfigurationError, RecordError
from vlm_misalign_ros.core.evaluation import parts
from vlm_misalign_ros.core.evaluation.session import Session
from vlm_misalign_ros.core.files import write_json
from vlm_misalign_ros.core.labels.encodings import open_encoding
from vlm_misalign_ros.core.records.manifest import build_manifest
from vlm_misalign_ros.core.report.finalise import finalise
from vlm_misalign_ros.core.report.verdict import Verdict, parse_limits
from vlm_misalign_ros.core.settings.nodes import EvaluationParameters, MonitorParameters
from vlm_misalign_ros.core.settings.parameters import table
from vlm_misalign_ros.core.stamps import join_stamp
from vlm_misalign_ros.wire import pixels as images
from vlm_misalign_ros.wire import topics
from vlm_misalign_ros.wire import values as codec

_DESCRIPTION = re.compile(topics.vlm_description('([A-Za-z][A-Za-z0-9_]*)'))


def _values(message: Any) -> dict[str, str]:
    if not message.status:
        raise RecordError('a DiagnosticArray came without a status')
    return {pair.key: pair.value for pair in message.status[0].values}


def _mask(message: Any) -> np.ndarray:
    array = images.to_array(message)
    if array.ndim != 2:
        raise RecordError(f'a mask is {message.encoding[:40]!r}', 'expected mono8 or mono16')
    return array


def converters(parameters: EvaluationParameters) -> dict[str, tuple[str, Callable[[Any], Any]]]:
    """Return {relative topic: (part, conversion)} of everything the evaluation takes."""
    encoding = open_encoding(parameters.label_encoding)

    def labels(message: Any) -> np.ndarray:
        return encoding.decode(images.to_label_pixels(message))

    table: dict[str, tuple[str, Callable[[Any], Any]]] = {
        topics.TRUTH_LABELS: (parts.LABELS, labels),
        topics.DEGRADED_OCCLUDER: (parts.OCCLUDER, _mask),
        topics.DEGRADED_CONDITION: (
            parts.CONDITION,
            lambda m: codec.applied_from_values(_values(m)),
        ),
    }
    if parameters.source:
        table[topics.CAMERA_SOURCE] = (
            parts.SOURCE,
            lambda m: codec.source_from_values(_values(m)),
        )
    if parameters.instances:
        table[topics.TRUTH_INSTANCES] = (parts.INSTANCES, _mask)
    if parameters.depth or parameters.source:
        table[topics.TRUTH_DEPTH] = (
            parts.DEPTH,
            lambda m: images.to_millimetres(images.to_array(m)),
        )
    if parameters.segmentation:
        table[topics.SEGMENTATION_LABELS] = (parts.SEGMENTATION, _mask)
        if parameters.confidence:
            table[topics.SEGMENTATION_CONFIDENCE] = (
                parts.CONFIDENCE,
                lambda m: codec.confidence_from_values(_values(m)),
            )
    if parameters.pictures:
        table[topics.DEGRADED_IMAGE] = (parts.IMAGE, images.to_bgr)
    for name in parameters.models:
        table[topics.vlm_description(name)] = (
            parts.vlm_part(name),
            lambda m: codec.description_from_values(_values(m)),
        )
    return table


def _open(path: Path) -> AnyReader:
    if not path.exists():
        raise RecordError(f'bag {path} does not exist')
    try:
        reader = AnyReader([path], default_typestore=get_typestore(Stores.ROS2_JAZZY))
        reader.open()
    except (AnyReaderError, OSError, ValueError, KeyError) as error:
        cut = 'magic' in str(error)
        raise RecordError(
            f'bag {path} cannot be read: {str(error).rstrip(".")}',
            'its writer was killed: repair it with `mcap recover`'
            if cut
            else 'give a rosbag2 folder or an .mcap file',
        ) from error
    return reader


def recorded_topics(reader: AnyReader, namespace: str) -> set[str]:
    """Return the names of the topics in a bag, relative to `namespace`."""
    prefix = f'/{namespace.strip("/")}/' if namespace.strip('/') else '/'
    return {
        connection.topic.removeprefix(prefix)
        for connection in reader.connections
        if connection.topic.startswith(prefix)
    }


def fit(parameters: EvaluationParameters, found: set[str]) -> EvaluationParameters:
    """
    Return the parameters for what a bag holds.

    Models, pictures and source follow the bag where they are not there; RecordError when the
    bag has no ground truth or no model's answers.
    """
    if topics.TRUTH_LABELS not in found:
        raise RecordError(
            f'the bag has no topic {topics.TRUTH_LABELS}; it has ' + ', '.join(sorted(found)),
            'record ground truth too, or give the namespace of the run',
        )
    models = tuple(sorted(match[1] for topic in found if (match := _DESCRIPTION.fullmatch(topic))))
    chosen = parameters.models or models
    absent = [name for name in chosen if name not in models]
    if absent or not chosen:
        raise RecordError(
            f'the bag has no answers of {", ".join(absent) or "any model"}',
            'recorded: ' + (', '.join(models) or 'none'),
        )
    return dataclasses.replace(
        parameters,
        models=chosen,
        source=topics.CAMERA_SOURCE in found,
        instances=parameters.instances and topics.TRUTH_INSTANCES in found,
        depth=parameters.depth and topics.TRUTH_DEPTH in found,
        segmentation=topics.SEGMENTATION_LABELS in found,
        confidence=parameters.confidence and topics.SEGMENTATION_CONFIDENCE in found,
        pictures=parameters.pictures if topics.DEGRADED_IMAGE in found else 0,
    )


def messages(
    reader: AnyReader, table: dict[str, tuple[str, Callable[[Any], Any]]], namespace: str
) -> Iterator[tuple[int, str, Any]]:
    """Yield (stamp, part, value) of the messages in the bag, in recorded order."""
    prefix = f'/{namespace.strip("/")}/' if namespace.strip('/') else '/'
    wanted = [
        c
        for c in reader.connections
        if c.topic.removeprefix(prefix) in table and c.topic.startswith(prefix)
    ]
    for connection, _, raw in reader.messages(connections=wanted):
        message: Any = reader.deserialize(raw, connection.msgtype)
        part, convert = table[connection.topic.removeprefix(prefix)]
        stamp = message.header.stamp
        try:
            value = convert(message)
        except RecordError as error:
            raise RecordError(f'{connection.topic}: {error.what}', error.remedy) from error
        yield join_stamp(stamp.sec, stamp.nanosec), part, value


def monitor_parameters(
    evaluation_parameters: EvaluationParameters, folder: Path
) -> MonitorParameters:
    """
    Return a session's parameters: the evaluation's, with no clock and no giving up.

    A bag without camera/source was recorded live: its stamps may start anywhere and jump.
    """
    shared = {
        entry.name: getattr(evaluation_parameters, entry.name)
        for entry in table(EvaluationParameters)
    }
    return MonitorParameters(
        **shared,
        run_folder=str(folder),
        lockstep=evaluation_parameters.source,
        deadline=1e9,
        capacity=64,
    )


def analyse(
    bag: Path,
    folder: Path,
    parameters: EvaluationParameters,
    namespace: str = '',
    progress: Callable[[int, int], None] | None = None,
) -> Verdict:
    """
    Write the records, summaries and report of a recorded run into `folder`.

    Raises RecordError naming the bag, topic and value that cannot be read, and
    ConfigurationError when `folder` is the folder the bag was recorded into.
    """
    if (folder / 'records.jsonl').exists():
        raise ConfigurationError(
            f'{folder} holds a run already', 'give another folder for the analysis'
        )
    limits = parse_limits(parameters.limits)
    reader = _open(bag)
    try:
        chosen = fit(parameters, recorded_topics(reader, namespace))
        folder.mkdir(parents=True, exist_ok=True)
        write_json(
            folder / 'manifest.json',
            build_manifest(dataclasses.asdict(chosen), {}, {'bag': str(bag)}),
        )
        session = Session(monitor_parameters(chosen, folder), name=folder.name)
        for stamp, part, value in messages(reader, converters(chosen), namespace):
            session.add(stamp, part, value, now=0.0)
            if progress is not None:
                progress(session.closed, session.total)
        session.end(now=0.0)
        verdict = finalise(
            folder,
            minimum_coverage=chosen.minimum_coverage,
            limits=limits,
            expected_frames=session.total or None,
            notes=session.notes,
        )
    except OSError as error:
        raise RecordError(
            f'{folder} cannot be written: {error.strerror}', 'choose another folder'
        ) from error
    finally:
        reader.close()
    return verdict
