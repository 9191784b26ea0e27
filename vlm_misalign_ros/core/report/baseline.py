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

"""Another run that this one is held against: found, read, refused where it measured otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from vlm_misalign_ros.core.corruptions.conditions import parse_conditions
from vlm_misalign_ros.core.errors import ConfigurationError, MisalignError, RecordError
from vlm_misalign_ros.core.files import read_json
from vlm_misalign_ros.core.records.ending import changed, evaluation_settings, read_ending
from vlm_misalign_ros.core.records.schema import FrameRecord, RunRecord
from vlm_misalign_ros.core.records.store import RECORDS, RecordFile, read_frames, read_records
from vlm_misalign_ros.core.report.evidence import Evidence
from vlm_misalign_ros.core.report.limit import MIOU, Limit, NotWorse
from vlm_misalign_ros.core.report.tally import Tally
from vlm_misalign_ros.core.report.verdict import Status
from vlm_misalign_ros.core.settings.nodes import TruthParameters

BASELINES = 'baselines'
"""Where the manifest keeps the folders of the runs that limits name."""
_SETTINGS = (*(entry.name for entry in fields(TruthParameters)), 'critical', 'label_encoding')


def find_run(
    text: str, folder: Path | None = None, known: Mapping[str, Any] | None = None
) -> Path:
    """
    Return the folder of a run that a limit names.

    A relative one is looked for where the run of `folder` found it when it began (`known`, from
    its manifest), then from the working directory, then beside `folder`. RecordError when no such
    folder holds records.
    """
    given = Path(text).expanduser()
    places = [Path(str(known[text]))] if known and text in known else []
    places.append(given)
    if folder is not None and not given.is_absolute():
        places += [folder.parent / given, folder.parent.parent / given]
    for place in places:
        if (place / RECORDS).is_file():
            return place.resolve()
    raise RecordError(
        f'the run {text!r} that a limit names has no {RECORDS}',
        'looked in ' + ', '.join(dict.fromkeys(str(place.absolute()) for place in places)),
    )


def check_runs(
    limits: Sequence[Limit],
    folder: Path | None = None,
    manifest: Mapping[str, Any] | None = None,
    models: Sequence[str] = (),
    conditions: Sequence[str] = (),
) -> dict[str, str]:
    """
    Return {run as written: its folder} of the runs that limits name.

    `manifest`, `models` and `conditions` are those of the run that is to be judged and will be in
    `folder`, as far as they are known. Raises ConfigurationError for a run that is not there,
    cannot be read, is the one to be judged, or did not measure what is to be compared.
    """
    found = {}
    for limit in limits:
        if not isinstance(limit.relation, NotWorse):
            continue
        text = limit.relation.run
        wanted = (limit.model,) if limit.model else () if limit.rate == MIOU else tuple(models)
        try:
            place = find_run(text, folder)
            problem = _misfit(place, wanted, list(filter(limit.where.holds, conditions)))
        except RecordError as error:
            raise ConfigurationError(f"limit '{limit}': {error.what}", error.remedy) from error
        if folder is not None and place == folder.resolve():
            problem = 'it is the run itself'
        problem = problem or _unknown(place)
        problem = problem or _other_settings(manifest or {}, _json(place / 'manifest.json'))
        if problem:
            raise ConfigurationError(
                f"limit '{limit}': {text} cannot be compared: {problem}",
                'name another run, or what both have',
            )
        found[text] = str(place)
    return found


def _misfit(place: Path, models: Sequence[str], conditions: Sequence[str]) -> str:
    """Say which of the models and conditions a run has not, by its first record and manifest."""
    has = _models(place)
    for name in models:
        if name not in has:
            return f'it has no model {name!r}; it has ' + (', '.join(has) or 'none')
    told = _conditions(_json(place / 'manifest.json'))
    try:
        shown = [entry.name for entry in parse_conditions(told)] if told else []
    except ConfigurationError:
        # Of a plug-in that is not here: the records tell, when the run has ended.
        return ''
    lacking = [name for name in conditions if name not in shown] if shown else []
    return f'it shows no {lacking[0]}; it shows {", ".join(shown)}' if lacking else ''


def _conditions(manifest: Mapping[str, Any]) -> Any:
    """Return the conditions that a manifest says its run went through, as they are written."""
    scenario = manifest.get('scenario')
    if isinstance(scenario, dict):
        return scenario.get('conditions')
    configuration = manifest.get('configuration')
    replay = configuration.get('replay') if isinstance(configuration, dict) else None
    return replay.get('conditions') if isinstance(replay, dict) else None


def _models(place: Path) -> list[str]:
    """Return the models of a run, from its first record; RecordError for one that is none."""
    first = next(read_records(place / RECORDS), None)
    if isinstance(first, RunRecord):
        return first.models
    return list(first.models) if isinstance(first, FrameRecord) else []


class Baselines:
    """Reads each run that limits name once, and says why one cannot be compared."""

    def __init__(
        self, folder: Path, manifest: Mapping[str, Any], tally: Tally, trusted: str = ''
    ) -> None:
        """
        Compare with the run in `folder`, whose frames are in `tally`.

        `trusted` names a run of which `untrusted` was asked already.
        """
        self._folder = folder
        self._trusted = trusted
        self._manifest = manifest
        self._tally = tally
        self._known: dict[tuple[str, tuple[str, ...]], Tally | str] = {}

    def get(self, text: str, rates: Sequence[str]) -> Tally | str:
        """Return the counts of a run that a limit names, or why it cannot be compared."""
        key = (text, tuple(rates))
        if key not in self._known:
            try:
                self._known[key] = self._read(text, rates)
            except MisalignError as error:
                self._known[key] = str(error)
        return self._known[key]

    def _read(self, text: str, rates: Sequence[str]) -> Tally | str:
        known = self._manifest.get(BASELINES)
        place = find_run(text, self._folder, known if isinstance(known, dict) else None)
        if place == self._folder.resolve():
            return 'it is the run itself'
        problem = (
            _unknown(place)
            or _other_settings(self._manifest, _json(place / 'manifest.json'))
            or ('' if text == self._trusted else _distrust(place))
        )
        if problem:
            return problem
        tally = Tally(rates, pairs=True)
        for record in read_frames(place / RECORDS):
            tally.add(record)
        return tally.unfounded or _other_data(self._tally, tally) or tally


def _json(path: Path) -> dict[str, Any]:
    try:
        return read_json(path, '')
    except RecordError:
        return {}


def _other_settings(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Say which setting of the truth, or of the reading of texts, differs; empty for none."""
    first, second = _settings(one), _settings(other)
    differ = [name for name in first if name in second and first[name] != second[name]]
    if not differ:
        return ''
    name = differ[0]
    more = f' (and {", ".join(differ[1:])})' if differ[1:] else ''
    return f'it measured with another {name}: {second[name]!r}, not {first[name]!r}{more}'


def _settings(manifest: Mapping[str, Any]) -> dict[str, Any]:
    values = evaluation_settings(manifest) or {}
    found = {name: _plain(values[name]) for name in _SETTINGS if name in values}
    language = manifest.get('language')
    if isinstance(language, dict) and 'lexicon_sha256' in language:
        found['lexicon'] = language['lexicon_sha256']
    return found


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def untrusted(place: Path) -> str:
    """Say why a run can be compared with none at all; empty where it can."""
    return _unknown(place) or _distrust(place)


def _unknown(place: Path) -> str:
    """Say what is not known of another run that has to be; empty where nothing is lacking."""
    if not evaluation_settings(_json(place / 'manifest.json')):
        return 'its settings are not known: its manifest.json has none, or is not there'
    if read_ending(place) is None:
        return 'it did not end by itself: it was killed, or its ending.json was lost'
    return ''


def _distrust(place: Path) -> str:
    """
    Say whether the other run's own data could not be trusted.

    By its records as they are now, and by its verdict, which somebody may have lost.
    """
    for name in changed(place, read_ending(place)):
        return f'its {name} is not as it left it: changed or damaged since'
    for found in Evidence.of(RecordFile(place / RECORDS)).checks():
        if found.data and found.status is Status.INVALID:
            return f'its own data cannot be trusted: {found.message}'
    checks = _json(place / 'verdict.json').get('checks')
    for check in checks if isinstance(checks, list) else ():
        if isinstance(check, dict) and check.get('data') and check.get('status') == 'INVALID':
            return f'its own data cannot be trusted: {check.get("message")}'
    return ''


def _other_data(ours: Tally, theirs: Tally) -> str:
    """Say why the frames of two runs cannot be paired; empty when they can."""
    common = [key for key in ours.frames if key in theirs.frames]
    if not common:
        alike = {key[:3] for key in ours.frames} & {key[:3] for key in theirs.frames}
        why = 'other data'
        if alike:
            why = f'other conditions: it shows {", ".join(theirs.conditions)}'
        return f'it has no frame in common with this run ({why})'
    truth = [key for key in common if ours.frames[key][0] != theirs.frames[key][0]]
    if truth:
        return (
            f'the ground truth of {len(truth)} of {len(common)} common frames differs, '
            f'as of {truth[0][2]}'
        )
    drawn = [key for key in common if ours.frames[key][1] != theirs.frames[key][1]]
    if drawn:
        return (
            f'the pictures of {len(drawn)} of {len(common)} common frames were degraded '
            f'otherwise (another seed or parameters), as of {drawn[0][2]} under {drawn[0][3]}'
        )
    return ''
