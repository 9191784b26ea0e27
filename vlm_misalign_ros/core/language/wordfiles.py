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

"""The files of a lexicon: this package's own, and one of a user that is laid over it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.files import PACKAGE
from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.language.phrases import plurals
from vlm_misalign_ros.core.language.speech import LANGUAGE, NEEDED

GRAMMAR = PACKAGE / 'core' / 'language' / 'data' / 'grammar.yaml'
"""What sentences do, by their words (acts.py)."""
SHIPPED = PACKAGE / 'core' / 'language' / 'data' / 'lexicon'
"""The folder with the lexicon of this package."""

_LOADER: Any = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)
"""The one in C takes a quarter of the time; not every build of PyYAML has it."""
_OWN = ('without', 'further', 'language')
"""What a user's file may have besides additions."""
_LISTS = ('macros', 'kinds')
"""Sections with the lists that phrases name as {name}."""
_USED = ('going', 'halting')
"""Macros that are lists of the lexicon, too."""
_DOCS = 'docs/extending.md#words'


def data_of(additions: Path | None) -> dict[str, Any]:
    """
    Return the lexicon as plain data: this package's, with a user's file laid over it.

    Raises ConfigurationError naming file, key and value of what is wrong.
    """
    if additions is None:
        return shipped()
    added = _read(additions)
    if not isinstance(added, dict):
        raise ConfigurationError(
            f'lexicon {additions} has a {type(added).__name__} under {"the top"!r}',
            'expected a mapping',
        )
    if added.get('language', LANGUAGE) != LANGUAGE:
        return _complete(added, additions)
    added = {key: value for key, value in added.items() if key != 'language'}
    base = shipped()
    if 'without' in added:
        base = _without(base, texts(added.pop('without'), additions, 'without'), additions)
    further = added.pop('further', {})
    joined: dict[str, Any] = _joined(base, added, additions)
    joined['further'] = further
    return joined


def hash_of(additions: str = '') -> str:
    """Return the SHA-256 over the grammar, all files of the lexicon, and over a user's file."""
    total = hashlib.sha256()
    for path in (GRAMMAR, *_parts()):
        content = path.read_bytes()
        total.update(f'{path.name}\n{len(content)}\n'.encode())
        total.update(content)
    if additions:
        try:
            total.update(Path(additions).expanduser().read_bytes())
        except OSError as error:
            raise ConfigurationError(
                f'lexicon {additions} cannot be read: {error.strerror}'
            ) from error
    return total.hexdigest()


@lru_cache(maxsize=1)
def shipped() -> dict[str, Any]:
    """Return the lexicon of this package: the sections of all files of its folder."""
    found: dict[str, Any] = {}
    for path in _parts():
        for key, value in _read(path).items():
            if key in found:
                raise ConfigurationError(f'lexicon {path} has {key!r}, which another file has')
            found[key] = value
    return found


def nearest(name: object, known: Iterable[str]) -> str:
    """Return what to say of a name that is not known: the nearest, and all that are."""
    names = list(known)
    close = get_close_matches(str(name), names, 1)
    return (f'did you mean {close[0]!r}? ' if close else '') + 'known: ' + ', '.join(names)


def texts(entries: Any, path: Path, place: str) -> list[str]:
    """Return a list of phrases; ConfigurationError names what is none."""
    if not isinstance(entries, list):
        raise ConfigurationError(
            f'lexicon {path} has a {type(entries).__name__} under {place!r}', 'expected a list'
        )
    for number, entry in enumerate(entries):
        if isinstance(entry, bool) or not isinstance(entry, (str, int, float)):
            raise ConfigurationError(
                f'lexicon {path} has {entry!r} under {place}[{number}], which is no phrase',
                'put it into quotes: YAML takes no, yes, on and off for true and false'
                if isinstance(entry, bool)
                else 'expected a text',
            )
    return [str(entry) for entry in entries]


def check_classes(names: Any, path: Path, place: str) -> tuple[str, ...]:
    """Return names of scored classes; ConfigurationError names one that is none."""
    for name in texts(names, path, place):
        if name not in SCORED:
            raise ConfigurationError(
                f'lexicon {path} names the class {name!r} under {place}',
                nearest(name, SCORED) + f'; a class of your own stands under further: {_DOCS}',
            )
    return tuple(names)


def _parts() -> list[Path]:
    return sorted(SHIPPED.glob('*.yaml'))


def _read(path: Path) -> Any:
    try:
        return yaml.load(path.read_text(encoding='utf-8'), _LOADER)
    except OSError as error:
        raise ConfigurationError(f'lexicon {path} cannot be read: {error.strerror}') from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f'lexicon {path} is no YAML: {error}') from error


def _joined(base: Any, added: Any, path: Path, place: str = '') -> Any:
    """Return a lexicon with additions before its own entries."""
    if isinstance(base, dict) and isinstance(added, dict):
        _check_known(base, added, path, place)
        joined = {
            key: _joined(value, added[key], path, f'{place}{key}.') if key in added else value
            for key, value in base.items()
        }
        return {**added, **joined}
    place = place.rstrip('.')
    if isinstance(base, list) and isinstance(added, list):
        if not any(isinstance(entry, dict) for entry in base):
            texts(added, path, place)
        return [*added, *base]
    if not isinstance(base, (dict, list)):
        raise ConfigurationError(
            f"lexicon {path} sets {place!r}, which is the lexicon's own",
            'leave it out: a file of additions has no version; its hash tells it apart',
        )
    raise ConfigurationError(
        f'lexicon {path} has a {type(added).__name__} under {place!r}',
        f'expected a {"mapping" if isinstance(base, dict) else "list"}',
    )


def _check_known(
    base: Mapping[str, Any], added: Mapping[str, Any], path: Path, place: str
) -> None:
    """Raise ConfigurationError for a key that there is not; macros may be new."""
    for key in added:
        if key not in base and place not in ('macros.', 'kinds.'):
            raise ConfigurationError(
                f'lexicon {path} adds to {place + str(key)!r}, which there is not',
                nearest(key, dict.fromkeys((*base, *(() if place else _OWN)))),
            )


# Words taken out ------------------------------------------------------------------------------


def _without(base: dict[str, Any], out: Sequence[str], path: Path) -> dict[str, Any]:
    """Return a lexicon without some phrases, wherever it lists them; macros stay whole."""
    dropped = {form for phrase in out for form in plurals(phrase)}
    met: set[str] = set()
    every: set[str] = set()
    left = {
        key: value if key in _LISTS else _dropped(value, dropped, met, every)
        for key, value in base.items()
    }
    for phrase in out:
        if met.isdisjoint(plurals(phrase)):
            close = get_close_matches(phrase, sorted(every), 3)
            raise ConfigurationError(
                f'lexicon {path} takes out {phrase!r}, which is in no list',
                f'there are {", ".join(map(repr, close))}' if close else 'leave it out',
            )
    return left


def _dropped(value: Any, dropped: set[str], met: set[str], every: set[str]) -> Any:
    if isinstance(value, dict):
        return {
            key: entry if key in ('classes', 'of') else _dropped(entry, dropped, met, every)
            for key, entry in value.items()
        }
    if isinstance(value, list):
        kept = []
        for entry in value:
            if isinstance(entry, (dict, list)):
                kept.append(_dropped(entry, dropped, met, every))
                continue
            every.add(str(entry))
            if str(entry) in dropped:
                met.add(str(entry))
            else:
                kept.append(entry)
        return kept
    return value


# Another language -----------------------------------------------------------------------------


def _complete(data: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return the data of another language's file; ConfigurationError tells what it lacks."""
    base = {key: value for key, value in shipped().items() if key not in _LISTS}
    known = {*base, *_LISTS, 'gate', 'grammar', *_OWN}
    for key in data:
        if key not in known:
            raise ConfigurationError(
                f'lexicon {path} has {str(key)!r}, which there is not', nearest(key, sorted(known))
            )
    lacking = _lacking(data, base)
    if lacking:
        raise ConfigurationError(
            f'lexicon {path} of the language {data["language"]!r} lacks {", ".join(lacking)}',
            'a file for another language stands alone; a list may be empty, and none may be '
            f'absent: {_DOCS}',
        )
    _check_lists(data, path, '')
    return {**data, 'further': data.get('further', {})}


def _lacking(data: Mapping[str, Any], base: Mapping[str, Any]) -> list[str]:
    """Return the sections, lists, small words and classes that a language's file is without."""
    needed: dict[str, Any] = {
        **base,
        'macros': dict.fromkeys(_USED),
        'gate': dict.fromkeys(('own', 'others', 'latin')),
        'grammar': dict.fromkeys(NEEDED),
    }
    lacking = [key for key in needed if key not in data]
    for key, value in needed.items():
        if key in data and isinstance(value, Mapping):
            found = data[key] if isinstance(data[key], Mapping) else {}
            lacking += [f'{key}.{name}' for name in value if name not in found]
    named = _classes_named(data['things']) if 'things' in data else set(SCORED)
    return lacking + [f'a name of {name!r} in things' for name in SCORED if name not in named]


def _classes_named(things: Any) -> set[str]:
    """Return the classes of the entries under `things`, whatever else is wrong with them."""
    found: set[str] = set()
    for entry in things if isinstance(things, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get('classes'), list):
            found.update(map(str, entry['classes']))
    return found


def _check_lists(value: Any, path: Path, place: str) -> None:
    """Raise ConfigurationError for an entry of a list that is no phrase."""
    if isinstance(value, dict):
        for key, entry in value.items():
            _check_lists(entry, path, f'{place}.{key}'.lstrip('.'))
    elif isinstance(value, list) and place not in ('things', 'compounds'):
        texts(value, path, place)
