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

"""The report: one self-contained page; every text from models and data is escaped."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Template
from markupsafe import Markup

from vlm_misalign_ros.core.corruptions.conditions import BLANK
from vlm_misalign_ros.core.files import write_text
from vlm_misalign_ros.core.metrics.intervals import FEW_SCENES
from vlm_misalign_ros.core.metrics.rates import BESIDE, BY_NAME, COMPARED, HEADLINES
from vlm_misalign_ros.core.records.reference import MEANS, against, reference_of
from vlm_misalign_ros.core.records.schema import COUNTED, Record
from vlm_misalign_ros.core.report import curves, heat, pairs, strips
from vlm_misalign_ros.core.report.against_mask import RATES as OF_MASK
from vlm_misalign_ros.core.report.figures import LENGTHS, SHARES
from vlm_misalign_ros.core.report.found import Found, Line, critical_of
from vlm_misalign_ros.core.report.headline import headline
from vlm_misalign_ros.core.report.order import natural
from vlm_misalign_ros.core.report.past import PAIRED
from vlm_misalign_ros.core.report.provenance import (
    facts_of,
    measured_of,
    models_of,
    read_manifest,
    section,
)
from vlm_misalign_ros.core.report.reader import in_words
from vlm_misalign_ros.core.report.safety import always_the_same
from vlm_misalign_ros.core.report.self_consistency import FIGURES as OWN
from vlm_misalign_ros.core.report.sentences import Sentence
from vlm_misalign_ros.core.report.shown import (
    TWO_TRUTHS,
    both_truths,
    line_of,
    losses_of,
    occluded,
    place_of,
    plain,
    show_interval,
    show_seconds,
    show_value,
    times_of,
    title_of,
)
from vlm_misalign_ros.core.report.streamed import Streamed
from vlm_misalign_ros.core.report.summary import (
    ALL,
    SCENES,
    Row,
    few_scenes,
    further_lines,
    known_of,
    lost_kinds,
)
from vlm_misalign_ros.core.report.svg import swatch
from vlm_misalign_ros.core.report.templates import open_template
from vlm_misalign_ros.core.report.timelines import Times
from vlm_misalign_ros.core.report.timing import TimingRow, known
from vlm_misalign_ros.core.report.verdict import MEANING, Verdict
from vlm_misalign_ros.core.report.wording import named

REASONS = 20
"""Reasons why frames were not scored that are shown."""
_HERE = Path(__file__).parent


def write_report(
    folder: Path,
    records: Iterable[Record] | Streamed,
    rows: Sequence[Row],
    verdict: Verdict,
    analysis: Mapping[str, Any],
    time: Mapping[str, Any] | None = None,
    timing: Sequence[TimingRow] = (),
    disagreement: Mapping[str, Any] | None = None,
    times: Times | None = None,
) -> None:
    """
    Write report.html into a run folder; RecordError when the disk refuses.

    `records` may be what was seen of them. Without `time` (temporal_analysis) the page says
    nothing of that, without `times` (timelines) it draws no sequence.
    """
    seen = records if isinstance(records, Streamed) else Streamed.of(folder, records)
    manifest = read_manifest(folder)
    found = Found([Line.of(row) for row in rows], analysis, critical_of(manifest))
    page = _template().render(
        name=folder.resolve().name,
        verdict=verdict,
        meaning=MEANING,
        **_of_run(folder, manifest, seen, rows),
        **_of_rows(rows),
        **_pictures(found, times),
        models=analysis['models'],
        of_mask=OF_MASK,
        time=time,
        disagreement=disagreement,
        own=OWN,
        shares=SHARES,
        lengths=LENGTHS,
        compared_asks=[figure for figure in SHARES if figure.name in PAIRED],
        times=[times_of(row) for row in timing if row.condition == ALL] if known(timing) else [],
        few_scenes=FEW_SCENES,
        worst=seen.worst.shown(manifest),
    )
    write_text(folder / 'report.html', page)


@cache
def _template() -> Template:
    """Return the page's template; nothing in it stands for text that is not escaped."""
    script = (_HERE / 'sections' / 'script.js').read_text(encoding='utf-8')
    # Only the script with this hash runs, whatever a text may have smuggled in.
    digest = hashlib.sha256(script.encode()).digest()
    return open_template(
        'page.html.jinja',
        {
            'interval': show_interval,
            'value': show_value,
            'reader': in_words,
            'seconds': show_seconds,
            'named': named,
            'plain': plain,
            'place': place_of,
            'ordered': _ordered,
            'swatch': swatch,
        },
        style=Markup((_HERE / 'sections' / 'style.css').read_text(encoding='utf-8')),
        script=Markup(script),
        script_hash=b64encode(digest).decode(),
    )


def _ordered(entries: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return (condition, entry) in the order in which people expect them."""
    return sorted(entries.items(), key=lambda entry: natural(entry[0]))


def _of_run(
    folder: Path, manifest: Mapping[str, Any], seen: Streamed, rows: Sequence[Row]
) -> dict[str, Any]:
    """Return what the run is, what was lost of it, and what decided it."""
    reference = reference_of(dict(manifest))
    return {
        'manifest': manifest,
        'data': section(manifest, 'dataset').get('root'),
        'measured': measured_of(manifest),
        'against': f', {against(reference)}' if reference else '',
        'means': MEANS,
        'frames': seen.frames,
        'late': seen.late,
        'doubled': seen.doubled,
        'losses': losses_of(rows, seen),
        'counted': COUNTED,
        'reasons': seen.reasons.most_common(REASONS),
        'provenance': models_of(manifest),
        'facts': facts_of(manifest, folder),
    }


def _of_rows(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the tables of rates."""
    lost, classes = lost_kinds(rows), known_of(rows)
    return {
        'headlines': HEADLINES,
        'beside': BESIDE,
        'compared': COMPARED,
        'rates': BY_NAME,
        'table': [line_of(row, lost, classes) for row in rows],
        'lost': [status.value for status in lost],
        'safety_scenes': SCENES,
        'further': further_lines(rows),
        'alike': always_the_same([row for row in rows if row.corruption != BLANK], ALL),
        'occluded': [both_truths(row, classes) for row in rows if occluded(row)],
        'two_truths': TWO_TRUTHS,
        'few': few_scenes(rows),
        'known': classes.told,
        'miou': title_of(classes),
        'tiles': _tiles(rows),
    }


def _tiles(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Return how much there is of everything."""
    totals = [row for row in rows if row.condition == ALL]
    if not totals:
        return []
    conditions = {row.condition for row in rows if row.corruption not in (ALL, BLANK)}
    most = [
        ('models', len(totals)),
        ('conditions', len(conditions)),
        ('frames', max(row.frames for row in totals)),
        ('scenes', max(row.scenes or 0 for row in totals)),
        (SCENES[0], max(row.hazard_scenes or 0 for row in totals)),
        (SCENES[1], max(row.clear_scenes or 0 for row in totals)),
    ]
    return [(what, f'{number:,}') for what, number in most]


def _pictures(found: Found, times: Times | None) -> dict[str, Any]:
    """Return the headline and everything that is drawn."""
    return {
        'headline': _said(headline(found)),
        'heat_maps': heat.heat_maps(found) if found.totals else [],
        'curves': curves.curves(found),
        'no_curves': curves.left_out(found),
        'names': [line.model for line in found.totals],
        'scatters': pairs.against_miou(found),
        'corruptions': pairs.corruptions_of(found),
        'safety': pairs.safety(found),
        'forests': pairs.against_mask(found),
        'classes': heat.class_maps(found),
        'class_lines': heat.class_lines(found),
        'strips': strips.strips(times),
        'strip_key': strips.KEY,
    }


def _said(sentences: Sequence[Sentence]) -> list[dict[str, Any]]:
    """Return the sentences, those under a condition nested below it, with what they begin with."""
    shown, below = [], False
    for sentence in sentences:
        below = sentence.topic == 'segmentation' or (below and sentence.topic == 'rates')
        lead, colon, text = sentence.text.partition(': ')
        if not colon or len(lead) > 60 or sentence.topic in ('segmentation', 'scope'):
            lead, text = '', sentence.text
        shown.append(
            {
                'topic': sentence.topic,
                'shown': sentence.shown,
                'nested': below,
                'lead': f'{lead}{colon}' if lead else '',
                'text': text.replace(' %', '\u00a0%'),
            }
        )
    return shown
