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
The golden run: four scenes, every condition, answers of the miniatures that are kept as they were.

What networks answer depends on a processor's kernels, so their answers are replayed from
`answers.jsonl` and `masks.npz`, and everything after them is exact. `python -m
golden.replaying` (in test/) makes all of it anew, `... results` what follows from the answers.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from rosbags.typesys import Stores, get_typestore

from vlm_misalign_ros.bags.analyse import analyse
from vlm_misalign_ros.bags.writer import BagWriter
from vlm_misalign_ros.core.checksums import checksum
from vlm_misalign_ros.core.corruptions import CORRUPTIONS, SEVERITIES, degrade, parse_conditions
from vlm_misalign_ros.core.datasets import open_dataset
from vlm_misalign_ros.core.evaluation import parts
from vlm_misalign_ros.core.evaluation.replaying import schedule
from vlm_misalign_ros.core.evaluation.session import Session
from vlm_misalign_ros.core.records.ending import Ending, write_ending
from vlm_misalign_ros.core.report.finalise import finalise
from vlm_misalign_ros.core.settings.nodes import EvaluationParameters, MonitorParameters
from vlm_misalign_ros.core.types import Condition, Confidence, Description, Frame, Source
from vlm_misalign_ros.wire import topics
from vlm_misalign_ros.wire import values as codec

HERE = Path(__file__).resolve().parent
SCENES = HERE / 'scenes'
MODELS = ('clip', 'llava', 'paligemma', 'siglip')
CONDITIONS = ('all', 'blank')
LIVE_CONDITIONS = ('clean', 'low_light:3', 'occlusion:3')
LIVE_START = 1_700_000_000
SEED = 0
NANO = 1_000_000_000


def dataset():
    """Return the four scenes, opened."""
    return open_dataset(SCENES)


def plan(conditions=CONDITIONS) -> list[tuple[int, Source]]:
    """Return (position in the data set, source) of every frame of the run."""
    found = dataset()
    return list(schedule(found, parse_conditions(list(conditions)), depth=found.has_depth))


def stamp_of(source: Source) -> int:
    """Return the header time of a frame in a run of 10 Hz that begins at 1 s."""
    return NANO + round(source.index * NANO / 10)


def degraded(frame: Frame, condition: Condition):
    """Return a frame as the corruption node degrades it."""
    return degrade(np.ascontiguousarray(frame.image), condition, SEED, frame.key)


# Answers ---------------------------------------------------------------------------------------


class Answers:
    """What the models said, by frame and condition."""

    def __init__(self) -> None:
        self.masks = np.load(HERE / 'masks.npz')
        self.values: dict[str, dict[str, Any]] = {}
        for line in gzip.open(HERE / 'answers.jsonl.gz', 'rt', encoding='utf-8'):
            entry = json.loads(line)
            self.values[entry['frame']] = entry

    def of(self, name: str) -> tuple[np.ndarray, dict[str, float], dict[str, Description]]:
        """Return (mask, confidence, descriptions by model)."""
        entry = self.values[name]
        return (
            self.masks[name],
            entry['confidence'],
            {model: codec.description_from_values(entry['answers'][model]) for model in MODELS},
        )


def frame_name(source: Source) -> str:
    """Return the name under which the answers to a frame are kept."""
    return f'{source.key}|{source.condition.name}'


def ask(sources: list[tuple[int, Source]]) -> Iterator[tuple[Source, Any, dict[str, Description]]]:
    """Yield (source, mask, descriptions) of the real miniatures; latencies are set to 0."""
    from vlm_misalign_ros.core.models.factory import load_segmentation, load_vlm

    segmentation = load_segmentation('miniature:segformer', device='cpu', input_height=256)
    vlms = {
        name: load_vlm(
            f'miniature:{name}',
            device='cpu',
            calibration='own' if name in ('clip', 'siglip') else '',
            prompt='default',
        )
        for name in MODELS
    }
    frames = dataset()
    for position, source in sources:
        picture = degraded(frames.read(position), source.condition).image
        yield (
            source,
            segmentation.segment(picture),
            {
                name: replace(vlm.describe(picture), model=name, latency=0.0)
                for name, vlm in vlms.items()
            },
        )


def write_answers() -> None:
    """Ask the real models and keep what they say."""
    masks, lines = {}, []
    for source, found, descriptions in ask(plan()):
        masks[frame_name(source)] = found.labels
        lines.append(
            json.dumps(
                {
                    'frame': frame_name(source),
                    'confidence': {'entropy': found.entropy, 'confidence': found.confidence},
                    'answers': {
                        name: codec.description_to_values(answer)
                        for name, answer in descriptions.items()
                    },
                }
            )
            + '\n'
        )
    np.savez_compressed(HERE / 'masks.npz', **masks)
    write_gzip(HERE / 'answers.jsonl.gz', ''.join(lines))


def write_gzip(path: Path, text: str) -> None:
    """Write text in the same bytes whenever it is the same."""
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


# The run ---------------------------------------------------------------------------------------


def parameters(**changes: Any) -> EvaluationParameters:
    """Return the settings of the run: the defaults, and no pictures."""
    return EvaluationParameters(models=MODELS, pictures=0, **changes)


def frame_parts(frame: Frame, source: Source, answers: Answers) -> dict[str, Any]:
    """Return the parts of one frame, as the nodes and the join name them."""
    made = degraded(frame, source.condition)
    mask, confidence, descriptions = answers.of(frame_name(source))
    image = checksum(made.image)
    covered = '' if made.occluder is None else checksum(made.occluder)
    told = Confidence(**confidence, image=image, mask=checksum(mask))
    found = {
        parts.SOURCE: (source, frame.camera),
        parts.LABELS: frame.labels,
        parts.INSTANCES: frame.instances,
        parts.DEPTH: frame.depth,
        parts.CONDITION: replace(made.applied, image=image, occluder=covered),
        parts.SEGMENTATION: mask,
        parts.CONFIDENCE: told,
        **{
            parts.vlm_part(name): replace(answer, image=image)
            for name, answer in descriptions.items()
        },
    }
    if made.occluder is not None:
        found[parts.OCCLUDER] = made.occluder
    return found


def run(folder: Path) -> None:
    """Evaluate the run into `folder` without ROS, bag or models."""
    answers, frames = Answers(), dataset()
    session = Session(
        MonitorParameters(models=MODELS, pictures=0, run_folder=str(folder), deadline=1e9),
        name='golden',
    )
    for position, source in plan():
        for name, value in frame_parts(frames.read(position), source, answers).items():
            session.add(stamp_of(source), name, value, 0.0)
    session.end(0.0)
    write_ending(folder, Ending())
    finalise(folder)


def live_session(folder: Path) -> None:
    """Evaluate the live part of the run as the monitor does: camera told, no camera/source."""
    answers, frames = Answers(), dataset()
    session = Session(
        MonitorParameters(
            models=MODELS,
            pictures=0,
            source=False,
            lockstep=False,
            run_folder=str(folder),
            deadline=1e9,
        ),
        name='live',
    )
    for position, source in plan(LIVE_CONDITIONS):
        frame = frames.read(position)
        # CameraInfo knows nothing of how the camera is mounted.
        told = replace(frame.camera, mount_height=1.22, pitch=0.038, baseline=0.0)
        session.add(live_stamp(source), parts.CAMERA, told, 0.0)
        for name, value in frame_parts(frame, source, answers).items():
            if name not in (parts.SOURCE, parts.DEPTH):
                session.add(live_stamp(source), name, value, 0.0)
    session.end(0.0)


def live_stamp(source: Source) -> int:
    """Return the header time of a live frame."""
    return LIVE_START * NANO + round(source.index * NANO / 10)


# Bags ------------------------------------------------------------------------------------------

_STORE = get_typestore(Stores.ROS2_JAZZY)
_T = _STORE.types


def _header(stamp: int):
    return _T['std_msgs/msg/Header'](
        stamp=_T['builtin_interfaces/msg/Time'](sec=stamp // NANO, nanosec=stamp % NANO),
        frame_id='camera',
    )


def image_message(pixels: np.ndarray, stamp: int, encoding: str):
    """Return a sensor_msgs/Image."""
    pixels = np.ascontiguousarray(pixels)
    return _T['sensor_msgs/msg/Image'](
        header=_header(stamp),
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=0,
        step=pixels.strides[0],
        data=pixels.reshape(-1).view(np.uint8),
    )


def values_message(values: dict[str, str], stamp: int):
    """Return a DiagnosticArray with one status."""
    status = _T['diagnostic_msgs/msg/DiagnosticStatus'](
        level=0,
        name='',
        message='',
        hardware_id='',
        values=[
            _T['diagnostic_msgs/msg/KeyValue'](key=key, value=value)
            for key, value in values.items()
        ],
    )
    return _T['diagnostic_msgs/msg/DiagnosticArray'](header=_header(stamp), status=[status])


def info_message(camera: Any, stamp: int):
    """Return a CameraInfo."""
    floats = {
        name: np.array(values, np.float64)
        for name, values in (
            ('k', [camera.fx, 0, camera.cx, 0, camera.fy, camera.cy, 0, 0, 1]),
            ('r', [1, 0, 0, 0, 1, 0, 0, 0, 1]),
            ('p', [camera.fx, 0, camera.cx, 0, 0, camera.fy, camera.cy, 0, 0, 0, 1, 0]),
        )
    }
    return _T['sensor_msgs/msg/CameraInfo'](
        header=_header(stamp),
        height=camera.height,
        width=camera.width,
        distortion_model='plumb_bob',
        d=np.zeros(5),
        binning_x=0,
        binning_y=0,
        roi=_T['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, False),
        **floats,
    )


def write_bag(
    folder: Path, live: bool, conditions: tuple[str, ...] | None = None, compression: str = 'zstd'
) -> Path:
    """Write the run as a recorded bag; `live` without camera/source and without depth."""
    answers, frames = Answers(), dataset()
    bag = BagWriter(folder, compression)
    known: set[str] = set()

    def put(topic: str, message: Any, stamp: int) -> None:
        if topic not in known:
            known.add(topic)
            bag.add_topic('/' + topic, message.__msgtype__)
        bag.write('/' + topic, bytes(_STORE.serialize_cdr(message, message.__msgtype__)), stamp)

    for position, source in plan(conditions or (LIVE_CONDITIONS if live else CONDITIONS)):
        frame = frames.read(position)
        stamp = live_stamp(source) if live else stamp_of(source)
        found = SimpleNamespace(**frame_parts(frame, source, answers))
        if live:
            put(topics.CAMERA_INFO, info_message(frame.camera, stamp), stamp)
        else:
            put(
                topics.CAMERA_SOURCE,
                values_message(codec.source_to_values(*found.source), stamp),
                stamp,
            )
            put(topics.TRUTH_DEPTH, image_message(found.depth, stamp, '16UC1'), stamp)
        put(topics.TRUTH_LABELS, image_message(found.labels, stamp, 'mono8'), stamp)
        put(topics.TRUTH_INSTANCES, image_message(found.instances, stamp, 'mono16'), stamp)
        put(
            topics.DEGRADED_CONDITION,
            values_message(codec.applied_to_values(found.condition), stamp),
            stamp,
        )
        if hasattr(found, 'occluder'):
            put(topics.DEGRADED_OCCLUDER, image_message(found.occluder, stamp, 'mono8'), stamp)
        put(topics.SEGMENTATION_LABELS, image_message(found.segmentation, stamp, 'mono8'), stamp)
        put(
            topics.SEGMENTATION_CONFIDENCE,
            values_message(codec.confidence_to_values(found.confidence), stamp),
            stamp,
        )
        for name in MODELS:
            put(
                topics.vlm_description(name),
                values_message(
                    codec.description_to_values(getattr(found, parts.vlm_part(name))), stamp
                ),
                stamp,
            )
    bag.close()
    return folder


def analyse_bag(bag: Path, folder: Path) -> None:
    """Analyse a bag offline into `folder`."""
    analyse(bag, folder, parameters())


# What is kept ----------------------------------------------------------------------------------


def picture_hashes() -> dict[str, str]:
    """Return the SHA-256 of the degraded picture of every corruption, severity and scene."""
    found = {}
    frames = dataset()
    for position, entry in enumerate(frames.entries):
        frame = frames.read(position)
        for condition in (
            Condition('blank'),
            *(
                Condition(name, severity)
                for name in CORRUPTIONS.builtin()
                for severity in SEVERITIES
            ),
        ):
            image = degraded(frame, condition).image
            found[f'{entry.key}|{condition.name}'] = hashlib.sha256(image.tobytes()).hexdigest()
    return found


def frames_of(path: Path) -> list[dict[str, Any]]:
    """Return the frame records of a file, plain or gzipped, in order of stamps."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == '.gz' else path.read_bytes()
    records = [json.loads(line) for line in data.splitlines()]
    return sorted(
        (record for record in records if record.get('kind') == 'frame'),
        key=lambda record: record['stamp'],
    )


def write_results() -> None:
    """Keep records, summary, analysis and hashes as they are now."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(folder / 'run')
        analyse_bag(write_bag(folder / 'live_bag', live=True), folder / 'live')
        for source, target in (('run', 'records'), ('live', 'live')):
            write_gzip(
                HERE / f'{target}.jsonl.gz',
                ''.join(
                    json.dumps(record) + '\n'
                    for record in frames_of(folder / source / 'records.jsonl')
                ),
            )
        for file in ('summary.csv', 'analysis.json'):
            shutil.copyfile(folder / 'run' / file, HERE / file)
    (HERE / 'pictures.json').write_text(json.dumps(picture_hashes(), indent=1) + '\n')


def main(words: list[str]) -> None:
    """Make the golden files anew, on purpose only."""
    if 'results' not in words:
        from vlm_misalign_ros.core.world import generate

        shutil.rmtree(SCENES, ignore_errors=True)
        generate(SCENES, 4, seed=11, width=512, height=256, split='test')
        write_answers()
    write_results()


if __name__ == '__main__':
    main(sys.argv[1:])
