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

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from vlm_misalign_ros.core.errors import ConfigurationError, MisalignError, ModelError
from vlm_misalign_ros.core.models.families import ModelReference


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


def offline(reference: ModelReference) -> bool:
    """Return whether only local files may be used: always for a directory."""
    return reference.directory is not None or os.environ.get('HF_HUB_OFFLINE') == '1'


def place(reference: ModelReference) -> str:
    """Return what a library's from_pretrained takes."""
    return str(reference.directory or reference.name)


def _quiet() -> None:
    """Keep progress bars out of the logs of nodes."""
    from transformers.utils import logging

    logging.disable_progress_bar()


@contextmanager
def loading(text: str) -> Iterator[None]:
    """Turn whatever a library raises while it loads model `text` into one clear ModelError."""
    _quiet()
    try:
        yield
    except MisalignError:
        raise
    except Exception as error:
        # Libraries raise every kind of exception here; the user needs one line with the cause.
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        cause = ' '.join(lines)[:400] or type(error).__name__
        raise ModelError(
            f'model {text!r} cannot be loaded: {cause}',
            'check the name, the directory and, for a model from the hub, the network',
        ) from error
