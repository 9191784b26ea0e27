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

"""
Analyse a recorded bag offline: the same core, the same records, no ROS installation.

The answers in the bag (masks and descriptions) are scored against the ground truth in it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from vlm_misalign_ros.bags.continuing import (
    BAG,
    CONTENT,
    content_of,
    forget_results,
    refuse_another,
    refuse_ended,
)
from vlm_misalign_ros.bags.losing import told_lost
from vlm_misalign_ros.bags.places import MOST_NAMED, Places, run_folder, suggestion
from vlm_misalign_ros.bags.reading import Bag, open_bag
from vlm_misalign_ros.core.errors import ConfigurationError, RecordError
from vlm_misalign_ros.core.evaluation.parts import BY_NAME, Wanted
from vlm_misalign_ros.core.evaluation.session import Session
from vlm_misalign_ros.core.files import write_json
from vlm_misalign_ros.core.labels.encodings import ENCODINGS, open_encoding, told_encoding
from vlm_misalign_ros.core.records.ending import MANIFEST, Ending, read_ending, write_ending
from vlm_misalign_ros.core.records.manifest import build_manifest, told_classes
from vlm_misalign_ros.core.records.store import RECORDS
from vlm_misalign_ros.core.report.baseline import BASELINES, check_runs
from vlm_misalign_ros.core.report.finalise import finalise
from vlm_misalign_ros.core.report.limit import check_models
from vlm_misalign_ros.core.report.rules import COMMAND_LINE, CONFIGURATION, ORIGIN, Rules
from vlm_misalign_ros.core.report.verdict import Verdict
from vlm_misalign_ros.core.settings.nodes import (
    EvaluationParameters,
    MonitorParameters,
    truth_settings,
)
from vlm_misalign_ros.core.settings.outside import (
    MASK,
    OutsideMaskParameters,
    read_outside,
    to_text,
)
from vlm_misalign_ros.core.settings.parameters import table
from vlm_misalign_ros.wire import topics
from vlm_misalign_ros.wire.channels import CHANNELS, Channel, Context, listened, read
from vlm_misalign_ros.wire.outside import OutsideTopic, check_size
from vlm_misalign_ros.wire.pixels import Fallback
from vlm_misalign_ros.wire.values import stamp_of

_DESCRIPTION = re.compile(topics.vlm_description('([A-Za-z][A-Za-z0-9_]*)'))


def recorded_outside(bag: Bag, parameters: EvaluationParameters, places: Places) -> dict[str, str]:
    """Return the full topics of the models outside that a bag has, by name."""
    found = {
        name: places.full(entry.topic) for name, entry in read_outside(parameters.outside).items()
    }
    return {name: topic for name, topic in found.items() if topic in bag.topics}


def fit(
    parameters: EvaluationParameters,
    found: set[str],
    outside: Collection[str] = (),
    bag: Bag | None = None,
) -> EvaluationParameters:
    """
    Return the parameters for what a bag holds.

    What is asked for and is not there is left out, by the tables of parts and channels; models
    follow the bag where none are named; `outside` are those that answered from outside.
    RecordError when the bag has no model's answers, or no ground truth though it is expected:
    with what in `bag` it may be, where that is given.
    """
    if parameters.truth and topics.TRUTH_LABELS not in found:
        there = sorted(found)
        more = f' and {len(there) - MOST_NAMED} more' if len(there) > MOST_NAMED else ''
        raise RecordError(
            f'the bag has no topic {topics.TRUTH_LABELS}; it has '
            + (', '.join(there[:MOST_NAMED]) + more or 'none'),
            (suggestion(bag, topics.TRUTH_LABELS) if bag else '')
            + 'record ground truth too, or give the namespace of the run; where there is none, '
            'monitor.truth=false has its models held against themselves alone',
        )
    entries = read_outside(parameters.outside)
    changes: dict[str, Any] = {
        'models': _models(parameters.models, found, set(outside) - {MASK}),
        'outside': tuple(to_text(entry) for name, entry in entries.items() if name in outside),
    }
    for channel in CHANNELS:
        row = BY_NAME.get(channel.part)
        if row is None or not row.parameter:
            continue
        if row.told_by_topic:
            changes[row.parameter] = channel.topic in found
        elif channel.topic not in found:
            changes[row.parameter] = type(getattr(parameters, row.parameter))()
    if MASK in entries:
        changes[MASK] = MASK in outside
    return dataclasses.replace(parameters, **changes)


def _models(named: tuple[str, ...], found: set[str], outside: set[str]) -> tuple[str, ...]:
    """Return the models to score: those named, or all that answered; RecordError for none."""
    matches = (_DESCRIPTION.fullmatch(topic) for topic in found)
    models = tuple(sorted({match[1] for match in matches if match} | outside))
    chosen = named or models
    absent = [name for name in chosen if name not in models]
    if absent or not chosen:
        raise RecordError(
            f'the bag has no answers of {", ".join(absent) or "any model"}',
            'recorded: ' + (', '.join(models) or 'none'),
        )
    return chosen


Reads = Channel | OutsideTopic
"""What reads the messages of a topic."""


@dataclass(frozen=True)
class Recorded:
    """A message of a bag."""

    reads: Reads
    message: Any
    """Decoded, or the RecordError that says why it could not be."""
    type: str
    place: str
    """Where it was recorded."""
    arrival: int
    """When it was recorded, nanoseconds."""
    size: int
    """Bytes that it has."""


def messages(bag: Bag, readers: Mapping[str, Sequence[Reads]]) -> Iterator[Recorded]:
    """Yield the messages of a bag's topics, by full name, in recorded order."""
    for raw in bag.messages(readers):
        place = f'{raw.topic} (connection {raw.connection} of the bag)'
        message: Any
        try:
            message = bag.decode(raw)
        except RecordError as error:
            message = error
        for reads in readers[raw.topic]:
            yield Recorded(reads, message, raw.type, place, raw.arrival, len(raw.data))


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


def _add(session: Session, found: Recorded, context: Context) -> None:
    """Pass a message on as the monitor node does; it may be the reason why it is none."""
    try:
        if isinstance(found.message, RecordError):
            raise found.message
        if isinstance(found.reads, OutsideTopic):
            check_size(found.type, found.size)
            claim = found.reads.claim(found.message, found.type, found.arrival)
            session.answer(found.reads.part, claim, 0.0, found.place)
            return
        value = read(found.reads, found.message, context)
        stamp = stamp_of(found.message.header)
    except RecordError as error:
        session.malformed(found.reads.part, error)
        return
    session.add(stamp, found.reads.part, value, 0.0, found.place, found.arrival)


def _readers(
    session: Session, chosen: EvaluationParameters, bag: Bag, places: Places
) -> dict[str, list[Reads]]:
    """Return what reads each topic, by full name; one topic may carry labels and instances."""
    found: dict[str, list[Reads]] = {}
    for channel in listened(Wanted.by(chosen)):
        found.setdefault(places.carrier(bag, channel), []).append(channel)
    found.pop('', None)
    limits = truth_settings(chosen).limits
    for name, entry in read_outside(chosen.outside).items():
        reads = OutsideTopic(name, entry, session.outside, limits)
        found.setdefault(places.full(entry.topic), []).append(reads)
    return found


def _encodings(chosen: EvaluationParameters) -> dict[str, Any]:
    """Return what the manifest says of label encodings; ConfigurationError for one of none."""
    entries = read_outside(chosen.outside).values()
    masks = [entry.label_encoding for entry in entries if isinstance(entry, OutsideMaskParameters)]
    names = [chosen.label_encoding, *masks]
    for name in names:
        open_encoding(name)
    owners = ENCODINGS.distributions(names)
    return {
        'label_encoding': told_encoding(chosen.label_encoding),
        'mask_encoding': [told_encoding(name) for name in masks],
        'plugins': {f'{ENCODINGS.noun} {name}': owner for name, owner in owners},
    }


def _score(
    session: Session,
    chosen: EvaluationParameters,
    recording: Bag,
    places: Places,
    fallback: Fallback | None,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Pass every message of a bag on to a session, to its end."""
    context = Context.by(
        open_encoding(chosen.label_encoding, truth_settings(chosen).limits),
        chosen,
        places.full(topics.CAMERA_IMAGE),
        fallback=fallback,
        instances=chosen.instance_encoding,
        depth=chosen.depth_encoding,
    )
    readers = _readers(session, chosen, recording, places)
    for found in messages(recording, readers):
        _add(session, found, context)
        if progress is not None:
            progress(session.closed, session.total)
    session.end(now=0.0)


def analyse(
    bag: Path,
    folder: Path,
    parameters: EvaluationParameters,
    namespace: str = '',
    progress: Callable[[int, int], None] | None = None,
    fallback: Fallback | None = None,
    limits: Sequence[str] = (),
    remap: Mapping[str, str] = MappingProxyType({}),
    resume: bool = False,
) -> Verdict:
    """
    Write the records, summaries and report of a recorded run into `folder`.

    `fallback` reads pictures of encodings that this package does not (cv_bridge); `limits` stand
    in place of those of the parameters, and are kept in the manifest; `remap` are the rules by
    which the run listened to topics of other names. Of a bag that is damaged what is whole is
    scored, and the verdict says what is lost.

    With `resume` it goes on with an analysis that was interrupted: the bag is read from its
    beginning, and what was scored before is taken from the records, so that all of it is as if
    nothing had been. Raises RecordError naming the bag that cannot be read at all, or what of
    bag, settings and packages is another one than it was begun with, and ConfigurationError for
    limits that will not do and when `folder` holds a run already.
    """
    if resume:
        refuse_ended(folder)
    elif (folder / RECORDS).exists():
        raise ConfigurationError(
            f'{folder} holds a run already',
            'give another folder for the analysis, or --resume, to go on with one that was '
            'interrupted',
        )
    if limits:
        parameters = dataclasses.replace(parameters, limits=tuple(limits))
    rules = Rules.of(parameters, COMMAND_LINE if limits else CONFIGURATION)
    baselines = check_runs(rules.limits, folder)
    # Before it is read: a bag that changes meanwhile is another one afterwards.
    content = content_of(bag)
    recording = open_bag(bag)
    try:
        places = Places(namespace, remap, parameters.image_transport)
        outside = recorded_outside(recording, parameters, places)
        # What made the masks is the run that recorded them.
        told = told_classes(run_folder(bag)) or parameters.segmentation_classes
        chosen = dataclasses.replace(
            fit(parameters, places.recorded(recording), outside, recording),
            segmentation_classes=told,
        )
        check_models(rules.limits, chosen.models, chosen.segmentation)
        manifest = build_manifest(
            dataclasses.asdict(chosen),
            {},
            {
                BAG: str(bag),
                CONTENT: content,
                'namespace': namespace,
                'topics': dict(remap),
                **_encodings(chosen),
                BASELINES: baselines,
                ORIGIN: rules.origin,
            },
        )
        if resume:
            refuse_another(folder, manifest)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / MANIFEST, manifest)
        # One that was cut off while its results were made lacks nothing but these.
        if not resume or read_ending(folder) is None:
            session = Session(monitor_parameters(chosen, folder), name=folder.name, follow=resume)
            with closing(session):
                forget_results(folder)
                _score(session, chosen, recording, places, fallback, progress)
            notes = [*session.notes, *recording.faults, *told_lost(recording)]
            failure = recording.told() or None
            write_ending(folder, Ending(session.total or None, failure=failure, notes=notes))
        verdict = finalise(folder, rules)
    except OSError as error:
        raise RecordError(
            f'{folder} cannot be written: {error.strerror}', 'choose another folder'
        ) from error
    finally:
        recording.close()
    return verdict
