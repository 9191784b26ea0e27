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

"""`list`: the names that configurations and arguments may use."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from typing import Any

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.registry import Registry

HELP = 'list the names that configurations and arguments may use'
EXAMPLES = """
vlm-misalign list corruptions
vlm-misalign list parameters --json
"""

Lines = Sequence[tuple[str, str]]
"""Names with what each is."""


def _broken(registry: Registry[Any], name: str) -> str:
    """Return what is wrong with an entry that cannot be loaded, as the end of its line."""
    try:
        registry.load(name)
    except ConfigurationError as error:
        return f' - BROKEN: {error}'
    return ''


def _models() -> Lines:
    from vlm_misalign_ros.core.models.families import FAMILIES, forms_of
    from vlm_misalign_ros.core.models.families.miniature import names

    forms = [
        (form, f'model family {name}{_broken(FAMILIES, name)}')
        for name in FAMILIES.names()
        for form in forms_of(name)
    ]
    return [*forms, *((f'miniature:{name}', 'comes with this package') for name in names())]


def _conditions() -> Lines:
    from vlm_misalign_ros.core.corruptions import BLANK, CLEAN, CORRUPTIONS

    return [
        (CLEAN, 'the picture as it came'),
        *(
            (f'{name}:SEVERITIES', 'severities 1 to 5, such as 3, 1-5 or 1,3,5')
            for name in CORRUPTIONS.names()
        ),
        (BLANK, 'the control: a grey picture'),
        ('all', f'{CLEAN} and every corruption of this package at severities 1 to 5'),
    ]


def _corruptions() -> Lines:
    from vlm_misalign_ros.core.corruptions import CORRUPTIONS, covers

    found = []
    for name, path in CORRUPTIONS.origins():
        broken = _broken(CORRUPTIONS, name)
        covering = not broken and covers(name)
        found.append((name, f'{path}{", covers part of the scene" if covering else ""}{broken}'))
    return found


def _datasets() -> Lines:
    from vlm_misalign_ros.core.datasets import LAYOUTS, MEANINGS

    return [
        (f'{name}:FOLDER', f'{MEANINGS.get(name, path)}{_broken(LAYOUTS, name)}')
        for name, path in LAYOUTS.origins()
    ]


def _encodings() -> Lines:
    from vlm_misalign_ros.core.labels.encodings import ENCODINGS
    from vlm_misalign_ros.core.labels.tables import MEANINGS

    return [
        (name, f'{MEANINGS.get(name, path)}{_broken(ENCODINGS, name)}')
        for name, path in ENCODINGS.origins()
    ]


def _label_maps() -> Lines:
    from vlm_misalign_ros.core.models.label_maps import shipped, told_of

    return [(name, told_of(name)) for name in shipped()]


def _prompts() -> Lines:
    from vlm_misalign_ros.core.language.prompts import generative_prompt, prompt_ids

    return [
        *((name, f'generative: {generative_prompt(name)}') for name in prompt_ids('generative')),
        *((name, 'contrastive: a set') for name in prompt_ids('contrastive')),
    ]


def _rates() -> Lines:
    from vlm_misalign_ros.core.metrics.rates import RATES

    return [(row.name, row.meaning) for row in RATES]


def _parameters() -> Lines:
    from vlm_misalign_ros.core.settings.documenting import DOCUMENTED
    from vlm_misalign_ros.core.settings.parameters import table

    return [
        (f'{node}.{entry.name}', f'{entry.description} (default: {entry.default!r})')
        for node, kind in DOCUMENTED
        for entry in table(kind)
    ]


def _configs() -> Lines:
    from vlm_misalign_ros.core.settings.configuration import shipped_configs

    return shipped_configs()


KINDS: dict[str, Callable[[], Lines]] = {
    'models': _models,
    'conditions': _conditions,
    'corruptions': _corruptions,
    'datasets': _datasets,
    'encodings': _encodings,
    'label_maps': _label_maps,
    'prompts': _prompts,
    'rates': _rates,
    'parameters': _parameters,
    'configs': _configs,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('what', choices=list(KINDS), help='what to list')
    parser.add_argument('--json', action='store_true', help='as JSON')


def run(arguments: argparse.Namespace) -> int:
    """Print a name and what it is, a line each."""
    lines = KINDS[arguments.what]()
    if arguments.json:
        print(json.dumps([{'name': name, 'is': text} for name, text in lines], indent=1))
        return 0
    width = max((len(name) for name, _ in lines), default=0)
    for name, text in lines:
        print(f'{name:<{width}}  {text}')
    return 0
