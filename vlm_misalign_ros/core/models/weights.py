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
Whether a model has its weights: the files before it is loaded, every tensor after that.

Libraries fill what a file lacks with random values, and go on. A model like that answers, and its
answers differ from run to run.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlm_misalign_ros.core.errors import ModelError

if TYPE_CHECKING:
    import torch

SHOWN = 4
"""Names of weights that a message lists."""
_POINTER = b'version https://git-lfs'
_REMEDY = 'save or download the model again, all of its files'


def named(keys: Collection[str]) -> str:
    """Return how many weights there are and the first of their names, for messages."""
    first = sorted(keys)[:SHOWN]
    more = '' if len(keys) == len(first) else f' and {len(keys) - len(first)} more'
    return f'{len(keys)} weight{"s" * (len(keys) != 1)} ({", ".join(first)}{more})'


# Files, before loading ---------------------------------------------------------------------------


def check_files(directory: Path, patterns: Sequence[str]) -> None:
    """
    Check the weight files of a local model without loading them.

    `patterns` are those of its family, the preferred one first: a folder often holds the same
    weights twice, and only those that are taken matter. Raises ModelError naming a file that is
    empty, cut off or a placeholder of Git LFS, and a shard of an index that is not there.
    """
    for name in ('model.safetensors', 'pytorch_model.bin'):
        index = directory / f'{name}.index.json'
        if (directory / name).is_file():
            break
        if index.is_file():
            _check_index(index)
            break
    for pattern in patterns:
        if found := sorted(directory.glob(pattern)):
            for path in found:
                _check_file(path)
            break


def shards_of(path: Path) -> list[str]:
    """Return the files that an index of weights names; ModelError for what is none."""
    try:
        shards = set(json.loads(path.read_text(encoding='utf-8'))['weight_map'].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f'{path} is no index of weights: {error!r}', _REMEDY) from error
    return sorted(map(str, shards))


def _check_index(path: Path) -> None:
    shards = shards_of(path)
    missing = [name for name in shards if not (path.parent / name).is_file()]
    if missing:
        raise ModelError(
            f'{path} names {len(missing)} of {len(shards)} files that are not there: '
            + ', '.join(missing[:SHOWN]),
            _REMEDY,
        )


def _check_file(path: Path) -> None:
    try:
        size = path.stat().st_size
        with path.open('rb') as stream:
            head = stream.read(len(_POINTER))
    except OSError as error:
        raise ModelError(f'{path} cannot be read: {error.strerror}', _REMEDY) from error
    if not size:
        raise ModelError(f'{path} is empty', _REMEDY)
    if head == _POINTER:
        raise ModelError(f'{path} is a placeholder of Git LFS', 'fetch the file with git lfs pull')
    if path.suffix == '.safetensors':
        keys_of(path)
    elif head.startswith(b'PK') and not zipfile.is_zipfile(path):
        raise ModelError(f'{path} is cut off after {size} bytes', _REMEDY)


def keys_of(path: Path) -> list[str]:
    """Return the names in a safetensors file; ModelError for one that is cut off or is none."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), 'np') as opened:
            return list(opened.keys())
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(
            f'{path} is damaged or cut off ({path.stat().st_size} bytes): {error}', _REMEDY
        ) from error


# Keys, as loaded ---------------------------------------------------------------------------------


def refuse_lacking(text: str, missing: Collection[str], remedy: str = '') -> ModelError:
    """Return the error of model `text` whose files lack weights."""
    return ModelError(
        f'the files of model {text!r} lack {named(missing)}: they would be random',
        remedy or _REMEDY,
    )


def check_mismatched(text: str, mismatched: Iterable[Any]) -> None:
    """Raise ModelError for weights of another shape: (name, shape in the file, in the model)."""
    entries = (entry if isinstance(entry, tuple) else (entry,) for entry in mismatched)
    found = {str(entry[0]): entry[1:] for entry in entries}
    if found:
        name, shapes = min(found.items())
        inside, wanted = (tuple(shape) for shape in (*shapes, (), ())[:2])
        raise ModelError(
            f'the files of model {text!r} have another shape than its configuration in '
            f'{named(found)}; {name} is {inside}, expected {wanted}',
            'use the configuration that belongs to the weights',
        )


def check_offloaded(text: str, model: torch.nn.Module, missing: Collection[str]) -> None:
    """Raise ModelError for weights that a file lacked and that lie where `poison` cannot fill."""
    tensors = model.state_dict(keep_vars=True)
    lost = [name for name in missing if name in tensors and tensors[name].is_meta]
    if lost:
        raise refuse_lacking(
            text, lost, 'without a device_map that offloads it is tried whether they matter'
        )


def poison(model: torch.nn.Module, missing: Collection[str]) -> frozenset[str]:
    """
    Fill with NaN what a file lacked, in place of the random values; return the names filled.

    Some real checkpoints lack weights that no answer depends on (a head for training only). What
    does depend on one becomes NaN, and nearly no answer survives that. Whole numbers (counters,
    position ids) are left as the library made them. A name that shares its storage with one that
    was loaded (tied weights) is not missing.
    """
    import torch

    tensors = dict(model.state_dict(keep_vars=True))
    there = {tensor.data_ptr() for name, tensor in tensors.items() if name not in missing}
    filled = set()
    for name in missing:
        tensor = tensors.get(name)
        if tensor is None or tensor.is_meta or not tensor.is_floating_point():
            continue
        if tensor.data_ptr() in there:
            continue
        with torch.no_grad():
            tensor.fill_(float('nan'))
        filled.add(name)
    return frozenset(filled)


def refill(model: torch.nn.Module, names: Collection[str], seed: int | None) -> None:
    """Fill weights with noise of unit variance, or with NaN for None."""
    import torch

    generator = torch.Generator().manual_seed(seed or 0)
    tensors = model.state_dict(keep_vars=True)
    for name in sorted(set(names) & set(tensors)):
        tensor = tensors[name]
        noise = torch.randn(tensor.shape, generator=generator)
        with torch.no_grad():
            tensor.copy_(noise if seed is not None else torch.full_like(noise, float('nan')))


# Values, after loading ---------------------------------------------------------------------------


def check_values(text: str, model: torch.nn.Module, unused: Collection[str] = ()) -> None:
    """
    Check every floating tensor of a loaded model once.

    Raises ModelError for weights on the meta device (never filled), weights that are NaN or
    infinite, and for a model most of whose matrices hold nothing but zeros. `unused` are names
    that are left out. It costs one pass over the memory: about .5 s a billion of weights.
    """
    bad, empty, zeros, total = [], [], 0, 0
    for name, tensor, is_parameter in _tensors(model, unused):
        if tensor.is_meta:
            empty.append(name)
            continue
        low, high = _range(tensor)
        # A buffer may hold a mask of minus infinity.
        if low != low or high != high or (is_parameter and max(abs(low), abs(high)) == _INF):
            bad.append(name)
        if is_parameter and tensor.ndim > 1:
            total += tensor.numel()
            zeros += tensor.numel() * (low == high == 0)
    if empty:
        raise ModelError(f'model {text!r} left {named(empty)} on the meta device', _REMEDY)
    if bad:
        raise ModelError(
            f'model {text!r} has values that are not finite in {named(bad)}',
            _REMEDY + '; with dtype float16, give bfloat16 or float32',
        )
    if 2 * zeros > total:
        raise ModelError(
            f'model {text!r} has weights of zero only, {zeros} of {total} values', _REMEDY
        )


_INF = float('inf')


def _tensors(
    model: torch.nn.Module, unused: Collection[str]
) -> Iterator[tuple[str, torch.Tensor, bool]]:
    held = _offloaded(model)
    for name, parameter in model.named_parameters():
        if parameter.numel() and name not in unused:
            yield name, held[name]() if name in held else parameter.detach(), True
    for name, buffer in model.named_buffers():
        if buffer.numel() and name not in unused:
            yield name, held[name]() if name in held else buffer.detach(), False


def _offloaded(model: torch.nn.Module) -> dict[str, Callable[[], torch.Tensor]]:
    """Return how to get, by name, the weights that accelerate fetches when they are needed."""
    found: dict[str, Callable[[], torch.Tensor]] = {}
    for prefix, module in model.named_modules():
        hook = getattr(module, '_hf_hook', None)
        for part in getattr(hook, 'hooks', (hook,)):
            kept = getattr(part, 'weights_map', None)
            if part is None or kept is None or not part.offload:
                continue
            deep = part.place_submodules
            tensors = (*module.named_parameters(recurse=deep), *module.named_buffers(recurse=deep))
            for name, tensor in tensors:
                if tensor.is_meta:
                    whole = f'{prefix}.{name}' if prefix else name
                    found[whole] = partial(kept.__getitem__, name)
    return found


def _range(tensor: torch.Tensor) -> tuple[float, float]:
    """Return the lowest and highest value, NaN where any is; whole numbers are as they should."""
    import torch

    if not tensor.is_floating_point():
        return 1.0, 1.0
    if tensor.element_size() < 2:
        # There are no minima of 8-bit floats.
        tensor = tensor.to(torch.float32)
    low, high = torch.aminmax(tensor)
    return float(low), float(high)
