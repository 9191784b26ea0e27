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

"""What label maps hold under every encoding that they may have: what the verb `labels` tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.labels.classes import BY_ID
from vlm_misalign_ros.core.labels.encodings import Encoding, name_of
from vlm_misalign_ros.core.labels.fitting import candidates, fit, show_values
from vlm_misalign_ros.core.labels.forms import MOST_VALUES, Outside
from vlm_misalign_ros.core.labels.maps import read_pixels
from vlm_misalign_ros.core.labels.shares import Limits, histogram, nothing_said, show_share


@dataclass
class Reading:
    """Some maps under one encoding."""

    encoding: str
    maps: int = 0
    fitted: int = 0
    """Maps that it fits."""
    scorable: int = 0
    """Maps of which it leaves enough that says something."""
    pixels: int = 0
    by_label: Counter[int] = field(default_factory=Counter)
    """Pixels by label id."""
    outside: Counter[str] = field(default_factory=Counter)
    """Pixels by value outside its table; '' for further ones."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Why it does not fit a map; the first reason of each map."""
    unlabelled: list[float] = field(default_factory=list)
    """Share of each map's scene that says nothing."""

    @property
    def fits(self) -> bool:
        """Return whether it fits any map, and more than half of them."""
        return self.fitted * 2 > self.maps

    def to_plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            'encoding': self.encoding,
            'fits': self.fits,
            'maps': self.maps,
            'fitted': self.fitted,
            'scorable': self.scorable,
            'unlabelled': float(np.median(self.unlabelled)) if self.unlabelled else None,
            'classes': {
                BY_ID[label].name: count / self.pixels
                for label, count in self.by_label.most_common()
            },
            'outside': {value or 'others': count for value, count in self.outside.most_common()},
            'reasons': [reason for reason, _ in self.reasons.most_common(3)],
        }


@dataclass(frozen=True)
class Inspection:
    """Some maps under every encoding."""

    readings: tuple[Reading, ...]
    raw: tuple[Outside, int]
    """What the maps hold as they came: pixels by value, and all pixels."""

    @property
    def fitting(self) -> tuple[str, ...]:
        """Return the encodings that fit, those of more maps first."""
        found = [reading for reading in self.readings if reading.fits]
        most = max((reading.fitted for reading in found), default=0)
        return tuple(reading.encoding for reading in found if reading.fitted == most)

    def of(self, encoding: str) -> Reading:
        """Return the reading under an encoding."""
        return next(reading for reading in self.readings if reading.encoding == encoding)


def inspect(
    maps: Iterable[np.ndarray],
    more: Sequence[Encoding] = (),
    limits: Limits = Limits(),  # noqa: B008  (frozen)
) -> Inspection:
    """
    Read maps under the package's encodings and `more`.

    Each map is (H, W) of one channel or RGB (H, W, 3). RecordError when there is none.
    """
    encodings = [*candidates(), *more]
    readings = [Reading(name_of(encoding)) for encoding in encodings]
    raw: Counter[str] = Counter()
    size = 0
    for pixels in maps:
        size += pixels.shape[0] * pixels.shape[1]
        raw.update(_raw(pixels))
        for encoding, reading in zip(encodings, readings, strict=True):
            _add(reading, encoding, pixels, limits)
    if not size:
        raise RecordError('there is no label map to look at')
    values = dict(raw.most_common(MOST_VALUES))
    return Inspection(tuple(readings), (Outside(values, size - sum(values.values())), size))


def _raw(pixels: np.ndarray) -> dict[str, int]:
    """Return pixels by value or colour."""
    if pixels.ndim == 3:
        wide = pixels.astype(np.uint32)
        pixels = wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
    values, counts = np.unique(pixels, return_counts=True)
    name = '#{:06x}' if pixels.dtype == np.uint32 else '{}'
    found = (int(count) for count in counts)
    return dict(zip((name.format(value) for value in values.tolist()), found, strict=True))


def _add(reading: Reading, encoding: Encoding, pixels: np.ndarray, limits: Limits) -> None:
    reading.maps += 1
    found = fit(encoding, pixels, limits)
    reading.fitted += found.fits
    reading.reasons.update(found.reasons[:1])
    try:
        labels, outside = read_pixels(encoding, pixels)
    except RecordError:
        return
    counts = histogram(labels)
    reading.pixels += labels.size
    reading.by_label.update({int(label): int(counts[label]) for label in np.flatnonzero(counts)})
    reading.outside.update(outside.values)
    if outside.others:
        reading.outside[''] += outside.others
    # Whatever 0 means there: a buffer that nobody filled is no scene.
    share = nothing_said(labels).share if pixels.any() else 1.0
    reading.unlabelled.append(share)
    reading.scorable += share <= limits.of(bool(getattr(encoding, 'tells_hood', False)))


def describe(inspection: Inspection) -> list[str]:
    """Return an inspection in lines of text."""
    lines = []
    width = max(len(reading.encoding) for reading in inspection.readings)
    for reading in inspection.readings:
        told = f'fits {reading.fitted} of {reading.maps}'
        if reading.reasons:
            told += f'; {reading.reasons.most_common(1)[0][0]}'
        lines.append(f'{reading.encoding:<{width}}  {told}')
    for name in inspection.fitting:
        lines += ['', *_content(inspection.of(name))]
    if not inspection.fitting:
        lines += ['', f'as they came: {show_values(*inspection.raw)}']
    return [*lines, '', _verdict(inspection)]


def _content(reading: Reading) -> list[str]:
    shares = [
        f'{BY_ID[label].name} {show_share(count / reading.pixels)}'
        for label, count in reading.by_label.most_common()
    ]
    lines = [f'as {reading.encoding}: {", ".join(shares)}']
    if reading.outside:
        values = dict(reading.outside.most_common(MOST_VALUES))
        others = reading.outside.total() - sum(values.values()) + values.pop('', 0)
        lines.append(
            '  outside its table: ' + show_values(Outside(values, others), reading.pixels)
        )
    lines.append(
        f'  {show_share(float(np.median(reading.unlabelled)))} of the scene say nothing (median); '
        f'{reading.scorable} of {reading.maps} maps can be scored'
    )
    return lines


def _verdict(inspection: Inspection) -> str:
    found = inspection.fitting
    if len(found) == 1:
        return f'monitor.label_encoding={found[0]}'
    if found:
        return (
            f'{" and ".join(found)} fit: nothing here tells them apart; look at more maps, or set '
            'monitor.label_encoding to the one that you know it is'
        )
    return (
        'no encoding fits, and none of it can be scored: these are no label maps of a road scene, '
        'were saved with loss or blended when resized, or have a table of their own (a YAML file: '
        'docs/extending.md)'
    )
