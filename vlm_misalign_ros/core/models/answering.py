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
What every model goes through, of whatever family: its weights, a trial answer, each answer.

An answer that cannot be one (not finite, of another shape, empty) is refused where it arises, and
costs its frame only. A model that cannot answer a plain picture is refused as it is loaded.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from vlm_misalign_ros.core.errors import FrameError, MisalignError, ModelError, NothingSaid
from vlm_misalign_ros.core.labels.classes import CLASSES, IGNORE, SCORED
from vlm_misalign_ros.core.language.styles import STYLES
from vlm_misalign_ros.core.models.load_faults import of_this_machine
from vlm_misalign_ros.core.models.query import Query
from vlm_misalign_ros.core.models.weights import check_values, refill, refuse_lacking
from vlm_misalign_ros.core.types import Description, Judgement, Kind, Mention, Segmented

TRIAL = (256, 512)
"""Height and width of the picture of the trial: as wide as a driving scene, and small."""
GREY = 128
REMEDY = 'the model cannot be used as it is: check its files, its dtype and its memory'
_ROUNDING = 1e-6


def trial_picture() -> np.ndarray:
    """Return the grey picture that every model has to answer, BGR uint8 (256, 512, 3)."""
    return np.full((*TRIAL, 3), GREY, np.uint8)


def trial_query() -> Query:
    """Return the question of the trial: the grey picture, and a mask for what reads masks."""
    mask = Segmented(np.zeros(TRIAL, np.uint8), 0.0, 1.0)
    return Query((trial_picture(),), mask=mask)


# What every model is wrapped in ----------------------------------------------------------------


class _Checked:
    """A model, opened by its family; what it has beside its answers is reached through this."""

    def __init__(self, text: str, model: Any) -> None:
        """Wrap the model that the string `text` names."""
        self.text = text
        self.model = model

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the model itself."""
        if name == 'model':
            raise AttributeError(name)
        return getattr(self.model, name)

    def _ask(self, method: str, given: Any) -> Any:
        """Return what the model makes of it; FrameError with the cause for a failure."""
        try:
            return getattr(self.model, method)(given)
        except FrameError:
            raise
        except MisalignError as error:
            raise FrameError(error.what, error.remedy) from error
        except Exception as error:  # networks, their libraries and plug-ins raise every kind
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            plain = ' '.join([f'{type(error).__name__}:', *lines])[:300]
            cause, remedy = of_this_machine(error) or (plain, '')
            raise FrameError(f'model {self.text!r} failed: {cause}', remedy) from error


class CheckedVlm(_Checked):
    """A vision-language model each of whose answers is checked."""

    @property
    def kind(self) -> Kind:
        """Return whether it scores classes, answers in words or reads masks."""
        return Kind(self.model.kind)

    def describe(self, asked: Query | np.ndarray) -> Description:
        """
        Return what the model answers; a BGR uint8 (H, W, 3) picture alone is asked by default.

        Raises FrameError with the reason where it fails or gives what is no answer.
        """
        query = asked if isinstance(asked, Query) else Query((asked,))
        answer = self._ask('describe', query)
        fault = description_fault(answer)
        if fault:
            raise FrameError(f'model {self.text!r} gave an answer that is none: {fault}')
        if answer.empty:
            raise NothingSaid(f'model {self.text!r} gave an empty answer')
        return _described_within(answer)


class CheckedSegmentation(_Checked):
    """A segmentation model each of whose masks is checked."""

    def segment(self, bgr: np.ndarray) -> Segmented:
        """
        Return train ids and certainty of a BGR uint8 (H, W, 3) picture.

        Raises FrameError with the reason where the model fails or gives what is no mask.
        """
        found = self._ask('segment', bgr)
        fault = segmentation_fault(found, bgr.shape[:2])
        if fault:
            raise FrameError(f'model {self.text!r} gave a mask that is none: {fault}')
        return _segmented_within(found)


# At the start ----------------------------------------------------------------------------------


def try_out(checked: CheckedVlm | CheckedSegmentation) -> None:
    """
    Check the weights of a loaded model, and let it answer one grey picture.

    ModelError says why it cannot work. An empty answer passes: it is no answer to this picture,
    and there may be one to the next. Nothing of it is counted; for a large model it is a warm-up,
    too. The start-up probe of a lockstep run is another thing: it goes through every node at the
    size of the data, and shows that the graph stands, not that a model works.
    """
    unfilled: frozenset[str] = getattr(checked.model, 'unfilled', frozenset())
    modules = list(_networks(checked.model))
    # A model that computes from its weights as it is loaded has checked them itself.
    if not getattr(checked.model, 'checked', False):
        for module in modules:
            check_values(checked.text, module, unfilled)
    try:
        _trial(checked)
        if unfilled and _depends(checked, modules, unfilled):
            raise refuse_lacking(checked.text, unfilled)
    except FrameError as error:
        if unfilled:
            raise refuse_lacking(checked.text, unfilled) from error
        raise ModelError(
            f'{error.what} (trial on a grey picture of {TRIAL[1]} x {TRIAL[0]})',
            error.remedy or REMEDY,
        ) from error


def _trial(checked: CheckedVlm | CheckedSegmentation) -> Any:
    """Return what a model makes of the grey picture, without times; None for an empty answer."""
    try:
        if isinstance(checked, CheckedVlm):
            return replace(checked.describe(trial_query()), latency=0.0)
        found = checked.segment(trial_picture())
        return found.labels.tobytes(), found.entropy, found.confidence
    except NothingSaid:
        return None


def _depends(
    checked: CheckedVlm | CheckedSegmentation, modules: list[Any], unfilled: frozenset[str]
) -> bool:
    """
    Return whether an answer depends on weights that the files lack, which are NaN.

    The fused attention of torch turns NaN to 0, so that passing a trial with NaN proves nothing
    for what lies before it; the answers with two kinds of noise have to be the same. Where there
    is no answer nothing is known, and they are taken to matter.
    """
    answers = []
    for seed in (1, 2, None):
        for module in modules:
            refill(module, unfilled, seed)
        answers.append(_trial(checked))
    return any(answer is None or answer != answers[0] for answer in answers)


def _networks(model: Any) -> Iterator[Any]:
    """Yield the torch modules of a model, where torch is used at all."""
    torch = sys.modules.get('torch')
    if torch is None:
        return
    held = [model, *getattr(model, '__dict__', {}).values()]
    yield from (value for value in held if isinstance(value, torch.nn.Module))


# Each answer -----------------------------------------------------------------------------------


def description_fault(answer: Any) -> str:
    """Return why what a model gave cannot be a description; empty where it can be one."""
    if not isinstance(answer, Description):
        return f'a {type(answer).__name__}, not a Description'
    checks = (_scores_fault, _mentions_fault, _plain_fault, _text_fault)
    return next((fault for check in checks if (fault := check(answer))), '')


def _scores_fault(answer: Description) -> str:
    if not isinstance(answer.scores, Mapping):
        return f'scores are a {type(answer.scores).__name__}'
    for name, score in answer.scores.items():
        if name not in SCORED:
            return f'a score of {name!r}, which is no class'
        if not _is_share(score):
            return f'the score of {name} is {score!r}, not 0 to 1'
    if answer.judgement_score is not None and not _is_share(answer.judgement_score):
        return f'the score of the judgement is {answer.judgement_score!r}, not 0 to 1'
    return ''


def _mentions_fault(answer: Description) -> str:
    if not isinstance(answer.mentions, Mapping):
        return f'mentions are a {type(answer.mentions).__name__}'
    for name, state in answer.mentions.items():
        if name not in SCORED or not isinstance(state, Mention):
            return f'a mention {name!r}: {state!r}'
    if not isinstance(answer.further, Mapping):
        return f'further mentions are a {type(answer.further).__name__}'
    for name, state in answer.further.items():
        if not isinstance(name, str) or name in SCORED or not isinstance(state, Mention):
            return f'a further mention {name!r}: {state!r}'
    return ''


def _plain_fault(answer: Description) -> str:
    if not isinstance(answer.kind, Kind) or not isinstance(answer.judgement, Judgement):
        return f'kind {answer.kind!r}, judgement {answer.judgement!r}'
    if not _is_number(answer.latency) or answer.latency < 0:
        return f'the latency is {answer.latency!r}'
    view = answer.view
    if not isinstance(view, tuple) or len(view) != 4 or not all(map(_is_share, view)):
        return f'the view is {view!r}'
    if view[0] >= view[2] or view[1] >= view[3]:
        return f'the view {view!r} has no area'
    return ''


def _text_fault(answer: Description) -> str:
    if not isinstance(answer.text, str):
        return f'the text is a {type(answer.text).__name__}'
    if isinstance(answer.cut, bool) or not isinstance(answer.cut, int) or answer.cut < 0:
        return f'{answer.cut!r} characters were cut'
    if answer.style and answer.style not in STYLES:
        return f'the style is {answer.style!r}, none of {", ".join(STYLES)}'
    return ''


def segmentation_fault(found: Any, shape: tuple[int, ...]) -> str:
    """Return why what a model gave cannot be the mask of a picture of `shape` (H, W)."""
    if not isinstance(found, Segmented):
        return f'a {type(found).__name__}, not a Segmented'
    for name in ('entropy', 'confidence'):
        value = getattr(found, name)
        if not _is_share(value):
            return f'its {name} is {value!r}, not 0 to 1'
    fault = _entropies_fault(found.entropies)
    if fault:
        return fault
    if not set(found.lacking) < set(CLASSES):
        return f'it lacks {found.lacking!r}, not some of the classes'
    labels = found.labels
    if not isinstance(labels, np.ndarray) or labels.dtype != np.uint8:
        return f'labels are {getattr(labels, "dtype", type(labels).__name__)}, not uint8'
    if labels.shape != tuple(shape):
        return f'labels have shape {labels.shape}, the picture {tuple(shape)}'
    counts = np.bincount(labels.ravel(), minlength=256)
    counts[: len(CLASSES)] = counts[IGNORE] = 0
    strange = np.flatnonzero(counts)
    if len(strange):
        return f'labels hold {", ".join(map(str, strange[:5]))}, which are no train ids'
    return ''


def _entropies_fault(entropies: Any) -> str:
    if not isinstance(entropies, Mapping):
        return f'its entropies are a {type(entropies).__name__}'
    for name, value in entropies.items():
        if name not in CLASSES:
            return f'an entropy of {name!r}, which is no class'
        if not _is_share(value):
            return f'the entropy of {name} is {value!r}, not 0 to 1'
    return ''


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_share(value: Any) -> bool:
    return _is_number(value) and -_ROUNDING <= value <= 1 + _ROUNDING


def _described_within(answer: Description) -> Description:
    """Return an answer whose shares are 0 to 1 to the last digit, as messages have them."""
    scores = answer.scores
    if not all(0 <= value <= 1 for value in scores.values()):
        answer = replace(answer, scores={name: _within(value) for name, value in scores.items()})
    score = answer.judgement_score
    if score is not None and not 0 <= score <= 1:
        answer = replace(answer, judgement_score=_within(score))
    if any(not 0 <= side <= 1 for side in answer.view):
        left, top, right, bottom = map(_within, answer.view)
        answer = replace(answer, view=(left, top, right, bottom))
    return answer


def _segmented_within(found: Segmented) -> Segmented:
    told = (found.entropy, found.confidence, *found.entropies.values())
    if all(0 <= value <= 1 for value in told):
        return found
    entropies = {name: _within(value) for name, value in found.entropies.items()}
    return replace(
        found,
        entropy=_within(found.entropy),
        confidence=_within(found.confidence),
        entropies=entropies,
    )


def _within(value: float) -> float:
    return min(max(float(value), 0.0), 1.0)
