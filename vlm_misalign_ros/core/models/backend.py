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

"""What all adapters share: device, arithmetic, threads, and errors of loading."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from vlm_misalign_ros.core.errors import ConfigurationError, MisalignError, ModelError
from vlm_misalign_ros.core.models.families import ModelReference
from vlm_misalign_ros.core.models.load_faults import explained
from vlm_misalign_ros.core.models.weights import check_mismatched, check_offloaded, named, poison

_LOG = logging.getLogger(__name__)
_TALKS = ('modeling_utils', 'distributed.tensor_parallel', 'integrations.tensor_parallel')
"""Modules that log lists of all weights as they load them."""


def prepare(device: str, threads: int) -> torch.device:
    """Return the device of `auto`, `cpu`, `cuda` or `cuda:N`, and set the CPU threads."""
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    if device == 'auto':
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise ConfigurationError(
            f"parameter 'device' is {device!r}", 'give auto, cpu, cuda or cuda:N'
        ) from error
    if chosen.type == 'cuda' and not torch.cuda.is_available():
        raise ConfigurationError(
            f"parameter 'device' is {device!r}, and torch sees no GPU", 'give auto or cpu'
        )
    if chosen.type == 'cuda' and (chosen.index or 0) >= torch.cuda.device_count():
        raise ConfigurationError(
            f"parameter 'device' is {device!r}, and there are {torch.cuda.device_count()} GPUs",
            'count from 0',
        )
    return chosen


def arithmetic(dtype: str) -> torch.dtype:
    """Return the torch type of `float32`, `bfloat16` or `float16`."""
    found: torch.dtype = getattr(torch, dtype)
    return found


def arithmetic_or_own(dtype: str) -> torch.dtype | None:
    """Return the same; None for `auto`, the type that the weights were saved in."""
    return None if dtype == 'auto' else arithmetic(dtype)


def offline(reference: ModelReference) -> bool:
    """Return whether only local files may be used: always for a directory."""
    return reference.directory is not None or os.environ.get('HF_HUB_OFFLINE') == '1'


def place(reference: ModelReference) -> str:
    """Return what a library's from_pretrained takes."""
    return str(reference.directory or reference.name)


def load_pretrained(
    loader: Any, reference: ModelReference, device: torch.device, **options: Any
) -> tuple[Any, frozenset[str]]:
    """
    Return a network of transformers, ready to answer, and the names of weights that it lacks.

    What the files lack is NaN, not random (`weights.poison`): the trial answer tells whether it
    matters. Raises ModelError for weights of another shape. Weights that the files have and the
    network has not are named in a warning: heads for training are often left out.
    """
    model, report = loader.from_pretrained(
        place(reference), output_loading_info=True, ignore_mismatched_sizes=True, **options
    )
    check_mismatched(reference.text, report['mismatched_keys'])
    model = model.eval()
    # What is spread over devices, or quantised, is where it belongs.
    if getattr(model, 'hf_device_map', None) is None and not getattr(model, 'is_quantized', False):
        model = model.to(device=device)
    check_offloaded(reference.text, model, report['missing_keys'])
    unfilled = poison(model, report['missing_keys'])
    if unfilled:
        _LOG.warning('the files of model %r lack %s', reference.text, named(unfilled))
    if report['unexpected_keys']:
        _LOG.warning(
            'the files of model %r have %s that it does not use',
            reference.text,
            named(report['unexpected_keys']),
        )
    return model, unfilled


def device_of(model: Any) -> torch.device:
    """Return where the inputs of a network go, also of one whose weights lie elsewhere."""
    found: torch.device = model.device
    if found.type != 'meta':
        return found
    # accelerate fetches each layer to where it computes.
    return torch.device(getattr(getattr(model, '_hf_hook', None), 'execution_device', 'cpu'))


def _quiet() -> None:
    """Keep progress bars, and tables of what this package says itself, out of the logs."""
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    for name in _TALKS:
        logging.getLogger(f'transformers.{name}').setLevel(logging.ERROR)


@contextmanager
def loading(text: str, directory: Path | None = None) -> Iterator[None]:
    """
    Turn whatever a library raises while it loads model `text` into one clear ModelError.

    `directory` is where a local one lies.
    """
    _quiet()
    try:
        yield
    except MisalignError:
        raise
    except Exception as error:
        # Libraries raise every kind of exception here; the user needs one line with the cause.
        cause, remedy = explained(error, directory)
        raise ModelError(f'model {text!r} cannot be loaded: {cause}', remedy) from error
