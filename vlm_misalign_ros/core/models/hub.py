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
Whether a model of a hub can be had: from the cache of this machine, or over the network.

Asked once and quickly before a run, since the libraries that load a model try for minutes.
"""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError

from vlm_misalign_ros.core.errors import ModelError
from vlm_misalign_ros.core.models.families import ModelReference
from vlm_misalign_ros.core.models.library_options import Options
from vlm_misalign_ros.core.models.weights import shards_of

PATIENCE = 6.0
"""Seconds that a hub may take to answer."""
_OF_TRANSFORMERS = ('transformers', 'transformers-clip')
_TRANSFORMERS = (
    ('config.json',),
    (
        'model.safetensors',
        'model.safetensors.index.json',
        'pytorch_model.bin',
        'pytorch_model.bin.index.json',
    ),
)
_OPEN_CLIP_WEIGHTS = (
    'open_clip_model.safetensors',
    'open_clip_pytorch_model.safetensors',
    'open_clip_pytorch_model.bin',
)
_SUFFIXES = ('.safetensors', '.bin', '.pt')
_TOKENIZER = (('tokenizer.json', 'tokenizer_config.json', 'vocab.json', 'spiece.model'),)


@dataclass(frozen=True)
class Needed:
    """What a model needs of a repository on the hub: one file of each group."""

    repository: str
    groups: tuple[tuple[str, ...], ...]
    revision: str | None = None
    """Branch, tag or commit; None for what the hub shows."""


def _of_transformers(repository: str, options: Options) -> Needed:
    folder = f'{options["subfolder"]}/' if options.get('subfolder') else ''
    groups = tuple(tuple(folder + file for file in group) for group in _TRANSFORMERS)
    return Needed(repository, groups, options.get('revision'))


def needed(reference: ModelReference, options: Options | None = None) -> tuple[list[Needed], str]:
    """
    Return what a model needs of the hub, and the address of weights that lie elsewhere.

    `options` are its model_kwargs, which may name a revision and a folder.
    """
    if reference.family in _OF_TRANSFORMERS:
        return [_of_transformers(reference.name, options or {})], ''
    if reference.name.startswith('hf-hub:'):
        repository = reference.name.removeprefix('hf-hub:').partition('@')[0]
        return [Needed(repository, (('open_clip_config.json',), _OPEN_CLIP_WEIGHTS))], ''
    if Path(reference.pretrained).is_file():
        return [], ''
    import open_clip
    from open_clip.pretrained import get_pretrained_cfg

    found, address = [], ''
    known = get_pretrained_cfg(reference.name, reference.pretrained) or {}
    place = str(known.get('hf_hub') or '')
    if place:
        repository, _, file = place.rpartition('/')
        found.append(Needed(repository, ((file,) if file else _OPEN_CLIP_WEIGHTS,)))
    else:
        address = str(known.get('url') or '')
    text = (open_clip.get_model_config(reference.name) or {}).get('text_cfg') or {}
    tokenizer = str(text.get('hf_tokenizer_name') or '')
    if tokenizer:
        found.append(Needed(tokenizer, _TOKENIZER))
    return found, address


def check_there(reference: ModelReference, options: Options | None = None) -> None:
    """
    Raise ModelError for a model that is neither on this machine nor to be had.

    `options` are its model_kwargs.

    A model of a directory, and one of a family of a plug-in, is not looked for. What a hub answers
    that is neither yes nor no (it is overloaded, say) is left to whoever loads the model.
    """
    if reference.directory is not None or reference.family not in (*_OF_TRANSFORMERS, 'open_clip'):
        return
    wanted, address = needed(reference, options)
    for need in wanted:
        if not _cached(need):
            _ask_hub(reference, need)
    if address and not _downloaded(address):
        _within(PATIENCE, reference, address, lambda: _ask_address(reference, address))


def _cached(need: Needed) -> bool:
    from huggingface_hub import try_to_load_from_cache

    def kept(file: str) -> object:
        return try_to_load_from_cache(need.repository, file, revision=need.revision)

    def there(file: str) -> bool:
        path = kept(file)
        if not isinstance(path, str) or not file.endswith('.index.json'):
            return isinstance(path, str)
        # An index is small and comes first: what it names may not have come.
        return all(isinstance(kept(shard), str) for shard in shards_of(Path(path)))

    with suppress(ValueError):
        return all(any(there(file) for file in group) for group in need.groups)
    return False  # no name of a repository: the hub's own words say so


def _downloaded(address: str) -> bool:
    """Return whether open_clip has fetched a file already."""
    return (Path('~/.cache/clip').expanduser() / address.rpartition('/')[2]).is_file()


def _ask_hub(reference: ModelReference, need: Needed) -> None:
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise ModelError(
            f'model {reference.text!r} needs {need.repository!r}, which is not in '
            f'{constants.HF_HUB_CACHE}, and HF_HUB_OFFLINE is set',
            'fetch it where there is a network, or give the folder of the model',
        )
    files = _within(PATIENCE, reference, constants.ENDPOINT, lambda: _files_of(reference, need))
    for group in need.groups if files is not None else ():
        # Weights may have other names, which the libraries find; a configuration may not.
        weights = any(str(file).endswith(_SUFFIXES) for file in files or ())
        if not any(file in (files or ()) for file in group) and (
            group[0].endswith('.json') or not weights
        ):
            raise ModelError(
                f'{need.repository!r} on the hub has no {group[0]}',
                f'model {reference.text!r} needs it; check the name',
            )


def _files_of(reference: ModelReference, need: Needed) -> Sequence[str] | None:
    """Return the files of a repository; None where the hub says neither yes nor no."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    hub, repository = HfApi(), need.repository
    try:
        found = hub.model_info(repository, revision=need.revision, timeout=PATIENCE)
        if found.gated:
            hub.auth_check(repository)
    except GatedRepoError as error:
        raise ModelError(
            f'model {reference.text!r} needs {repository!r}, to which the hub wants access '
            'granted first',
            'accept its terms on the hub and log in: hf auth login',
        ) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise ModelError(
            f'model {reference.text!r} needs {repository!r}, which is not on the hub, or is '
            'private',
            'check the name; a folder is given as a path, such as ./NAME',
        ) from error
    except RevisionNotFoundError as error:
        raise ModelError(
            f'{repository!r} on the hub has no revision {need.revision!r}',
            f'model {reference.text!r} is asked for at it in model_kwargs; check the name',
        ) from error
    except HfHubHTTPError:
        return None
    return [entry.rfilename for entry in found.siblings or ()]


def _ask_address(reference: ModelReference, address: str) -> Sequence[str] | None:
    request = urllib.request.Request(address, method='HEAD')
    try:
        urllib.request.urlopen(request, timeout=PATIENCE).close()
    except HTTPError as error:
        if error.code in (401, 403, 404, 410):
            raise ModelError(
                f'the weights of {reference.text!r} are not at {address} ({error.code})',
                'choose other weights, or give a local-dir:',
            ) from error
    return None


def _within(
    seconds: float, reference: ModelReference, place: str, ask: Callable[[], Sequence[str] | None]
) -> Sequence[str] | None:
    """Return what `ask` finds; ModelError where nobody answers within some seconds."""
    found: list[Sequence[str] | None] = []
    failed: list[Exception] = []

    def work() -> None:
        try:
            found.append(ask())
        except Exception as error:
            failed.append(error)

    # Looking a name up cannot be given a limit of its own, so the thread is left behind.
    thread = threading.Thread(target=work, name='hub', daemon=True)
    thread.start()
    thread.join(seconds)
    if found:
        return found[0]
    if failed and isinstance(failed[0], ModelError):
        raise failed[0]
    cause = str(failed[0]).splitlines() if failed else []
    why = (cause or [f'no answer within {seconds:g} s'])[0][:200]
    raise ModelError(
        f'model {reference.text!r} is not on this machine, and {place} cannot be reached: {why}',
        'check the network, fetch the model before, or give the folder of one',
    )
