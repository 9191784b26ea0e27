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

"""From the records of a run to its tables, verdict and report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vlm_misalign_ros.core.errors import RecordError
from vlm_misalign_ros.core.files import write_json
from vlm_misalign_ros.core.records.ending import changed, planned_frames, read_ending, told_ending
from vlm_misalign_ros.core.records.reference import against, reference_of
from vlm_misalign_ros.core.records.schema import FrameRecord, Status
from vlm_misalign_ros.core.records.store import RECORDS, RecordFile
from vlm_misalign_ros.core.report.analysis import analyse_records, write_analysis
from vlm_misalign_ros.core.report.asked import Asked
from vlm_misalign_ros.core.report.baseline import Baselines
from vlm_misalign_ros.core.report.evidence import Evidence
from vlm_misalign_ros.core.report.flat import FLAT, write_flat
from vlm_misalign_ros.core.report.found import critical_of
from vlm_misalign_ros.core.report.judging import limit_checks, tally_for
from vlm_misalign_ros.core.report.junit import write_junit
from vlm_misalign_ros.core.report.labels_evidence import LabelsEvidence
from vlm_misalign_ros.core.report.page import write_report
from vlm_misalign_ros.core.report.provenance import read_manifest, section
from vlm_misalign_ros.core.report.reader import reader_of
from vlm_misalign_ros.core.report.rules import Rules, rules_of
from vlm_misalign_ros.core.report.self_consistency import (
    SelfConsistency,
    self_checks,
    write_self_consistency,
)
from vlm_misalign_ros.core.report.sheets import write_csv
from vlm_misalign_ros.core.report.streamed import Streamed
from vlm_misalign_ros.core.report.summary import Summary, to_frame
from vlm_misalign_ros.core.report.tally import Tally
from vlm_misalign_ros.core.report.temporal import analyse_times, write_temporal
from vlm_misalign_ros.core.report.tidy import RATES, Masks, rates_table
from vlm_misalign_ros.core.report.timelines import Gathering
from vlm_misalign_ros.core.report.timing import Timings, to_table
from vlm_misalign_ros.core.report.verdict import (
    Check,
    Verdict,
    coverage_checks,
    ending_checks,
    judge,
    sealed_checks,
)


def finalise(folder: Path, rules: Rules | None = None) -> Verdict:
    """
    Write tables, analysis.json, temporal.json, verdict.json, junit.xml and report.html of a run.

    Everything is made from records.jsonl, manifest.json, ending.json and, where somebody has
    labelled answers of the run, reader_audit.json, so it works again on
    what a killed run has left. `rules` are those of the manifest where none are given. Raises
    RecordError, and ConfigurationError for rules that will not do.
    """
    manifest = read_manifest(folder)
    if rules is None:
        rules = rules_of(manifest) if manifest else Rules()
    # A long run does not fit into memory: what does not gather reads the file for itself.
    records = RecordFile(folder / RECORDS)
    tally = tally_for(rules.limits) if rules.limits else None
    summary, evidence, labels, timings = Summary(), Evidence(), LabelsEvidence(), Timings()
    over_time, agreed, ious, seen = Gathering(), SelfConsistency(), Masks(), Streamed(folder)
    frames = segmented = 0
    for record in records:
        for gathering in (summary, evidence, labels, timings, over_time, agreed, ious, seen):
            gathering.add(record)
        if isinstance(record, FrameRecord):
            frames += record.pictures
            segmented += record.segmentation.status is Status.SCORED
            if tally is not None:
                tally.add(record)
    rows, times, asked_as = summary.rows(), timings.rows(), Asked(manifest)
    asked = segmented > 0 or _segments(manifest)
    ending = read_ending(folder)
    limited, supposed = _limited(folder, manifest, tally, rules)
    # What is limited is a rate against ground truth: without any it is never kept.
    if rules.truth or rules.limits:
        masks = segmented if asked else None
        covered = coverage_checks(rows, frames, masks, rules.minimum_coverage)
    else:
        covered = self_checks(agreed, rules.minimum_coverage, frames, asked)
    checks = [
        *ending_checks(frames, ending, planned_frames(manifest)),
        *sealed_checks(changed(folder, ending)),
        *covered,
        *labels.checks(rules.minimum_coverage),
        *evidence.checks(),
        *limited,
    ]
    lexicon = section(manifest, 'language').get('lexicon_sha256', '')
    reader, audited = reader_of(folder, lexicon)
    notes = [
        *(ending.notes if ending else _told(folder)),
        *evidence.notes(reference_of(manifest)),
        *labels.notes(),
        *supposed,
        *audited,
    ]
    verdict = judge(checks, notes, limited=bool(rules.limits))
    write_json(folder / 'verdict.json', {**verdict.to_plain(), 'rules': rules.to_plain()})
    write_junit(folder / 'junit.xml', folder.resolve().name, verdict)
    gathered = over_time.times()
    time = analyse_times(gathered, section(manifest, 'models'))
    time.update(_against(manifest))
    disagreement = agreed.analysis()
    try:
        write_temporal(folder, time)
        write_self_consistency(folder, disagreement)
        write_csv(folder / 'summary.csv', to_frame(rows).assign(**_against(manifest)))
        write_csv(folder / 'timing.csv', to_table(times))
        tidy = rates_table(rows, ious.rows(), asked_as)
        write_csv(folder / RATES, tidy.assign(**_against(manifest)))
        write_flat(folder / FLAT, records, asked_as, summary.late)
    except OSError as error:
        raise RecordError(
            f'the tables in {folder} cannot be written: {error.strerror}',
            'free space, then write them with: vlm-misalign report FOLDER',
        ) from error
    analysis = {
        **_against(manifest),
        **analyse_records(records, reader, critical_of(manifest)),
        'segmentation': ious.analysis(),
    }
    write_analysis(folder, analysis)
    write_report(folder, seen, rows, verdict, analysis, time, times, disagreement, gathered)
    return verdict


def _limited(
    folder: Path, manifest: dict[str, Any], tally: Tally | None, rules: Rules
) -> tuple[list[Check], list[str]]:
    """Return the checks of the limits, and what they suppose that nothing told."""
    if tally is None:
        return [], []
    checks = list(limit_checks(tally, rules, Baselines(folder, manifest, tally)))
    if not tally.alone:
        return checks, []
    return checks, [
        f'{tally.alone} scenes are single frames, since the data set tells of no drive or time: '
        'frames of one drive would be less evidence than the limits take them for'
    ]


def _against(manifest: dict[str, Any]) -> dict[str, str]:
    """Return what the figures of a run are against, where that is a reference."""
    reference = reference_of(manifest)
    return {'against': against(reference)} if reference else {}


def _told(folder: Path) -> list[str]:
    """Return what a run that was killed had been told of its end."""
    failure, notes = told_ending(folder)
    return [*notes, *([] if failure is None else [failure])]


def _segments(manifest: dict[str, Any]) -> bool:
    """Return whether the manifest says that a segmentation model was asked for."""
    return section(manifest, 'configuration').get('segmentation') not in (None, False)
