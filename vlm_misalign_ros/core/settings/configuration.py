"""The configuration of a run: a YAML file, KEY=VALUE overrides, frozen typed objects."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from vlm_misalign_ros.core.corruptions import parse_conditions
from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.settings.nodes import (
    CorruptionParameters,
    MonitorParameters,
    RecorderParameters,
    ReplayParameters,
    SegmentationParameters,
    VlmParameters,
)
from vlm_misalign_ros.core.settings.parameters import build
from vlm_misalign_ros.core.settings.resources import config_path

MODES = ('evaluation', 'live')
NAME = re.compile(r'[A-Za-z][A-Za-z0-9_]*')
SECTIONS = (
    'mode',
    'seed',
    'name',
    'out',
    'namespace',
    'remap',
    'replay',
    'corruption',
    'segmentation',
    'vlms',
    'lexicon',
    'monitor',
    'record',
    'recorder',
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
    """File of additions to the lexicon, for every VLM; empty for none."""
    monitor: MonitorParameters
    recorder: RecorderParameters | None
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
    """Return the path of a configuration given as a path or as a name in config/."""
    path = Path(text)
    if path.is_file() or path.suffix in ('.yaml', '.yml') and path.parent != Path():
        return path
    return config_path(path.name if path.suffix else f'{path.name}.yaml')


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


def _reject(section: dict[str, Any], where: str, taken: Sequence[str]) -> None:
    for name in taken:
        if name in section:
            raise ConfigurationError(
                f'parameter {name!r} of {where} is set by the run itself', 'leave it out'
            )


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
    live = mode == 'live'
    seed = _scalar(data, 'seed', int, 0)
    if seed < 0:
        raise ConfigurationError(f"parameter 'seed' is {seed}", 'allowed: from 0')
    reliability = 'best_effort' if live else 'reliable'
    lexicon = _scalar(data, 'lexicon', str, '')
    vlms = []
    for name, values in _section(data, 'vlms').items():
        if not NAME.fullmatch(name):
            raise ConfigurationError(
                f'vlm name {name!r} is no ROS name', 'use letters, digits and _'
            )
        chosen = _section({name: values}, name)
        _reject(chosen, f'vlms.{name}', ('name', 'lexicon'))
        defaults = {'policy': 'latest' if live else 'every_frame', 'reliability': reliability}
        vlms.append(
            build(
                VlmParameters,
                {**defaults, **chosen, 'name': name, 'lexicon': lexicon},
                f'vlms.{name}',
            )
        )
    if not vlms:
        raise ConfigurationError("section 'vlms' is empty", 'name at least one model')
    names = tuple(vlm.name for vlm in vlms)
    segmentation = None
    if data.get('segmentation') not in (None, False):
        chosen = _section(data, 'segmentation')
        defaults = {'policy': 'latest' if live else 'every_frame', 'reliability': reliability}
        segmentation = build(SegmentationParameters, {**defaults, **chosen}, 'segmentation')
    replay = None
    if not live:
        replay = build(ReplayParameters, _section(data, 'replay'), 'replay')
        if replay.mode != 'lockstep':
            raise ConfigurationError(
                f"parameter 'mode' of replay is {replay.mode!r}",
                'an evaluation runs in lockstep; for real time use mode: live',
            )
        parse_conditions(list(replay.conditions))
    elif 'replay' in data:
        raise ConfigurationError(
            "a live run has no section 'replay'", 'its frames come from outside'
        )
    corruption = _section(data, 'corruption')
    _reject(corruption, 'corruption', ('seed', 'follow_source'))
    record = _scalar(data, 'record', bool, False)
    monitor = _section(data, 'monitor')
    _reject(
        monitor,
        'monitor',
        ('models', 'lockstep', 'source', 'recorder', 'run_folder', 'segmentation'),
    )
    evaluation = {
        **({'deadline': 2.0, 'minimum_coverage': 0.0} if live else {}),
        'reliability': reliability,
        **monitor,
        'models': names,
        'lockstep': not live,
        'source': not live,
        'recorder': record and not live,
        'segmentation': segmentation is not None,
    }
    recorder = None
    if record:
        chosen = _section(data, 'recorder')
        _reject(chosen, 'recorder', ('path', 'models', 'segmentation', 'source'))
        recorder = build(
            RecorderParameters,
            {
                'reliability': reliability,
                'instances': monitor.get('instances', True),
                'confidence': monitor.get('confidence', True),
                **chosen,
                'models': names,
                'segmentation': segmentation is not None,
                'source': not live,
            },
            'recorder',
        )
    return Configuration(
        mode=mode,
        seed=seed,
        name=_scalar(data, 'name', str, ''),
        out=Path(_scalar(data, 'out', str, 'runs')).expanduser(),
        namespace=_scalar(data, 'namespace', str, ''),
        remap={str(k): str(v) for k, v in _section(data, 'remap').items()},
        replay=replay,
        corruption=build(
            CorruptionParameters,
            {
                'reliability': reliability,
                'policy': 'latest' if live else 'every_frame',
                **corruption,
                'seed': seed,
                'follow_source': not live,
            },
            'corruption',
        ),
        segmentation=segmentation,
        vlms=tuple(vlms),
        lexicon=lexicon,
        monitor=build(MonitorParameters, evaluation, 'monitor'),
        recorder=recorder,
        raw=dict(data),
    )
