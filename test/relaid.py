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

"""Scenes in Cityscapes' layout, laid out anew as other data sets have theirs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from vlm_misalign_ros.core.labels.classes import BY_ID, BY_NAME

# What each data set calls Cityscapes' labels, by hand from the sources in the readers' docstrings.
IDD = {
    'road': 0, 'parking': 1, 'ground': 2, 'sidewalk': 3, 'terrain': 5, 'person': 6, 'rider': 8,
    'motorcycle': 9, 'bicycle': 10, 'car': 12, 'truck': 13, 'bus': 14, 'trailer': 16, 'train': 17,
    'wall': 20, 'fence': 21, 'static': 23, 'traffic sign': 24, 'traffic light': 25, 'pole': 26,
    'building': 29, 'vegetation': 32, 'sky': 33, 'unlabeled': 35, 'ego vehicle': 36,
    'out of roi': 38, 'dynamic': 7,
}  # fmt: skip
BDD = {
    'unlabeled': 0, 'dynamic': 1, 'ego vehicle': 2, 'ground': 3, 'static': 4, 'parking': 5,
    'road': 7, 'sidewalk': 8, 'building': 10, 'fence': 11, 'wall': 15, 'pole': 20,
    'traffic light': 25, 'traffic sign': 26, 'terrain': 28, 'vegetation': 29, 'sky': 30,
    'person': 31, 'rider': 32, 'bicycle': 33, 'bus': 34, 'car': 35, 'motorcycle': 37,
    'trailer': 38, 'train': 39, 'truck': 40, 'out of roi': 0,
}  # fmt: skip
V1_2 = {
    'dynamic': 1, 'fence': 3, 'wall': 6, 'parking': 10, 'road': 13, 'sidewalk': 15,
    'building': 17, 'person': 19, 'rider': 20, 'ground': 25, 'sky': 27, 'terrain': 29,
    'vegetation': 30, 'pole': 45, 'traffic light': 48, 'traffic sign': 50, 'static': 51,
    'bicycle': 52, 'bus': 54, 'car': 55, 'motorcycle': 57, 'train': 58, 'trailer': 60,
    'truck': 61, 'ego vehicle': 64, 'unlabeled': 65, 'out of roi': 65,
}  # fmt: skip
V2_0 = {
    'dynamic': 119, 'fence': 5, 'wall': 12, 'parking': 17, 'road': 21, 'sidewalk': 24,
    'building': 27, 'person': 30, 'rider': 32, 'ground': 121, 'sky': 61, 'terrain': 63,
    'vegetation': 64, 'pole': 85, 'traffic light': 90, 'traffic sign': 100, 'static': 122,
    'bicycle': 105, 'bus': 107, 'car': 108, 'motorcycle': 110, 'train': 111, 'trailer': 113,
    'truck': 114, 'ego vehicle': 120, 'unlabeled': 123, 'out of roi': 123,
}  # fmt: skip


class Scene:
    """One frame of a Cityscapes folder."""

    def __init__(self, path: Path) -> None:
        self.city = path.parent.name
        self.split = path.parent.parent.name
        self.stem = path.name.removesuffix('_leftImg8bit.png')
        truth = path.parents[3] / 'gtFine' / self.split / self.city / f'{self.stem}_gtFine'
        self.image = cv2.imread(str(path))
        self.labels = cv2.imread(f'{truth}_labelIds.png', cv2.IMREAD_UNCHANGED)
        self.instances = cv2.imread(f'{truth}_instanceIds.png', cv2.IMREAD_UNCHANGED)

    def of(self, ids: dict[str, int]) -> np.ndarray:
        """Return its labels as another data set numbers them."""
        table = np.full(256, 250, np.uint8)
        for name, value in ids.items():
            table[BY_NAME[name].id] = value
        found = table[self.labels]
        lacking = {BY_ID[int(v)].name for v in np.unique(self.labels[found == 250])}
        assert not lacking, lacking
        return found

    @property
    def numbers(self) -> np.ndarray:
        """Return a number for each thing, from 1 in each frame; 0 for groups and stuff."""
        apart = np.where(self.instances >= 1000, self.instances, 0)
        return np.unique(apart, return_inverse=True)[1].reshape(apart.shape)


def scenes_of(root: Path, number: int = 2) -> list[Scene]:
    """Return the first scenes of a Cityscapes folder."""
    return [Scene(p) for p in sorted(root.glob('leftImg8bit/*/*/*.png'))[:number]]


def write(path: Path, pixels: np.ndarray) -> None:
    """Write a picture or map, BGR(A) or values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)


def write_paletted(path: Path, values: np.ndarray) -> None:
    """Write values as a PNG of mode P, with a palette that says nothing of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(values, mode='P')
    image.putpalette([(17 * i + 5) % 256 for i in range(768)])
    image.save(path)


def colored(labels: np.ndarray) -> np.ndarray:
    """Return label ids in Cityscapes' colours, BGR."""
    table = np.zeros((256, 3), np.uint8)
    for label in BY_ID.values():
        table[label.id] = label.color[::-1]
    return table[labels]


def train_ids(labels: np.ndarray) -> np.ndarray:
    table = np.full(256, 255, np.uint8)
    for label in BY_ID.values():
        table[label.id] = label.train_id
    return table[labels]


def foggy(root: Path, out: Path, betas: tuple[str, ...] = ('0.005', '0.01', '0.02')) -> Path:
    """Copy a Cityscapes folder without its pictures, and lay fog beside."""
    shutil.copytree(root, out, ignore=shutil.ignore_patterns('leftImg8bit'))
    for scene in scenes_of(root, 99):
        place = out / 'leftImg8bit_foggy' / scene.split / scene.city
        for beta in betas:
            passed = np.float32(1 - 20 * float(beta))
            made = (scene.image * passed + 220 * (1 - passed)).astype(np.uint8)
            write(place / f'{scene.stem}_leftImg8bit_foggy_beta_{beta}.png', made)
    return out


def rainy(root: Path, out: Path) -> Path:
    shutil.copytree(root, out, ignore=shutil.ignore_patterns('leftImg8bit'))
    for scene in scenes_of(root, 99):
        place = out / 'leftImg8bit_rain' / scene.split / scene.city
        for rain in ('alpha_0.01_beta_0.005_dropsize_0.01', 'alpha_0.02_beta_0.01_dropsize_0.005'):
            for pattern in (1, 12):
                name = f'{scene.stem}_leftImg8bit_rain_{rain}_pattern_{pattern}.png'
                write(place / name, scene.image)
    return out


def coarse(root: Path, out: Path) -> Path:
    """Lay labels out as gtCoarse, half of which is not labelled."""
    for scene in scenes_of(root, 99):
        write(out / 'leftImg8bit' / scene.split / scene.city / f'{scene.stem}_leftImg8bit.png',
              scene.image)  # fmt: skip
        truth = out / 'gtCoarse' / scene.split / scene.city
        labels, instances = scene.labels.copy(), scene.instances.copy()
        labels[:, ::2], instances[:, ::2] = 0, 0
        write(truth / f'{scene.stem}_gtCoarse_labelIds.png', labels)
        write(truth / f'{scene.stem}_gtCoarse_instanceIds.png', instances)
    return out


def acdc(root: Path, out: Path, panoptic: bool = True) -> Path:
    """Lay two scenes out as ACDC's fog and night, the fog with its reference picture."""
    scenes = scenes_of(root)
    for scene, condition in zip(scenes, ('fog', 'night'), strict=True):
        stem, place = 'GOPR0475_frame_000041', Path(condition, 'val', 'GOPR0475')
        if condition == 'night':
            stem, place = 'GOPR0351_frame_000159', Path(condition, 'val', 'GOPR0351')
        write(out / 'rgb_anon' / place / f'{stem}_rgb_anon.png', scene.image)
        only = np.where(train_ids(scene.labels) < 255, scene.labels, 0).astype(np.uint8)
        truth = out / 'gt' / place
        write(truth / f'{stem}_gt_labelIds.png', only)
        write(truth / f'{stem}_gt_labelTrainIds.png', train_ids(only))
        write(truth / f'{stem}_gt_labelColor.png', colored(only))
        if panoptic:
            ids = scene.numbers
            bgr = np.dstack([ids // 65536, ids // 256 % 256, ids % 256]).astype(np.uint8)
            write(out / 'gt_panoptic' / place / f'{stem}_gt_panoptic.png', bgr)
            told = {'annotations': [{'file_name': f'{stem}_gt_panoptic.png', 'segments_info': []}]}
            path = out / 'gt_panoptic' / condition / f'{condition}_val_gt_panoptic.json'
            path.write_text(json.dumps(told))
    reference = Path('fog', 'val_ref', 'GOPR0475')
    for name in ('GOPR0475_frame_000041', 'GOPR0475_frame_000099'):
        write(out / 'rgb_anon' / reference / f'{name}_rgb_ref_anon.png', scenes[0].image)
    only = np.where(train_ids(scenes[0].labels) < 255, scenes[0].labels, 0).astype(np.uint8)
    write(out / 'gt' / reference / 'GOPR0475_frame_000041_gt_ref_labelIds.png', only)
    return out


def bdd100k(root: Path, out: Path) -> Path:
    """Lay scenes out as BDD100K's 10k images: panoptic bit masks, and train ids."""
    for scene in scenes_of(root):
        write(out / 'images' / '10k' / 'val' / f'{scene.stem}.jpg', scene.image)
        numbers = scene.numbers + 31
        crowd = np.where(scene.numbers == 0, 1 << 1, 0)
        bits = np.dstack([numbers >> 8, crowd, scene.of(BDD), numbers & 255])
        write(out / 'labels/pan_seg/bitmasks/val' / f'{scene.stem}.png', bits.astype(np.uint8))
        write(out / 'labels/sem_seg/masks/val' / f'{scene.stem}.png', train_ids(scene.labels))
    attributes = {'weather': 'rainy', 'timeofday': 'night', 'scene': 'undefined'}
    first = f'{scenes_of(root)[0].stem}.jpg'
    told = [{'name': first, 'attributes': attributes, 'labels': [{'id': 1}]}]
    path = out / 'labels' / 'det_20' / 'det_val.json'
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(told))
    return out


def mapillary(root: Path, out: Path, version: str, folder: str) -> Path:
    """Lay scenes out as Mapillary Vistas, its labels paletted."""
    ids = V1_2 if version == 'v1.2' else V2_0
    for scene in scenes_of(root):
        part = out / 'validation'
        write(part / 'images' / f'{scene.stem}.jpg', scene.image)
        values = scene.of(ids)
        write_paletted(part / folder / 'labels' / f'{scene.stem}.png', values)
        counted = values.astype(np.uint16) * 256 + scene.numbers.astype(np.uint16)
        write(part / folder / 'instances' / f'{scene.stem}.png', counted)
    return out


CALIBRATION = """S_rect_00: 1408.000000 376.000000
R_rect_00: 1 0 0 0 1 0 0 0 1
P_rect_00: 552.554261 0 682.049453 0 0 552.554261 238.769549 0 0 0 1 0
P_rect_01: 552.554261 0 682.049453 -328.318735 0 552.554261 238.769549 0 0 0 1 0
calib_time: 09-Jan-2014 14:00:15
"""


def kitti360(root: Path, out: Path) -> Path:
    """Lay scenes out as two drives of KITTI-360."""
    lists: dict[str, list[str]] = {'train': [], 'val': []}
    for number, (scene, split) in enumerate(zip(scenes_of(root), lists, strict=True)):
        drive, name = f'2013_05_28_drive_000{number}_sync', f'{386 + number:010}.png'
        picture = f'data_2d_raw/{drive}/image_00/data_rect/{name}'
        label = f'data_2d_semantics/train/{drive}/image_00/semantic/{name}'
        write(out / picture, scene.image)
        write(out / label, scene.labels)
        things = np.where(scene.instances >= 1000, scene.instances + 1, scene.instances * 1000)
        write(out / label.replace('semantic/', 'instance/'), things.astype(np.uint16))
        lists[split].append(f'{picture} {label}')
    for split, lines in lists.items():
        path = out / 'data_2d_semantics' / 'train' / f'2013_05_28_drive_{split}_frames.txt'
        path.write_text('\n'.join(lines) + '\n')
    folder = out / 'calibration'
    folder.mkdir()
    (folder / 'perspective.txt').write_text(CALIBRATION)
    # The optical axis points forward and 0.1 rad down; y of the vehicle is right, z down.
    s, c = np.sin(0.1), np.cos(0.1)
    (folder / 'calib_cam_to_pose.txt').write_text(
        f'image_00: 0 {-s} {c} 1.57 1 0 0 0 0 {c} {s} -0.65\nimage_01: 0 0 0 0 0 0 0 0 0 0 0 0\n'
    )
    return out


def idd(root: Path, out: Path) -> Path:
    """Lay scenes out as IDD, with the label images that its script makes."""
    for number, scene in enumerate(scenes_of(root)):
        drive, frame = f'{number + 10}', f'00{number}123'
        write(out / 'leftImg8bit' / 'val' / drive / f'{frame}_leftImg8bit.jpg', scene.image)
        truth = out / 'gtFine' / 'val' / drive
        values = scene.of(IDD)
        write(truth / f'{frame}_gtFine_labelids.png', values)
        things = np.where(scene.numbers > 0, values * np.uint16(1000) + scene.numbers, values)
        write(truth / f'{frame}_gtFine_instanceids.png', things.astype(np.uint16))
        (truth / f'{frame}_gtFine_polygons.json').write_text('{}')
    return out
