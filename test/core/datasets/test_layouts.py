"""Which reader a data set is opened with."""

from pathlib import Path

import pytest

from vlm_misalign_ros.core.datasets import open_dataset, split_place
from vlm_misalign_ros.core.errors import DatasetError


def test_a_place_names_its_layout_or_is_cityscapes(scenes, tmp_path, monkeypatch):
    assert split_place('cityscapes:/data/c') == ('cityscapes', Path('/data/c'))
    assert split_place('/data/c') == ('cityscapes', Path('/data/c'))
    assert len(open_dataset(f'cityscapes:{scenes}')) == len(open_dataset(scenes)) == 6
    # A folder of that very name is a folder.
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'kitti:x').mkdir()
    assert split_place('kitti:x') == ('cityscapes', Path('kitti:x'))


def test_an_unknown_layout_is_refused_with_the_known_ones():
    with pytest.raises(DatasetError, match="no data set layout 'kitti'.*known: cityscapes"):
        open_dataset('kitti:/data')
