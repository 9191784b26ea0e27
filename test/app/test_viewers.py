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

"""Layouts for Foxglove, RViz and rqt: what they show is there, in the form that each reads."""

import ast
import json
import re
from pathlib import Path

import pytest
import yaml

from vlm_misalign_ros.core.metrics.rates import RATES
from vlm_misalign_ros.wire import topics

CONFIG = Path(__file__).resolve().parents[2] / 'config'
MODELS = list(yaml.safe_load((CONFIG / 'live.yaml').read_text())['vlms'])
KNOWN = {
    '/' + name.lstrip('/')
    for name in vars(topics).values()
    if isinstance(name, str) and '/' in name and name != topics.COMPRESSED
}
DESCRIPTIONS = {'/' + topics.vlm_description(name) for name in MODELS}

# Fields of the panels' configurations, of foxglove.layouts in foxglove-sdk 0.30.3.
PANELS = {
    'Image': {'imageMode'},
    'Plot': {
        *('paths', 'minYValue', 'maxYValue', 'showLegend', 'legendDisplay', 'isSynced'),
        *('showXAxisLabels', 'showYAxisLabels', 'xAxisVal', 'followingViewWidth'),
    },
    'DiagnosticSummary': {
        *('topicToRender', 'minLevel', 'pinnedIds', 'hardwareIdFilter', 'sortByLevel')
    },
    'RawMessages': {
        *('topicPath', 'diffEnabled', 'diffMethod', 'diffTopicPath', 'showFullMessageForDiff')
    },
}
IMAGE_MODE = {'imageTopic', 'calibrationTopic', 'annotations', 'synchronize'}
SERIES = {'value', 'enabled', 'timestampMethod', 'label', 'color'}


@pytest.fixture(scope='module')
def layout():
    return json.loads((CONFIG / 'foxglove_layout.json').read_text())


def leaves(place):
    if isinstance(place, str):
        return [place]
    assert set(place) <= {'direction', 'first', 'second', 'splitPercentage'}
    assert place['direction'] in ('row', 'column')
    return leaves(place['first']) + leaves(place['second'])


def test_every_panel_of_the_foxglove_layout_stands_once(layout):
    wanted = {'configById', 'globalVariables', 'userNodes', 'playbackConfig', 'layout'}
    assert set(layout) == wanted
    assert sorted(leaves(layout['layout'])) == sorted(layout['configById'])


def test_panels_of_the_foxglove_layout_have_fields_that_foxglove_knows(layout):
    for name, panel in layout['configById'].items():
        assert set(panel) - {'foxglovePanelTitle'} <= PANELS[name.partition('!')[0]], name
        assert set(panel.get('imageMode', {})) <= IMAGE_MODE
        assert all(set(path) == SERIES for path in panel.get('paths', []))


def test_the_foxglove_layout_shows_topics_rates_and_models_that_are_there(layout):
    shown, rates = set(), {row.name for row in RATES}
    for panel in layout['configById'].values():
        mode = panel.get('imageMode', {})
        shown |= {mode.get('imageTopic'), *mode.get('annotations', {})} - {None}
        shown |= {panel[key].partition('.')[0] for key in ('topicPath',) if key in panel}
        shown |= {panel['topicToRender']} if 'topicToRender' in panel else set()
        for path in panel.get('paths', []):
            match = re.fullmatch(
                r'(/[a-z/]+)\.status\[:\]\{name=="monitor: rolling: (\w+)"\}'
                r'\.values\[:\]\{key=="(\w+)/metric_value"\}\.value',
                path['value'],
            )
            assert match, path
            shown.add(match[1])
            assert match[2] in MODELS and match[3] in rates
    assert shown <= KNOWN | DESCRIPTIONS
    assert f'/{topics.ANNOTATED_MARKERS}' in shown


def test_foxglove_itself_knows_the_fields(layout):
    # Where its own package is installed, its classes are asked.
    fl = pytest.importorskip('foxglove.layouts')
    kinds = {'DiagnosticSummary': fl.DiagnosticsSummaryConfig}
    for name in PANELS:
        kind = kinds.get(name) or getattr(fl, f'{name}Config')
        assert PANELS[name] <= set(kind()._to_dict())
    assert IMAGE_MODE <= set(fl.ImageModeConfig()._to_dict())
    assert set(fl.PlotSeries()._to_dict()) >= SERIES


def test_rviz_shows_topics_that_are_there():
    found = yaml.safe_load((CONFIG / 'rviz.rviz').read_text())
    displays = found['Visualization Manager']['Displays']
    # Of rviz_default_plugins/plugins_description.xml; an Image takes sensor_msgs/Image alone.
    assert {display['Class'] for display in displays} == {'rviz_default_plugins/Image'}
    shown = {display['Topic']['Value'] for display in displays}
    assert shown <= KNOWN and f'/{topics.ANNOTATED_IMAGE}' in shown
    for display in displays:
        policy = display['Topic']
        assert policy['Reliability Policy'] == 'Best Effort'
        assert policy['Durability Policy'] == 'Volatile'


def test_an_rqt_perspective_is_one_that_qt_gui_reads():
    found = json.loads((CONFIG / 'rqt.perspective').read_text())

    def read(group):
        """Read a group as qt_gui's perspective_manager does: each value is a literal."""
        assert set(group) == {'keys', 'groups'}
        for value in group['keys'].values():
            assert value['type'] == 'repr'
        keys = {name: ast.literal_eval(value['repr']) for name, value in group['keys'].items()}
        return keys, {name: read(inner) for name, inner in group['groups'].items()}

    _, groups = read(found)
    keys, plugins = groups['pluginmanager']
    running = keys['running-plugins']
    assert running['rqt_runtime_monitor/RuntimeMonitor'] == [1]
    shown = set()
    for serial in running['rqt_image_view/ImageView']:
        _, inner = plugins[f'plugin__rqt_image_view__ImageView__{serial}']
        shown.add(inner['plugin'][0]['topic'])
    assert f'/{topics.ANNOTATED_IMAGE}' in shown and shown <= KNOWN
