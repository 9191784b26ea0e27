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
One encoding of the pictures for all that is asked about them.

The answer, and the question whose yes or no tells how sure a model is, are about the same pixels.
What the vision encoder makes of them is kept from one to the next, for one frame.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

_ENCODERS = (
    'vision_tower',
    'vision_model',
    'visual',
    'image_encoder',
    'img_processor',
    'vision_encoder',
)
"""What the libraries call the network that sees."""


class Encodings:
    """What the vision encoder of one model made of the pictures of one frame."""

    def __init__(self, model: torch.nn.Module) -> None:
        """Have the encoder of a model of transformers remember; of an unknown model, nothing."""
        self._kept: list[tuple[Any, Any]] = []
        self._remembers = False
        self.encoder = ''
        """Name of the module that remembers; empty for none."""
        self.computed = 0
        """Pictures that it encoded while it did."""
        for name, module in model.named_modules():
            if name.rpartition('.')[2] in _ENCODERS:
                self.encoder = name
                module.forward = self._remembering(module.forward)
                break

    def _remembering(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            if not self._remembers:
                return function(*args, **kwargs)
            for given, made in self._kept:
                if _same(given, (args, kwargs)):
                    # Whoever gets it may put it together with other things.
                    return copy.copy(made)
            made = function(*args, **kwargs)
            self.computed += 1
            self._kept.append(((args, kwargs), copy.copy(made)))
            return made

        return call

    @contextmanager
    def of_one_frame(self) -> Iterator[None]:
        """Keep what is encoded until the end, and nothing after it."""
        self._remembers = True
        try:
            yield
        finally:
            self._remembers = False
            self._kept.clear()


def _same(one: Any, other: Any) -> bool:
    """Return whether two sets of arguments are equal, tensors by value."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and (
            one is other
            or (one.shape == other.shape and one.dtype == other.dtype and torch.equal(one, other))
        )
    if type(one) is not type(other):
        return False
    if isinstance(one, (tuple, list)):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return bool(one == other)
