"""Reader of the Cityscapes folder layout: frames, label and instance ids, camera, disparity."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vlm_misalign_ros.core.datasets.png import decode, read_header, require_color, require_grey
from vlm_misalign_ros.core.errors import DatasetError
from vlm_misalign_ros.core.labels.classes import IGNORE, LABELS
from vlm_misalign_ros.core.types import Camera, Frame

_STEM = re.compile(r'(?P<city>.+)_(?P<sequence>\d{6})_(?P<frame>\d{6})')
_HIGHEST = max(label.id for label in LABELS)
_LAYOUT = 'expected ROOT/leftImg8bit/SPLIT/CITY/CITY_000000_000019_leftImg8bit.png'


@dataclass(frozen=True)
class Entry:
    """Where the files of one frame lie; a path is None when the data set has no such file."""

    key: str
    """Unique name, e.g. `aachen_000000_000019`."""
    split: str
    city: str
    sequence: str
    """City and sequence number, e.g. `aachen_000000`."""
    image: Path
    labels: Path | None
    instances: Path | None
    camera: Path | None
    disparity: Path | None

    @property
    def has_train_ids(self) -> bool:
        """Return whether the label map holds train ids, for want of label ids."""
        return self.labels is not None and self.labels.name.endswith('_labelTrainIds.png')


class CityscapesDataset:
    """
    A selection of frames in Cityscapes layout, indexed and checked, decoded one at a time.

    Order: split, city, sequence, frame.
    """

    def __init__(self, root: Path, entries: Sequence[Entry]) -> None:
        """Hold entries that were checked; use `open` to find and check them."""
        self.root = root
        self.entries: tuple[Entry, ...] = tuple(entries)

    @classmethod
    def open(
        cls,
        root: str | Path,
        split: str = '',
        cities: Sequence[str] = (),
        limit: int = 0,
        sequences: bool = False,
    ) -> CityscapesDataset:
        """
        Index a data set and check every selected file without decoding it.

        `split` is a folder such as `val`, or empty for all of them; `cities` likewise; `limit`
        keeps the first frames (0: all). With `sequences` frames come from leftImg8bit_sequence,
        where most have no labels. Raises DatasetError when the folder or the selection is empty,
        and for the first file that is missing, truncated or of another size.
        """
        root = Path(root).expanduser()
        if limit < 0:
            raise DatasetError(f'limit {limit} is negative', 'give 0 for all frames')
        entries = _index(root, split, tuple(cities), sequences)
        if limit:
            entries = entries[:limit]
        if not sequences:
            _require_labels(entries)
        for entry in entries:
            _check_files(entry)
        return cls(root, entries)

    @property
    def name(self) -> str:
        """Return the name of the root folder."""
        return self.root.resolve().name

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.entries)

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames in order, each decoded when it is asked for."""
        return (self.read(index) for index in range(len(self)))

    def read(self, index: int) -> Frame:
        """
        Decode one frame.

        The image is BGR uint8 (H, W, 3); labels are label ids, uint8 (H, W); instances uint16
        (H, W). Raises DatasetError when a file is damaged or holds an id that does not exist,
        IndexError when there is no such frame.
        """
        entry = self.entries[index]
        image = decode(entry.image, cv2.IMREAD_COLOR)
        height, width = image.shape[:2]
        instances = None
        if entry.instances is not None:
            instances = decode(entry.instances, cv2.IMREAD_UNCHANGED)
            _check_instances(entry.instances, instances)
        camera = None
        if entry.camera is not None:
            camera = read_camera(entry.camera, width, height)
        return Frame(
            self.name,
            entry.sequence,
            entry.key,
            image,
            _read_labels(entry),
            instances,
            camera,
            self._depth(entry, camera),
        )

    @property
    def has_depth(self) -> bool:
        """Return whether every frame comes with disparity and a stereo camera to read it by."""
        return all(
            entry.disparity is not None
            and entry.camera is not None
            and read_camera(entry.camera).baseline > 0
            for entry in self.entries
        )

    @staticmethod
    def _depth(entry: Entry, camera: Camera | None) -> np.ndarray | None:
        if entry.disparity is None or camera is None or camera.baseline <= 0:
            return None
        return depth_table(camera.baseline * camera.fx)[
            decode(entry.disparity, cv2.IMREAD_UNCHANGED)
        ]

    def disparity(self, index: int) -> np.ndarray | None:
        """
        Return the disparity of one frame, float32 (H, W), pixels, NaN where it is unknown.

        Stored as 256 d + 1, 0 = unknown (Cityscapes' README). None when the data set has none.
        Depth in metres is baseline * fx / d. Raises DatasetError when the file is damaged.
        """
        path = self.entries[index].disparity
        if path is None:
            return None
        stored = decode(path, cv2.IMREAD_UNCHANGED)
        disparity = (stored.astype(np.float32) - 1) / 256
        disparity[stored == 0] = np.nan
        return disparity


@lru_cache(maxsize=16)
def depth_table(baseline_focal: float) -> np.ndarray:
    """
    Return depth in millimetres, uint16 (65536,), by stored disparity 256 d + 1.

    `baseline_focal` is metres times pixels. 0 stays unknown, disparity 0 and what lies beyond
    65.535 m become 65535, as far as 16 bits reach.
    """
    stored = np.arange(65536, dtype=np.float64)
    with np.errstate(divide='ignore'):
        depth = 1000 * baseline_focal / np.maximum((stored - 1) / 256, 0)
    depth[0] = 0
    table: np.ndarray = np.rint(depth.clip(0, 65535)).astype(np.uint16)
    return table


def read_camera(path: Path, width: int = 2**20, height: int = 2**20) -> Camera:
    """
    Return the camera of a Cityscapes camera file, for pictures of `width` x `height` pixels.

    Raises DatasetError when a field is missing or no finite number, or when the principal point
    lies outside the picture, as it does when the picture was resized and the file was not.
    """
    try:
        data: Any = json.loads(path.read_text(encoding='utf-8'))
        intrinsic, extrinsic = data['intrinsic'], data['extrinsic']
        fx, fy, cx, cy = (float(intrinsic[name]) for name in ('fx', 'fy', 'u0', 'v0'))
        mount_height, pitch = float(extrinsic['z']), float(extrinsic['pitch'])
        baseline = float(extrinsic.get('baseline', 0.0))
    except OSError as error:
        raise DatasetError(
            f'{path} cannot be read: {error.strerror}', 'check its permissions'
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(
            f'{path} is no camera file: {type(error).__name__} {error}',
            'expected intrinsic fx, fy, u0, v0 and extrinsic z, pitch; '
            'without the camera folder a default camera is used',
        ) from error
    numbers = (fx, fy, cx, cy, mount_height, pitch, baseline)
    if not all(map(math.isfinite, numbers)) or min(fx, fy) <= 0:
        raise DatasetError(
            f'{path} has fx {fx}, fy {fy}, z {mount_height}, pitch {pitch}',
            'expected finite numbers and focal lengths above 0',
        )
    if not (0 < cx < width and 0 < cy < height):
        raise DatasetError(
            f'{path} has its principal point at ({cx}, {cy}), outside {width} x {height} pixels',
            'scale the intrinsics with the pictures',
        )
    return Camera(width, height, fx, fy, cx, cy, mount_height, pitch, max(baseline, 0.0))


def _index(root: Path, split: str, cities: tuple[str, ...], sequences: bool) -> list[Entry]:
    """Return the entries of a selection, sorted, without a look into the files."""
    if not root.is_dir():
        raise DatasetError(f'data set folder {root} does not exist', _LAYOUT)
    pictures = root / ('leftImg8bit_sequence' if sequences else 'leftImg8bit')
    if not pictures.is_dir():
        remedy = f'give the folder that holds {pictures.name}; {_LAYOUT}'
        if sequences and (root / 'leftImg8bit').is_dir():
            remedy = 'set sequences to false to read leftImg8bit'
        raise DatasetError(f'{root} has no folder {pictures.name}', remedy)
    present = {folder.name: _folders(folder) for folder in _folders(pictures)}
    known = (
        '; '.join(
            f'{name}: {", ".join(city.name for city in found) or "no city"}'
            for name, found in present.items()
        )
        or 'nothing'
    )
    if split and split not in present:
        raise DatasetError(f'{pictures} has no split {split!r}', f'there is {known}')
    chosen = {name: found for name, found in present.items() if not split or name == split}
    names = {city.name for found in chosen.values() for city in found}
    for name in cities:
        if name not in names:
            raise DatasetError(
                f'{pictures} has no city {name!r} in {split or "any split"}', f'there is {known}'
            )
    entries = [
        entry
        for name, found in chosen.items()
        for city in found
        if not cities or city.name in cities
        for entry in _city(root, name, city)
    ]
    if not entries:
        raise DatasetError(
            f'{pictures} has no frames for split {split or "(all)"} and cities '
            f'{", ".join(cities) or "(all)"}',
            f'there is {known}; {_LAYOUT}',
        )
    first: dict[str, Entry] = {}
    for entry in entries:
        if entry.key in first:
            raise DatasetError(
                f'{entry.image} has the same name as {first[entry.key].image}', 'choose one split'
            )
        first[entry.key] = entry
    return entries


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(
            path for path in folder.iterdir() if path.is_dir() and not path.name.startswith('.')
        )
    except OSError as error:
        raise DatasetError(
            f'{folder} cannot be listed: {error.strerror}', 'check its permissions'
        ) from error


def _names(folder: Path) -> set[str]:
    try:
        return {path.name for path in folder.iterdir()}
    except FileNotFoundError:
        return set()
    except OSError as error:
        raise DatasetError(
            f'{folder} cannot be listed: {error.strerror}', 'check its permissions'
        ) from error


def _city(root: Path, split: str, pictures: Path) -> Iterator[Entry]:
    """Yield the entries of one city; each folder is listed once, not asked per file."""
    city = pictures.name
    folders = {name: root / name / split / city for name in ('gtFine', 'camera', 'disparity')}
    listed = {name: _names(folder) for name, folder in folders.items()}

    def find(folder: str, stem: str, *suffixes: str) -> Path | None:
        for suffix in suffixes:
            if stem + suffix in listed[folder]:
                return folders[folder] / (stem + suffix)
        return None

    for name in sorted(_names(pictures)):
        if name.startswith('.') or not name.endswith('_leftImg8bit.png'):
            continue
        stem = name[: -len('_leftImg8bit.png')]
        match = _STEM.fullmatch(stem)
        if match is None or match['city'] != city:
            raise DatasetError(
                f'{pictures / name} is not named after its city, sequence and frame',
                f'expected {city}_000000_000019_leftImg8bit.png',
            )
        yield Entry(
            stem,
            split,
            city,
            f'{city}_{match["sequence"]}',
            pictures / name,
            find('gtFine', stem, '_gtFine_labelIds.png', '_gtFine_labelTrainIds.png'),
            find('gtFine', stem, '_gtFine_instanceIds.png'),
            find('camera', stem, '_camera.json'),
            find('disparity', stem, '_disparity.png'),
        )


def _require_labels(entries: Sequence[Entry]) -> None:
    bare = [entry for entry in entries if entry.labels is None]
    if bare:
        raise DatasetError(
            f'{len(bare)} of {len(entries)} frames have no labels, the first is {bare[0].image}',
            f'expected gtFine/{bare[0].split}/{bare[0].city}/{bare[0].key}_gtFine_labelIds.png',
        )


def _check_files(entry: Entry) -> None:
    header = read_header(entry.image)
    require_color(entry.image, header)
    for path, depth in ((entry.labels, 8), (entry.instances, 16), (entry.disparity, 16)):
        if path is None:
            continue
        other = read_header(path)
        require_grey(path, other, depth)
        if other.size != header.size:
            raise DatasetError(
                f'{path} is {other.width} x {other.height}, its image '
                f'{header.width} x {header.height} pixels',
                'resize both alike (labels with nearest neighbour) or restore the originals',
            )
    if entry.camera is not None:
        read_camera(entry.camera, header.width, header.height)


def _read_labels(entry: Entry) -> np.ndarray | None:
    if entry.labels is None:
        return None
    labels = decode(entry.labels, cv2.IMREAD_UNCHANGED)
    if entry.has_train_ids:
        table, allowed = _train_to_label_ids(), '0 to 18 and 255'
    else:
        table, allowed = _valid_label_ids(), f'0 to {_HIGHEST}'
    known = table[labels]
    wrong = known > _HIGHEST
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise DatasetError(
            f'{entry.labels} has the value {labels[row, column]} at row {row}, column {column}',
            f'expected {allowed}; colour and polygon maps are not label maps',
        )
    return known


def _valid_label_ids() -> np.ndarray:
    table = np.arange(256, dtype=np.uint8)
    table[_HIGHEST + 1 :] = 255
    return table


def _train_to_label_ids() -> np.ndarray:
    table = np.full(256, 255, np.uint8)
    for label in LABELS:
        if label.train_id != IGNORE:
            table[label.train_id] = label.id
    table[IGNORE] = 0
    return table


def _check_instances(path: Path, instances: np.ndarray) -> None:
    highest = int(instances.max(initial=0))
    if highest >= (_HIGHEST + 1) * 1000:
        raise DatasetError(
            f'{path} has the value {highest}',
            f'expected a label id, or label id * 1000 + k, below {(_HIGHEST + 1) * 1000}',
        )
