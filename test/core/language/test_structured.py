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

"""Structured answers as models write them: broken JSON, tags, tables, keys, counts, verdicts."""

import json
import re
import time

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from vlm_misalign_ros.core.language.bounding import MAX_TEXT
from vlm_misalign_ros.core.language.embedded import find_json
from vlm_misalign_ros.core.language.lexicon import open_lexicon
from vlm_misalign_ros.core.language.nodes import plain
from vlm_misalign_ros.core.language.reading import read
from vlm_misalign_ros.core.types import Judgement, Mention

LEXICON = open_lexicon()
SHORT = {Mention.ASSERTED: '+', Mention.DENIED: '-', Mention.HEDGED: '?'}


def told(text, prompt=''):
    """Return the mentions of a text as in `+car -person`, sorted, and the judgement."""
    found = read(text, LEXICON, prompt)
    return (
        sorted(
            SHORT[state] + name.replace(' ', '_')
            for name, state in found.mentions.items()
            if state in SHORT
        ),
        found.judgement.value,
    )


def wanted(case):
    """Return what `+car -person UNSAFE` says; without a judgement UNPARSED."""
    found = case.split()
    judgement = found.pop() if found and found[-1].isalpha() else 'UNPARSED'
    return sorted(found), judgement


def cases(*entries):
    return pytest.mark.parametrize('text, case', entries)


# JSON that is broken ---------------------------------------------------------------------------


@cases(
    ('{"scene": "A car ahead.\nNo bus.", "safe": false}', '+car -bus UNSAFE'),
    ('{"scene": "A car\tand a\nbus", "safe": true}', '+car +bus SAFE'),
    ('{"a": "Two cars.\n\nA tree.\n", "verdict": "SAFE"}', '+car +vegetation SAFE'),
    ('{"objects": ["car\n", "bus"],\n"safe": false}', '+car +bus UNSAFE'),
    ('```json\n{"text": "line one\nNo cars.", "stop": true}\n```', '-car UNSAFE'),
    ('{"safe": false,\r\n"why": "a truck\r\nblocks the road"}', '+truck +road UNSAFE'),
    ('{"list": "- a car\n- a bus", "proceed": "no"}', '+car +bus UNSAFE'),
    ('{"answer": "UNSAFE\n", "objects": ["person"]}', '+person UNSAFE'),
    ('{"a": "No pedestrians.\nNo cars.\nA fence.", "safe": true}', '-person -car +fence SAFE'),
    ('{"safe": true, "note": "Trees\n\n\nline the road"}', '+vegetation +road SAFE'),
    ('{"reason":\n\n"a bus\nstops", "safe"\n:\nfalse}', '+bus UNSAFE'),
)
def test_raw_line_breaks_and_tabs_in_strings(text, case):
    assert told(text) == wanted(case)


@cases(
    ('{"description": "A "big" car", "safe": false}', '+car UNSAFE'),
    ('{"description": "A "big", red car", "safe": false}', '+car UNSAFE'),
    ('{"d": "a sign "STOP"", "safe": false}', '+traffic_sign UNSAFE'),
    ('{"d": "the "P" on a wall", "objects": ["a "red" bus", "tree"]}', '+wall +bus +vegetation'),
    ('{"d": "He said "no".", "safe": true}', 'SAFE'),
    ('{"d": "a 65" wide truck", "safe": false}', '+truck UNSAFE'),
    ('{"d": "a truck, 65" wide", "safe": true}', '+truck SAFE'),
    ("{'d': 'the driver's bus', 'safe': False}", '+bus UNSAFE'),
    ("{'d': 'a so-called 'safe' road', 'safe': False}", '+road UNSAFE'),
    ('{“description”: “a “big” car”, “safe”: false}', '+car UNSAFE'),
    ('{"d": "words "safe": none", "x": "a car", "safe": false}', '+car UNSAFE'),
    ('{`safe`: `no`, `objects`: [`car`]}', '+car UNSAFE'),
)
def test_quotes_within_strings_and_other_quotes(text, case):
    assert told(text) == wanted(case)


@cases(
    ('{"safe": False, "objects": ["car"]}', '+car UNSAFE'),
    ("{'safe': True, 'objects': ('car', 'bus')}", '+car +bus SAFE'),
    ("{'car': 2, 'bus': None, 'safe': False}", '+car -bus UNSAFE'),
    ("{'objects': {'car', 'tree'}, 'safe': True}", '+car +vegetation SAFE'),
    ('{"car": NaN, "bus": 1, "safe": FALSE}', '+bus UNSAFE'),
    ("[{'label': 'car', 'visible': True}, {'label': 'bus', 'visible': False}]", '+car -bus'),
    ("{'should_stop': True, 'person': [1, 2,]}", '+person UNSAFE'),
    ('{"unsafe": False, "truck": 1}', '+truck SAFE'),
    ("{'objects': [], 'can_proceed': False}", 'UNSAFE'),
    ("result = {'safe': False, 'trees': 3}", '+vegetation UNSAFE'),
    ("{'objects': ['car'], 'position': (3.5, -1.0), 'safe': False}", '+car UNSAFE'),
)
def test_python_literals(text, case):
    assert told(text) == wanted(case)


@cases(
    ('{safe: false, objects: [car]}', '+car UNSAFE'),
    ('{safe: no, objects: [car, parked bus]}', '+car +bus UNSAFE'),
    ('{objects: car, bus, safe: true}', '+car +bus SAFE'),
    ('{ verdict: UNSAFE, reason: a child runs }', '+person UNSAFE'),
    ('{safe = false, car = 2}', '+car UNSAFE'),
    ('{"objects": [car, bus], "safe": no}', '+car +bus UNSAFE'),
    ('{safe => false, car => 0}', '-car UNSAFE'),
    ('{cars: 2 (parked), people: none, action: stop}', '+car -person UNSAFE'),
    ('{safe": false, "objects": ["car"]}', '+car UNSAFE'),
    ('{"safe: false, "objects": ["car"]}', '+car UNSAFE'),
    ('{"action": stop", "car": 1}', '+car UNSAFE'),
    ('{is_safe: false}', 'UNSAFE'),
)
def test_keys_and_words_without_quotes(text, case):
    assert told(text) == wanted(case)


@cases(
    ('{"objects": ["car",], "safe": false,}', '+car UNSAFE'),
    ('{"objects": ["car" "bus"] "safe": false}', '+car +bus UNSAFE'),
    ('{"car": 1,, "bus": 0; "safe": false}', '+car -bus UNSAFE'),
    ('{"car": 1\n"bus": 0\n"safe": false}', '+car -bus UNSAFE'),
    ('{"safe" false, "objects" ["car"]}', '+car UNSAFE'),
    ('{"car": 1, // two lanes\n "safe": false /* sure */}', '+car UNSAFE'),
    ('{"objects": ["car", "bus", ...], "safe": false, ...}', '+car +bus UNSAFE'),
    ('{"objects": ["car", "bus", "safe": false}', '+car +bus UNSAFE'),
    ('{"a": {"car": 1}, "safe": false', '+car UNSAFE'),
    ('{"car": 1], "safe": false}', '+car UNSAFE'),
    ('{"reason": "a car, "safe": false}', '+car UNSAFE'),
    ('"objects": ["car"], "safe": false}', '+car UNSAFE'),
    ('{{"safe": false, "car": 1}}', '+car UNSAFE'),
    ('{\\"safe\\": false, \\"objects\\": [\\"car\\"]}', '+car UNSAFE'),
    ('{"response": "{\\"safe\\": false, \\"car\\": 2}"}', '+car UNSAFE'),
    ('{"car": 1, # comment\n "safe": false}', '+car UNSAFE'),
)
def test_commas_brackets_comments_and_ellipses(text, case):
    assert told(text) == wanted(case)


@cases(
    ('{"objects": ["car", "bus"], "safe": fal', '+car +bus UNSAFE'),
    ('{"objects": ["car"], "safe": tru', '+car SAFE'),
    ('{"objects": ["car"], "safe": f', '+car'),
    ('{"objects": ["car"], "safe":', '+car'),
    ('{"objects": ["car"], "safe', '+car'),
    ('{"safe": "n', ''),
    ('{"safe', ''),
    ('{"safe":', ''),
    ('{safe', ''),
    ('{"verdict": "UNSA', ''),
    ('{"safe": false, "objects": ["car", "tru', '+car UNSAFE'),
    ('{"safe": false, "objects": [{"label": "car"}, {"label": "bus', '+car +bus UNSAFE'),
    ('```json\n{"safe": false, "reason": "a car is', '+car UNSAFE'),
    ('{"hazard": "no', ''),
    ('{"a": {"b": [{"car": 1, "bus": 0', '+car -bus'),
)
def test_cut_off(text, case):
    assert told(text) == wanted(case)


@cases(
    ('{"car": 1}\n{"bus": 1}\n{"safe": false}', '+car +bus UNSAFE'),
    ('First: {"car": 1}. Then: {"safe": false}.', '+car UNSAFE'),
    ('```json\n{"car": 1}\n```\nA bus waits.\n```\n{"safe": false}\n```', '+car +bus UNSAFE'),
    ('[{"car": 1}] [{"bus": 0}]', '+car -bus'),
    ('Here you are: {"safe": false, "car": 1} Hope this helps!', '+car UNSAFE'),
    ('{"safe": true} Correction: {"safe": false}', 'UNSAFE'),
    ('{"safe": false}{"safe": true}', 'SAFE'),
    ('A truck.\n{"safe": false, "reason": "person"', '+truck +person UNSAFE'),
    ('{"safe": false\n\nA bus waits.', '+bus UNSAFE'),
    ('["car", "bus"] and ["tree"]', '+car +bus +vegetation'),
)
def test_several_objects_and_objects_in_prose(text, case):
    assert told(text) == wanted(case)


@cases(
    ('Trajectory: [x, y]: [(4.1, 0.2), (5.0, 0.3), ...]. A car waits.', '+car'),
    ('A car [1] and a bus [2].', '+car +bus'),
    ('See [the car](http://example.org/a) and a bus.', '+car +bus'),
    ('The speed is $\\frac{a}{b}$; a car waits.', '+car'),
    ('A car at [120, 340, 260, 690] and a person at (12, 30).', '+car +person'),
    ('I see {a car} and a bus.', '+car +bus'),
    ('[car] is parked beside a [bus].', '+car +bus'),
    ('A car {partly hidden} waits. It is not safe.', '+car UNSAFE'),
    ('A list [unfinished of a car and a bus', '+car +bus'),
    ('Positions [[1, 2], [3, 4]] of a car. Stop.', '+car UNSAFE'),
)
def test_brackets_in_prose_are_no_json(text, case):
    assert told(text) == wanted(case)


def test_json_is_found_whole_or_cut_off():
    def found(text):
        return [plain(node) for node in find_json(text)]

    assert found('so: {"a": 1} and ["b"] more') == [{'a': 1}, ['b']]
    assert found('{"a": 1, "b": "a car and') == [{'a': 1, 'b': 'a car and'}]
    assert found('{"a": [1, {"b": tru') == [{'a': [1, {'b': True}]}]
    assert found('none [1] {}') == []


# Verdicts --------------------------------------------------------------------------------------


@cases(
    ('{"safe": false, "reason": "It looks safe to proceed."}', 'UNSAFE'),
    ('It is safe to proceed.\n{"is_safe": false}', 'UNSAFE'),
    ('{"unsafe": true}\nIt is safe to proceed.', 'UNSAFE'),
    ('{"stop": true, "note": "It is safe to go."}', 'UNSAFE'),
    ('{"should_stop": false} Stop.', 'SAFE'),
    ('{"can_proceed": "No", "text": "go ahead"}', 'UNSAFE'),
    ('{"verdict": "SAFE", "why": "Normally one should stop."}', 'SAFE'),
    ('{"decision": "STOP", "why": "it is safe to proceed"}', 'UNSAFE'),
    ('{"proceed": 0}', 'UNSAFE'),
    ('{"safe": "unsafe"}', 'UNSAFE'),
    ('{"safe": "n"}', 'UNSAFE'),
    ('{"safe": "caution"}', ''),
    ('{"action": "slow down"}', ''),
    ('{"hazard": true, "text": "safe to proceed"}', 'UNSAFE'),
    ('{"decision": "stop", "hazards": "none"}', 'UNSAFE'),
    ('{"hazards": "none"}', 'SAFE'),
    ('{"safe": true, "verdict": "UNSAFE"}', 'UNSAFE'),
    ('{"driving_decision": "wait"}', 'UNSAFE'),
    ('{"Is it safe to proceed?": "no"}', 'UNSAFE'),
    ('{"question": "Is it safe to proceed?", "answer": "No"}', 'UNSAFE'),
    ('{"question": "Should we stop?", "answer": "No"}', 'SAFE'),
    ('{"safe": "No, a truck blocks the road"}', '+truck +road UNSAFE'),
    ('{"safe": null}', ''),
    ('{"safe_distance": true, "clearance": "yes"}', ''),
    ('{"confidence": 1, "objects_safe_distance": 0}', ''),
    ('{"actions": ["brake", "wait"]}', 'UNSAFE'),
    ('{"risk_level": "high"}', 'UNSAFE'),
    ('{"risk": "low", "decision": "stop"}', 'UNSAFE'),
    ('{"safety": "9/10"}', 'SAFE'),
    ('{"safe": {"value": false, "reason": "it is safe to go"}}', 'UNSAFE'),
    ('{"proceed": {"decision": "no", "reason": "a bus"}}', '+bus UNSAFE'),
)
def test_a_field_of_a_verdict_goes_before_prose(text, case):
    assert told(text) == wanted(case)


def test_a_bare_answer_in_a_field_answers_the_prompt():
    assert told('{"answer": "no"}', 'Is it safe to proceed?')[1] == 'UNSAFE'
    assert told('{"answer": "no"}', 'Should the car stop?')[1] == 'SAFE'
    assert told('{"answer": "no"}')[1] == 'UNPARSED'


@cases(
    ('{"not_safe_to_proceed": true}', 'UNSAFE'),
    ('{"not_safe": false}', 'SAFE'),
    ('{"cannot_proceed": true}', 'UNSAFE'),
    ('{"can_not_proceed": "yes"}', 'UNSAFE'),
    ('{"do_not_proceed": true}', 'UNSAFE'),
    ('{"no_need_to_stop": true}', 'SAFE'),
    ('{"must_not_stop": true}', 'SAFE'),
    ('{"isNotSafe": true}', 'UNSAFE'),
    ('{"no_go": true}', 'UNSAFE'),
    ('{"no_hazards": true}', 'SAFE'),
    ('{"hazard_free": false}', 'UNSAFE'),
    ('{"unable_to_proceed": true}', 'UNSAFE'),
)
def test_negative_names_of_fields(text, case):
    assert told(text) == wanted(case)


@cases(
    ('{"prediction": {"car1": {"behaviour": "continue moving forward"}}}', '+car'),
    ('{"predictions": [{"agent": "vehicle ahead", "action": "continue"}]}', '+vehicle'),
    ('{"vehicle_a": {"behavior": "stop"}, "safe": true}', '+vehicle SAFE'),
    ('{"Pedestrian #3": {"intent": "wait"}}', '+person'),
    ('{"car_2": {"action": "stop"}, "ego": {"action": "proceed"}}', '+car SAFE'),
    ('{"objects": [{"type": "truck", "predicted_action": "stop"}]}', '+truck'),
    ('{"behaviour": "the car ahead will continue", "truck": 1}', '+car +truck'),
    ('{"cyclist1": {"future_action": "go straight"}}', '+rider +bicycle'),
    ('{"future_action": "proceed"}', ''),
    ('{"ego_vehicle": {"behavior": "stop"}}', 'UNSAFE'),
    ('{"self": {"decision": "wait"}, "bus1": {"decision": "go"}}', '+bus UNSAFE'),
    ('{"agents": {"lead": {"action": "stop"}}, "decision": "go"}', 'SAFE'),
    ('[{"name": "bus", "status": "stop"}, {"name": "ego", "action": "go"}]', '+bus SAFE'),
    ('{"pedestrian": {"safe": true}, "ego_action": "stop"}', '+person UNSAFE'),
)
def test_what_another_agent_does_judges_nothing(text, case):
    assert told(text) == wanted(case)


# Keys ------------------------------------------------------------------------------------------


@cases(
    ('{"car1": "red", "car2": "blue"}', '+car'),
    ('{"car_1": {"color": "red"}, "bus-2": 0}', '+car -bus'),
    ('{"trafficLight": "red", "trafficSigns": []}', '+traffic_light -traffic_sign'),
    ('{"Pedestrian #3": "crossing"}', '+person'),
    ('{"num_cars": 3, "num_pedestrians": 0}', '+car -person'),
    ('{"has_bus": true, "has_truck": false}', '+bus -truck'),
    ('{"no_cars": true, "no_buses": false}', '-car +bus'),
    ('{"pedestrians_present": "no", "car_detected": true}', '-person +car'),
    ('{"numberOfCars": 2, "numberOfBuses": "0"}', '+car -bus'),
    ('{"pedestrians": ["none"], "cars": ["sedan"]}', '-person +car'),
    ('{"pedestrians": {"adults": 0, "left": 0}, "cars": {"left": 2, "right": 0}}', '-person +car'),
    ('{"notes": "A car is parked."}', '+car'),
    (
        '{"text": "Not visible:\\n- a bus\\n\\nVisible:\\n- a car", "tree": 1}',
        '+car -bus +vegetation',
    ),
    ('{"text": "Status: GREEN \\u2014 continue."}', 'SAFE'),
    ('{"traffic_light_state": "none", "bus_status": "parked"}', '-traffic_light +bus'),
    ('{"objects": [{"id": "car_1"}, {"object_type": "bus", "status": "absent"}]}', '+car -bus'),
    ('{"presence_of_cyclists": false}', '-rider -bicycle'),
)
def test_keys_that_name_things(text, case):
    assert told(text) == wanted(case)


@cases(
    ('{"recommendations": ["Cars may come", "pedestrians"], "truck": 1}', '+truck'),
    ('{"tips": ["cyclists", "buses"]}', ''),
    ('{"safety_tips": "pedestrians and cyclists"}', ''),
    ('{"advice": ["Yield if buses come"], "car": 1}', '+car'),
    ('{"precautions": ["children"], "objects": ["car"]}', '+car'),
    ('{"things to watch for": ["pedestrians"], "bus": 0}', '-bus'),
    ('{"watch_for": ["motorcycles"]}', ''),
    ('{"Recommendation": "pedestrians first", "verdict": "UNSAFE"}', 'UNSAFE'),
    ('{"suggestions": {"a": "trucks", "b": ["trains"]}}', ''),
    ('{"be_aware_of": ["dogs", "children"], "person": 1}', '+person'),
)
def test_what_is_under_advice_is_not_said_to_be_there(text, case):
    assert told(text) == wanted(case)


@cases(
    ('{"not_visible": ["car"], "visible": ["bus"]}', '-car +bus'),
    ('{"absent": ["cars", "trucks"]}', '-car -truck'),
    ('{"missing": {"objects": ["person"]}, "found": ["car"]}', '-person +car'),
    ('{"notDetected": ["bus"]}', '-bus'),
    ('{"possible": ["car"], "certain": ["bus"]}', '?car +bus'),
    ('{"uncertain": [{"type": "bicycle"}]}', '?bicycle'),
    ('{"not_seen": "cars", "truck": "yes"}', '-car +truck'),
    ('{"unclear": ["trees"], "clear": ["sky"]}', '?vegetation +sky'),
    ('{"possible": {"car": 0, "bus": 1}}', '-car ?bus'),
    ('{"not present": ["fence", "wall"]}', '-fence -wall'),
    ('{"maybe": ["pole"], "sure": ["road"]}', '?pole +road'),
)
def test_keys_that_deny_and_keys_that_hedge(text, case):
    assert told(text) == wanted(case)


@cases(
    ('{"prompt": "Are there cars? Is it safe?", "bus": 1}', '+bus'),
    ('{"question": "Is a truck there?", "objects": ["car"]}', '+car'),
    ('{"instruction": "Stop for pedestrians.", "safe": true}', 'SAFE'),
    ('{"query": "list cars", "answer": "A bus."}', '+bus'),
    ('{"user_prompt": "cars", "tree": 1}', '+vegetation'),
)
def test_what_was_asked_is_nothing(text, case):
    assert told(text) == wanted(case)


# Tags, keys on lines, tables -------------------------------------------------------------------


@cases(
    ('<safe>false</safe><objects>car</objects>', '+car UNSAFE'),
    ('<safe> no </safe>', 'UNSAFE'),
    ('<driving_decision>stop</driving_decision>', 'UNSAFE'),
    ('<answer>It is not safe to proceed.</answer>', 'UNSAFE'),
    ('<answer>A car and a bus.</answer>', '+car +bus'),
    ('<answer>{"safe": false, "car": 1}</answer>', '+car UNSAFE'),
    ('<result><safe>true</safe><cars>2</cars><buses>0</buses></result>', '+car -bus SAFE'),
    ('<objects><object>car</object><object>tree</object></objects>', '+car +vegetation'),
    ('<absent><object>car</object></absent><stop>true</stop>', '-car UNSAFE'),
    ('<safe>false', 'UNSAFE'),
    ('<safe>false<safe>', 'UNSAFE'),
    ('It is safe to proceed. <verdict>UNSAFE</verdict>', 'UNSAFE'),
    ('<car1><behaviour>continue</behaviour></car1>', '+car'),
    ('<recommendations>cyclists, trucks</recommendations><bus>1</bus>', '+bus'),
    ('<stop>false</stop>', 'SAFE'),
    ('<pedestrians>none</pedestrians>\n<safe_to_proceed>yes</safe_to_proceed>', '-person SAFE'),
    ('<description>A car waits.</description><safe>no</safe>', '+car UNSAFE'),
    ('<object name="car" count="2"/><object name="bus" count="0"/>', '+car -bus'),
    ('A car with speed < 30 and a bus > 2 m away.', '+car +bus'),
)
def test_tags(text, case):
    assert told(text) == wanted(case)


@cases(
    ('objects:\n - car\n - bus\nsafe: false', '+car +bus UNSAFE'),
    (
        '```yaml\nobjects:\n  - name: car\n    count: 2\n  - name: bus\n    count: 0\n'
        'safe: false\n```',
        '+car -bus UNSAFE',
    ),
    ('scene:\n  cars: 2\n  pedestrians: 0\nis_safe: true', '+car -person SAFE'),
    ('objects: [car, bus]\nsafe_to_proceed: no', '+car +bus UNSAFE'),
    ('car_count: 3\nbus_count: 0\nshould_stop: true', '+car -bus UNSAFE'),
    ('not_visible:\n  - car\nvisible:\n  - tree', '-car +vegetation'),
    ('traffic_light: red\ntrain: false\naction: stop', '+traffic_light -train UNSAFE'),
    ('- label: car\n  present: yes\n- label: truck\n  present: no', '+car -truck'),
    ('```yaml\nrecommendations:\n  - cyclists\ncar: 1\n```', '+car'),
    ('should_stop: false\nreason: no cars', '-car SAFE'),
    ('name: car\ncount: 0', '-car'),
    ('ego_action: wait\ncar_1:\n  predicted_action: continue', '+car UNSAFE'),
    ('```yaml\nsafe: false\nreason: "a truck: parked"\n```', '+truck UNSAFE'),
)
def test_blocks_of_keys(text, case):
    assert told(text) == wanted(case)


@cases(
    ('| Safe to proceed | No |', 'UNSAFE'),
    (
        '| Object | Present | Count |\n|---|---|---|\n| Car | Yes | 2 |\n| Bus | No | 0 |',
        '+car -bus',
    ),
    ('| # | Object | Count |\n|---|---|---|\n| 1 | Car | 2 |\n| 2 | Bus | 0 |', '+car -bus'),
    (
        '| Object | Position | Visible |\n|---|---|---|\n| car | left | yes |\n| bus | - | no |',
        '+car -bus',
    ),
    ('| Question | Answer |\n|---|---|\n| Safe to proceed? | No |\n| Cars | 2 |', '+car UNSAFE'),
    ('| Cars | Buses | Safe |\n|---|---|---|\n| 2 | 0 | no |', '+car -bus UNSAFE'),
    ('| Verdict | UNSAFE |\n|---|---|\n| Pedestrians | 3 |', '+person UNSAFE'),
    ('| **Object** | **Count** |\n|:--|--:|\n| **Car** | 2 |\n| *Tree* | 0 |', '+car -vegetation'),
    ('Object | Count\n--- | ---\ncar | 1\nbus | none', '+car -bus'),
    ('| Decision | Stop |\n| Car | yes |', '+car UNSAFE'),
    ('| Stop required | No |\n|---|---|\n| Pedestrians | none |', '-person SAFE'),
    ('| Object | Notes |\n|---|---|\n| Truck | blocks the road |', '+truck +road'),
    ('object,count\ncar,2\nbus,0', '+car -bus'),
    ('car, 2\nperson, 0\ntree, 4', '+car -person +vegetation'),
    ('class,present\ncar,yes\nperson,no\n', '+car -person'),
    ('item;count\ncar;2\nbus;0', '+car -bus'),
    ('Car: 2 | Bus: 0 | Safe: no', '+car -bus UNSAFE'),
    ('Car: 0 | Bus: 1', '-car +bus'),
)
def test_tables(text, case):
    assert told(text) == wanted(case)


@cases(
    ('Cars - 2, Persons - 0', '+car -person'),
    ('0 cars, 3 people', '-car +person'),
    ('The number of pedestrians is 0.', '-person'),
    ('The number of cars is 4.', '+car'),
    ('pedestrians (0), cars (3)', '-person +car'),
    ('Car x3, bus x0', '+car -bus'),
    ('3x car, 0x truck', '+car -truck'),
    ('Cars: 2; Persons: 0', '+car -person'),
    ('Cars = 2, persons = 0', '+car -person'),
    ('cars(2) pedestrians(0)', '+car -person'),
    ('2 cars, 0 buses and 1 truck', '+car -bus +truck'),
    ('Number of cars: 0', '-car'),
    ('The count of buses was 0 and the number of trees is 5.', '-bus +vegetation'),
    ('Total number of vehicles = 0', '-vehicle'),
    ('There are 0 cars and 3 people.', '-car +person'),
    ('Pedestrians - 0\nCars - 12', '-person +car'),
    ('zero cars, two trucks', '-car +truck'),
    ('Cars – 2, Persons – 0, Trees – 4', '+car -person +vegetation'),
    ('I count 0 pedestrians, 2 cyclists.', '-person +rider +bicycle'),
    ('the pedestrian count is zero', '-person'),
)
def test_counts_by_number(text, case):
    assert told(text) == wanted(case)


@cases(
    ('Safe to proceed: no', 'UNSAFE'),
    ('should_stop: false', 'SAFE'),
    ('Stop: no', 'SAFE'),
    ('**Stop required:** No\n', 'SAFE'),
    ('Hazard: none.', 'SAFE'),
    ('1. Safe: yes\n2. Cars: 2', '+car SAFE'),
    ('It may look safe to go, but safe_to_proceed = false', 'UNSAFE'),
    ('Danger: no', 'SAFE'),
    ('Halt? | No', 'SAFE'),
    ('- is_safe: false\n- cars: 0', '-car UNSAFE'),
    ('stop": false, "car": 2}', '+car SAFE'),
)
def test_fields_of_a_verdict_on_lines(text, case):
    assert told(text) == wanted(case)


# Properties ------------------------------------------------------------------------------------

# A text that is JSON itself is read as that.
TEXTS = st.text(max_size=12).filter(
    lambda text: text.lstrip()[:1] not in ('{', '[') or '"' not in text
) | st.sampled_from(['a car', 'no', 'He said "stop", twice', "it's, a"])
JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(
    st.dictionaries(TEXTS, JSON, min_size=1, max_size=4)
    | st.lists(TEXTS | st.dictionaries(TEXTS, JSON, min_size=1), min_size=1, max_size=4),
    st.sampled_from([None, 1, '\t']),
    st.booleans(),
)
def test_valid_json_is_read_as_json_reads_it(value, indent, ascii_only):
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    # A surrogate by itself is one half of a letter: what text it is differs by its neighbours.
    (found,) = find_json(text)
    assert plain(found) == json.loads(text)
    assert (found.start, found.end) == (0, len(text))


@given(st.dictionaries(st.text('abc', min_size=1, max_size=3), st.text('xyz ', max_size=9)))
def test_strings_and_keys_stand_where_they_are_said_to(value):
    text = 'A car. ' + json.dumps(value) + ' A bus.'
    for node in find_json(text):
        for key, entry in node.pairs:
            assert json.loads(text[key.start : key.end]) == key.value
            assert json.loads(text[entry.start : entry.end]) == entry.value


FIELDS = {
    'safe': [True, False, 'yes', 'no', 'unsafe', 0, 1],
    'is_safe': [True, False],
    'unsafe': [True, False],
    'hazard': [True, False, 'no', 'yes'],
    'stop': [True, False],
    'should_stop': [True, False, 'No', 'Yes'],
    'can_proceed': [True, False, 'no'],
    'not_safe_to_proceed': [True, False],
    'verdict': ['SAFE', 'UNSAFE', 'not safe'],
    'decision': ['stop', 'go', 'proceed', 'wait'],
    'action': ['brake', 'proceed', 'slow down'],
}
OTHERS = st.dictionaries(
    st.sampled_from(['objects', 'description', 'car', 'pedestrians', 'confidence', 'weather']),
    st.sampled_from(
        [['car', 'tree'], 'A red car, parked.', 'A "big" truck', 2, 0, 0.9, [], {'count': 1}, None]
    ),
    max_size=3,
)


def _python(text):
    for old, new in (('true', 'True'), ('false', 'False'), ('null', 'None')):
        text = re.sub(rf'\b{old}\b', new, text)
    return text


DAMAGES = {
    'cut': lambda text, at: text[: max(at, 1)],
    'line break': lambda text, at: (
        text[:at] + '\n' + text[at:] if text[at - 1 : at] == ' ' else text
    ),
    'unescaped': lambda text, at: text.replace('\\"', '"'),
    'single': lambda text, at: text.replace('"', "'"),
    'curly': lambda text, at: re.sub('"([^"]*)"', '“\\1”', text),
    'python': lambda text, at: _python(text),
    'bare keys': lambda text, at: re.sub(r'"(\w+)":', r'\1:', text),
    'no comma': lambda text, at: text[:at] + text[at:].replace(',', '', 1),
    'more comma': lambda text, at: text.replace('}', ',}'),
    'no brackets': lambda text, at: text.replace('}', '').replace(']', ''),
    'no opening': lambda text, at: re.sub(r'^\W', '', text) if ':' in text else text,
    'no quote': lambda text, at: text[:at] + text[at:].replace('"', '', 1),
    'fence': lambda text, at: '```json\n' + text + '\n```',
    'comment': lambda text, at: text.replace(',', ', // so\n', 1),
    'ellipsis': lambda text, at: text.replace(']', ', ...]'),
    'escaped': lambda text, at: text.replace('"', '\\"'),
    'prose': lambda text, at: 'Sure, here it is:\n' + text + '\nLet me know if you need more.',
    'indented': lambda text, at: json.dumps(json.loads(text), indent=2) if _valid(text) else text,
}


def _valid(text):
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


@settings(max_examples=400)
@given(
    st.sampled_from(sorted(FIELDS)).flatmap(
        lambda key: st.tuples(st.just(key), st.sampled_from(FIELDS[key]))
    ),
    OTHERS,
    OTHERS,
    st.lists(st.tuples(st.sampled_from(sorted(DAMAGES)), st.floats(0, 1)), min_size=1, max_size=2),
)
@example(('stop', False), {}, {}, [('cut', 0.9), ('no quote', 0)])
@example(('safe', False), {}, {}, [('no opening', 0)])
def test_damage_never_turns_a_verdict(field, before, after, damages):
    text = json.dumps({**before, field[0]: field[1], **after})
    whole = read(text, LEXICON).judgement
    for name, share in damages:
        text = DAMAGES[name](text, int(share * len(text)))
    # A word that has lost all that made it a key is no structure any more.
    assume(re.search('[{:]', text))
    assert read(text, LEXICON).judgement in (whole, Judgement.UNPARSED), text


@given(st.text('{}[]()<>"\'`\\,:;=/*#.|-\n aft01car', max_size=200))
@example('{"a": \\')
@example('["a"' * 20)
@example('{"a": {' * 90)
@example('{a:' * 200)
def test_no_structure_is_too_strange(text):
    for node in find_json(text):
        assert 0 <= node.start < node.end <= len(text)
        plain(node)
    read(text, LEXICON)


@pytest.mark.heavy
@pytest.mark.parametrize(
    'part',
    [
        '[',
        '{',
        '["',
        '{"a',
        '{"a"',
        '{"a":',
        '{"a": "',
        '"',
        "'",
        '\\',
        '\\"',
        '"a", ',
        '{a:',
        '{a',
        '[{"',
        '/*',
        '//',
        '#',
        '...',
        '"a" "b" ',
        '{"a": "b" c, ',
        '"a b", c, ',
        '", ',
        '":',
        '"}',
        '<a>',
        '<a',
        '</',
        '<a b="',
        '|',
        '| a ',
        '|-',
        '- a: b\n',
        'a:\n',
        ' a:\n',
        'a,1\n',
        'safe: ',
        '"safe":',
        '("a", ',
        ', "a": 1',
        '\n"a": 1',
        'car x0 ',
        'cars (',
        '`',
        '```',
        '{"a": [(',
    ],
)
def test_the_work_is_linear_in_the_structure(part):
    """Ten times the text may take no more than fifty times as long."""

    def took(length, lead):
        text = (lead + part * length)[:length]
        start = time.process_time()
        read(text, LEXICON)
        return time.process_time() - start

    for lead in ('', '{"k": "', '['):
        short = max(min(took(MAX_TEXT // 10, lead) for _ in range(3)), 1e-3)
        assert min(took(MAX_TEXT, lead) for _ in range(2)) < 50 * short
