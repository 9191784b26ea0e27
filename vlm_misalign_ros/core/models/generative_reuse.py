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
One encoding of a picture for all that is asked about it.

The answer, the question whose yes or no tells how sure a model is, and the other asks about the
same frame are about the same pixels. What the processor and the vision encoder made of the last
ones is kept: the same inputs give the same values, to the last bit, so that nothing else changes.
"""

from __future__ import annotations

import copy
import functools
from collections import deque
from collections.abc import Callable
from typing import Any

import torch

_LAST = 2
"""Results that are kept: those of the last frames, or the last two sets of pictures of one."""
_ENCODERS = (
    'vision_tower',
    'vision_model',
    'visual',
    'image_encoder',
    'img_processor',
    'vision_encoder',
)
"""What the libraries call the network that sees."""


class Remembered:
    """A function that knows what it made of its last arguments."""

    def __init__(self, function: Callable[..., Any], state: Callable[[], Any]) -> None:
        """Remember what `function` gives as long as `state` is what it was."""
        functools.update_wrapper(self, function)
        self._function = function
        self._state = state
        self._kept: deque[tuple[Any, Any, Any]] = deque(maxlen=_LAST)
        self.active = True
        """Whether anything is taken from memory, or put there."""
        self.computed = 0
        """Times that the function itself was called."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the function gives; a copy of its own, not of the tensors in it."""
        if not self.active:
            return self._function(*args, **kwargs)
        state = self._state()
        for given, then, made in self._kept:
            if then == state and _same(given, (args, kwargs)):
                return copy.copy(made)
        made = self._function(*args, **kwargs)
        self.computed += 1
        # What it returns is changed by those who get it: entries are taken out and put in.
        self._kept.append(((args, kwargs), state, copy.copy(made)))
        return made


class _Pictures:
    """An image processor whose calls are remembered; all else is its own."""

    def __init__(self, processor: Any, remembered: Remembered) -> None:
        self._own = processor
        self._remembered = remembered

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._remembered(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == '_own':
            raise AttributeError(name)
        return getattr(self._own, name)


class Encodings:
    """What one model has made of the pictures that it saw last."""

    def __init__(self, model: torch.nn.Module, processor: Any) -> None:
        """Have encoder and processor of a model of transformers remember, where they are known."""
        pictures = processor.image_processor
        self.processor = Remembered(pictures, lambda: None)
        processor.image_processor = _Pictures(pictures, self.processor)
        self.encoder: Remembered | None = None
        """What remembers of the network; None for an unknown model."""
        for name, module in model.named_modules():
            if name.rpartition('.')[2] in _ENCODERS:
                self.encoder = Remembered(module.forward, functools.partial(_versions, module))
                module.forward = self.encoder
                break

    def keep(self, active: bool) -> None:
        """Take from memory, or ask everything anew."""
        for remembered in (self.processor, self.encoder):
            if remembered is not None:
                remembered.active = active


def _versions(module: torch.nn.Module) -> int:
    """Return a number that changes when a weight is written to."""
    # What accelerate fetches for a while has no version, and is not written to.
    return sum(entry._version for entry in module.parameters() if not entry.is_inference())


def _same(one: Any, other: Any) -> bool:
    """Return whether two sets of arguments are equal: tensors and pictures by value."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, torch.Tensor):
        alike = one.shape == other.shape and one.dtype == other.dtype
        return alike and one.device == other.device and torch.equal(one, other)
    if isinstance(one, (tuple, list)):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return bool(one == other)
