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

"""The configuration by which models run over a bag: what the bag holds decides what is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vlm_misalign_ros.bags.dataset import BagDataset
from vlm_misalign_ros.bags.places import run_config
from vlm_misalign_ros.core.datasets import BAG
from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.evaluation.parts import INSTANCES, LABELS
from vlm_misalign_ros.core.evaluation.replaying import open_replayed
from vlm_misalign_ros.core.settings.configuration import read_yaml
from vlm_misalign_ros.core.settings.nodes import ReplayParameters
from vlm_misalign_ros.core.settings.parameters import build
from vlm_misalign_ros.core.settings.replaying import seen_of
from vlm_misalign_ros.core.settings.self_consistency import SECTION

OF_THE_GRAPH = ('record', 'recorder', 'annotate', 'annotator', 'remap', 'namespace')
"""Sections that say how a graph talks; a bag that is read has no part in it."""
OF_LIVE = ('condition', 'schedule', 'scenario', 'hold')
"""What a live run's corruption follows; over a bag `replay` says what each picture meets."""


def recorded_names(bag: Path) -> tuple[str, list[str]]:
    """Return namespace and rules FROM:=TO of the run that a bag lies in; none outside of one."""
    config = run_config(bag)
    if not config:
        return '', []
    data = read_yaml(Path(config))
    remap = _section(data, 'remap')
    for source, target in remap.items():
        if not isinstance(source, str) or not isinstance(target, str):
            raise ConfigurationError(
                f'remap of {config} has {source!r}: {target!r}', 'give names of topics'
            )
    rules = [f'{source}:={target}' for source, target in remap.items()]
    return str(data.get('namespace') or ''), rules


def over_bag(
    data: Mapping[str, Any], bag: Path, namespace: str = '', rules: Sequence[str] = ()
) -> tuple[dict[str, Any], list[str]]:
    """
    Return a configuration for models over a bag, and what is to be said of the bag, a line each.

    `data` is any configuration, that of a live run, too: it becomes an evaluation in lockstep of
    every picture, under `replay.conditions`, at the rate of the bag. Names are those of the run
    that the bag lies in, unless `namespace` or `rules` (FROM:=TO) say others. Without recorded
    labels, models are held against themselves. Raises DatasetError for a bag that has no pictures
    under these names, and ConfigurationError for sections that are none.
    """
    sections = {name: _section(data, name) for name in ('replay', 'monitor', 'corruption')}
    replay, monitor = sections['replay'], sections['monitor']
    known_namespace, known_rules = recorded_names(bag)
    replay.setdefault('topics', [*known_rules, *rules])
    replay.setdefault('recorded_namespace', namespace or known_namespace)
    replay['dataset'] = f'{BAG}:{bag}'
    chosen = build(ReplayParameters, {**seen_of(monitor), **replay}, 'replay')
    dataset = open_replayed(chosen)
    assert isinstance(dataset, BagDataset)
    if dataset.rate is not None:
        # Stamps of a run go up to 1000 Hz.
        replay.setdefault('rate', min(max(round(dataset.rate, 6), 0.01), 1000.0))
    said = list(dataset.faults)
    found = {name: value for name, value in data.items() if name not in OF_THE_GRAPH}
    found |= {'mode': 'evaluation', 'replay': replay, 'monitor': monitor}
    found['corruption'] = {
        name: value for name, value in sections['corruption'].items() if name not in OF_LIVE
    }
    if not dataset.has(LABELS):
        said.append('the bag has no ground truth: models are held against themselves')
        monitor['truth'] = False
        found[SECTION] = True
    elif not dataset.has(INSTANCES) and monitor.get('instances', True):
        said.append('the bag has no instances: things are told apart by their outlines')
        monitor['instances'] = False
    return found, said


def _section(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = data.get(name) or {}
    if not isinstance(found, dict):
        raise ConfigurationError(f'section {name!r} is {found!r}', 'expected a mapping')
    return dict(found)
