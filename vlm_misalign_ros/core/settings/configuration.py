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

"""The configuration of a run: a YAML file, KEY=VALUE overrides, frozen typed objects."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from vlm_misalign_ros.core.corruptions import parse_conditions
from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.settings import reference, self_consistency
from vlm_misalign_ros.core.settings.annotator import AnnotatorParameters, read_annotator
from vlm_misalign_ros.core.settings.asks import (
    NAME,
    ask_texts,
    asks_of,
    refuse_collisions,
    refuse_unmasked,
)
from vlm_misalign_ros.core.settings.degrading import scenario_of
from vlm_misalign_ros.core.settings.elsewhere import ELSEWHERE, read_elsewhere
from vlm_misalign_ros.core.settings.fixed import unfixed
from vlm_misalign_ros.core.settings.inputs import CameraParameters
from vlm_misalign_ros.core.settings.nodes import (
    LIVE_COVERAGE,
    CorruptionParameters,
    MonitorParameters,
    RecorderParameters,
    ReferenceParameters,
    ReplayParameters,
    SegmentationParameters,
    VlmParameters,
)
from vlm_misalign_ros.core.settings.outside import (
    MASK,
    OutsideParameters,
    check_flight,
    is_outside,
    outside_entries,
    to_text,
)
from vlm_misalign_ros.core.settings.parameters import build
from vlm_misalign_ros.core.settings.replaying import seen_of
from vlm_misalign_ros.core.settings.resources import find_shipped, share_directories
from vlm_misalign_ros.core.settings.ros import OVERRIDES, RosSettings, read_ros

MODES = ('evaluation', 'live')
SECTIONS = (
    'mode',
    'seed',
    'name',
    'out',
    'namespace',
    'remap',
    'use_sim_time',
    'log_level',
    OVERRIDES,
    'replay',
    'corruption',
    'segmentation',
    reference.SECTION,
    'vlms',
    'lexicon',
    self_consistency.SECTION,
    'monitor',
    'record',
    'recorder',
    'annotate',
    'annotator',
    ELSEWHERE,
)


@dataclass(frozen=True)
class Configuration:
    """Everything that decides what a run does."""

    mode: str
    seed: int
    name: str
    out: Path
    namespace: str
    remap: dict[str, str]
    replay: ReplayParameters | None
    corruption: CorruptionParameters
    segmentation: SegmentationParameters | None
    vlms: tuple[VlmParameters, ...]
    lexicon: str
    """File of words that is laid over the lexicon, for every VLM; empty for none."""
    monitor: MonitorParameters
    recorder: RecorderParameters | None
    annotator: AnnotatorParameters | None = None
    ros: RosSettings = RosSettings()
    outside: tuple[OutsideParameters, ...] = ()
    """Models that no process is started for; one of the name `segmentation` gives the mask."""
    reference: ReferenceParameters | None = None
    elsewhere: tuple[str, ...] = ()
    """Nodes of this run that another machine starts."""
    raw: dict[str, Any] = field(default_factory=dict)
    """The mapping it was made from, overrides applied."""

    def resolved(self) -> dict[str, Any]:
        """Return everything as plain data, defaults filled in, for the manifest."""
        plain = dataclasses.asdict(self)
        plain.pop('raw')
        plain['out'] = str(self.out)
        return plain


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file; ConfigurationError names file and line."""
    try:
        data = yaml.safe_load(path.read_text(encoding='utf-8'))
    except FileNotFoundError as error:
        raise ConfigurationError(f'configuration {path} does not exist') from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f'configuration {path} cannot be read: {error}') from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigurationError(
            f'configuration {path} holds a {type(data).__name__}', 'expected a mapping'
        )
    return data


def find_config(text: str) -> Path:
    """
    Return the path of a configuration given as a path or by the name of one that ships.

    Raises ConfigurationError, with the names of those that ship, when there is none.
    """
    path = Path(text).expanduser()
    if path.is_file():
        return path
    name = path.name if path.suffix else f'{path.name}.yaml'
    found = None if os.sep in text else find_shipped(f'config/{name}')
    if found is None:
        known = ', '.join(name for name, _ in shipped_configs())
        raise ConfigurationError(
            f'configuration {text!r} does not exist', f'give a path, or one that ships: {known}'
        )
    return found


def shipped_configs() -> list[tuple[str, str]]:
    """Return (name, what it is for, from its first lines) of the configurations that ship."""
    found: dict[str, str] = {}
    for folder in share_directories():
        for path in sorted((folder / 'config').glob('*.yaml')):
            lines = path.read_text(encoding='utf-8').splitlines()
            head = [line.removeprefix('#').strip() for line in lines if line.startswith('#')]
            found.setdefault(path.stem, ' '.join(head).partition('.')[0])
    return sorted(found.items())


def override(data: dict[str, Any], entries: Sequence[str]) -> dict[str, Any]:
    """
    Return `data` with KEY=VALUE entries applied; dots walk into sections.

    VALUE is read as YAML. ConfigurationError names an entry without '='.
    """
    result: dict[str, Any] = yaml.safe_load(yaml.safe_dump(data)) or {}
    for entry in entries:
        key, equals, text = entry.partition('=')
        if not equals or not key:
            raise ConfigurationError(
                f'override {entry!r} is not of the form KEY=VALUE',
                'for example replay.limit=3 or vlms.clip.threshold=0.4',
            )
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigurationError(f'override {entry!r} is not YAML: {error}') from error
        *sections, last = key.split('.')
        place = result
        for section in sections:
            inner = place.setdefault(section, {})
            if not isinstance(inner, dict):
                raise ConfigurationError(f'override {entry!r}: {section!r} is no section')
            place = inner
        place[last] = value
    return result


def _section(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = data.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ConfigurationError(f'section {name!r} is {value!r}', 'expected a mapping')
    return dict(value)


def _scalar(data: Mapping[str, Any], name: str, kind: type, default: Any) -> Any:
    value = data.get(name, default)
    if isinstance(value, bool) is not (kind is bool) or not isinstance(value, kind):
        raise ConfigurationError(
            f'parameter {name!r} is {value!r}', f'give a value of type {kind.__name__}'
        )
    return value


def parse(data: Mapping[str, Any]) -> Configuration:
    """
    Return the typed configuration made from a mapping.

    Raises ConfigurationError naming whatever is unknown, missing or out of range.
    """
    for name in data:
        if name not in SECTIONS:
            raise ConfigurationError(
                f'the configuration has no section {name!r}', 'known: ' + ', '.join(SECTIONS)
            )
    mode = _scalar(data, 'mode', str, 'evaluation')
    if mode not in MODES:
        raise ConfigurationError(
            f"parameter 'mode' is {mode!r}", 'choose one of ' + ', '.join(MODES)
        )
    seed = _scalar(data, 'seed', int, 0)
    if seed < 0:
        raise ConfigurationError(f"parameter 'seed' is {seed}", 'allowed: from 0')
    lexicon = _scalar(data, 'lexicon', str, '')
    laid = reference.against_reference(self_consistency.asked_twice(data))
    sections = _Sections(laid, live=mode == 'live', seed=seed, lexicon=lexicon)
    vlms, segmentation, outside = sections.vlms(), sections.segmentation(), sections.outside()
    names = (
        *(ask.name for vlm in vlms for ask in asks_of(vlm)),
        *(entry.name for entry in outside if entry.name != MASK),
    )
    if not names:
        raise ConfigurationError("section 'vlms' is empty", 'name at least one model')
    refuse_collisions(names)
    if segmentation is None:
        refuse_unmasked([ask for vlm in vlms for ask in asks_of(vlm)])
    replay = sections.replay()
    in_flight = 1 if replay is None else replay.max_in_flight
    check_flight(outside, in_flight)
    monitor = sections.monitor(names, segmentation is not None, outside)
    self_consistency.refuse_nothing_to_measure(monitor, vlms, segmentation, outside)
    return Configuration(
        mode=mode,
        seed=seed,
        name=_scalar(data, 'name', str, ''),
        out=Path(_scalar(data, 'out', str, 'runs')).expanduser(),
        namespace=_scalar(data, 'namespace', str, ''),
        remap={str(k): str(v) for k, v in _section(data, 'remap').items()},
        replay=replay,
        corruption=sections.corruption(in_flight),
        segmentation=segmentation,
        vlms=vlms,
        lexicon=lexicon,
        monitor=monitor,
        recorder=sections.recorder(names, segmentation is not None, outside),
        annotator=read_annotator(laid),
        ros=read_ros(data),
        outside=outside,
        reference=sections.reference,
        elsewhere=read_elsewhere(data, vlms, segmentation),
        raw=dict(data),
    )


class _Sections:
    """Makes the parameters of each node from a configuration's sections."""

    def __init__(self, data: Mapping[str, Any], live: bool, seed: int, lexicon: str) -> None:
        self._data = data
        self._live = live
        self._seed = seed
        self._lexicon = lexicon
        self._record = _scalar(data, 'record', bool, False)
        self._reliability = {'reliability': 'best_effort' if live else 'reliable'}
        self._taking = {**self._reliability, 'policy': 'latest' if live else 'every_frame'}
        self.reference = reference.read_reference(data)

    def vlms(self) -> tuple[VlmParameters, ...]:
        found = []
        monitor = _section(self._data, 'monitor')
        # Who judges by the mask sees it through the camera of the run.
        names = [entry.name for entry in dataclasses.fields(CameraParameters)]
        seen = {name: monitor[name] for name in names if name in monitor}
        told = dataclasses.asdict(build(CameraParameters, seen, 'monitor'))
        told['confidence'] = monitor.get('confidence', True)
        for name, values in _section(self._data, 'vlms').items():
            if not NAME.fullmatch(name) or name == MASK:
                raise ConfigurationError(
                    f'vlm name {name!r} is no ROS name, or that of the mask',
                    'use letters, digits and _',
                )
            chosen = _section({name: values}, name)
            if is_outside(chosen):
                continue
            chosen = unfixed(VlmParameters, chosen, f'vlms.{name}')
            fixed = {'name': name, 'lexicon': self._lexicon, 'source': not self._live, **told}
            values = {**self._taking, **chosen, **fixed}
            if 'asks' in chosen:
                values['asks'] = ask_texts(chosen['asks'], f'vlms.{name}')
            found.append(build(VlmParameters, values, f'vlms.{name}'))
        return tuple(found)

    def outside(self) -> tuple[OutsideParameters, ...]:
        entries = {**_section(self._data, 'vlms'), MASK: self._data.get(MASK)}
        return outside_entries(entries, self._live, self._lexicon)

    def segmentation(self) -> SegmentationParameters | None:
        if self._data.get('segmentation') in (None, False) or is_outside(self._data[MASK]):
            return None
        chosen = _section(self._data, 'segmentation')
        return build(SegmentationParameters, {**self._taking, **chosen}, 'segmentation')

    def replay(self) -> ReplayParameters | None:
        if self._live:
            if 'replay' in self._data:
                raise ConfigurationError(
                    "a live run has no section 'replay'", 'its frames come from outside'
                )
            return None
        # The camera of a bag, and how its pictures come, are those of the evaluation.
        told = seen_of(_section(self._data, 'monitor'))
        chosen = unfixed(ReplayParameters, _section(self._data, 'replay'), 'replay')
        replay = build(ReplayParameters, {**told, **chosen}, 'replay')
        if replay.mode != 'lockstep':
            raise ConfigurationError(
                f"parameter 'mode' of replay is {replay.mode!r}",
                'an evaluation runs in lockstep; for real time use mode: live',
            )
        parse_conditions(list(replay.conditions))
        scenario_of(replay)
        return replay

    def corruption(self, in_flight: int) -> CorruptionParameters:
        chosen = unfixed(CorruptionParameters, _section(self._data, 'corruption'), 'corruption')
        if chosen.get('scenario') and not self._live:
            raise ConfigurationError(
                "parameter 'scenario' of corruption is given in an evaluation",
                'there replay says what each frame meets: give it as replay.scenario',
            )
        fixed = {'seed': self._seed, 'follow_source': not self._live}
        # In lockstep nothing is dropped: whatever is in flight may wait here.
        values = {'queue_size': max(4, in_flight), **self._taking, **chosen, **fixed}
        corruption = build(CorruptionParameters, values, 'corruption')
        scenario_of(corruption)
        return corruption

    def monitor(
        self, models: tuple[str, ...], segmentation: bool, outside: tuple[OutsideParameters, ...]
    ) -> MonitorParameters:
        chosen = unfixed(MonitorParameters, _section(self._data, 'monitor'), 'monitor')
        fixed = {
            'models': models,
            'lockstep': not self._live,
            'source': not self._live,
            'recorder': self._record and not self._live,
            'segmentation': segmentation or any(entry.name == MASK for entry in outside),
            'outside': [to_text(entry) for entry in outside],
            'reference': self.reference.model if self.reference else '',
        }
        defaults = {'deadline': 2.0, 'minimum_coverage': LIVE_COVERAGE} if self._live else {}
        values = {**defaults, **self._reliability, **chosen, **fixed}
        return build(MonitorParameters, values, 'monitor')

    def recorder(
        self, models: tuple[str, ...], segmentation: bool, outside: tuple[OutsideParameters, ...]
    ) -> RecorderParameters | None:
        if not self._record:
            return None
        chosen, monitor = (_section(self._data, name) for name in ('recorder', 'monitor'))
        fixed = {
            'models': models,
            'segmentation': segmentation or any(entry.name == MASK for entry in outside),
            'source': not self._live,
            'outside': [to_text(entry) for entry in outside],
            'reference': self.reference is not None,
        }
        chosen = unfixed(RecorderParameters, chosen, 'recorder')
        asked = {name: monitor.get(name, True) for name in ('instances', 'confidence')}
        asked |= {name: monitor[name] for name in ('image_transport',) if name in monitor}
        values = {**self._reliability, **asked, **chosen, **fixed}
        return build(RecorderParameters, values, 'recorder')
