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

"""Segmentation by a network in a file, ONNX or TorchScript, with its card beside it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vlm_misalign_ros.core.errors import ConfigurationError, ModelError
from vlm_misalign_ros.core.models import backend, card
from vlm_misalign_ros.core.models.families import ModelReference, SegmentationOptions
from vlm_misalign_ros.core.models.label_maps import ClassMap
from vlm_misalign_ros.core.models.masks import Masker
from vlm_misalign_ros.core.models.preprocessing import Fast, Preprocessing
from vlm_misalign_ros.core.types import Segmented

_TYPES = {'tensor(float)': np.float32, 'tensor(float16)': np.float16, 'tensor(double)': np.float64}

Run = Callable[[torch.Tensor], torch.Tensor]
"""From an input, float (1, 3, h, w) or (1, h, w, 3), to class scores, of any device."""


class ExportedModel:
    """A network in a file; answers at the picture's own resolution."""

    def __init__(self, reference: ModelReference, options: SegmentationOptions) -> None:
        """Load the network; ModelError or ConfigurationError when that cannot be done."""
        assert reference.file is not None
        self._card = card.read(reference.file)
        self._masker = Masker(
            reference.text, self._card.class_map(reference.text, options.label_map)
        )
        self._device = backend.prepare(options.device, options.threads)
        torchscript = reference.family == 'torchscript'
        dtype = backend.arithmetic(options.dtype) if torchscript else torch.float32
        fast = Fast(
            self._card.values, options.input_height, torch.device('cpu'), dtype, self._card.size
        )
        self.preprocessing: Preprocessing = fast
        with backend.loading(reference.text):
            if torchscript:
                with warnings.catch_warnings():
                    # It is called deprecated, and reads what there is.
                    warnings.simplefilter('ignore', FutureWarning)
                    loaded = torch.jit.load(str(reference.file), map_location=self._device)
                self._network = loaded.eval().to(dtype)
                self._run: Run = self._scripted
            else:
                self._run = _session(reference, options, self._card)

    @property
    def classes(self) -> ClassMap:
        """Return what the network's classes are in Cityscapes."""
        return self._masker.classes

    def _scripted(self, pixels: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            return _scores_of(self._network(pixels.to(self._device)), self._card.name)

    def segment(self, bgr: np.ndarray) -> Segmented:
        """Return train ids, uint8 (H, W), and certainty of a BGR uint8 (H, W, 3) picture."""
        pixels = self.preprocessing.prepare(bgr).inputs['pixel_values']
        last = self._card.layout == 'NHWC'
        scores = self._run(pixels.permute(0, 2, 3, 1).contiguous() if last else pixels)
        if scores.ndim != 4 or len(scores) != 1:
            raise ModelError(
                f'the network answers with the shape {tuple(scores.shape)}',
                f'class scores of one picture, {self._card.layout}, are expected, not labels',
            )
        whole = scores[0].permute(2, 0, 1) if last else scores[0]
        weights = self._card.output == 'probabilities'
        return self._masker.mask(whole, (bgr.shape[0], bgr.shape[1]), weights)


def _scores_of(output: Any, name: str) -> torch.Tensor:
    """Return the output of a name, or the first, of a tensor, a sequence or a mapping."""
    if isinstance(output, dict):
        if name and name not in output:
            raise ModelError(
                f'the network has no output {name!r}', f'it has {", ".join(map(str, output))}'
            )
        output = output[name] if name else next(iter(output.values()))
    elif isinstance(output, (tuple, list)):
        if name and len(output) > 1:
            raise ModelError(
                f'the network gives {len(output)} outputs without names; its YAML names {name!r}',
                'leave out name, and the first is taken; or export it with one output',
            )
        output = output[0]
    if not isinstance(output, torch.Tensor):
        raise ModelError(f'the network answers with a {type(output).__name__}', 'no tensor')
    return output


# ONNX ------------------------------------------------------------------------------------------


def _session(reference: ModelReference, options: SegmentationOptions, told: card.Card) -> Run:
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)
    if options.dtype != 'float32':
        raise ConfigurationError(
            f"parameter 'dtype' is {options.dtype!r}, and {reference.text} has its own",
            'leave it out',
        )
    chosen = onnxruntime.SessionOptions()
    chosen.intra_op_num_threads = options.threads
    chosen.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(reference.file), chosen, providers=_providers(options.device)
    )
    (given, *more) = session.get_inputs()
    names = [entry.name for entry in session.get_outputs()]
    if more or given.type not in _TYPES:
        raise ModelError(
            f'{reference.text} takes {len(more) + 1} input(s), the first a {given.type}',
            'one picture of floating-point numbers is expected',
        )
    if told.name and told.name not in names:
        raise ModelError(f'{reference.text} has no output {told.name!r}', f'it has {names}')
    wanted = told.name or names[0]
    _check_size(reference.text, given.shape, told)
    kind = _TYPES[given.type]

    def run(pixels: torch.Tensor) -> torch.Tensor:
        (found,) = session.run([wanted], {given.name: pixels.numpy().astype(kind)})
        return torch.from_numpy(np.asarray(found, np.float32))

    return run


def _check_size(text: str, shape: list[Any], told: card.Card) -> None:
    """Raise ModelError where the graph takes another size than its card says."""
    first = told.layout == 'NCHW'
    if len(shape) == 4:
        channels, *size = (shape[1], *shape[2:]) if first else (shape[3], *shape[1:3])
        takes_three = channels == 3 or not isinstance(channels, int)
        fixed = all(isinstance(length, int) for length in size)
        if takes_three and (not fixed or told.size == tuple(size)):
            return
    raise ModelError(
        f'{text} takes the shape {shape}, and its card says {told.layout} of size '
        f'{told.size or card.ANY}',
        'size and layout in the YAML have to be those of the network',
    )


def _providers(device: str) -> list[Any]:
    """Return where onnxruntime shall run; ConfigurationError for a GPU that it cannot use."""
    import onnxruntime

    has = 'CUDAExecutionProvider' in onnxruntime.get_available_providers()
    if device == 'cpu' or device == 'auto' and not has:
        return ['CPUExecutionProvider']
    if not has:
        raise ConfigurationError(
            f"parameter 'device' is {device!r}, and this onnxruntime knows no GPU",
            'pip install onnxruntime-gpu in its place, or give auto or cpu',
        )
    number = device.partition(':')[2] or '0'
    return [('CUDAExecutionProvider', {'device_id': number}), 'CPUExecutionProvider']


def external_files(file: Path) -> list[Path]:
    """
    Return the files with external data of an ONNX model, in the order of their names.

    Raises ModelError for a file that is no ONNX model, and for data that are not there or lie
    outside the model's folder.
    """
    import onnx

    try:
        model = onnx.load(str(file), load_external_data=False)
    except Exception as error:  # protobuf raises every kind
        raise ModelError(f'{file} is no ONNX model: {error}'[:300], 'export it again') from error
    names = set()
    for tensor in _tensors(model):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            names.add(next(e.value for e in tensor.external_data if e.key == 'location'))
    found = []
    for name in sorted(names):
        path = file.parent / name
        inside = os.path.realpath(path).startswith(os.path.realpath(file.parent) + os.sep)
        if not inside or not path.is_file():
            where = 'is not there' if inside else 'lies outside its folder'
            raise ModelError(f'{file} keeps weights in {name!r}, which {where}', 'copy both')
        found.append(path)
    return found


def _tensors(message: Any) -> Iterator[Any]:
    """Yield every tensor of an ONNX message, those of constants and of graphs within it too."""
    if type(message).__name__ == 'TensorProto':
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        repeated = not hasattr(value, 'ListFields')
        for part in value if repeated else (value,):
            if hasattr(part, 'ListFields'):
                yield from _tensors(part)
