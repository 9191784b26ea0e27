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

import pytest

from vlm_misalign_ros.core.labels.classes import SCORED
from vlm_misalign_ros.core.language.lexicon import open_lexicon
from vlm_misalign_ros.core.language.reading import read, to_plain

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
a bike helmet | bicycle
# What only looks like a compound
the bus stops at the light | bus
a car parks behind a truck | car truck
a bus crossing from the right | bus
a bus passes a tree | bus vegetation
a truck parking at the side | truck
cars park here | car
let the tram pass | train
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
