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
What the analysis of a run costs, in seconds and in memory, by number of records.

Records are made by formula: scenes x conditions, two models, a mask of 60 cells, all scored. Each
size is analysed in a process of its own; with `--against FOLDER`, a checkout of an earlier
version, it analyses the same records in turn with this one, and the median of the ratios is told.

    python benchmarks/analysis.py --against ../earlier
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONDITIONS = ('clean', *(f'{name}:{k}' for name in ('low_light', 'motion_blur', 'occlusion')
                         for k in range(1, 6)), 'blank')  # fmt: skip
MODELS = ('contrastive', 'generative')
SIZES = (88, 5280, 36_000)


def records(count: int):  # type: ignore[no-untyped-def]
    """Yield records by formula, a condition after the other as a run has them."""
    import numpy as np

    from vlm_misalign_ros.core.labels.classes import SCORED
    from vlm_misalign_ros.core.metrics.counts import Counts
    from vlm_misalign_ros.core.records import schema as s
    from vlm_misalign_ros.core.types import Hazard, Judgement, Kind, Mention, Presence

    conditions = CONDITIONS[: 8 if count < 1000 else 16]
    scenes = count // len(conditions)
    rng = np.random.default_rng(1)
    states = (Presence.ABSENT, Presence.TOLERATED, Presence.REQUIRED)
    hard = rng.random(scenes)
    number = 0
    for level, name in enumerate(conditions):
        corruption, _, severity = name.partition(':')
        for scene in range(scenes):
            presence = {c: states[(scene + k) % 3] for k, c in enumerate(SCORED)}
            hazard = (Hazard.HAZARD, Hazard.CLEAR, Hazard.INDETERMINATE)[scene % 3]
            found = 900 - 40 * level - int(100 * hard[scene])
            cells = [(k, k, found + 10 * k) for k in range(19)]
            cells += [(k, (k + j) % 19, 10 + level + k) for k in range(19) for j in (1, 3)]
            models = {}
            for model in MODELS:
                wrong = rng.random(4) < 0.1 + 0.02 * level + 0.2 * hard[scene]
                safe = float(rng.random())
                judgement = Judgement.SAFE if safe > 0.5 else Judgement.UNSAFE
                counts = Counts(
                    frames=1, assertions=4, hallucinated=int(wrong.sum()),
                    hallucinating_frames=int(wrong.any()), absent=7, required=3,
                    required_visible=3, omitted=int(wrong[:3].sum()),
                    omitted_visible=int(wrong[:2].sum()),
                    false_safe=int(hazard is Hazard.HAZARD and safe > 0.5),
                    hazards_judged=int(hazard is Hazard.HAZARD),
                    false_alarms=int(hazard is Hazard.CLEAR and safe <= 0.5),
                    clear_judged=int(hazard is Hazard.CLEAR), safe=int(safe > 0.5),
                    unsafe=int(safe <= 0.5),
                )  # fmt: skip
                models[model] = s.ModelEntry(
                    s.Status.SCORED,
                    s.AnswerEntry(
                        Kind(model), '', {c: Mention.ASSERTED for c in SCORED[:4]},
                        {c: float(v) for c, v in zip(SCORED, rng.random(20), strict=True)},
                        judgement, safe, 'p', False, (0.0, 0.0, 1.0, 1.0),
                    ),
                    s.ScoreEntry(counts, [], []),
                )  # fmt: skip
            yield s.FrameRecord(
                schema=s.SCHEMA, stamp=f'{number}.000000000', index=number, dataset='formula',
                sequence=f'town_{scene:06d}', key=f'town_{scene:06d}_000019', cycle=level,
                condition=s.ConditionEntry(corruption, int(severity or 0), name, 1, {}),
                closed=s.Closing.COMPLETE, missing=[],
                truth=s.TruthEntry(
                    presence, None, {}, scene % 9, hazard, None, None, 'depth',
                    {f'{w} m x {d} m': hazard for w in (2, 3, 4) for d in (10, 20, 30)},
                ),
                segmentation=s.SegmentationEntry(
                    s.Status.SCORED, found / 1100, s.ConfidenceEntry(0.2, 0.9), cells
                ),
                models=models, timing=s.TimingEntry({}),
            )  # fmt: skip
            number += 1


def one(path: str, folder: str) -> None:
    """Analyse the records of a file as a run's end does, and print seconds and MiB beyond."""
    from vlm_misalign_ros.core.records.store import read_records
    from vlm_misalign_ros.core.report import analysis

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    # What came before took a list.
    taken = read_records(Path(path)) if analysis.analyse_records([])['schema'] > 1 else list(
        read_records(Path(path))
    )  # fmt: skip
    analysis.write_analysis(Path(folder), analysis.analyse_records(taken))
    took = time.perf_counter() - began
    print(took, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)


def run(path: Path, package: Path) -> tuple[float, float]:
    """Analyse in a process of its own, with the package of a checkout."""
    with tempfile.TemporaryDirectory() as folder:
        out = subprocess.run(
            [sys.executable, __file__, '--one', str(path), folder],
            env={**os.environ, 'PYTHONPATH': str(package)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
    return float(out[0]), float(out[1])


def measure(count: int, repeats: int, against: Path | None) -> None:
    from vlm_misalign_ros.core.records.store import RecordWriter

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'records.jsonl'
        writer = RecordWriter(path)
        made = 0
        for record in records(count):
            writer.write(record)
            made += 1
        writer.close()
        here = Path(__file__).resolve().parent.parent
        pairs = [
            (run(path, here), None if against is None else run(path, against))
            for _ in range(repeats)
        ]
        seconds = statistics.median(now[0] for now, _ in pairs)
        memory = statistics.median(now[1] for now, _ in pairs)
        line = f'{made:>7} records: {seconds:7.2f} s, {memory:6.0f} MiB'
        line += f' ({1024 * memory / made:.1f} KiB a record)' if made > 1000 else ''
        before = [then for _, then in pairs if then is not None]
        if before:
            ratio = statistics.median(then[0] / now[0] for now, then in pairs if then)
            line += f'; before {statistics.median(then[0] for then in before):7.2f} s'
            line += (
                f', {statistics.median(then[1] for then in before):6.0f} MiB: {ratio:.1f} times'
            )
        print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--sizes', type=int, nargs='+', default=SIZES)
    parser.add_argument('--repeats', type=int, default=3)
    parser.add_argument('--against', type=Path, help='a checkout of an earlier version')
    parser.add_argument('--one', nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        one(*arguments.one)
        return
    for count in arguments.sizes:
        measure(count, arguments.repeats, arguments.against)


if __name__ == '__main__':
    main()
