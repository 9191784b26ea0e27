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

"""The in-process engine with models made by hand: shards, failures, frames that lack something."""

import dataclasses
import gc
import weakref
from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest

from vlm_misalign_ros.core.errors import ConfigurationError, FrameError, ModelError, NothingSaid
from vlm_misalign_ros.core.evaluation.degraded import degrade_frame
from vlm_misalign_ros.core.evaluation.engine import Engine, Models, replayed
from vlm_misalign_ros.core.evaluation.going_on import guarded_names, in_process_order, what_stands
from vlm_misalign_ros.core.evaluation.lanes import open_lanes
from vlm_misalign_ros.core.evaluation.replaying import open_replayed
from vlm_misalign_ros.core.evaluation.session import Session
from vlm_misalign_ros.core.models.answering import CheckedSegmentation, CheckedVlm
from vlm_misalign_ros.core.models.label_maps import ClassMap
from vlm_misalign_ros.core.records.ordering import order_frames
from vlm_misalign_ros.core.records.schema import Closing, Status
from vlm_misalign_ros.core.records.store import (
    RECORDS,
    RecordFile,
    comparable,
    read_frames,
    read_records,
)
from vlm_misalign_ros.core.report.evidence import Evidence
from vlm_misalign_ros.core.settings.configuration import parse
from vlm_misalign_ros.core.types import Description, Judgement, Kind, Mention, Segmented


class Brightness:
    """Says by the mean of a picture what there is, and fails where it is told to."""

    kind = Kind.CONTRASTIVE

    def __init__(self, fails=lambda number: None):
        self.asked = 0
        self._fails = fails

    def describe(self, query):
        self.asked += 1
        if error := self._fails(self.asked):
            raise error
        score = float(query.pictures[-1].mean()) / 255
        judgement = Judgement.SAFE if score > 0.4 else Judgement.UNSAFE
        return Description(
            'x', self.kind, '', {'car': Mention.ASSERTED}, {}, {'car': score}, judgement, score
        )


def segment(picture):
    labels = (picture[:, :, 0] % 19).astype(np.uint8)
    return Segmented(labels, 0.25, 0.75, {'road': 0.1})


def configured(scenes, **changes):
    data = {
        'mode': 'evaluation',
        'seed': 5,
        'replay': {'dataset': str(scenes), 'conditions': ['clean', 'low_light:2', 'occlusion:4']},
        'segmentation': {'model': 'miniature:segformer', 'max_failures': 3},
        'vlms': {
            'a': {'model': 'miniature:clip', 'max_failures': 3},
            'reader': {'model': 'mask_reader'},
        },
        'monitor': {'pictures': 0},
    }
    for section, values in changes.items():
        data[section] = {**data.get(section, {}), **values}
    return parse(data)


def loaded(chosen, model, segmented=segment):
    from vlm_misalign_ros.core.models.factory import load_vlm
    from vlm_misalign_ros.core.settings.nodes import vlm_options

    first, reader = chosen.vlms
    mask_reader = load_vlm(reader.model, **vlm_options(reader))
    return Models(
        CheckedSegmentation('by hand', SimpleNamespace(segment=segmented)),
        (
            (first, open_lanes(CheckedVlm('by hand', model), first)),
            (reader, open_lanes(mask_reader, reader)),
        ),
    )


def run(chosen, folder, models, wanted=lambda position, source: True):
    monitor = dataclasses.replace(chosen.monitor, run_folder=str(folder))
    session = Session(monitor, log=lambda text: None)
    engine = Engine(chosen, models, say=lambda text: None)
    frames = replayed(chosen.replay, open_replayed(chosen.replay), wanted)
    closed = [one for some in engine.run(frames, session) for one in some]
    session.end(0.0)
    order_frames(folder / RECORDS)
    return engine, closed, {r.stamp: r for r in read_frames(folder / RECORDS)}


def test_shards_in_any_order_give_the_records_of_the_whole(scenes, tmp_path):
    chosen = configured(scenes)
    models = loaded(chosen, Brightness())
    _, closed, whole = run(chosen, tmp_path / 'whole', models)
    assert len(whole) == len(closed) == 18 and list(whole) == sorted(whole)
    assert all(record.closed is Closing.COMPLETE for record in whole.values())
    found = {}
    for shard in (1, 0):
        folder = tmp_path / str(shard)
        found |= run(chosen, folder, models, lambda p, s, own=shard: s.index // 2 % 2 == own)[2]
    assert {stamp: comparable(record) for stamp, record in found.items()} == {
        stamp: comparable(record) for stamp, record in whole.items()
    }


def test_what_a_run_that_ended_early_did_not_show_is_not_lost(scenes, tmp_path):
    chosen = configured(scenes, replay={'conditions': ['clean', 'low_light:1-5']})
    session = Session(dataclasses.replace(chosen.monitor, run_folder=str(tmp_path)), log=print)
    engine = Engine(chosen, loaded(chosen, Brightness()), say=print)
    frames = engine.run(replayed(chosen.replay, open_replayed(chosen.replay)), session)
    assert len(list(islice(frames, 14))) == 14
    session.end(0.0)
    order_frames(tmp_path / RECORDS)
    records = list(read_records(tmp_path / RECORDS))
    assert not records[-1].estimated_lost and Evidence.of(records).notes() == []


def test_each_picture_is_decoded_once(scenes, tmp_path, monkeypatch):
    chosen = configured(scenes)
    dataset, read = open_replayed(chosen.replay), []
    plain = type(dataset).read
    monkeypatch.setattr(
        type(dataset), 'read', lambda self, index: read.append(index) or plain(self, index)
    )
    run(chosen, tmp_path, loaded(chosen, Brightness()))
    assert read == list(range(6))


def test_no_picture_is_kept_for_asks_that_are_shown_no_past(scenes, tmp_path):
    chosen, shown = configured(scenes), []

    def seen(picture):
        shown.append(weakref.ref(picture))
        return segment(picture)

    session = Session(dataclasses.replace(chosen.monitor, run_folder=str(tmp_path)), log=print)
    engine = Engine(chosen, loaded(chosen, Brightness(), seen), say=print)
    for _ in engine.run(replayed(chosen.replay, open_replayed(chosen.replay)), session):
        gc.collect()
        # That of the clean pass, which is the decoded one, and that of the frame in hand.
        assert sum(picture() is not None for picture in shown) <= 2
    session.close()
    assert len(shown) == 18


def test_a_model_that_is_gone_counts_as_missing_from_then_on(scenes, tmp_path):
    chosen = configured(scenes)
    model = Brightness(lambda number: ValueError('broken') if number > 4 else None)
    engine, _, found = run(chosen, tmp_path, loaded(chosen, model))
    records = sorted(found.values(), key=lambda record: (record.key, record.cycle))
    states = [record.models['a'] for record in records]
    assert [entry.status for entry in states[:4]] == [Status.SCORED] * 4
    assert all('broken' in entry.error for entry in states[4:7])
    assert all(entry.status is Status.MISSING for entry in states[4:])
    assert model.asked == 7 and len(found) == 18
    assert all(record.models['reader'].status is Status.SCORED for record in records)
    assert len(engine.notes) == 1 and engine.notes[0].startswith('a ended while the run went on')


def test_a_model_that_has_nothing_to_say_stays(scenes, tmp_path):
    chosen = configured(scenes)
    model = Brightness(lambda number: NothingSaid('an empty answer'))
    engine, _, found = run(chosen, tmp_path, loaded(chosen, model))
    assert model.asked == 18 and not engine.notes
    assert {record.models['a'].status for record in found.values()} == {Status.MISSING}


def test_a_model_that_fails_from_the_first_frame_ends_the_run(scenes, tmp_path):
    chosen = configured(scenes, vlms={'a': {'model': 'miniature:clip', 'max_failures': 1}})
    model = Brightness(lambda number: ValueError('broken'))
    with pytest.raises(ModelError, match='broken'):
        run(chosen, tmp_path, loaded(chosen, model))


def test_a_model_that_fails_from_the_first_frame_of_a_later_shard_costs_its_frames(
    scenes, tmp_path
):
    chosen = configured(scenes, vlms={'a': {'model': 'miniature:clip', 'max_failures': 1}})
    model = Brightness(lambda number: ValueError('broken') if number == 1 else None)
    models = loaded(chosen, model)
    engine, _, found = run(chosen, tmp_path, models, lambda position, source: position >= 4)
    assert len(found) == 6 and all(r.models['a'].status is Status.MISSING for r in found.values())
    assert all(record.models['reader'].status is Status.SCORED for record in found.values())
    assert len(engine.notes) == 1 and engine.notes[0].startswith('a ended while the run went on')


def test_a_run_that_the_corruption_ended_begins_before_its_row_of_failures(
    scenes, tmp_path, monkeypatch
):
    chosen, made, plain = configured(scenes, corruption={'max_failures': 4}), [], degrade_frame

    def degrade(*values):
        made.append(values)
        if len(made) > 4:
            raise FrameError('no noise')
        return plain(*values)

    monkeypatch.setattr('vlm_misalign_ros.core.evaluation.engine_steps.degrade_frame', degrade)
    with pytest.raises(ModelError, match='no noise'):
        run(chosen, tmp_path, loaded(chosen, Brightness()))
    order = in_process_order(chosen, open_replayed(chosen.replay))
    found = what_stands(RecordFile(tmp_path / RECORDS), order, guarded_names(chosen))
    # The second picture failed under its second condition, the third under all of them.
    assert found.first.position == 1 and len(found.kept) == 3


def test_a_mask_that_failed_costs_who_needs_it(scenes, tmp_path):
    chosen = configured(scenes)
    calls = []

    def moody(picture):
        calls.append(1)
        if len(calls) == 2:
            raise ValueError('no mask today')
        return segment(picture)

    _, _, found = run(chosen, tmp_path, loaded(chosen, Brightness(), moody))
    lost = [r for r in found.values() if r.segmentation.status is not Status.SCORED]
    assert len(lost) == 1 and 'no mask today' in lost[0].segmentation.error
    assert 'no mask today' in lost[0].models['reader'].error
    assert lost[0].models['a'].status is Status.SCORED


def test_a_segmentation_that_is_gone_is_not_waited_for(scenes, tmp_path):
    chosen, calls = configured(scenes), []

    def broken(picture):
        calls.append(1)
        if len(calls) > 4:
            raise ValueError('no mask any more')
        return segment(picture)

    _, _, found = run(chosen, tmp_path, loaded(chosen, Brightness(), broken))
    records = sorted(found.values(), key=lambda record: (record.key, record.cycle))
    states = [record.models['reader'] for record in records]
    assert [entry.status for entry in states[:4]] == [Status.SCORED] * 4
    assert all('no mask any more' in entry.error for entry in states[4:7])
    assert [entry.status for entry in states[7:]] == [Status.DROPPED] * 11
    assert len(calls) == 7 and all(r.models['a'].status is Status.SCORED for r in records)


def test_frames_without_labels_close_at_once(scenes, tmp_path):
    chosen = configured(scenes)
    monitor = dataclasses.replace(chosen.monitor, run_folder=str(tmp_path))
    session = Session(monitor, log=lambda text: None)
    frames = [
        dataclasses.replace(sent, frame=dataclasses.replace(sent.frame, labels=None))
        for sent in replayed(chosen.replay, open_replayed(chosen.replay))
    ]
    engine = Engine(chosen, loaded(chosen, Brightness()), say=lambda text: None)
    counts = [len(closed) for closed in engine.run(frames, session)]
    assert counts == [1] * 18
    session.end(0.0)
    assert {r.closed for r in read_frames(tmp_path / RECORDS)} == {Closing.DEADLINE}


def test_classes_that_a_segmentation_cannot_tell_are_said(scenes):
    chosen, said = configured(scenes), []
    models = loaded(chosen, Brightness())
    whole = SimpleNamespace(segment=segment, classes=ClassMap(tuple(range(19)), 'names'))
    some = SimpleNamespace(segment=segment, classes=ClassMap(tuple(range(18)), 'names'))
    for model in (whole, some):
        named = dataclasses.replace(models, segmentation=CheckedSegmentation('by hand', model))
        Engine(chosen, named, say=said.append)
    assert len(said) == 1 and said[0].endswith('without bicycle')


def test_what_needs_a_graph_is_refused(scenes):
    with pytest.raises(ConfigurationError, match='live run'):
        Engine(dataclasses.replace(configured(scenes), replay=None))
