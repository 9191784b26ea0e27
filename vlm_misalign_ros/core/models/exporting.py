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
Exports a segmentation model to ONNX or TorchScript, and keeps nothing that answers otherwise.

An exporter may write something else without a word, and may change the model that it is given:
torch.onnx.export with dynamo=False can leave it in training mode. So the model answers some
pictures before; what was written is loaded again, by the way that a run loads it, and its masks
and how sure it is are held against these answers.
"""

from __future__ import annotations

import contextlib
import io
import logging
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from vlm_misalign_ros.core.errors import ConfigurationError, ModelError
from vlm_misalign_ros.core.labels.classes import CLASSES, IGNORE
from vlm_misalign_ros.core.models.card import Card, path_of
from vlm_misalign_ros.core.models.factory import check, load_segmentation, parse
from vlm_misalign_ros.core.models.label_maps import IGNORED
from vlm_misalign_ros.core.models.preprocessing import Fast, trial_pixels
from vlm_misalign_ros.core.models.segmentation import SegmentationModel
from vlm_misalign_ros.core.types import Role, Segmented
from vlm_misalign_ros.core.world import render_scene

SUFFIXES = {'onnx': '.onnx', 'torchscript': '.pt'}
"""Of the files, by format."""
ASPECT = (512, 1024)
LEAST = 0.999
"""Share of the pixels of each picture that has to be the same."""
GAP = 0.005
"""Of mean entropy and mean confidence of each picture, at most."""
_SCENES = 3
_INPUT, _OUTPUT = 'pixel_values', 'scores'


@dataclass(frozen=True)
class Written:
    """What was exported."""

    file: Path
    agreement: float
    """Least share of equal pixels over the pictures that it was tried on."""
    pictures: int
    classes: int
    """Different values in the masks that were compared."""


class _Scores(torch.nn.Module):
    """A segmentation model from its input to its class scores."""

    def __init__(self, model: SegmentationModel) -> None:
        super().__init__()
        self.network = model.network
        self._model = [model]

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Return class scores (1, C, h, w)."""
        return self._model[0].scores({_INPUT: pixel_values})[0]


def export(
    text: str,
    form: str,
    out: Path,
    size: tuple[int, int] = ASPECT,
    label_map: str = '',
    threads: int = 1,
) -> Written:
    """
    Write the segmentation model of a string to a folder, as ONNX or TorchScript with its card.

    `size` is rows and columns of the input. ModelError for a model that cannot be exported, and
    where what was written gives other masks: then nothing is kept.
    """
    if form not in SUFFIXES:
        raise ConfigurationError(f'the format is {form!r}', 'give onnx or torchscript')
    if min(size) < 32 or size[0] % 32 or size[1] % 32:
        raise ConfigurationError(
            f'the size is {size[0]} x {size[1]}', 'give rows and columns that are multiples of 32'
        )
    if form == 'onnx':
        _check_packages()
    checked = load_segmentation(
        text, device='cpu', threads=threads, input_height=size[0], label_map=label_map
    )
    model = checked.model
    if not isinstance(model, SegmentationModel):
        raise ModelError(f'model {text!r} cannot be exported', 'give one of transformers')
    if not isinstance(model.preprocessing, Fast):
        raise ModelError(
            f'model {text!r} cannot be exported: its preprocessing is {model.preprocessing.told}',
            'what its processor does cannot be written beside the file',
        )
    name = ''.join(c if c.isalnum() or c in '-_.' else '_' for c in parse(text).name)
    answers = [(picture, checked.segment(picture)) for picture in _pictures(size)]
    _make(out)
    with tempfile.TemporaryDirectory(dir=out, prefix='.exporting') as folder:
        file = Path(folder) / f'{name}{SUFFIXES[form]}'
        with _quietly(text, form):
            _write(_Scores(model).eval(), form, file, size)
        _card(model, size).write(path_of(file))
        written = _compare(text, answers, f'{form}:{file}', file, threads)
        for path in Path(folder).iterdir():
            shutil.move(path, out / path.name)
    return Written(out / file.name, written.agreement, written.pictures, written.classes)


def _check_packages() -> None:
    from importlib.util import find_spec

    lacking = [name for name in ('onnx', 'onnxruntime', 'onnxscript') if find_spec(name) is None]
    if lacking:
        raise ModelError(
            f'exporting to ONNX needs {" and ".join(lacking)}, which is not installed',
            'pip install onnx onnxruntime onnxscript (the extra onnx of vlm_misalign_ros)',
        )


def _make(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f'{out} cannot be made: {error.strerror}', 'give a folder'
        ) from error


@contextlib.contextmanager
def _quietly(text: str, form: str) -> Iterator[None]:
    """Keep what exporters print to themselves; ModelError with the cause of what they raise."""
    said = io.StringIO()
    loggers = [logging.getLogger(name) for name in ('onnxscript', 'onnx_ir', 'torch.onnx')]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(said):
            warnings.simplefilter('ignore')
            yield
    except Exception as error:  # exporters raise every kind
        raise ModelError(
            f'model {text!r} cannot be exported to {form}: {_cause(error)}',
            'try the other format, or run it as it is',
        ) from error
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _cause(error: BaseException) -> str:
    """Return what was raised first, in one line without the colours of a terminal."""
    while error.__cause__ is not None:
        error = error.__cause__
    told = re.sub(r'\x1b\[[0-9;]*m', '', ' '.join(str(error).split()))
    return f'{type(error).__name__} {told}'[:300]


def _write(scores: _Scores, form: str, file: Path, size: tuple[int, int]) -> None:
    pixels = torch.zeros(1, 3, *size)
    with torch.inference_mode():
        if form == 'onnx':
            torch.onnx.export(
                scores,
                (pixels,),
                str(file),
                input_names=[_INPUT],
                output_names=[_OUTPUT],
                dynamo=True,
                verbose=False,
            )
            _forget_sources(file)
        else:
            torch.jit.trace(scores, pixels, strict=False, check_trace=False).save(str(file))


def _forget_sources(file: Path) -> None:
    """Take out where on this machine each node comes from: it would be part of the hash."""
    import onnx

    model = onnx.load(str(file), load_external_data=False)
    for function in (model.graph, *model.functions):
        del function.metadata_props[:]
        for part in (*function.node, *function.value_info):
            del part.metadata_props[:]
    del model.metadata_props[:]
    onnx.save(model, str(file))


def _card(model: SegmentationModel, size: tuple[int, int]) -> Card:
    assert isinstance(model.preprocessing, Fast)
    values = model.preprocessing.values
    of = {IGNORE: IGNORED, **dict(enumerate(CLASSES))}
    return Card(
        size=size,
        mean=tuple(float(value) for value in values.mean),
        std=tuple(float(value) for value in values.std),
        scale=float(values.factor),
        channels='bgr' if values.bgr else 'rgb',
        layout='NCHW',
        output='probabilities' if model.weighs else 'logits',
        name=_OUTPUT,
        classes={int(index): str(name) for index, name in model.names.items()},
        label_map={index: of[to] for index, to in enumerate(model.classes.train_ids)},
    )


def _compare(
    text: str,
    answers: Sequence[tuple[np.ndarray, Segmented]],
    exported: str,
    file: Path,
    threads: int,
) -> Written:
    """Return how well masks agree with those of pictures; ModelError where not enough."""
    check(parse(exported), Role.SEGMENTATION)
    other = load_segmentation(exported, device='cpu', threads=threads)
    shares, gaps, seen = [], [], set()
    for picture, ours in answers:
        theirs = other.segment(picture)
        shares.append(float((ours.labels == theirs.labels).mean()))
        gaps += [abs(ours.entropy - theirs.entropy), abs(ours.confidence - theirs.confidence)]
        seen.update(np.unique(ours.labels).tolist())
    if min(shares) < LEAST:
        raise ModelError(
            f'{file.name}, as exported, gives other masks than {text}: {min(shares):.3f} of the '
            f'pixels are the same, {LEAST} are needed; it was not kept',
            'try the other format, or run the model as it is',
        )
    if max(gaps) > GAP:
        raise ModelError(
            f'{file.name}, as exported, is surer or less sure than {text}: entropy or confidence '
            f'differ by {max(gaps):.3f}, {GAP} at most are allowed; it was not kept',
            'try the other format, or run the model as it is',
        )
    return Written(file, min(shares), len(answers), len(seen))


def _pictures(size: tuple[int, int]) -> Sequence[np.ndarray]:
    """Return noise with edges, and streets of another size than the input."""
    scenes = (render_scene(3, index, 2 * size[0], size[0]).image for index in range(_SCENES))
    return [trial_pixels(*size), *(np.ascontiguousarray(scene) for scene in scenes)]
