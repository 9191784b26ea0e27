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
From a picture to what a segmentation network is given: our fast way, or its own processor's.

Ours resizes to the height that is asked for, keeps the aspect, and takes values from tables. It is
used where it is proven, for the checkpoint at hand and as it is loaded: the processor gives the
same values for the same pixels, and the network takes a picture twice as wide as high. Everywhere
else the processor does it, at its own size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import cv2
import numpy as np
import torch

from vlm_misalign_ros.core.errors import ModelError

_MULTIPLE = 32
_TOLERANCE = 1e-4
"""Of normalised values, which a step of a pixel changes by 0.004 at least (0.017 usually)."""
_STRIP = 1 / 32
"""Part of a side that has to be seen."""

Box = tuple[int, int, int, int]
"""Top, left, bottom and right of a part of an input, in its pixels."""


@dataclass(frozen=True)
class Prepared:
    """What a network is given for one picture."""

    inputs: dict[str, torch.Tensor]
    """`pixel_values` (N, 3, h, w) and what else it takes."""
    filled: Box | None = None
    """The part of the input that is picture; None: all of it."""
    offsets: tuple[tuple[int, int], ...] = ()
    """Where each of N pieces of a picture begins and ends along its longer side."""

    @property
    def size(self) -> tuple[int, int]:
        """Return height and width of the network's input."""
        height, width = self.inputs['pixel_values'].shape[-2:]
        return int(height), int(width)


class Preprocessing(Protocol):
    """One way from a picture to a network's input."""

    @property
    def told(self) -> str:
        """Return in words which it is, for logs."""

    def prepare(self, bgr: np.ndarray, /) -> Prepared:
        """Return the input for a BGR uint8 (H, W, 3) picture."""


@dataclass(frozen=True)
class Values:
    """What a pixel's value becomes: value * factor, minus mean, over deviation, by channel."""

    factor: float = 1 / 255
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    bgr: bool = False
    """Whether the network's first channel is blue."""

    @classmethod
    def of(cls, processor: Any) -> Values:
        """Return what a processor of transformers says of itself."""

        def three(name: str, plain: float) -> tuple[float, ...]:
            if not getattr(processor, 'do_normalize', True):
                return (plain,) * 3
            given = getattr(processor, name, None)
            given = (plain,) * 3 if given is None else given
            return (float(given),) * 3 if isinstance(given, (int, float)) else tuple(given)

        rescales = getattr(processor, 'do_rescale', True)
        factor = getattr(processor, 'rescale_factor', None) or 1 / 255
        return cls(
            float(factor) if rescales else 1.0,
            three('image_mean', 0.0),
            three('image_std', 1.0),
            bool(getattr(processor, 'do_flip_channel_order', False)),
        )

    def tables(self) -> list[np.ndarray]:
        """Return one table a channel of the network's input, float32 (256,) each."""
        values = np.arange(256, dtype=np.float32) / np.float32(1 / self.factor)
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        return [(values - m) / s for m, s in zip(mean, std, strict=True)]


@dataclass(frozen=True)
class Fast:
    """Resizing to a height and tables of values."""

    values: Values
    height: int
    """Rows of the input, brought to a multiple of 32; 0: those of the picture."""
    device: torch.device
    dtype: torch.dtype
    exact: tuple[int, int] | None = None
    """Rows and columns where a network takes nothing else."""
    _tables: list[np.ndarray] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Make the tables."""
        object.__setattr__(self, '_tables', self.values.tables())

    @property
    def told(self) -> str:
        """Return in words which it is."""
        if self.exact is not None:
            return f'resized to {self.exact[1]} x {self.exact[0]}'
        return f'fast, {self.height or "its own"} rows'

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Return rows and columns of the input for a picture of a size."""
        if self.exact is not None:
            return self.exact
        wanted = self.height or height
        rows = max(_MULTIPLE, round(wanted / _MULTIPLE) * _MULTIPLE)
        columns = max(_MULTIPLE, round(width * rows / height / _MULTIPLE) * _MULTIPLE)
        return rows, columns

    def prepare(self, bgr: np.ndarray) -> Prepared:
        """Return the input for a BGR uint8 (H, W, 3) picture."""
        rows, columns = self.size(*bgr.shape[:2])
        if (rows, columns) != bgr.shape[:2]:
            shrinks = rows < bgr.shape[0]
            way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
            bgr = cv2.resize(bgr, (columns, rows), interpolation=way)
        planes = cv2.split(np.ascontiguousarray(bgr))
        stacked = np.empty((1, 3, rows, columns), np.float32)
        for channel, table in enumerate(self._tables):
            plane = planes[channel if self.values.bgr else 2 - channel]
            stacked[0, channel] = cv2.LUT(plane, table)
        pixels = torch.from_numpy(stacked).to(self.device, self.dtype)
        return Prepared({'pixel_values': pixels})


class Own:
    """The processor of a checkpoint, as it is, but that it crops nothing away."""

    def __init__(
        self, processor: Any, device: torch.device, dtype: torch.dtype, reason: str
    ) -> None:
        """Keep the processor; `reason` says why the fast way is not taken."""
        self._processor = processor
        self._device, self._dtype = device, dtype
        self._reason = reason
        self._filled: dict[tuple[int, ...], Box | None] = {}

    @property
    def told(self) -> str:
        """Return in words which it is, and why."""
        return f"the processor's own, since {self._reason}"

    def prepare(self, bgr: np.ndarray) -> Prepared:
        """Return the input for a BGR uint8 (H, W, 3) picture."""
        found = self._made(bgr)
        offsets = tuple((int(start), int(end)) for _, start, end in found.pop('patch_offsets', ()))
        inputs = {
            name: value.to(self._device, self._dtype if value.is_floating_point() else None)
            for name, value in found.items()
            if isinstance(value, torch.Tensor)
        }
        if bgr.shape not in self._filled:
            self._filled[bgr.shape] = None if offsets else self._box(bgr.shape)
        return Prepared(inputs, self._filled[bgr.shape], offsets)

    def _made(self, bgr: np.ndarray, **changed: Any) -> dict[str, Any]:
        return processed(self._processor, bgr, **changed)

    def _pixels(self, bgr: np.ndarray) -> torch.Tensor:
        pixels: torch.Tensor = self._made(bgr)['pixel_values']
        return pixels

    def _box(self, shape: tuple[int, ...]) -> Box | None:
        """Return the part of the input that a picture fills: where black and white differ."""
        black, white = (
            self._pixels(np.full(shape, value, np.uint8))[0].amax(0) for value in (0, 255)
        )
        where = black != white
        rows, columns = (torch.nonzero(where.any(axis)).flatten() for axis in (1, 0))
        if where.all() or not len(rows):
            return None
        return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1

    def check_view(self, shape: tuple[int, int, int], model: str) -> None:
        """Raise ModelError where a side of a picture of a shape never reaches the network."""
        grey = self._pixels(np.full(shape, 128, np.uint8))
        high, wide = (max(1, round(length * _STRIP)) for length in shape[:2])
        sides: dict[str, Any] = {
            'top': np.s_[:high],
            'bottom': np.s_[-high:],
            'left': np.s_[:, :wide],
            'right': np.s_[:, -wide:],
        }
        for side, where in sides.items():
            picture = np.full(shape, 128, np.uint8)
            picture[where] = 255
            if torch.equal(self._pixels(picture), grey):
                raise ModelError(
                    f'the processor of model {model!r} cuts off the {side} of a picture of '
                    f'{shape[1]} x {shape[0]}',
                    'let it resize without cropping (preprocessor_config.json)',
                )


def processed(processor: Any, bgr: np.ndarray, **changed: Any) -> dict[str, Any]:
    """Return what a processor makes of a BGR uint8 (H, W, 3) picture, without a centre crop."""
    if getattr(processor, 'do_center_crop', None):
        changed['do_center_crop'] = False
    rgb = np.ascontiguousarray(bgr[:, :, ::-1])
    return dict(processor(images=rgb, return_tensors='pt', **changed))


def trial_pixels(rows: int, columns: int) -> np.ndarray:
    """Return noise on the left and edges on the right, of every value, BGR uint8 (H, W, 3)."""
    picture = np.random.Generator(np.random.PCG64(0)).integers(
        0, 256, (rows, columns, 3), np.uint8
    )
    blocks = picture[::8, ::8].repeat(8, 0).repeat(8, 1)[:rows, :columns]
    picture[:, columns // 2 :] = blocks[:, columns // 2 :]
    return picture


def proven(fast: Fast, processor: Any, picture: np.ndarray) -> str:
    """
    Return why the fast way is not the processor's; empty where it is.

    The processor is given the picture at the size of the network's input and told not to resize:
    what is compared is everything else that it does, value by value.
    """
    ours = fast.prepare(picture).inputs['pixel_values'].float().cpu()
    try:
        found = processed(processor, picture, do_resize=False)
        theirs = found['pixel_values']
        if len(found.get('patch_offsets') or ()):
            return 'it cuts pictures to pieces'
    except Exception as error:  # a processor may refuse a size in any way
        return f'it takes no picture of {picture.shape[1]} x {picture.shape[0]} ({error})'[:160]
    if ours.shape != theirs.shape:
        return f'it makes {tuple(theirs.shape)} of a picture of {picture.shape[:2]}'
    gap = float((ours - theirs.float()).abs().max())
    step = max(1.0, float(theirs.float().abs().max()))
    return '' if gap <= _TOLERANCE * step else f'its values differ by {gap:.3g}'


def choose(
    processor: Any, fast: Fast, answer: Callable[[Prepared], object], aspect: tuple[int, int]
) -> Preprocessing:
    """
    Return the fast way where it is proven for a checkpoint, else its processor, which says why.

    `answer` is the network, tried at the size that a picture of `aspect` (H, W) is given; that it
    takes that size is part of the proof.
    """
    rows, columns = fast.size(*aspect)
    picture = trial_pixels(rows, columns)
    full = Fast(fast.values, 0, torch.device('cpu'), torch.float32)
    reason = proven(full, processor, picture)
    if not reason:
        try:
            answer(fast.prepare(picture))
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # networks refuse a size in any way
            cause = ' '.join(str(error).split())[:120]
            reason = f'the network takes no input of {columns} x {rows} ({cause})'
    return Own(processor, fast.device, fast.dtype, reason) if reason else fast
