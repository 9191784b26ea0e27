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

"""What is checked before a process starts, and what is found out about a run by it."""

from __future__ import annotations

import copy
import dataclasses
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import numpy as np

from vlm_misalign_ros.app.graph import check_names
from vlm_misalign_ros.app.mask_readers import mask_reader_facts
from vlm_misalign_ros.app.models_told import classes_told, model_told, reference_told
from vlm_misalign_ros.app.outside import encodings_of, outside_facts
from vlm_misalign_ros.core.corruptions import (
    CORRUPTIONS,
    parse_conditions,
    single_condition,
    try_out,
)
from vlm_misalign_ros.core.corruptions.measured import scale_of
from vlm_misalign_ros.core.corruptions.scenario import Scenario
from vlm_misalign_ros.core.datasets import LAYOUTS, Dataset, split_place
from vlm_misalign_ros.core.errors import ConfigurationError, DatasetError
from vlm_misalign_ros.core.evaluation.asker import prompt_of
from vlm_misalign_ros.core.evaluation.engine import refuse_live
from vlm_misalign_ros.core.evaluation.evaluator import check_critical
from vlm_misalign_ros.core.evaluation.replaying import is_bag, open_replayed, protocol_of
from vlm_misalign_ros.core.evaluation.shards import passes
from vlm_misalign_ros.core.files import sha256_of
from vlm_misalign_ros.core.labels.encodings import DEFAULT as LABEL_IDS
from vlm_misalign_ros.core.labels.encodings import ENCODINGS, open_encoding, told_encoding
from vlm_misalign_ros.core.labels.maps import read_labels
from vlm_misalign_ros.core.language.lexicon import open_lexicon
from vlm_misalign_ros.core.language.prompts import (
    contrastive_prompts,
    paraphrases,
    paraphrases_file,
    prompts_hash,
)
from vlm_misalign_ros.core.metrics.known import lacking_by
from vlm_misalign_ros.core.models import calibration
from vlm_misalign_ros.core.models.factory import kind_of, model_facts, model_hash, parse
from vlm_misalign_ros.core.models.families import FAMILIES, reads_masks
from vlm_misalign_ros.core.models.library_options import model_options
from vlm_misalign_ros.core.records.ending import EXPECTED
from vlm_misalign_ros.core.report.baseline import BASELINES, check_runs
from vlm_misalign_ros.core.report.limit import check_conditions, check_corruptions, check_models
from vlm_misalign_ros.core.report.limits import parse_limits
from vlm_misalign_ros.core.settings.asks import Ask, asks_of
from vlm_misalign_ros.core.settings.configuration import Configuration
from vlm_misalign_ros.core.settings.degrading import manner_of, scenario_of
from vlm_misalign_ros.core.settings.nodes import (
    MonitorParameters,
    ReplayParameters,
    VlmParameters,
    truth_settings,
    vlm_options,
)
from vlm_misalign_ros.core.truth.read import trust_of
from vlm_misalign_ros.core.types import Condition, Kind, Role

LOOKED_AT = 5
"""Frames of a data set whose labels are looked at, spread over it."""
Check = Callable[[Configuration, bool], dict[str, Any]]
"""What checks a configuration as `preflight` does; the second says whether there is ROS."""
_WITHOUT_SEED = ('models', 'dataset')
"""Facts that take long to find, and that no seed makes others."""
_NAME = re.compile(r'[~/]?[A-Za-z_]\w*(/[A-Za-z_]\w*)*', re.ASCII)
"""A name of ROS, as of a topic or a namespace."""


class SeedsCheck:
    """`preflight` of configurations some of which differ in nothing but their seed and name."""

    def __init__(self) -> None:
        """Start with none."""
        self._known: dict[str, dict[str, Any]] = {}

    def __call__(self, configuration: Configuration, ros: bool) -> dict[str, Any]:
        """Return facts for the manifest; models and data of such are gone through but once."""
        raw = {k: v for k, v in configuration.raw.items() if k not in ('seed', 'name', 'out')}
        key = json.dumps([ros, raw], default=str)
        found = preflight(configuration, ros, self._known.get(key, {}))
        kept = {name: found[name] for name in _WITHOUT_SEED if name in found}
        self._known.setdefault(key, copy.deepcopy(kept))
        return found


def preflight(
    configuration: Configuration, ros: bool = True, known: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """
    Check what can be checked before a process starts; return facts for the manifest.

    With `ros` there will be nodes; without, all happens in this process. Facts that are `known`,
    of a configuration that is the same but for its seed, are not found again. Raises a
    MisalignError that names the data set, model or setting that will not do.
    """
    known = copy.deepcopy(known) or {}
    if ros:
        _ros(configuration)
    else:
        refuse_live(configuration)
    baselines = _limits(configuration)
    check_critical(configuration.monitor.critical)
    lacking_by(configuration.monitor.segmentation_classes)
    open_lexicon(configuration.lexicon)
    facts: dict[str, Any] = {
        'models': known.get('models') or _models(configuration),
        'label_encoding': _encoding(configuration),
    }
    facts['severities'] = _severities(configuration, facts['models'])
    facts[EXPECTED] = configuration.monitor.frames
    if configuration.replay is not None:
        data = known.get('dataset')
        facts['dataset'] = data or _dataset(configuration.replay, configuration.monitor)
        _note_data(facts['severities'], facts['dataset'])
        each = passes(configuration.replay) * configuration.replay.hold
        asked = facts['dataset']['frames'] * each
        facts[EXPECTED] = min(asked, configuration.monitor.frames or asked)
    scenario = _scenario(configuration)
    if scenario is not None:
        facts['scenario'] = {
            'file': scenario.path,
            'sha256': scenario.sha256,
            'conditions': [condition.name for condition in scenario.conditions],
        }
    facts['plugins'] = _plugins(configuration)
    facts[BASELINES] = baselines
    return facts


def _limits(configuration: Configuration) -> dict[str, str]:
    """Return the folders of the runs that limits name; raises for a limit that will not do."""
    limits = parse_limits(configuration.monitor.limits)
    names = list(configuration.monitor.models)
    check_models(limits, names, configuration.monitor.segmentation)
    conditions: list[str] = []
    if configuration.replay is not None:
        conditions = [condition.name for condition in _conditions(configuration)]
        check_conditions(limits, conditions)
    else:
        # Live, the condition changes while the run goes on: any that there is may come.
        check_corruptions(limits, CORRUPTIONS.names())
    folder = configuration.out / configuration.name if configuration.name else None
    manifest = {'configuration': configuration.resolved()}
    return check_runs(limits, folder, manifest, names, conditions)


def _models(configuration: Configuration) -> dict[str, dict[str, Any]]:
    """Return what each model is, by name; raises for one that will not open."""
    found: dict[str, dict[str, Any]] = {}
    truth = truth_settings(configuration.monitor).to_plain()
    for vlm in configuration.vlms:
        facts = model_told(vlm.model, Role.VLM, model_options(vlm.model_kwargs))
        for ask in asks_of(vlm):
            if reads_masks(vlm.model):
                told = mask_reader_facts(vlm, ask, configuration.segmentation, truth)
            else:
                told = _language(vlm, ask, truth)
            found[ask.name] = {**facts, **told}
    if configuration.segmentation is not None:
        chosen = configuration.segmentation
        found['segmentation'] = model_told(chosen.model, Role.SEGMENTATION)
        found['segmentation'].update(classes_told(chosen.model, chosen.label_map))
    if configuration.reference is not None:
        found['reference'] = reference_told(configuration.reference, found.get('segmentation'))
    _devices(configuration)
    for vlm in configuration.vlms:
        # Last: a served model is asked, which may cost something.
        told = model_facts(vlm.model, **vlm_options(vlm))
        for ask in asks_of(vlm):
            found[ask.name].update(told)
    return found | {entry.name: outside_facts(entry) for entry in configuration.outside}


def _devices(configuration: Configuration) -> None:
    """Raise ConfigurationError for a device that is not there; `auto` and `cpu` always are."""
    # What another machine starts has that machine's devices.
    other = configuration.elsewhere
    asked = {vlm.device for vlm in configuration.vlms if f'vlm_{vlm.name}' not in other}
    masks = {'segmentation': configuration.segmentation, 'reference': configuration.reference}
    asked |= {entry.device for name, entry in masks.items() if entry and name not in other}
    asked -= {'auto', 'cpu'}
    if not asked:
        return
    from vlm_misalign_ros.core.models.backend import prepare

    for device in sorted(asked):
        prepare(device, 1)


def _ros(configuration: Configuration) -> None:
    """Raise ConfigurationError where there is no ROS, or for names that it does not take."""
    if find_spec('rclpy') is None:
        raise ConfigurationError('rclpy does not import', 'vlm-misalign doctor tells the remedy')
    names = [('namespace', configuration.namespace)] if configuration.namespace else []
    names += [('remap', name) for rule in configuration.remap.items() for name in rule]
    for setting, name in names:
        if not _NAME.fullmatch(name.rstrip('/') if setting == 'namespace' else name):
            raise ConfigurationError(
                f'{setting} has {name!r}, which is no name of ROS',
                'use letters, digits, _ and /; a part of it begins with a letter',
            )
    check_names(configuration)


def _language(vlm: VlmParameters, ask: Ask, truth: Mapping[str, Any]) -> dict[str, Any]:
    """Return how a model is asked, and the hashes behind it; raises for what does not fit."""
    model, kind = parse(vlm.model), kind_of(parse(vlm.model))
    prompt_of(ask, kind)
    hashed = prompts_hash(ask.chosen.prompt)
    if kind is Kind.CONTRASTIVE:
        contrastive_prompts(ask.chosen.prompt)
    told: dict[str, Any] = {'ask': dataclasses.asdict(ask.chosen), 'prompts_sha256': hashed}
    if ask.chosen.paraphrases:
        paraphrases(ask.chosen.prompt, ask.chosen.paraphrases)
        told['paraphrases_sha256'] = sha256_of(paraphrases_file(ask.chosen.prompt))
    if not vlm.calibration:
        return told
    path = calibration.path_of(vlm.calibration, model.directory)
    points = calibration.load(path, model_hash(model, vlm.model_kwargs), hashed, truth)
    return {**told, 'calibration': {'file': vlm.calibration, 'sha256': points.sha256}}


def _encoding(configuration: Configuration) -> dict[str, str]:
    """Return the label encoding and its file's hash; raises for one that is never used."""
    name = configuration.monitor.label_encoding
    open_encoding(name)
    if configuration.annotator is not None:
        open_encoding(configuration.annotator.label_encoding)
    replay = configuration.replay
    if replay is not None and name != LABEL_IDS and not is_bag(replay):
        raise ConfigurationError(
            f"parameter 'label_encoding' of monitor is {name!r}",
            f'leave it out: in an evaluation labels come as {LABEL_IDS}, which the reader of '
            'every data set gives; it is for live runs and bags',
        )
    return told_encoding(name)


def _conditions(configuration: Configuration) -> list[Condition]:
    """Return the conditions that a run begins with or goes through."""
    scenario = _scenario(configuration)
    if scenario is not None:
        return scenario.conditions
    if configuration.replay is not None:
        return parse_conditions(list(configuration.replay.conditions))
    chosen = configuration.corruption
    started = single_condition(chosen.condition)
    return parse_conditions(list(chosen.schedule)) if chosen.schedule else [started]


def _scenario(configuration: Configuration) -> Scenario | None:
    return scenario_of(configuration.replay or configuration.corruption)


def _severities(
    configuration: Configuration, models: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """
    Return what the severities of each corruption mean; raises for conditions that will not do.

    Where they stand for measured losses, what was measured otherwise than this run will is noted.
    """
    conditions = _conditions(configuration)
    manner = manner_of(configuration.corruption)
    if manner.severities is not None:
        manner.severities.check(conditions)
    try_out(conditions, manner)
    parts = (part for entry in conditions for part in entry.parts)
    used = (part.corruption for part in parts if part.severity)
    names = dict.fromkeys((*CORRUPTIONS.builtin(), *used))
    facts: dict[str, Any] = {'scales': {name: scale_of(name) for name in names}}
    if manner.severities is not None:
        told = manner.severities.facts()
        segmentation = configuration.segmentation
        here = {
            'model_sha256': None
            if segmentation is None
            else models['segmentation'].get('sha256', segmentation.model),
            'input_height': None if segmentation is None else segmentation.input_height,
            'keep_lamps': manner.keep_lamps,
        }
        facts['measured'] = told
        facts['notes'] = [
            f'the severities were measured with {name} {told[name]}, and this run has {value}'
            for name, value in here.items()
            if value != told[name]
        ]
    return facts


def _dataset(replay: ReplayParameters, monitor: MonitorParameters) -> dict[str, Any]:
    """Return what is replayed; raises for frames or conditions that will not do."""
    dataset, instances = open_replayed(replay), monitor.instances
    first = dataset.read(0)
    if instances and first.labels is not None and first.instances is None:
        raise ConfigurationError(
            f'data set {replay.dataset} has no instances (frame {first.key})',
            'set monitor.instances to false: things are then told apart by their outlines',
        )
    _check_labels(dataset, replay, monitor)
    pseudo = getattr(dataset, 'pseudo_labels', None)
    return {
        **({} if pseudo is None else {'pseudo_labels': pseudo}),
        'name': dataset.name,
        'root': replay.dataset,
        'frames': len(dataset),
        'first': dataset.entries[0].key,
        'last': dataset.entries[-1].key,
        'protocol': protocol_of(dataset, replay.hold).value,
    }


def _check_labels(dataset: Dataset, replay: ReplayParameters, monitor: MonitorParameters) -> None:
    """Raise DatasetError where most of a few frames have labels that say too little."""
    looked_at, lost, settings = 0, [], truth_settings(monitor)
    if not monitor.truth:
        return
    for index in dict.fromkeys(np.linspace(0, len(dataset) - 1, LOOKED_AT).round().astype(int)):
        frame = dataset.read(int(index))
        if frame.labels is None:
            continue
        looked_at += 1
        if is_bag(replay):
            # What the instances of a bag stand for is seen when they are scored.
            found = read_labels(open_encoding(monitor.label_encoding), frame.labels)
            frame = replace(
                frame, labels=found.labels, instances=None, tells_hood=found.tells_hood
            )
        elif not monitor.instances:
            frame = replace(frame, instances=None)
        trust = trust_of(frame, settings)
        if not trust.scorable:
            lost.append(f'frame {frame.key}: {trust.reason}')
    if len(lost) * 2 > looked_at:
        split = f'split {replay.split!r} of ' if replay.split else ''
        raise DatasetError(
            f'{split}data set {replay.dataset} cannot be scored: {len(lost)} of {looked_at} '
            f'frames that were looked at are unscorable, first {lost[0]}',
            'choose a split with labels (the test split of Cityscapes has placeholders); '
            '`vlm-misalign labels` shows what a map holds',
        )


def _note_data(severities: dict[str, Any], dataset: Mapping[str, Any]) -> None:
    """Note it where measured severities come from another data set than the run's."""
    if 'measured' in severities and severities['measured']['data']['dataset'] != dataset['name']:
        severities['notes'].append(
            f'the severities were measured on {severities["measured"]["data"]["dataset"]}, and '
            f'this run is on {dataset["name"]}'
        )


def _plugins(configuration: Configuration) -> dict[str, str]:
    """Return distribution and version of every plug-in that the run uses, by kind and name."""
    models = [vlm.model for vlm in configuration.vlms]
    masks = (configuration.segmentation, configuration.reference)
    models += [entry.model for entry in masks if entry is not None]
    replay = configuration.replay
    corruptions = [part.corruption for entry in _conditions(configuration) for part in entry.parts]
    used = (
        (CORRUPTIONS, corruptions),
        (LAYOUTS, [] if replay is None else [split_place(replay.dataset)[0]]),
        (FAMILIES, [parse(model).family for model in models]),
        (ENCODINGS, encodings_of(configuration)),
    )
    return {
        f'{registry.noun} {name}': owner
        for registry, names in used
        for name, owner in registry.distributions(names)
    }
