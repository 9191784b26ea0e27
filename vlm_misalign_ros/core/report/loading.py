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

"""The tables of a run as DataFrames, and several runs as one data set, partitioned by run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from vlm_misalign_ros.core.errors import ConfigurationError, RecordError
from vlm_misalign_ros.core.files import read_json
from vlm_misalign_ros.core.report.columns import SCHEMA
from vlm_misalign_ros.core.report.flat import FLAT, MARK, VERSION
from vlm_misalign_ros.core.report.tidy import RATES

RECORDS = 'records'
"""Folder of a data set of several runs with a line a frame and model; `rates` has its rates."""
RUN = 'run'
"""What a data set of several runs is partitioned by."""
_TEXTS = ('condition', 'corruption', 'model', 'ask', 'rate', 'figure', 'unit', 'against')
_WHOLE = (
    'numerator',
    'denominator',
    'scenes',
    'durations',
    'ended',
    'censored',
    'at_once',
    'unseen',
    'most_frames',
    'asked',
    'failed',
    'untrusted',
    'compared',
    'unjudged',
)
"""Ends of the names of counts that may be unknown."""
_PARTED = ds.partitioning(pa.schema([(RUN, pa.string())]), flavor='hive')


class RunTables:
    """
    The tables of a run folder, or of a data set of several runs; each is read when asked for.

    Every table raises RecordError where it is not there or is of another version.
    """

    def __init__(self, folder: Path) -> None:
        """Name the folder."""
        self.folder = folder
        self.several = (folder / RECORDS).is_dir()
        """Whether these are several runs; their tables have a column `run`."""

    def read_records(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """
        Return a line a frame and model; with `columns` only those, which saves memory.

        ConfigurationError names a column that does not exist.
        """
        wrong = set(columns or ()) - {*SCHEMA.names, *([RUN] if self.several else [])}
        if wrong:
            raise ConfigurationError(
                f'{self.folder} has no column {min(wrong)!r} of records',
                'docs/data.md has them all',
            )
        return self._parquet(FLAT, RECORDS, columns)

    @cached_property
    def records(self) -> pd.DataFrame:
        """Return a line a frame and model, with every column."""
        return self.read_records()

    @cached_property
    def rates(self) -> pd.DataFrame:
        """Return a line a condition, model, ask and rate."""
        return self._parquet('', 'rates', None) if self.several else self._csv(RATES)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """Return a line a condition and model, with a column a rate."""
        return self._csv('summary.csv')

    @cached_property
    def timing(self) -> pd.DataFrame:
        """Return how models kept up, by condition."""
        return self._csv('timing.csv')

    @cached_property
    def temporal(self) -> pd.DataFrame:
        """Return the figures of time."""
        return self._csv('temporal.csv')

    @cached_property
    def self_consistency(self) -> pd.DataFrame:
        """Return how far models agree with themselves, of a run that asked so."""
        return self._csv('self_consistency.csv')

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """Return what decided the numbers."""
        return self._json('manifest.json')

    @cached_property
    def verdict(self) -> dict[str, Any]:
        """Return what was checked, and what came of it."""
        return self._json('verdict.json')

    @cached_property
    def analysis(self) -> dict[str, Any]:
        """Return differences, correlations and the like."""
        return self._json('analysis.json')

    def _parquet(self, name: str, folder: str, columns: Sequence[str] | None) -> pd.DataFrame:
        chosen = None if columns is None else list(columns)
        path = self.folder / (folder if self.several else name)
        try:
            if not self.several:
                _check(path)
                found = pq.read_table(path, columns=chosen)
            else:
                parts = ds.dataset(path, partitioning=_PARTED)
                # One of another version would go along with nothing in what it lacks.
                for part in parts.files if folder == RECORDS else ():
                    _check(Path(part))
                found = parts.to_table(columns=chosen)
        except (OSError, pa.ArrowException) as error:
            raise _unreadable(path, error) from error
        frame: pd.DataFrame = found.to_pandas()
        return frame

    def _csv(self, name: str) -> pd.DataFrame:
        path = self._own(name)
        try:
            return _read_csv(path)
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from error

    def _json(self, name: str) -> dict[str, Any]:
        return read_json(self._own(name), 'make it again with: vlm-misalign report RUN')

    def _own(self, name: str) -> Path:
        if self.several:
            raise RecordError(
                f'{self.folder} is a data set of several runs, which has no {name}',
                'load the run itself',
            )
        return self.folder / name


def load_run(path: str | Path) -> RunTables:
    """
    Return the tables of a run folder, or of what `gather` made of several runs.

    RecordError where the folder has no tables, or those of another version.
    """
    found = RunTables(Path(path))
    if not found.several:
        _check(found.folder / FLAT)
    return found


def gather(out: Path, folders: Sequence[Path]) -> list[str]:
    """
    Put the tables of runs into a Parquet data set that is partitioned by run; return their names.

    OUT/records/run=NAME and OUT/rates/run=NAME, names as in a URL. What OUT has of other runs
    stays. RecordError for a run without tables and for what cannot be written, ConfigurationError
    for a run whose name is there.
    """
    names = [folder.resolve().name for folder in folders]
    for name, folder in zip(names, folders, strict=True):
        _check(folder / FLAT)
        if names.count(name) > 1 or any(_part(out, kind, name).exists() for kind in _KINDS):
            raise ConfigurationError(
                f'{out} cannot have two runs named {name}', 'rename one of the folders'
            )
    for name, folder in zip(names, folders, strict=True):
        rates = pa.Table.from_pandas(load_run(folder).rates, preserve_index=False)
        try:
            _put(_part(out, 'rates', name), lambda path, t=rates: pq.write_table(t, path))
            _put(_part(out, RECORDS, name), lambda path, f=folder: shutil.copyfile(f / FLAT, path))
        except OSError as error:
            raise RecordError(
                f'{out} cannot be written: {error.strerror}', 'free space or choose another folder'
            ) from error
    return names


_KINDS = (RECORDS, 'rates')


def _part(out: Path, kind: str, name: str) -> Path:
    return out / kind / f'{RUN}={quote(name, safe="")}'


def _put(folder: Path, write: Any) -> None:
    """Have a partition written whole or not at all."""
    # Readers of data sets pass over what begins with a dot.
    partial = folder.with_name(f'.{folder.name}.part')
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    write(partial / 'part-0.parquet')
    partial.rename(folder)


def _check(path: Path) -> None:
    """Raise RecordError where there is no table with the columns of this version."""
    try:
        schema = pq.read_schema(path)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error
    try:
        version = json.loads((schema.metadata or {})[MARK])['table']
    except (KeyError, TypeError, ValueError):
        version = None
    if version != VERSION or schema.names != SCHEMA.names:
        raise RecordError(
            f'{path} has columns of another version', 'make it again with: vlm-misalign report RUN'
        )


def _unreadable(path: Path, error: Exception) -> RecordError:
    told = error.strerror if isinstance(error, OSError) and error.strerror else error
    return RecordError(
        f'{path} cannot be read: {told}', 'make it again with: vlm-misalign report RUN'
    )


def _read_csv(path: Path) -> pd.DataFrame:
    """Return a table; a name such as `NA` is a name, and only what is empty is not known."""
    texts = dict.fromkeys(_TEXTS, str)
    frame = pd.read_csv(path, dtype=texts, keep_default_na=False, na_values=[''])
    for name in frame.columns.intersection(list(_TEXTS)):
        frame[name] = frame[name].fillna('')
    # Counts of which some are not known are whole numbers still.
    whole = [name for name in frame.columns if str(name).endswith(_WHOLE)]
    return frame.astype(dict.fromkeys(whole, 'Int64'))
