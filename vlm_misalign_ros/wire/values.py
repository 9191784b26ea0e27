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
Core types to and from string key/value pairs, the form they have in DiagnosticArray messages.

No ROS here: live nodes and the offline bag analysis share this, so both read the same values.
What arrives may come from anybody, so reading validates and bounds everything.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from vlm_misalign_ros.core.corruptions import SEVERITIES, covers
from vlm_misalign_ros.core.corruptions.conditions import BLANK, CLEAN
from vlm_misalign_ros.core.errors import MAX_REASON, RecordError
from vlm_misalign_ros.core.language.bounding import clean_text
from vlm_misalign_ros.core.stamps import NANO, join_stamp
from vlm_misalign_ros.core.types import (
    WHOLE,
    Applied,
    Camera,
    Condition,
    Description,
    Failed,
    Input,
    Judgement,
    Kind,
    NoCamera,
    Passed,
    Protocol,
    Source,
    Style,
    View,
)
from vlm_misalign_ros.wire.about import about_from_values, about_to_values
from vlm_misalign_ros.wire.camera import camera_from_plain, camera_to_plain
from vlm_misalign_ros.wire.clean import clean_from_values, clean_to_values
from vlm_misalign_ros.wire.mentions import check_further, check_scored, mentions_of
from vlm_misalign_ros.wire.scalars import flag, integer, loads, number, share
from vlm_misalign_ros.wire.sureness import confidence_from_values as confidence_from_values
from vlm_misalign_ros.wire.sureness import confidence_to_values as confidence_to_values
from vlm_misalign_ros.wire.told import Values as Values
from vlm_misalign_ros.wire.told import (
    absent_of,
    checksum_of,
    delays,
    line,
    positive,
    reason_of,
    seconds_of,
)
from vlm_misalign_ros.wire.told import failed_to_values as failed_to_values
from vlm_misalign_ros.wire.told import passed_to_values as passed_to_values

_SECONDS = 2**31
"""Seconds that a ROS time cannot hold."""
_MOST_PARAMETERS = 64
_MOST_PAIRS = 256
_LEAST_VIEW = 0.01
_MOST_LISTED = 64


def _member(kind: Any, text: Any, key: str) -> Any:
    try:
        return kind(text)
    except ValueError as error:
        allowed = ', '.join(entry.value for entry in kind)
        raise RecordError(
            f'message value {key!r} is {str(text)[:80]!r}', f'allowed: {allowed}'
        ) from error


def _condition(values: Mapping[str, str]) -> Condition:
    severity = integer(values, 'severity', 0)
    if not 0 <= severity <= SEVERITIES[-1]:
        raise RecordError(
            f"message value 'severity' is {severity}", f'allowed: 0 to {SEVERITIES[-1]}'
        )
    name = line(values.get('corruption', CLEAN))
    if not name:
        raise RecordError("message value 'corruption' is empty", 'give the name of a corruption')
    if severity and name in (CLEAN, BLANK):
        raise RecordError(f"message value 'severity' is {severity} of {name}", 'allowed: 0')
    return Condition(name, severity)


def source_to_values(source: Source, camera: Camera | NoCamera | None = None) -> Values:
    """Return the pairs of a `camera/source` message."""
    values = {
        'dataset': source.dataset,
        'sequence': source.sequence,
        'frame': source.key,
        'index': str(source.index),
        'total': str(source.total),
        'pass': str(source.cycle),
        'corruption': source.condition.corruption,
        'severity': str(source.condition.severity),
        'depth': str(int(source.depth)),
        'probe': str(int(source.probe)),
        'image': source.image,
        'hood': str(int(source.tells_hood)),
        'protocol': source.protocol.value,
        'draw': source.draw,
        **about_to_values(source.about),
    }
    if isinstance(camera, NoCamera):
        values['no_camera'] = camera.reason[:MAX_REASON]
    elif camera is not None:
        values['camera'] = json.dumps(camera_to_plain(camera))
    return values


def source_from_values(values: Mapping[str, str]) -> tuple[Source, Camera | NoCamera | None]:
    """Read a `camera/source` message; RecordError names a value that cannot be read."""
    source = Source(
        dataset=line(values.get('dataset', '')),
        sequence=line(values.get('sequence', '')),
        key=line(values.get('frame', '')),
        index=integer(values, 'index'),
        total=integer(values, 'total', 0),
        cycle=integer(values, 'pass', 0),
        condition=_condition(values),
        depth=flag(values, 'depth'),
        probe=flag(values, 'probe'),
        image=checksum_of(values, 'image'),
        tells_hood=flag(values, 'hood', default=True),
        protocol=_member(Protocol, values.get('protocol', Protocol.SINGLE.value), 'protocol'),
        draw=line(values.get('draw', '')),
        about=about_from_values(values),
    )
    if 'no_camera' in values:
        return source, NoCamera(line(values['no_camera'])[:MAX_REASON])
    fields = loads(values, 'camera', None)
    if fields is None:
        return source, None
    return source, camera_from_plain(fields)


def applied_to_values(applied: Applied) -> Values:
    """Return the pairs of a `degraded/condition` message."""
    values = {
        'corruption': applied.condition.corruption,
        'severity': str(applied.condition.severity),
        'seed': str(applied.seed),
        'parameters': json.dumps(applied.parameters),
        'covers': str(int(applied.covers)),
        'image': applied.image,
        'occluder': applied.occluder,
        'source': applied.source,
    }
    if applied.passed:
        return {**values, **passed_to_values(Passed(applied.passed))}
    return {**values, **failed_to_values(Failed(applied.error))} if applied.error else values


def applied_from_values(values: Mapping[str, str]) -> Applied:
    """Read a `degraded/condition` message; RecordError names a value that cannot be read."""
    parameters = loads(values, 'parameters', {})
    if not isinstance(parameters, dict) or len(parameters) > _MOST_PARAMETERS:
        raise RecordError(
            "message value 'parameters' is not a JSON object",
            f'expected numbers by name, {_MOST_PARAMETERS} at most',
        )
    condition = _condition(values)
    return Applied(
        condition,
        integer(values, 'seed', 0),
        {
            line(name, 64): number(value, f'parameters.{line(name, 64)}')
            for name, value in parameters.items()
        },
        # Recordings of earlier versions do not say it themselves.
        flag(values, 'covers', default=covers(condition.corruption)),
        checksum_of(values, 'image'),
        checksum_of(values, 'occluder'),
        checksum_of(values, 'source'),
        reason_of(values, 'error'),
        reason_of(values, 'passed'),
    )


def description_to_values(description: Description) -> Values:
    """Return the pairs of a `vlm/NAME/description` message."""
    score = description.judgement_score
    return {
        'model': description.model,
        'kind': description.kind.value,
        'text': description.text,
        'mentions': json.dumps({name: m.value for name, m in description.mentions.items()}),
        'scores': json.dumps(description.scores),
        'further': json.dumps(
            {name: m.value for name, m in description.further.items()}, ensure_ascii=False
        ),
        'judgement': description.judgement.value,
        'judgement_score': '' if score is None else repr(score),
        'prompt_id': description.prompt_id,
        'truncated': str(int(description.truncated)),
        'cut': str(description.cut),
        'style': description.style,
        'view': json.dumps(description.view),
        'latency': repr(description.latency),
        **delays(description),
        'image': description.image,
        'cached': str(int(description.cached)),
        'input': description.input.value,
        'shown': str(description.shown),
        'prompted': json.dumps(description.prompted),
        'paraphrases': json.dumps([entry.value for entry in description.paraphrases]),
        'paraphrased': json.dumps(description.paraphrased, ensure_ascii=False),
        'context': description.context,
        **clean_to_values(description.clean, _answer_to_values),
    }


def _answer_to_values(answer: Description | Failed) -> Values:
    if isinstance(answer, Failed):
        return failed_to_values(answer)
    return description_to_values(answer)


def _view(value: Any) -> View:
    what = f"message value 'view' is {str(value)[:80]}"
    if not isinstance(value, (list, tuple)) or len(value) != 4:
        raise RecordError(what, 'expected [left, top, right, bottom]')
    try:
        left, top, right, bottom = (number(side, 'view') for side in value)
    except RecordError as error:
        raise RecordError(what, 'expected [left, top, right, bottom]') from error
    inside = 0 <= left <= right <= 1 and 0 <= top <= bottom <= 1
    if not inside or min(right - left, bottom - top) < _LEAST_VIEW:
        raise RecordError(
            what,
            f'expected parts of width and height, 0 to 1, the sides {_LEAST_VIEW} apart at least',
        )
    return left, top, right, bottom


def description_from_values(values: Mapping[str, str]) -> Description | Failed | Passed:
    """
    Read a `vlm/NAME/description` message; Failed where the model failed on the frame.

    Passed where the frame was passed over. Raises RecordError naming a value that cannot be read.
    """
    absent = absent_of(values)
    if absent is not None:
        return absent
    scores = loads(values, 'scores', {})
    if not isinstance(scores, dict):
        raise RecordError("message value 'scores' must be a JSON object")
    for name in scores:
        check_scored(name)
    numbers = {name: share(value, f'scores.{name}') for name, value in scores.items()}
    score, style = (values.get(key, '') for key in ('judgement_score', 'style'))
    return Description(
        model=line(values.get('model', '')),
        kind=_member(Kind, values.get('kind', ''), 'kind'),
        text=clean_text(values.get('text', '')),
        mentions=mentions_of(loads(values, 'mentions', {}), 'mentions', check_scored),
        further=mentions_of(loads(values, 'further', {}), 'further', check_further),
        scores=numbers,
        judgement=_member(Judgement, values.get('judgement', 'UNPARSED'), 'judgement'),
        judgement_score=share(score, 'judgement_score') if score else None,
        prompt_id=line(values.get('prompt_id', '')),
        truncated=flag(values, 'truncated'),
        cut=int(positive(integer(values, 'cut', 0), 'cut')),
        style=_member(Style, style, 'style').value if style else '',
        view=_view(loads(values, 'view', WHOLE)),
        latency=positive(number(values.get('latency', '0'), 'latency'), 'latency'),
        waited=seconds_of(values, 'waited'),
        age=seconds_of(values, 'age'),
        image=checksum_of(values, 'image'),
        cached=flag(values, 'cached'),
        input=_member(Input, values.get('input', Input.IMAGE.value), 'input'),
        shown=int(positive(integer(values, 'shown', 1), 'shown')),
        prompted=_prompted(loads(values, 'prompted', [])),
        paraphrases=tuple(
            _member(Judgement, entry, 'paraphrases')
            for entry in _listed(loads(values, 'paraphrases', []), 'paraphrases')
        ),
        paraphrased=_texts(loads(values, 'paraphrased', []), 'paraphrased'),
        context=clean_text(values.get('context', '')),
        clean=clean_from_values(values, description_from_values),
    )


def _listed(found: Any, key: str) -> list[Any]:
    if not isinstance(found, list) or len(found) > _MOST_LISTED:
        raise RecordError(
            f'message value {key!r} is no JSON list', f'expected {_MOST_LISTED} entries at most'
        )
    return found


def _texts(found: Any, key: str) -> tuple[str, ...]:
    texts = _listed(found, key)
    if not all(isinstance(text, str) for text in texts):
        raise RecordError(f'message value {key!r} is no JSON list of texts')
    return tuple(map(clean_text, texts))


def _prompted(found: Any) -> tuple[str, ...]:
    names = {str(name) for name in _listed(found, 'prompted')}
    for name in names:
        check_scored(name)
    return tuple(sorted(names))


def values_of(message: Any) -> dict[str, str]:
    """
    Return the pairs of a one-status DiagnosticArray.

    Raises RecordError for no status or several, and for a key that comes twice: whichever was
    taken, the other might be meant.
    """
    if len(message.status) != 1:
        raise RecordError(
            f'a DiagnosticArray came with {len(message.status)} statuses', 'publish one'
        )
    pairs = message.status[0].values
    if len(pairs) > _MOST_PAIRS:
        raise RecordError(f'a status has {len(pairs)} values', f'{_MOST_PAIRS} at most')
    found = {pair.key: pair.value for pair in pairs}
    if len(found) != len(pairs):
        twice = next(key for key, count in Counter(p.key for p in pairs).items() if count > 1)
        raise RecordError(f'message value {twice[:80]!r} comes twice', 'give each key once')
    return found


def check_stamp(seconds: int, nanoseconds: int) -> int:
    """Return the nanoseconds of a header's time; RecordError for what is no time of a frame."""
    if not 0 <= seconds < _SECONDS or not 0 <= nanoseconds < NANO:
        raise RecordError(
            f'a header has the stamp {seconds} s {nanoseconds} ns',
            f'expected seconds from 0 and nanoseconds below {NANO}',
        )
    return join_stamp(int(seconds), int(nanoseconds))


def stamp_of(header: Any) -> int:
    """Return a header's stamp in nanoseconds; RecordError for one that is no time of a frame."""
    try:
        return check_stamp(header.stamp.sec, header.stamp.nanosec)
    except (AttributeError, TypeError, ValueError) as error:
        # Of a type that only looks like the one that is expected.
        raise RecordError(f'a header without a time: {error}') from error
