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

"""The arguments of the launch files, as a table, and what each says of the configuration."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlm_misalign_ros.core.corruptions import parse_conditions
from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.labels.instances import INSTANCE_ENCODINGS
from vlm_misalign_ros.core.settings.configuration import find_config, override, read_yaml
from vlm_misalign_ros.core.settings.inputs import CAMERA_IMAGES, DEPTH_ENCODINGS, TRANSPORTS
from vlm_misalign_ros.core.settings.params_file import with_params_file
from vlm_misalign_ros.core.settings.ros import LOG_LEVELS, nearest
from vlm_misalign_ros.wire import topics

FLAG = ('', 'true', 'false', 'True', 'False')
"""True and False too, as Python's launch files have them."""
_LAUNCHS_OWN = ('launch-prefix', 'launch-prefix-filter')
"""Arguments that `ros2 launch` makes of its options."""


@dataclass(frozen=True)
class Argument:
    """One argument of a launch file."""

    name: str
    default: str
    description: str
    choices: tuple[str, ...] = ()
    key: str = ''
    """Of the configuration, dots walking into sections, several apart by blanks; empty: none."""
    text: bool = False
    """It is text whatever it looks like, as the name 2026 and the folder `true`."""
    same: str = ''
    """The argument whose other name it is."""


def _flag(name: str, key: str, description: str, default: str = '') -> Argument:
    return Argument(name, default, description, FLAG if not default else FLAG[1:], key)


def _text(name: str, key: str, description: str, default: str = '') -> Argument:
    return Argument(name, default, description, key=key, text=True)


def _topic(name: str, topic: str, what: str, same: str = '') -> tuple[Argument, ...]:
    """Return the argument of a topic, and that of its earlier name."""
    found = Argument(name, '', f'topic of {what}; empty: {topic}', key=f'remap.{topic}', text=True)
    if not same:
        return (found,)
    return found, Argument(same, '', f'the same as {name}', text=True, same=name)


def _common(config: str) -> tuple[Argument, ...]:
    return (
        _text('config', '', 'configuration: a path, or a name in config/', config),
        _text(
            'name',
            'name',
            'name of the run; empty: the time of its start, and its namespace where it has one',
        ),
        _text('out', 'out', 'folder that holds the run folders', 'runs'),
        Argument('seed', '', "run seed; empty: the configuration's", key='seed'),
        _flag('overwrite', '', 'replace a run of the same name', 'false'),
        _flag('record', 'record', 'record a bag; empty: as the configuration says'),
        Argument('set', '', 'further KEY=VALUE overrides, separated by ;'),
        _text('namespace', '', "of every node and topic; empty: the configuration's, or none"),
        _flag('use_sim_time', 'use_sim_time', 'take the time from /clock; empty: no'),
        _text(
            'params_file',
            '',
            'file of ROS parameters, laid over the configuration and under the other arguments',
        ),
        Argument(
            'log_level',
            '',
            'of every node; empty: info',
            ('', *LOG_LEVELS),
            'log_level',
            text=True,
        ),
        _flag(
            'respawn',
            '',
            'start nodes again that end while the run goes on: corruption, segmentation, models; '
            'live the monitor too, which goes on with its records',
            'false',
        ),
        _flag('annotate', 'annotate', 'start the annotator; empty: as the configuration says'),
        _flag(
            'self_consistency',
            'self_consistency',
            'ask each model about the clean picture, too; empty: as the configuration says',
        ),
    )


EVALUATE: tuple[Argument, ...] = (
    *_common('evaluate'),
    _text('dataset', 'replay.dataset', 'data set: FOLDER in Cityscapes layout, or LAYOUT:FOLDER'),
    Argument('conditions', '', "conditions, separated by ; or ,; empty: the configuration's"),
    _text('scenario', 'replay.scenario', 'file of what the frames meet when, in place of those'),
    Argument('limit', '', "frames of each pass; empty: the configuration's", key='replay.limit'),
    _flag('instances', 'monitor.instances', 'score with instance maps; empty: yes'),
    _flag('depth', 'replay.depth', 'publish depth where the data set has it; empty: yes'),
)
"""Arguments of evaluate.launch.py."""
LIVE: tuple[Argument, ...] = (
    *_common('live'),
    *_topic('image_topic', topics.CAMERA_IMAGE, 'the camera', 'image'),
    *_topic('camera_info_topic', topics.CAMERA_INFO, 'its CameraInfo', 'camera_info'),
    *_topic('labels_topic', topics.TRUTH_LABELS, 'the label map', 'labels'),
    *_topic('instances_topic', topics.TRUTH_INSTANCES, 'the instance map'),
    *_topic('depth_topic', topics.TRUTH_DEPTH, 'the depth map'),
    _text(
        'label_encoding',
        'monitor.label_encoding',
        'of the label map: a name of `vlm-misalign list encodings`, auto, or a YAML file',
    ),
    Argument(
        'instance_encoding',
        '',
        'of the instance map: cityscapes, carla, gazebo, ids (docs/simulators.md); empty: auto',
        ('', *INSTANCE_ENCODINGS),
        'monitor.instance_encoding',
        text=True,
    ),
    Argument(
        'depth_encoding',
        '',
        "of the depth map: metric, or carla for its camera's colours; empty: metric",
        ('', *DEPTH_ENCODINGS),
        'monitor.depth_encoding',
        text=True,
    ),
    _text(
        'reference',
        'reference.model',
        'segmentation model whose labels of the clean picture stand for the ground truth',
    ),
    _flag('truth', 'monitor.truth', 'whether there is ground truth; empty: yes'),
    Argument(
        'instances',
        '',
        'whether ground_truth/instances comes, true or false; or its topic, as instances_topic',
    ),
    _flag('depth', 'monitor.depth', 'whether ground_truth/depth comes; empty: no'),
    Argument(
        'image_transport',
        '',
        'how pictures and maps come; empty: as they are published',
        ('', *TRANSPORTS),
        'corruption.image_transport monitor.image_transport',
        text=True,
    ),
    Argument(
        'camera_image',
        '',
        'whether the camera is rectified; empty: by the name of its topic',
        ('', *CAMERA_IMAGES),
        'monitor.camera_image',
        text=True,
    ),
    _text('condition', 'corruption.condition', 'degradation, as motion_blur:3; can change live'),
    _text('scenario', 'corruption.scenario', 'file of what the pictures meet when'),
    Argument(
        'duration', '', 'seconds after which the run ends; empty: Ctrl-C', key='monitor.duration'
    ),
)
"""Arguments of live.launch.py."""
TABLES = {'evaluation': EVALUATE, 'live': LIVE}


def refuse_unknown(given: Iterable[str], known: Collection[str], file: str) -> None:
    """Raise ConfigurationError for an argument that a launch file does not have."""
    for name in given:
        if name not in known and name not in _LAUNCHS_OWN:
            raise ConfigurationError(
                f'{file} has no argument {name!r}{nearest(name, list(known))}',
                f'`ros2 launch vlm_misalign_ros {file} --show-args` has them all; what is not '
                'among them is set by set:="KEY=VALUE; ..."',
            )


def doubtful(given: Iterable[str], known: Collection[str], file: str) -> list[str]:
    """
    Return warnings of names that are nearly those of arguments, where others may be meant.

    A launch file that includes one of this package has arguments of its own.
    """
    return [
        f'{name!r} is no argument of {file}{found}'
        for name in given
        if name not in known and (found := nearest(name, list(known), 0.9))
    ]


def is_true(text: str) -> bool:
    """Return what a flag says; an empty one no."""
    return text.lower() == 'true'


def configured(
    mode: str, given: Mapping[str, Any], pushed: str = '', sim_time: bool | None = None
) -> dict[str, Any]:
    """
    Return the mapping of the configuration that launch arguments ask for.

    First the file, then `params_file`, then the other arguments. `pushed` is the namespace that
    the launch file was included in, `sim_time` what was set for all its nodes. Raises
    ConfigurationError for whatever of it does not fit.
    """
    data = read_yaml(find_config(given['config']))
    space = _namespace(pushed, str(given.get('namespace') or data.get('namespace') or ''))
    if space:
        data = {**data, 'namespace': space}
    if sim_time is not None:
        data['use_sim_time'] = sim_time
    if given.get('params_file'):
        data = with_params_file(data, Path(given['params_file']))
    return override(data, list(_overrides(mode, given)))


def _namespace(pushed: str, own: str) -> str:
    """Return a namespace within another, as launch nests them: one from / is taken as it is."""
    parts = [own] if own.startswith('/') else [pushed, own]
    return '/'.join(part.strip('/') for part in parts if part.strip('/'))


def _overrides(mode: str, given: Mapping[str, Any]) -> Iterable[str]:
    values = _named(TABLES[mode], given)
    _instances(mode, values)
    for argument in TABLES[mode]:
        value = values.get(argument.name)
        if not value or not argument.key or argument.same:
            continue
        if argument.choices[-2:] == FLAG[-2:]:
            value = str(is_true(value)).lower()
        for key in argument.key.split():
            yield f'{key}={json.dumps(value) if argument.text else value}'
    if mode == 'live' and values['instances'] in FLAG[1:]:
        yield f'monitor.instances={values["instances"].lower()}'
    if values.get('conditions'):
        conditions = [condition.name for condition in parse_conditions(values['conditions'])]
        yield f'replay.conditions={json.dumps(conditions)}'
    yield from (part.strip() for part in values.get('set', '').split(';') if part.strip())


def _named(table: Iterable[Argument], given: Mapping[str, Any]) -> dict[str, str]:
    """Return the values of arguments, each under its one name."""
    values = {argument.name: str(given.get(argument.name) or '') for argument in table}
    for argument in table:
        if argument.same and (value := values.pop(argument.name)):
            if values[argument.same] not in ('', value):
                raise ConfigurationError(
                    f'{argument.same} is {values[argument.same]!r} and {argument.name}, its other '
                    f'name, {value!r}',
                    f'give {argument.same} alone',
                )
            values[argument.same] = value
    return values


def _instances(mode: str, values: dict[str, str]) -> None:
    """Take `instances` for a topic where it is one, as it was before it was a flag."""
    text = values.get('instances', '')
    if mode != 'live' or text in FLAG:
        return
    if values['instances_topic'] not in ('', text):
        raise ConfigurationError(
            f'instances_topic is {values["instances_topic"]!r} and instances {text!r}',
            'give instances_topic, and instances:=true or false',
        )
    values['instances_topic'], values['instances'] = text, ''
