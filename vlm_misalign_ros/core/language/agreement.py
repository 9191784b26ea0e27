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

"""How far two people who labelled the same texts agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from math import nan
from typing import Any

from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.language.labelled import Labelled


def kappa(first: Sequence[Hashable], second: Sequence[Hashable]) -> float:
    """
    Return Cohen's kappa (1960) of two labellers' labels of the same N things.

    (observed - expected) / (1 - expected), what is expected being the agreement of two labellers
    who give each label as often and know nothing of the things. NaN where both gave one label
    throughout, and for no things. ValueError for lists of different lengths.
    """
    if len(first) != len(second):
        raise ValueError(f'{len(first)} labels and {len(second)} are not of the same things')
    count = len(first)
    often, other = Counter(first), Counter(second)
    expected = sum(often[label] * other[label] for label in often)
    if not count or expected == count**2:
        return nan
    observed = sum(one == two for one, two in zip(first, second, strict=True))
    return (observed * count - expected) / (count**2 - expected)


def agreement(texts: Iterable[Labelled], other: str = 'second') -> dict[str, Any]:
    """
    Return how far the labels agree with those of another labeller, as plain data.

    Of the texts that have both: raw share and kappa of whether a class is asserted (each of the
    20 classes of each text), of the same by class, of the judgement and of the visibility. A
    kappa of nothing is null. Empty without such texts.
    """
    pairs = [(text.labels, text.others[other]) for text in texts if other in text.others]
    if not pairs:
        return {}
    by_class = {
        name: [(name in one.asserted, name in two.asserted) for one, two in pairs]
        for name in SCORED
    }
    return {
        'texts': len(pairs),
        'asserted': _told([pair for found in by_class.values() for pair in found]),
        'judgement': _told([(one.judgement, two.judgement) for one, two in pairs]),
        'visibility': _told([(one.visibility, two.visibility) for one, two in pairs]),
        'classes': {name: _told(found) for name, found in by_class.items()},
    }


def _told(pairs: Sequence[tuple[Hashable, Hashable]]) -> dict[str, float | None]:
    first, second = zip(*pairs, strict=True)
    same = sum(one == two for one, two in pairs) / len(pairs)
    found = kappa(first, second)
    return {'raw': round(same, 4), 'kappa': None if found != found else round(found, 4)}
