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
What is laid beside Cityscapes: coarse labels, and pictures with fog or rain rendered into them.

Sources of the names: cityscapesScripts' README (gtCoarse); Sakaridis et al., Semantic Foggy Scene
Understanding with Synthetic Data, IJCV 2018, with the README of Foggy Cityscapes
(leftImg8bit_foggy, beta); Hu et al., Depth-Attentional Features for Single-Image Rain Removal,
CVPR 2019, with the names of RainCityscapes (leftImg8bit_rain, alpha, beta, dropsize, pattern).
Their labels are those of Cityscapes, and so is the key of a frame: a run over the fog is compared
with one over the clean pictures frame by frame.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlm_misalign_ros.core.about import About
from vlm_misalign_ros.core.datasets.cityscapes import CityscapesDataset
from vlm_misalign_ros.core.datasets.cityscapes_index import Kind, Variant
from vlm_misalign_ros.core.datasets.folders import folders, listed, shown, split_variant
from vlm_misalign_ros.core.datasets.pictures import PICTURES
from vlm_misalign_ros.core.errors import DatasetError
from vlm_misalign_ros.core.labels.classes import CLASSES

COARSE = About(merged=(('unlabeled', CLASSES),))
"""Coarse polygons leave gaps, in which anything may be: no class is known to be absent."""
_RENDERED = {'foggy_cityscapes': ('foggy', 'fog'), 'rainy_cityscapes': ('rain', 'rain')}
"""By layout, how the folder of its pictures goes on behind leftImg8bit_, and the weather."""
_RENDERING = 'rendering'


def open_coarse(
    root: Path, split: str, cities: Sequence[str], limit: int, sequences: bool
) -> CityscapesDataset:
    """Open Cityscapes with its coarse labels, gtCoarse; errors as CityscapesDataset.open."""
    kind = Kind('cityscapes_coarse', truth='gtCoarse')
    return CityscapesDataset.open(root, split, cities, limit, sequences, kind, COARSE)


def open_foggy(
    root: Path, split: str, cities: Sequence[str], limit: int, sequences: bool
) -> CityscapesDataset:
    """
    Open Foggy Cityscapes, the pictures of one density of fog: `FOLDER#beta_0.02`.

    Errors as CityscapesDataset.open, and for a folder with several of which none was chosen.
    """
    return _open('foggy_cityscapes', root, split, cities, limit, sequences)


def open_rainy(
    root: Path, split: str, cities: Sequence[str], limit: int, sequences: bool
) -> CityscapesDataset:
    """
    Open RainCityscapes, the pictures of one rain: `FOLDER#alpha_0.02_pattern_1`.

    Errors as open_foggy.
    """
    return _open('rainy_cityscapes', root, split, cities, limit, sequences)


def _open(
    layout: str, root: Path, split: str, cities: Sequence[str], limit: int, sequences: bool
) -> CityscapesDataset:
    if sequences:
        raise DatasetError(f'the layout {layout} has no sequences', 'set sequences to false')
    folder, text = split_variant(Path(root).expanduser())
    begin, weather = _RENDERED[layout]
    chosen = _parsed(text)
    pictures = _pictures(folder, layout, begin, chosen)
    _refuse_several(folder, layout, pictures, chosen)
    kind = Kind(layout, pictures, variant=_Chosen(chosen), recorded=(('weather', weather),))
    return CityscapesDataset.open(folder, split, cities, limit, False, kind)


@dataclass(frozen=True)
class _Chosen:
    """Reads the variant of a picture, and leaves out those that were not chosen."""

    chosen: Mapping[str, str]

    def __call__(self, text: str) -> Variant | None:
        found = _parsed(text.lstrip('_'))
        return tuple(found.items()) if text and _fits(found, self.chosen) else None


def _pictures(folder: Path, layout: str, begin: str, chosen: Mapping[str, str]) -> str:
    """Return the name of the folder of the pictures; there may be two renderings of fog."""
    there = [path.name for path in folders(folder)] if folder.is_dir() else []
    found = [name for name in there if name.startswith(f'leftImg8bit_{begin}')]
    asked = chosen.get(_RENDERING)
    if asked and f'leftImg8bit_{asked}' in found:
        return f'leftImg8bit_{asked}'
    # Of the two renderings the one without more to its name is the data set as it came first.
    return min(found, key=len, default=f'leftImg8bit_{begin}')


def _refuse_several(folder: Path, layout: str, pictures: str, chosen: Mapping[str, str]) -> None:
    """Raise DatasetError where the pictures of the first frame leave a choice, or none."""
    first = _first_city(folder / pictures)
    by_frame: dict[str, list[dict[str, str]]] = defaultdict(list)
    for path in first:
        stem, left, rest = path.name.partition('_leftImg8bit_')
        if left and path.suffix.lower() in PICTURES:
            by_frame[stem].append(_parsed(rest[: -len(path.suffix)]))
    if not by_frame:
        return
    there = [_written(found) for found in next(iter(by_frame.values()))]
    if not any(_fits(found, chosen) for found in next(iter(by_frame.values()))):
        raise DatasetError(
            f'{folder / pictures} has no pictures {_written(chosen)!r}',
            f'there is {shown(there)}, as in {layout}:{folder}#{there[0]}',
        )
    for stem, variants in by_frame.items():
        found = [_written(entry) for entry in variants if _fits(entry, chosen)]
        if len(found) > 1:
            raise DatasetError(
                f'{folder / pictures} has {len(found)} pictures of the frame {stem}: '
                f'{shown(found)}',
                f'a run is over one of them: choose it as {layout}:{folder}#{found[0]}, and '
                'sweep over several',
            )


def _first_city(pictures: Path) -> list[Path]:
    """Return the files of the first city that has any."""
    for split in folders(pictures) if pictures.is_dir() else ():
        for city in folders(split):
            if found := listed(city):
                return found
    return []


def _parsed(text: str) -> dict[str, str]:
    """Return what a variant such as `foggy_beta_0.02` says; its first word is the rendering."""
    words, found = [word for word in text.split('_') if word], {}
    while words:
        word = words.pop(0)
        if words and _number(words[0]) is not None:
            found[word] = words.pop(0)
        elif _RENDERING not in found:
            found[_RENDERING] = word
    return found


def _written(found: Mapping[str, str]) -> str:
    """Return a variant as it is chosen, without the rendering, which the folder tells."""
    return '_'.join(f'{name}_{value}' for name, value in found.items() if name != _RENDERING)


def _fits(found: Mapping[str, str], chosen: Mapping[str, str]) -> bool:
    """Return whether a picture is one that was chosen: numbers are compared as numbers."""
    return all(name in found and _same(found[name], value) for name, value in chosen.items())


def _same(one: str, other: str) -> bool:
    first, second = _number(one), _number(other)
    return one == other if first is None or second is None else first == second


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
