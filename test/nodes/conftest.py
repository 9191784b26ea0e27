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

"""What tests of real nodes share: rclpy's life, executors that end with the test, a picture."""

import time

import cv2
import numpy as np
import pytest


@pytest.fixture(scope='module')
def ros():
    """Have rclpy up while the tests of a module run."""
    rclpy = pytest.importorskip('rclpy')
    rclpy.init()
    yield
    rclpy.try_shutdown()


@pytest.fixture
def world(ros):
    """Return a World, which ends with the test."""
    from worlds import World

    made = World()
    yield made
    made.end()


@pytest.fixture
def spin(ros):
    """Return a function that spins nodes until a condition holds; the nodes end with the test."""
    from rclpy.executors import SingleThreadedExecutor

    executor, nodes = SingleThreadedExecutor(), []

    def until(condition, *more, seconds=20.0):
        for node in more:
            if node not in nodes:
                nodes.append(node)
                executor.add_node(node)
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, 'waited in vain'
            executor.spin_once(timeout_sec=0.02)

    yield until
    for node in nodes:
        node.destroy_node()
    executor.shutdown()


@pytest.fixture(scope='session')
def picture():
    """Return BGR uint8 (128, 256, 3), smooth, so that a corruption changes it everywhere."""
    rng = np.random.default_rng(0)
    return cv2.resize(rng.integers(0, 256, (8, 16, 3), np.uint8), (256, 128))
