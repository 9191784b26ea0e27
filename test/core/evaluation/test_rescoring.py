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

"""Records scored again are those that the monitor would have written by the other settings."""

import dataclasses

import pytest

from golden import replaying
from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.evaluation.redeciding import Decider, Points
from vlm_misalign_ros.core.evaluation.rereading import Question, Rereader
from vlm_misalign_ros.core.evaluation.rescoring import Rescorer, description_of
from vlm_misalign_ros.core.evaluation.retruth import Corridors
from vlm_misalign_ros.core.evaluation.session import Session
from vlm_misalign_ros.core.labels.classes import CRITICAL
from vlm_misalign_ros.core.language.lexicon import open_lexicon
from vlm_misalign_ros.core.language.prompts import find_prompt
from vlm_misalign_ros.core.language.reading import read
from vlm_misalign_ros.core.models.calibration import OperatingPoint
from vlm_misalign_ros.core.records.schema import AnswerEntry, encode
from vlm_misalign_ros.core.records.store import read_frames
from vlm_misalign_ros.core.settings.nodes import MonitorParameters, truth_settings
from vlm_misalign_ros.core.types import Description, Input, Judgement, Kind, Mention

pytestmark = pytest.mark.timeout(300)
CONDITIONS = ('clean', 'occlusion:2', 'occlusion:5')
WORDS = """
things:
- classes: [truck]
  phrases: [cyclist, white object]
without: [pedestrian]
"""


def by_monitor(folder, lexicon=None, **settings):
    """Return the golden frames as the monitor scores them; texts by `lexicon`, if given."""
    answers, frames = replaying.Answers(), replaying.dataset()
    session = Session(
        MonitorParameters(
            models=replaying.MODELS, pictures=0, run_folder=str(folder), deadline=1e9, **settings
        ),
        name='golden',
    )
    for position, source in replaying.plan(CONDITIONS):
        for name, value in replaying.frame_parts(frames.read(position), source, answers).items():
            if lexicon is not None and isinstance(value, Description) and value.text:
                value = said_by(lexicon, value)
            session.add(replaying.stamp_of(source), name, value, 0.0)
    session.end(0.0)
    return list(read_frames(folder / 'records.jsonl'))


def said_by(lexicon, answer):
    """Return a description as its model would have given it by another lexicon, without scores."""
    prompt = find_prompt(answer.prompt_id)
    found = read(answer.text, lexicon, prompt.text, prompt.style)
    return dataclasses.replace(
        answer,
        mentions=found.mentions,
        further=found.further,
        judgement=found.judgement,
        scores={},
    )


@pytest.fixture(scope='module')
def before(tmp_path_factory):
    return by_monitor(tmp_path_factory.mktemp('before'))


def corridors(**settings):
    base, other = MonitorParameters(), dataclasses.replace(MonitorParameters(), **settings)
    return Corridors.between(truth_settings(base).hazard, truth_settings(other).hazard)


def rescorer(critical=CRITICAL, rereader=None, deciders=None, **settings):
    return Rescorer(critical, CRITICAL, corridors(**settings), rereader, deciders or {})


def test_the_same_settings_give_the_same_records(before):
    scorer = rescorer()
    for record in before:
        made, changes = scorer.rescored(record)
        assert encode(made) == encode(record) and not changes
    assert scorer.answers == len(before) * len(replaying.MODELS)


@pytest.mark.parametrize(
    'settings',
    [
        {'corridor_width': 4.0},
        {'corridor_width': 2.0, 'stopping_distance': 15.0},
        {'stopping_distance': 30.0},
        {'obstacle_share': 0.0},
    ],
)
def test_another_corridor_gives_what_the_monitor_gives_by_it(before, settings, tmp_path):
    scorer = rescorer(**settings)
    wanted = by_monitor(tmp_path, **settings)
    for record, other in zip(before, wanted, strict=True):
        made, changes = scorer.rescored(record)
        # The sweep stays around the corridor of the run, of which alone the roads are known.
        names = {'sweep', 'standing', 'roads'}
        assert plain(made.truth, names) == plain(other.truth, names)
        assert [m.score for m in made.models.values()] == [m.score for m in other.models.values()]
        assert all('corridor' in change.why for change in changes)


def plain(entry, without):
    """Return the fields of an entry by name, some left out."""
    names = (name for name in entry.__struct_fields__ if name not in without)
    return {name: getattr(entry, name) for name in names}


def test_a_corridor_that_no_record_tells_of_is_refused():
    with pytest.raises(ConfigurationError, match='2, 3, 4 with a .* of 15, 20, 30'):
        corridors(corridor_width=2.5)


def test_an_old_record_is_scored_again_by_its_own_corridor_alone(before):
    import msgspec

    old = msgspec.structs.replace(
        before[0],
        truth=msgspec.structs.replace(
            before[0].truth, standing=msgspec.UNSET, roads=msgspec.UNSET
        ),
    )
    assert rescorer().rescored(old)[0] == old
    with pytest.raises(ConfigurationError, match='not kept yet'):
        rescorer(corridor_width=4.0).rescored(old)


def test_another_lexicon_gives_what_the_monitor_gives_by_it(before, tmp_path):
    words = tmp_path / 'words.yaml'
    words.write_text(WORDS)
    lexicon = open_lexicon(str(words))
    rereader = Rereader({name: Question() for name in replaying.MODELS}, lexicon, open_lexicon())
    scorer, wanted = rescorer(rereader=rereader), by_monitor(tmp_path / 'run', lexicon)
    changed = 0
    for record, other in zip(before, wanted, strict=True):
        made, changes = scorer.rescored(record)
        for name, entry in made.models.items():
            theirs = other.models[name]
            assert entry.answer.mentions == theirs.answer.mentions
            assert entry.answer.judgement is theirs.answer.judgement
            assert entry.score == theirs.score
        changed += len(changes)
        assert {change.name for change in changes} <= {'llava', 'paligemma'}
        assert all(change.why == ('lexicon',) for change in changes)
    assert changed


def test_likelihoods_stay_where_the_words_are_the_same_by_both(before, tmp_path):
    words = tmp_path / 'words.yaml'
    words.write_text(WORDS)
    rereader = Rereader({'llava': Question()}, open_lexicon(str(words)), open_lexicon())
    for record in before:
        answer = record.models['llava'].answer
        made = rereader.reread('llava', answer)
        assert made.scores.items() <= answer.scores.items()
        same = read(answer.text, open_lexicon(), find_prompt(answer.prompt_id).text).phrases
        if 'car' in made.scores:
            assert same['car']
        assert 'truck' not in made.scores or 'cyclist' not in answer.text
    unknown = Rereader({'llava': Question()}, open_lexicon(str(words)), None)
    assert unknown.reread('llava', before[0].models['llava'].answer).scores == {}
    assert unknown.unknown_scores > 0


def test_other_critical_classes_give_what_the_monitor_gives_by_them(before, tmp_path):
    critical = ('person', 'traffic sign')
    wanted = by_monitor(tmp_path, critical=critical)
    for record, other in zip(before, wanted, strict=True):
        made, _ = rescorer(critical).rescored(record)
        assert made.models == other.models


def test_what_was_asked_beside_a_text_is_read_again_with_it(tmp_path):
    """The words of the mask tell of a car; paraphrases and the clean picture have texts."""
    words = tmp_path / 'words.yaml'
    words.write_text('things: [{classes: [bus], phrases: [van]}]\nwithout: [van]\n')
    told = Description(
        'm',
        Kind.GENERATIVE,
        'There is a van.',
        {'car': Mention.ASSERTED},
        prompt_id='default',
        input=Input.OBJECTS,
        prompted=('car',),
        paraphrases=(Judgement.UNPARSED,) * 2,
        paraphrased=('Hm.', 'A van blocks the road. It is not safe to go on.'),
        context='A segmentation network looked at this picture and found: car, 3.3 % of it, on '
        'the left.',
        clean=Description('m', Kind.GENERATIVE, 'A van is ahead.', {'car': Mention.ASSERTED}),
    )
    rereader = Rereader({'m': Question()}, open_lexicon(str(words)), open_lexicon())
    made = rereader.reread('m', AnswerEntry.of(told))
    assert made.mentions == {'bus': Mention.ASSERTED} == made.clean.mentions
    assert made.prompted == ['car']
    assert made.paraphrases == [Judgement.UNPARSED, Judgement.UNSAFE]
    bare = dataclasses.replace(told, context='')
    assert 'what perception had found' in rereader.lacking(AnswerEntry.of(bare))
    mute = dataclasses.replace(told, paraphrased=())
    assert 'paraphrases' in rereader.lacking(AnswerEntry.of(mute))


def test_a_prompt_whose_words_are_gone_is_refused():
    told = Description('m', Kind.GENERATIVE, 'A van.', prompt_id='/gone.yaml#mine')
    rereader = Rereader({'m': Question()}, open_lexicon(), None)
    with pytest.raises(ConfigurationError, match='whose words are not at hand'):
        rereader.reread('m', AnswerEntry.of(told))


# Operating points ------------------------------------------------------------------------------


def point(slope=1.0, intercept=0.0, threshold=0.5):
    return OperatingPoint(slope, intercept, threshold, 30, 30, 0.9, 0.9)


def answer(**scores):
    """Return a contrastive answer that asserts what scores .5 or more."""
    said = {name: Mention.ASSERTED for name, score in scores.items() if score >= 0.5}
    return AnswerEntry.of(
        Description(
            'clip', Kind.CONTRASTIVE, '', said, scores=scores, judgement=Judgement.SAFE,
            judgement_score=0.7,
        )
    )  # fmt: skip


def test_a_threshold_decides_classes_without_a_point_alone():
    points = {'car': point(threshold=0.5)}
    decider = Decider('clip', Points(0.5, points), Points(0.9, points))
    made = decider.redecided(answer(car=0.6, bus=0.8), 'here')
    assert made.mentions == {'car': Mention.ASSERTED}
    assert made.judgement is Judgement.SAFE and made.scores == {'car': 0.6, 'bus': 0.8}


def test_another_calibration_is_put_to_what_the_network_gave():
    """By hand: a score of .6 by slope 2 is odds of ln(1.5) / 2, by slope 1 .5505 then."""
    decider = Decider('clip', Points(0.5, {'car': point(2.0)}), Points(0.5, {'car': point()}))
    made = decider.redecided(answer(car=0.6), 'here')
    assert made.scores['car'] == pytest.approx(1.5**0.5 / (1 + 1.5**0.5), abs=1e-9)


def test_what_a_rounded_score_does_not_decide_is_refused():
    with pytest.raises(ConfigurationError, match='ten digits'):
        Decider('clip', Points(0.5), Points(0.6)).redecided(answer(car=0.6), 'here')
    with pytest.raises(ConfigurationError, match='ten digits'):
        Decider('clip', Points(0.5, {'car': point()}), Points()).redecided(answer(car=1.0), 'here')


def test_a_judgement_goes_by_its_own_point():
    decider = Decider('clip', Points(), Points(0.5, {'safe': point(threshold=0.75)}))
    assert decider.redecided(answer(), 'here').judgement is Judgement.UNSAFE


def test_a_description_is_what_the_record_was_made_of():
    told = Description('m', Kind.GENERATIVE, 'A car.', {'car': Mention.ASSERTED}, context='seen')
    assert description_of('m', AnswerEntry.of(told)) == told
