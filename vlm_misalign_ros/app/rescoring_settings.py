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

"""What of a run's settings a rescore changes, which of that records can tell, and how."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlm_misalign_ros.app.mask_readers import refuse_other_truth
from vlm_misalign_ros.app.rescoring_masks import remapper_of
from vlm_misalign_ros.core.errors import ConfigurationError, ModelError, RecordError
from vlm_misalign_ros.core.evaluation.evaluator import check_critical
from vlm_misalign_ros.core.evaluation.redeciding import Decider, Points
from vlm_misalign_ros.core.evaluation.remapping import Remapper
from vlm_misalign_ros.core.evaluation.rereading import Question, Rereader
from vlm_misalign_ros.core.evaluation.rescoring import Rescorer
from vlm_misalign_ros.core.evaluation.retruth import Corridors
from vlm_misalign_ros.core.language.lexicon import lexicon_hash, open_lexicon
from vlm_misalign_ros.core.language.prompts import prompts_hash
from vlm_misalign_ros.core.models import calibration, frozen
from vlm_misalign_ros.core.models.factory import kind_of, model_hash
from vlm_misalign_ros.core.models.factory import parse as parse_model
from vlm_misalign_ros.core.models.families import reads_masks
from vlm_misalign_ros.core.models.families.mask_reader import areas_of
from vlm_misalign_ros.core.records.ending import evaluation_settings
from vlm_misalign_ros.core.settings.asks import asks_of
from vlm_misalign_ros.core.settings.configuration import Configuration, override, parse, read_yaml
from vlm_misalign_ros.core.settings.nodes import (
    FREE,
    EvaluationParameters,
    SegmentationParameters,
    VlmParameters,
    truth_settings,
)
from vlm_misalign_ros.core.settings.outside import OutsideVlmParameters
from vlm_misalign_ros.core.settings.parameters import build, table
from vlm_misalign_ros.core.types import Kind

TOLD = ('corridor_width', 'stopping_distance', 'obstacle_share', 'critical', *FREE)
"""Settings of the evaluation that records can be scored again by."""
_POINTS = ('threshold', 'calibration')
"""Settings of a contrastive model likewise."""
_SIZES = 'the sizes and distances of things that need not be mentioned are not in the records'
_SCENES = 'it decides which frames have a truth, and of the others the records have none'
_PLACED = 'where things stand was read with it from the labels, which are not in the records'
_WHY = {
    'minimum_area': _SIZES,
    'minimum_height': _SIZES,
    'maximum_distance': _SIZES,
    'unlabelled_share': _SCENES,
    'unlabelled_share_with_hood': _SCENES,
    'camera_height': _PLACED,
    'camera_pitch': _PLACED,
}


@dataclass
class Chosen:
    """A run's settings, and those it is scored again by."""

    manifest: dict[str, Any]
    before: EvaluationParameters
    after: EvaluationParameters
    changed: dict[str, list[Any]]
    """By the name of the setting what it was and what it is."""
    configuration: dict[str, Any]
    """As the manifest of the new run has it."""
    raw: dict[str, Any] | None
    """config.yaml with the changes; None where the run has none."""
    lexicon: str
    rescorer: Rescorer
    points: dict[str, str]
    """Hashes of the operating points by the name of the ask, where they are others."""
    masks: dict[str, Any]
    """What the manifest says of the segmentation, where its label map is another."""


def choose(
    folder: Path, manifest: dict[str, Any], overrides: Sequence[str], models: Sequence[str]
) -> Chosen:
    """
    Return how a run is scored again by `overrides` of its configuration.

    `models` are those that are, by their names in the records.

    Raises ConfigurationError for what is no setting, or none that the records can tell; ModelError
    for points of another model or truth; RecordError for what is no run.
    """
    values = evaluation_settings(manifest)
    if values is None:
        raise RecordError(f'{folder} has a manifest without its settings', 'give a finished run')
    names = [entry.name for entry in table(EvaluationParameters)]
    kept = {name: values[name] for name in names if name in values}
    before = build(EvaluationParameters, kept, 'the manifest')
    told = manifest['configuration']
    if 'monitor' not in told:
        return _of_bag(manifest, before, kept, overrides)
    path = folder / 'config.yaml'
    data = read_yaml(path)
    old, new = parse(data), parse(override(data, overrides))
    _check_same(path, old, kept)
    changed = dict(_changed(old.resolved(), new.resolved()))
    _refuse(changed)
    fields = {
        entry.name: getattr(new.monitor, entry.name) for entry in table(EvaluationParameters)
    }
    own = {name: fields[name] for name in names if f'monitor.{name}' in changed}
    after = dataclasses.replace(before, **own)
    deciders, points = _deciders(old, new, manifest, after, models)
    remapper: Remapper | None = None
    masks: dict[str, Any] = {}
    if 'segmentation.label_map' in changed:
        remapper, masks = remapper_of(new, manifest, models)
    return Chosen(
        manifest,
        before,
        after,
        {name: pair for name, pair in changed.items() if not name.endswith('.lexicon')},
        {**told, **_merged(told, new, changed)},
        override(data, overrides),
        new.lexicon,
        Rescorer(
            check_critical(after.critical),
            before.critical,
            _corridors(before, after),
            _rereader(old, new, manifest),
            deciders,
            remapper,
        ),
        points,
        masks,
    )


def _of_bag(
    manifest: dict[str, Any],
    before: EvaluationParameters,
    kept: dict[str, Any],
    overrides: Sequence[str],
) -> Chosen:
    """Return how the analysis of a bag is scored again: it keeps no settings of its models."""
    section = override({'monitor': {}}, overrides)
    for name in section:
        if name != 'monitor':
            raise ConfigurationError(
                f'{name} cannot be changed: this is the analysis of a bag, whose manifest does '
                'not say how its models were asked',
                'score the run itself again; here settings of monitor can be changed',
            )
    given = section['monitor']
    if not isinstance(given, dict):
        raise ConfigurationError(f"section 'monitor' is {given!r}", 'write monitor.NAME=VALUE')
    after = build(EvaluationParameters, {**kept, **given}, 'monitor')
    pairs = {name: (getattr(before, name), getattr(after, name)) for name in given}
    changed = {f'monitor.{k}': list(pair) for k, pair in pairs.items() if pair[0] != pair[1]}
    _refuse(changed)
    plain = {name: getattr(after, name) for name in given}
    rescorer = Rescorer(check_critical(after.critical), before.critical, _corridors(before, after))
    configuration = {**manifest['configuration'], **plain}
    return Chosen(manifest, before, after, changed, configuration, None, '', rescorer, {}, {})


def _corridors(before: EvaluationParameters, after: EvaluationParameters) -> Corridors:
    return Corridors.between(truth_settings(before).hazard, truth_settings(after).hazard)


def _check_same(path: Path, old: Configuration, kept: Mapping[str, Any]) -> None:
    """Raise RecordError where a configuration is not that of the manifest beside it."""
    for name, value in kept.items():
        # A run fills in what the files of its segmentation tell.
        if name == 'segmentation_classes':
            continue
        own = getattr(old.monitor, name)
        if json.loads(json.dumps(own)) != value:
            raise RecordError(
                f'{path} has {name} {own!r}, and the manifest beside it {value!r}',
                'one of them was changed after the run; put it back',
            )


def _changed(old: Any, new: Any, place: str = '') -> Iterator[tuple[str, list[Any]]]:
    """Yield (setting, [what it was, what it is]) of resolved configurations."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {**old, **new}:
            inner = f'{place}.{key}' if place else str(key)
            yield from _changed(old.get(key), new.get(key), inner)
    elif place == 'vlms':
        by_name = [{entry['name']: entry for entry in value} for value in (old, new)]
        yield from _changed(by_name[0], by_name[1], place)
    elif old != new:
        yield place, [old, new]


def _refuse(changed: Mapping[str, list[Any]]) -> None:
    """Raise ConfigurationError for a setting that records cannot be scored again by."""
    for name, pair in changed.items():
        section, _, last = name.rpartition('.')
        if name == 'lexicon' or last == 'lexicon' or name in ('name', 'out'):
            continue
        if section == 'monitor' and last in TOLD:
            continue
        if name in ('outside', 'monitor.outside') and _of_words_alone(*pair):
            continue
        if section.startswith('vlms.') and last in _POINTS or name == 'segmentation.label_map':
            continue
        why = _WHY.get(last, 'with it the models, or the pictures, would be others')
        raise ConfigurationError(
            f'{name} cannot be changed by a rescore: {why}',
            'run again (of a bag: analyse). A rescore takes lexicon, vlms.NAME.threshold and '
            'calibration, segmentation.label_map, and of monitor ' + ', '.join(TOLD),
        )


def _of_words_alone(old: Any, new: Any) -> bool:
    """Return whether models outside differ in their lexicon alone."""

    def without(entries: Any) -> list[Any]:
        found = [json.loads(e) if isinstance(e, str) else e for e in entries]
        return [{k: v for k, v in e.items() if k != 'lexicon'} for e in found]

    return without(old) == without(new)


def _merged(
    told: Mapping[str, Any], new: Configuration, changed: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the sections of a resolved configuration in which something is another."""
    resolved = json.loads(json.dumps(new.resolved(), default=str))
    found: dict[str, Any] = {}
    for name in changed:
        section = name.partition('.')[0]
        if section == 'monitor':
            # What a run had filled in stays.
            last = name.rpartition('.')[2]
            monitor = found.setdefault('monitor', dict(told['monitor']))
            monitor[last] = resolved['monitor'][last]
        elif section not in ('name', 'out'):
            found[section] = resolved[section]
    return found


# What is read ----------------------------------------------------------------------------------


def _rereader(
    old: Configuration, new: Configuration, manifest: Mapping[str, Any]
) -> Rereader | None:
    """Return what reads the answers again; None where the lexicon is that of the run."""
    language = manifest.get('language') or {}
    told = language.get('lexicon_sha256', '')
    if lexicon_hash(new.lexicon) == told:
        return None
    former = None
    try:
        if lexicon_hash(old.lexicon) == told:
            former = open_lexicon(old.lexicon)
    except (ConfigurationError, OSError):
        pass
    questions: dict[str, Question] = {}
    for vlm in new.vlms:
        for ask in asks_of(vlm):
            chosen = ask.chosen
            _check_prompts(ask.name, chosen.prompt, manifest)
            questions[ask.name] = Question(chosen.text, chosen.prompt, chosen.system)
    for entry in new.outside:
        if isinstance(entry, OutsideVlmParameters):
            questions[entry.name] = Question(entry.text, entry.prompt, own=False)
    return Rereader(questions, open_lexicon(new.lexicon), former)


def _check_prompts(name: str, prompt: str, manifest: Mapping[str, Any]) -> None:
    """Raise ConfigurationError where the words of a prompt are no longer those of the run."""
    entry = (manifest.get('models') or {}).get(name) or {}
    told = entry.get('prompts_sha256')
    if told is not None and prompts_hash(prompt) != told:
        raise ConfigurationError(
            f'the prompts of {name} are no longer those of the run',
            'answers are read together with their question; put the file back as it was',
        )


# What is decided -------------------------------------------------------------------------------


def _deciders(
    old: Configuration,
    new: Configuration,
    manifest: Mapping[str, Any],
    after: EvaluationParameters,
    wanted: Sequence[str],
) -> tuple[dict[str, Decider], dict[str, str]]:
    """Return what decides the scores of models with other points, and the hashes of these."""
    deciders: dict[str, Decider] = {}
    hashes: dict[str, str] = {}
    truth = truth_settings(after).to_plain()
    models = manifest.get('models') or {}
    former = {vlm.name: vlm for vlm in old.vlms}
    for vlm in new.vlms:
        # By name: overrides may have brought them into another order.
        before = former[vlm.name]
        if wanted and not {ask.name for ask in asks_of(vlm)}.intersection(wanted):
            continue
        changed = [name for name in _POINTS if getattr(vlm, name) != getattr(before, name)]
        with _remedied():
            if reads_masks(vlm.model):
                _refuse_masks(vlm, new.segmentation, changed, truth)
                continue
            if kind_of(parse_model(vlm.model)) is not Kind.CONTRASTIVE:
                continue
            for ask in asks_of(vlm):
                told = models.get(ask.name) or {}
                points, sha256 = _points(vlm, told, truth)
                if changed:
                    was = _former(ask.name, before, told)
                    deciders[ask.name] = Decider(ask.name, was, points)
                    hashes[ask.name] = sha256
    return deciders, hashes


@contextmanager
def _remedied() -> Iterator[None]:
    """Say of a model that cannot be scored again with the others that these can alone."""
    try:
        yield
    except ModelError as error:
        remedy = f'{error.remedy}; or score other models alone: --model NAME'
        raise ModelError(error.what, remedy) from error


def _former(name: str, before: VlmParameters, told: Mapping[str, Any]) -> Points:
    """Return the points of a model in its run; ConfigurationError where they were changed."""
    former, was = _points(before, told, {})
    if was != (told.get('calibration') or {}).get('sha256', ''):
        raise ConfigurationError(
            f'the calibration {before.calibration!r} of {name} is no longer that of the run',
            'put it back: kept scores are probabilities by it',
        )
    return former


def _points(
    vlm: VlmParameters, told: Mapping[str, Any], truth: Mapping[str, float]
) -> tuple[Points, str]:
    """Return the points of a model, checked as a run checks them, and their hash."""
    if not vlm.calibration:
        return Points(vlm.threshold), ''
    path = calibration.path_of(vlm.calibration, parse_model(vlm.model).directory)
    named = told.get('sha256') or vlm.model
    sha256 = model_hash(parse_model(vlm.model), vlm.model_kwargs) if vlm.model_kwargs else named
    found = calibration.load(path, sha256, told.get('prompts_sha256', ''), truth)
    return Points(vlm.threshold, found.points), found.sha256


def _refuse_masks(
    vlm: VlmParameters,
    segmentation: SegmentationParameters | None,
    changed: Sequence[str],
    truth: Mapping[str, float],
) -> None:
    """Raise for what would have a mask read otherwise: how large its parts are is not kept."""
    if changed:
        raise ConfigurationError(
            f'{changed[0]} of {vlm.name} cannot be changed by a rescore: how large the parts of '
            'its masks are is not in the records',
            'run again, or leave it out with --model',
        )
    areas = areas_of(parse_model(vlm.model))
    if areas is not None:
        frozen.refuse_other_truth(vlm.model.partition(':')[2], areas.truth, truth)
    elif segmentation is not None:
        refuse_other_truth(vlm, segmentation, truth)
