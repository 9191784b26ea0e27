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

"""What words mean: the names of driving data sets, compounds, spellings; files laid over ours."""

import re
import textwrap
from itertools import permutations

import pytest
import yaml

from vlm_misalign_ros.core.errors import ConfigurationError
from vlm_misalign_ros.core.labels.classes import CLASSES, SCORED
from vlm_misalign_ros.core.language.lexicon import lexicon_hash, open_lexicon, plurals
from vlm_misalign_ros.core.language.phrases import Things, is_plural, spellings
from vlm_misalign_ros.core.language.reading import read, to_plain
from vlm_misalign_ros.core.language.speech import NEEDED
from vlm_misalign_ros.core.language.wordfiles import SHIPPED, shipped
from vlm_misalign_ros.core.types import Mention

LEXICON = open_lexicon()
CASES = """
# Cityscapes, by the names of its labels
a road | road
a sidewalk | sidewalk
a parking area |
a rail track |
a building | building
a wall | wall
a fence | fence
a guard rail |
a bridge |
a tunnel |
a pole | pole
a polegroup | pole
a traffic light | traffic light
a traffic sign | traffic sign
vegetation | vegetation
terrain | terrain
the sky | sky
a person | person
a rider | rider
a car | car
a truck | truck
a bus | bus
a caravan | vehicle
a trailer | vehicle
a train | train
a motorcycle | motorcycle
a bicycle | bicycle
a license plate |
the ego vehicle |
# BDD100K
a pedestrian | person
another vehicle | vehicle
another person | person
a drivable area |
a lane |
# nuScenes
an adult pedestrian | person
a child pedestrian | person
a construction worker | person
a police officer | person
a personal mobility device |
a stroller |
a wheelchair |
a wheelchair user | person
a bendy bus | bus
a rigid bus | bus
a construction vehicle | vehicle
an ambulance | car
a police vehicle | vehicle
an emergency vehicle | vehicle
a barrier |
debris |
a pushable object |
a traffic cone |
a bicycle rack |
an animal |
a driveable surface | road
# KITTI
a van | car
a tram | train
a cyclist | rider bicycle
a person sitting | person
# COCO
an airplane |
a boat |
a fire hydrant |
a stop sign | traffic sign
a parking meter |
a bench |
a bird |
a cat |
a dog |
a horse |
an umbrella |
a handbag |
a potted plant | vegetation
a skateboard |
# Mapillary Vistas and IDD
a curb |
a bike lane |
a plain crosswalk |
a service lane |
a pedestrian area |
lane markings |
a mountain |
snow |
water |
sand | terrain
a banner |
a bike rack |
a billboard |
a catch basin |
a CCTV camera |
a junction box |
a mailbox |
a manhole |
a phone booth |
a pothole |
a street light | pole
a utility pole | pole
a trash can |
a bicyclist | rider bicycle
a motorcyclist | rider motorcycle
an on-rail vehicle | train
a car mount |
a ground animal |
an autorickshaw | vehicle
a vehicle fallback | vehicle
# Vehicles by kind
an auto-rickshaw | vehicle
an auto rickshaw | vehicle
two auto rickshaws | vehicle
a tuk-tuk | vehicle
three tuktuks | vehicle
a three-wheeler | vehicle
a golf cart | vehicle
a quad bike | vehicle
an ATV | vehicle
a tractor | vehicle
an excavator | vehicle
a forklift | vehicle
a forklift truck | vehicle
a bulldozer | vehicle
a snow plough | vehicle
a horse-drawn carriage | vehicle
a boat trailer | vehicle
a truck with a trailer | truck
the trailer of the truck | truck
a semi-trailer | truck
a tractor-trailer | truck
a tractor trailer | truck
a semi-truck | truck
an 18-wheeler | truck
a pickup | truck
a pick-up | truck
a Ford F-150 | truck
an F150 | truck
a white Toyota Hilux | truck
a Chevrolet Silverado | truck
a Cybertruck | truck
a ute | truck
a bakkie | truck
a goods vehicle | truck
a heavy goods vehicle | truck
an HGV | truck
a fire engine | truck
a garbage truck | truck
a bin lorry | truck
a bucket truck | truck
a recycling lorry | truck
a Volvo truck | truck
a Mercedes bus | bus
a Honda motorcycle | motorcycle
a Suzuki bike | motorcycle
a Harley-Davidson | motorcycle
a silver Honda Civic | car
a red Toyota Corolla | car
a black BMW X5 | car
two Teslas | car
a Mercedes-Benz | car
a Tata Nexon | car
a Land Rover | car
a VW Golf | car
an ice-cream van | car
a removal van | car
a police car | car
a police van | car
a station wagon | car
an estate car | car
a camper van | car
a family car | car
a passenger car | car
a passenger train | train
a passenger vehicle | vehicle
a city bus | bus
two school buses | bus
a trolleybus | bus
a coach | bus
a shuttle bus | bus
a light rail train | train
a subway car | train
a train carriage | train
the cars of a train | train
a streetcar | train
a moped | motorcycle
an e-bike | bicycle
a cargo bike | bicycle
a kick scooter |
an e-scooter |
an electric scooter |
a mobility scooter |
a woman riding an e-scooter | person
an e-scooter rider | person
a man on a kick scooter | person
a boy on a skateboard | person
a scooter rider | rider motorcycle
# People by what they do
a policeman directing traffic | person
police directing traffic | person
the police are directing traffic | person
a traffic cop | person
a construction crew | person
a road crew | person
two paramedics | person
first responders | person
a flagger | person
a lollipop lady | person
a melon seller | person
a refuse collector | person
a street vendor | person
a street performer | person
road workers | person
two firemen | person
a tradesman | person
delivery people | person
salespeople | person
a policewoman | person
three policewomen | person
schoolchildren | person
passers-by | person
a mother with a stroller | person
a skateboarder | person
a shop owner | person
hotel guests | person
a school teacher | person
# Parts, and who drives
an open car door | car
a truck bed | truck
a tree trunk | vegetation
tree branches | vegetation
a bus driver |
taxi drivers |
a taxi driver leaning on a pole | person pole
a truck driver is walking | person
the driver gets out | person
bus passengers | person
car owners | person
# Compounds
a car wash |
two car washes |
a car park |
car parks |
a bus stop |
two bus stops |
bus stops |
a bus ticket |
a bus pass |
bus tickets |
a bus shelter |
a truck stop |
a taxi stand |
a train ticket |
train journeys |
a train of thought |
a car seat |
a child seat |
a car crash |
car insurance |
a car radio |
vehicle traffic |
a vehicle license |
tram wires |
tram tracks |
trolleybus wires |
overhead lines for trams |
lines for the tram |
cables for trolleybuses |
a dining car |
a sleeping car |
school days |
school holidays |
a school zone |
a house number |
house numbers |
a shop sign |
a hotel sign |
the rules of the road |
road works |
road safety |
street food |
street art |
a street map |
a road trip |
road users |
a sign that the storm is near |
a sign that it will rain |
signs of damage |
a power plant |
a flower pot |
a bike shop | building
a bike shop owner | person
a bicycle repair shop | building
a car dealership | building
a car factory | building
a bus depot |
a flower shop | building
a pavement cafe | building
a baby stroller |
a cell tower |
a wall clock |
a fence post |
bicycle stands |
a bike helmet |
a man in a motorcycle jacket | person
bus riders | person
a guard booth |
black bars at the top |
a couple cars | car
a couple of cars | car
individual cars | car
individual elements |
a crew cab pickup | truck
a truck cab | truck
a cop car | car
human drivers |
this sheds light on it |
a highway patrol car | car
sandbags |
sand bags |
guy wires |
a bus number 7 | bus
a burning car fire | car
a factory worker | person
# What only looks like a compound
the bus stops at the light | bus
a car parks behind a truck | car truck
a bus crossing from the right | bus
a bus passes a tree | bus vegetation
a truck parking at the side | truck
cars park here | car
let the tram pass | train
a car sounds its horn | car
a car drawing closer | car
a building runs along the street | building road
a balcony projects over the road | building road
the road levels out | road
a street crossing the tram tracks | road
the school run |
at street level |
I see the bus stop | bus
the bus stops | bus
trucks stop | truck
a woman crossing the street | person road
a pedestrian crossing the street | person road
a pedestrian crossing |
two pedestrian crossings |
# Ground, buildings, poles, signs and lights
dirt | terrain
a dirt ground | terrain
a dirt road | road
a dirt track | road
dirt on the lens |
a lens covered with dirt |
a grassy verge | terrain
a toll booth | building
a tollbooth | building
a filling station | building
a petrol pump | building
a shopping centre | building
a block of flats | building
a high street | road
an interstate | road
a dual carriageway | road
asphalt pavement | road
wet pavement | sidewalk
a footpath | sidewalk
a bollard | pole
a lamp-post | pole
a street-light | pole
a lamp standard | pole
traffic signals | traffic light
a set of traffic lights | traffic light
the light is green | traffic light
the traffic light is green | traffic light
our light turned red | traffic light
waiting for the light to change | traffic light
when the light is green, go |
wait until the light turns green |
a gantry |
an overhead gantry |
a turn signal |
brake lights |
a give-way sign | traffic sign
a speed limit sign | traffic sign
a yield sign | traffic sign
a chevron sign | traffic sign
a sign that says stop | traffic sign
a crash barrier |
a guardrail |
a jersey barrier |
a chain-link fence | fence
a metal railing | fence
a noise wall | wall
a wall of fog |
hedges | vegetation
palm trees | vegetation
bins |
a man on a cycle | rider bicycle
a cycle lane |
a mail carrier | person
a street sweeper |
the light ahead is red | traffic light
a closed garage | building
a parking garage |
trash bins |
a wheelie bin |
a fire hydrant and a bin |
a shopping trolley |
"""


def cases():
    for line in CASES.strip().splitlines():
        if not line.startswith('#'):
            phrase, _, classes = line.partition('|')
            yield phrase.strip(), classes.strip()


def asserted(text, lexicon=LEXICON):
    return set(to_plain(read(text, lexicon))['asserted'])


def named(classes):
    """Return the classes in `rider traffic light`, longest names first."""
    return set(re.findall('|'.join(sorted(SCORED, key=len, reverse=True)), classes))


@pytest.mark.parametrize('phrase, classes', list(cases()))
def test_a_phrase_names_its_classes_and_no_other(phrase, classes):
    assert asserted(phrase[0].upper() + phrase[1:] + '.') == named(classes)


def test_there_are_cases_enough_and_for_every_class():
    found = list(cases())
    assert len(found) >= 150 and len(set(found)) == len(found)
    assert {name for _, classes in found for name in named(classes)} == set(SCORED)


# Forms --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    'one, many',
    [
        ('bus', 'buses'),
        ('workman', 'workmen'),
        ('policewoman', 'policewomen'),
        ('salesperson', 'salespeople'),
        ('schoolchild', 'schoolchildren'),
        ('passer-by', 'passers-by'),
        ('school bus', 'school buses'),
        ('lorry', 'lorries'),
        ('bench', 'benches'),
        ('bus pass', 'bus passes'),
        ('human', 'humans'),
        ('skies', None),
    ],
)
def test_plurals_are_those_of_english(one, many):
    found = list(plurals(one))
    assert found[0] == one and (found[-1] == many if many else found == [one])
    assert not is_plural(one.split()[-1]) or one == 'skies'
    assert many is None or is_plural(many.split()[-1])


def test_spellings_hyphen_the_first_two_words():
    assert list(spellings('give way sign')) == ['give way sign', 'give-way sign']
    assert list(spellings('car')) == ['car']


def test_a_name_without_a_word_behind_it_is_no_compound():
    things = Things()
    things.add(('bus',), ('bus',))
    assert things.longest(('bus', 'ticket'), 0) == (1, [('bus',)])
    assert things.longest(('ticket',), 0) == (0, [])


# The files of this package --------------------------------------------------------------------


def test_no_section_stands_in_two_files_and_no_name_means_two_things():
    sections = [key for path in SHIPPED.glob('*.yaml') for key in yaml.safe_load(path.read_text())]
    assert sorted(sections) == sorted(set(sections)) == sorted(shipped())
    meanings: dict[str, set] = {}
    for entry in shipped()['things']:
        for phrase in entry['phrases']:
            meanings.setdefault(str(phrase), set()).add(tuple(entry['classes']))
    assert {name: found for name, found in meanings.items() if len(found) > 1} == {}


def test_every_phrase_of_a_thing_is_read_as_its_classes():
    """A phrase that a longer or an earlier one hides would be dead."""
    silent = ('nobody', "nobody's", 'no one', "no one's", 'no-one', 'anyone', 'anybody')
    dead = []
    for entry in shipped()['things']:
        for phrase in entry['phrases']:
            if '{' in str(phrase) or str(phrase).startswith(('not a ', 'anyone', *silent)):
                continue
            found = asserted(f'I see {phrase}.')
            if not set(entry['classes']) <= found:
                dead.append((phrase, found))
    assert dead == []


# A file laid over ours ------------------------------------------------------------------------


@pytest.fixture
def over(tmp_path):
    """Return a function that lays a file with this text over the lexicon."""

    def lay(text):
        path = tmp_path / 'my_words.yaml'
        path.write_text(textwrap.dedent(text))
        open_lexicon.__globals__['_open'].cache_clear()
        return open_lexicon(str(path))

    return lay


def test_words_are_taken_out_with_their_plurals(over):
    without = over('without: [bar, inn, bus stop sign]')
    text = 'Two bars, an inn and a hotel.'
    assert asserted(text) == asserted('A hotel.', without) == {'building'}
    assert asserted('Two bars and an inn.', without) == set()
    assert asserted('A bus stop sign.', without) == {'traffic sign'}


def test_a_word_taken_out_may_come_back_with_another_meaning(over):
    lexicon = over("""
        without: [coach]
        things:
          - {classes: [person], phrases: [coach]}
        """)
    assert asserted('A coach.', lexicon) == {'person'}


def test_cues_join_ours(over):
    lexicon = over('polarity: {negation_before: [nary the sight of]}')
    assert asserted('Nary the sight of trucks.', lexicon) == set()
    assert asserted('Nary the sight of trucks.') == {'truck'}


def test_lists_of_a_users_own_unfold_in_its_phrases(over):
    lexicon = over("""
        kinds: {size: [mini, maxi]}
        things:
          - {classes: [bus], phrases: ['{size}taxi']}
        """)
    assert asserted('A minitaxi and two maxitaxis.', lexicon) == {'bus'}


def test_further_classes_are_told_apart_from_those_that_are_scored(over):
    lexicon = over("""
        further:
          cone: [cone, traffic cone]
          animal: [dog, deer]
          road debris: [debris]
        """)
    assert lexicon.further == ('cone', 'animal', 'road debris')
    found = to_plain(read('A car, two traffic cones, no dogs. Possibly debris.', lexicon))
    assert found['asserted'] == ['car'] and found['denied'] == []
    assert found['further'] == {'cone': 'ASSERTED', 'animal': 'DENIED', 'road debris': 'HEDGED'}
    # A likelihood is for what is scored alone.
    assert set(read('A cone and a car.', lexicon).phrases) == {'car'}
    assert 'further' not in to_plain(read('A car and a cone.', LEXICON))
    assert asserted('A dog walker.', lexicon) == asserted('A dog walker.') == {'person'}


@pytest.mark.parametrize(
    'text, words',
    [
        ('thigns: []', "adds to 'thigns', which there is not. did you mean 'things'"),
        ('polarity: {hedge_befor: [x]}', "'polarity.hedge_befor'.*did you mean 'hedge_before'"),
        ('withuot: [bar]', "did you mean 'without'"),
        ('without: [barr]', "takes out 'barr', which is in no list. there are 'bar'"),
        ('without: [qqq]', "takes out 'qqq', which is in no list. leave it out"),
        ('without: bar', "has a str under 'without'. expected a list"),
        (
            'things: [{classes: [trafic light], phrases: [x]}]',
            "'trafic light' under things.0.. did you mean 'traffic light'",
        ),
        ('things: [{classes: [car], phrase: [x]}]', "no 'phrases' under things.0."),
        (
            'things: [{classes: [car], phrases: [x], not: [y]}]',
            "'not' under things.0., which there is not",
        ),
        ('things: [car]', "has 'car' under things.0.. expected a mapping"),
        ('things: [{classes: [car], phrases: x}]', "a str under 'things.0..phrases'"),
        ('nothing: [no]', 'has False under nothing.0., which is no phrase. put it into quotes'),
        ('nothing: [[a]]', "has .'a'. under nothing.0., which is no phrase. expected a text"),
        (
            'things: [{classes: [car], phrases: ["{nope} x"]}]',
            "has '.nope. x', and no list 'nope' under macros or kinds",
        ),
        ('version: 9', "sets 'version', which is the lexicon's own"),
        ('further: {car: [x]}', "class 'car' under 'further'. car is scored: add to things"),
        ('further: {A Cone!: [x]}', "class 'A Cone!' under 'further'. name it by a word"),
        ('further: [cone]', "a list under 'further'. write a mapping, such as further"),
        ('further: {cone: x}', "a str under 'further.cone'"),
        ('compounds: [{classes: [], heads: [x], also_verb: true}]', "did you mean 'also_verbs'"),
    ],
)
def test_what_is_wrong_with_a_file_is_named_with_its_place(over, text, words):
    with pytest.raises(ConfigurationError, match=r'my_words\.yaml.*' + words):
        over(text)


def test_the_hash_covers_every_file_and_the_users(tmp_path, monkeypatch):
    copy = tmp_path / 'lexicon'
    copy.mkdir()
    for path in SHIPPED.glob('*.yaml'):
        (copy / path.name).write_bytes(path.read_bytes())
    ours = lexicon_hash()
    monkeypatch.setattr('vlm_misalign_ros.core.language.wordfiles.SHIPPED', copy)
    assert lexicon_hash() == ours
    for path in sorted(copy.glob('*.yaml')):
        before = path.read_bytes()
        path.write_bytes(before + b'# changed\n')
        assert lexicon_hash() != ours, path
        path.write_bytes(before)
    assert lexicon_hash() == ours


# Another language -----------------------------------------------------------------------------

NAMES = dict(
    zip(
        SCORED,
        'vud stra domo murs klot pals lums signs herb tero celo homo ridul kar lorr buso tren '
        'mot bik velt'.split(),
        strict=True,
    )
)


def language():
    """Return a made-up language: its own small words, cues and names; complete."""
    base = shipped()
    words_of = {
        'the': ['lo'],
        'a': ['uno'],
        'and': ['ke'],
        'no': ['neno'],
        'but': ['sed'],
        'is': ['esta'],
        'are': ['estas'],
        'on': ['sur'],
        'there': ['tie'],
        'behind': ['malan'],
    }

    def emptied(value):
        if isinstance(value, dict):
            return {key: emptied(entry) for key, entry in value.items()}
        return []

    data = {key: emptied(value) for key, value in base.items()}
    data['polarity'] |= {'negation_before': ['neno'], 'hedge_before': ['forsan']}
    data['polarity']['terminators'] = ['sed']
    data['judgement'] |= {'safe': ['sekura'], 'unsafe': ['neno sekura', 'haltu']}
    data['things'] = [{'classes': [name], 'phrases': [word]} for name, word in NAMES.items()]
    return {
        **data,
        'version': 1,
        'language': 'xx',
        'macros': {'going': [], 'halting': []},
        'gate': {
            'own': ['lo', 'uno', 'ke', 'esta', 'estas', 'sur', 'tie', 'neno'],
            'others': ['the', 'is', 'are', 'and', 'of', 'der', 'und', 'le', 'et'],
            'latin': True,
        },
        'grammar': {word: words_of.get(word, []) for word in NEEDED},
    }


def test_another_language_is_read_by_its_own_words(over):
    lexicon = over(yaml.safe_dump(language()))
    assert (lexicon.version, lexicon.speech.language) == (1, 'xx')
    found = to_plain(
        read('Tie estas uno kar ke neno homo sur lo stra, sed forsan buso. Haltu.', lexicon)
    )
    assert found == {
        'asserted': [NAMES_BY_WORD['stra'], 'car'],
        'denied': ['person'],
        'hedged': ['bus'],
        'judgement': 'UNSAFE',
    }
    # English is another language now, and the words of ours are none of it.
    english = 'There is a car and a bus on the street, and the people of the town are there.'
    assert to_plain(read(english, lexicon))['asserted'] == []
    assert asserted('Uno car, uno bus.', lexicon) == set()
    assert lexicon.speech.admits('kar', '')
    assert not lexicon.speech.admits('машина на дороге стоит', '')


NAMES_BY_WORD = {word: name for name, word in NAMES.items()}


@pytest.mark.parametrize(
    'change, words',
    [
        (lambda data: data.pop('gate'), 'lacks gate'),
        (lambda data: data.pop('polarity'), 'lacks polarity'),
        (lambda data: data['polarity'].pop('guess'), 'lacks polarity.guess'),
        (lambda data: data['grammar'].pop('the'), 'lacks grammar.the'),
        (lambda data: data['gate'].pop('others'), 'lacks gate.others'),
        (lambda data: data['macros'].pop('going'), 'lacks macros.going'),
        (lambda data: data['things'].pop(), "lacks a name of 'vehicle' in things"),
        (lambda data: data.pop('version'), 'lacks version'),
        (lambda data: data.update(grammer={}), "has 'grammer', which there is not.*'grammar'"),
        (lambda data: data['gate'].update(own=[]), 'has nothing under gate.own'),
        (lambda data: data['gate'].update(own='lo'), "has 'lo' under gate.own"),
        (lambda data: data['gate'].update(latin='yes'), "has 'yes' under gate.latin"),
        (lambda data: data['grammar'].update({False: ['x']}), 'has the key False under grammar'),
        (lambda data: data['judgement'].update(safe=[True]), 'has True under judgement.safe.0.'),
    ],
)
def test_a_language_that_is_not_whole_is_refused(over, change, words):
    data = language()
    change(data)
    with pytest.raises(ConfigurationError, match=r'my_words\.yaml.*' + words):
        over(yaml.safe_dump(data))


def test_a_file_that_says_it_is_english_adds(over):
    lexicon = over('{language: en, things: [{classes: [bus], phrases: [zorb]}]}')
    assert asserted('A zorb and a car.', lexicon) == {'bus', 'car'}


SIMPLE = {
    'person': 'worker',
    'rider': 'rider',
    'car': 'van',
    'truck': 'lorry',
    'bus': 'bus',
    'train': 'tram',
    'motorcycle': 'moped',
    'bicycle': 'bicycle',
    'vehicle': 'vehicle',
    'building': 'school',
    'road': 'street',
    'sidewalk': 'sidewalk',
    'traffic sign': 'sign',
    'traffic light': 'traffic light',
    'vegetation': 'tree',
    'pole': 'pole',
    'fence': 'fence',
    'wall': 'wall',
    'terrain': 'sand',
}


def test_every_head_makes_of_every_thing_what_it_says():
    wrong = []
    lists = [entry['phrases'] for entry in shipped()['things']] + [shipped()['nothing']]
    with_a_name_of_their_own = {str(phrase) for phrases in lists for phrase in phrases}
    for entry in shipped()['compounds']:
        for name in entry['of']:
            for head in entry['heads']:
                if f'{SIMPLE[name]} {head}' in with_a_name_of_their_own:
                    continue
                found = asserted(f'We hear of {SIMPLE[name]} {head}.')
                if found != set(entry['classes']):
                    wrong.append((SIMPLE[name], head, found))
    assert wrong == []


@pytest.mark.parametrize(
    'frame',
    ['There is {} and {}.', 'I can see {}, {} and a pole.', 'The image shows {} and {} ahead.'],
)
@pytest.mark.parametrize('form', [0, 1], ids=['one', 'many'])
def test_of_two_things_that_are_named_beside_each_other_both_are_there(frame, form):
    said = {
        name: (f'{"an" if name[0] in "aeiou" else "a"} {name}', f'{name}s') for name in CLASSES
    }
    said |= {
        'sky': ('the sky', 'the sky'),
        'vegetation': ('a tree', 'trees'),
        'terrain': ('a patch of grass', 'grass'),
        'person': ('a person', 'people'),
        'bus': ('a bus', 'buses'),
    }
    for one, other in permutations(CLASSES, 2):
        text = frame.format(said[one][form], said[other][form])
        mentions = read(text, LEXICON).mentions
        assert mentions.get(one) is Mention.ASSERTED, text
        assert mentions.get(other) is Mention.ASSERTED, text


@pytest.mark.parametrize(
    'text, sign',
    [
        ('There is a building and a traffic sign.', True),
        ('Shops and road signs line the street.', True),
        ('There is a building with a sign.', False),
        ('A building with awnings and signs stands there.', False),
        ('There is a building with a stop sign in front of it.', True),
    ],
)
def test_a_sign_of_a_building_is_plain_and_told_by_with(text, sign):
    found = read(text, LEXICON).mentions.get('traffic sign')
    assert (found is Mention.ASSERTED) == sign
