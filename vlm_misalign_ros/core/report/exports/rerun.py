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

"""A run as Rerun shows it: pictures, masks, truth, texts and rates on a timeline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isnan
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.evaluation.seen import Seen
from vlm_misalign_ros.core.labels.classes import BY_NAME, CLASSES, IGNORE, to_train_ids
from vlm_misalign_ros.core.metrics.rates import BY_NAME as RATES
from vlm_misalign_ros.core.records.schema import ModelEntry
from vlm_misalign_ros.core.report.annotating import OMITTED, lines_of, outlines_of, texts_of
from vlm_misalign_ros.core.report.audit.showing import safe
from vlm_misalign_ros.core.report.exports.tracked import PROJECT, package
from vlm_misalign_ros.core.report.exports.writing import Exported
from vlm_misalign_ros.core.report.rolling import Rolling
from vlm_misalign_ros.core.stamps import NANO, parse_stamp

FRAME, STAMP = 'frame', 'stamp'
"""Timelines: the number of the picture, and its stamp."""
_CAMERA, _TRUTH = 'camera', 'truth'
_SHOWN = 6
"""Models whose words have a view of their own from the start."""


def write_rerun(path: Path, frames: Iterable[Seen], name: str) -> Exported:
    """
    Write frames as a recording of Rerun, with the layout that shows them.

    ConfigurationError where rerun-sdk is not installed, RecordError where the disk refuses.
    """
    rerun = package('rerun', 'rerun')
    blueprint = package('rerun.blueprint', 'rerun')
    found = Exported()
    stream = rerun.RecordingStream(PROJECT, recording_id=f'{name}-{path.name}')
    try:
        stream.save(path)
    except Exception as error:  # of the library
        raise RecordError(f'{path} cannot be written: {error}', 'choose another place') from error
    shown = _Shown(rerun, stream, found)
    stream.send_recording_name(safe(name)[:200])
    for number, seen in enumerate(frames):
        shown.add(number, seen)
    stream.send_blueprint(shown.layout(blueprint))
    stream.flush()
    stream.disconnect()
    return found


class _Shown:
    """Logs frames into a recording."""

    def __init__(self, rerun: Any, stream: Any, found: Exported) -> None:
        self._rerun, self._stream, self._found = rerun, stream, found
        self._rolling = Rolling()
        self._models: dict[str, None] = {}
        classes = [(number, name, BY_NAME[name].color) for number, name in enumerate(CLASSES)]
        # Whatever is not evaluated hides nothing.
        void = (IGNORE, 'not evaluated', (0, 0, 0, 0))
        stream.log('/', rerun.AnnotationContext([*classes, void]), static=True)

    def _log(self, place: Sequence[str], entity: Any) -> None:
        self._stream.log(self._rerun.new_entity_path(list(place)), entity)
        self._found.counts[place[0]] += 1

    def add(self, number: int, seen: Seen) -> None:
        record, rerun = seen.record, self._rerun
        stamp = parse_stamp(record.stamp) / NANO
        self._stream.set_time(FRAME, sequence=number)
        self._stream.set_time(STAMP, duration=stamp)
        self._log((_CAMERA, 'picture'), self._picture(seen.picture))
        # What a frame lacks is cleared: else that of the frame before would stay.
        none = rerun.Clear(recursive=False)
        clean = none if seen.clean is None else self._picture(seen.clean)
        self._log((_CAMERA, 'clean'), clean)
        truth = None if seen.labels is None else to_train_ids(seen.labels)
        for name, ids in (('truth', truth), ('mask', seen.mask)):
            # Over the picture, so that each can be hidden.
            image = none if ids is None else rerun.SegmentationImage(ids, opacity=0.4)
            self._log((_CAMERA, 'picture', name), image)
        height, width = seen.picture.shape[:2]
        outlines = outlines_of(record, (), truth, seen.mask)
        self._log(
            (_CAMERA, 'picture', 'wrong'),
            rerun.LineStrips2D(
                [
                    np.append(line.points, line.points[:1], axis=0) * (width, height)
                    for line in outlines
                ],
                colors=[line.color for line in outlines],
                labels=[
                    f'{"left out" if line.color == OMITTED else "made up"}: {line.name}'
                    for line in outlines
                ],
            ),
        )
        told = [text for text, _ in texts_of(lines_of(record))]
        head = f'{record.key}, {record.condition.name}'
        self._log((_TRUTH,), self._text('\n'.join([head, *told])))
        for name in self._models.keys() - record.models.keys():
            self._log(('models', name), none)
        for name, entry in record.models.items():
            self._models[name] = None
            self._log(('models', name), self._text(_words(entry)))
        self._rates(seen)
        self._found.pictures += 1

    def _picture(self, bgr: np.ndarray) -> Any:
        _, data = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, 90])
        return self._rerun.EncodedImage(contents=data.tobytes(), media_type='image/jpeg')

    def _text(self, text: str) -> Any:
        # Plain, whatever a model says: Rerun would show Markdown, with its links and pictures.
        return self._rerun.TextDocument(safe(text), media_type='text/plain')

    def _rates(self, seen: Seen) -> None:
        self._rolling.add(seen.record)
        for (name, degraded), values in self._rolling.values().items():
            for rate, value in values.items():
                if not isnan(value):
                    kind = 'degraded' if degraded else 'clean'
                    self._log(('rates', rate, name, kind), self._rerun.Scalars(value))
        iou = seen.record.segmentation.frame_iou
        if iou is not None:
            self._log(('rates', 'frame_iou', 'segmentation'), self._rerun.Scalars(iou))

    def layout(self, blueprint: Any) -> Any:
        """Return where everything stands: pictures, words, curves."""
        words = [
            blueprint.TextDocumentView(
                origin=self._rerun.new_entity_path(['models', name]), name=safe(name)
            )
            for name in list(self._models)[:_SHOWN]
        ]
        curves = [
            blueprint.TimeSeriesView(
                origin=self._rerun.new_entity_path(['rates', name]), name=title
            )
            for name, title in (
                ('hallucination_rate', RATES['hallucination_rate'].title),
                ('critical_omission_rate', RATES['critical_omission_rate'].title),
                ('smr_false_safe', RATES['smr_false_safe'].title),
                ('smr_false_alarm', RATES['smr_false_alarm'].title),
            )
        ]
        pictures = [
            blueprint.Spatial2DView(origin=f'/{_CAMERA}/{name}', name=name)
            for name in ('picture', 'clean')
        ]
        truth = blueprint.TextDocumentView(origin=f'/{_TRUTH}', name='truth and answers')
        return blueprint.Blueprint(
            blueprint.Vertical(
                blueprint.Horizontal(*pictures),
                blueprint.Horizontal(truth, *words),
                blueprint.Horizontal(*curves),
                row_shares=[5, 3, 2],
            ),
            collapse_panels=True,
        )


def _words(entry: ModelEntry) -> str:
    answer = entry.answer
    if answer is None:
        return entry.status.value
    score = entry.score
    wrong = (
        []
        if score is None
        else [f'made up: {name}' for name in score.hallucinated]
        + [f'left out: {name}' for name in score.omitted]
    )
    return '\n'.join([f'{answer.judgement.value}, {entry.status.value}', *wrong, '', answer.text])
