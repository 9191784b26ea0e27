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

"""Canvas of the synthetic scenes: picture and owner map, painted far to near in perspective."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import cos, sin

import cv2
import numpy as np

from vlm_misalign_ros.core.labels.classes import BY_NAME
from vlm_misalign_ros.core.types import Camera

Color = tuple[float, float, float]
"""BGR, 0-255, in full light and without haze."""
NEAR = 0.4
"""Nothing nearer than this many metres is painted."""
TILE = 512
"""Side of the noise tile in texels."""


@dataclass(frozen=True)
class Light:
    """Sun and air: direction of the cast shadow in metres a metre of height, and haze."""

    shadow: tuple[float, float]
    """Shift of a shadow's tip along (X, Z) for an object one metre high."""
    strength: float
    """How much darker the shadow is, 0 (overcast) to 1."""
    haze: Color
    visibility: float
    """Distance in metres at which 63 % of a colour is haze."""

    def shade(self, normal_x: float, normal_z: float) -> float:
        """Return the brightness, 0.6 to 1.1, of a wall with a horizontal normal (X, Z)."""
        away = normal_x * self.shadow[0] + normal_z * self.shadow[1]
        length = float(np.hypot(*self.shadow)) or 1.0
        return 0.9 - 0.25 * self.strength * away / length


@lru_cache(maxsize=1)
def noise_tile() -> np.ndarray:
    """Return noise of mean 0 and deviation about 1, float32 (TILE, TILE), that tiles the plane."""
    rng = np.random.default_rng(20160407)
    frequency = np.hypot(np.fft.fftfreq(TILE)[:, None], np.fft.rfftfreq(TILE)[None, :])
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal((TILE, TILE))) * frequency**-0.7
    noise = np.fft.irfft2(spectrum, s=(TILE, TILE))
    tile: np.ndarray = noise / noise.std()
    return tile.astype(np.float32)


def sample_noise(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the noise at texels (x, y), float32 arrays of one shape, wrapped around."""
    return cv2.remap(noise_tile(), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)


FACETED = 60.0
"""Things farther than this many metres have one depth."""


class Canvas:
    """
    A picture (BGR uint8) and its owner map (uint16), drawn by the same polygons.

    The world's axes are X to the right, Y up from the road and Z ahead of the camera, in metres;
    the road bends with `curvature` (1 / m), as seen from a camera that follows it. An owner is a
    thing, or one face of it, with one label id, one instance id and one depth or plane.
    """

    def __init__(self, camera: Camera, light: Light, curvature: float = 0.0) -> None:
        """Start with nothing painted; owner 0 is unlabeled."""
        self.camera = camera
        self.light = light
        self.curvature = curvature
        self.image = np.zeros((camera.height, camera.width, 3), np.uint8)
        self.owner = np.zeros((camera.height, camera.width), np.uint16)
        self._labels = [0]
        self._instances = [0]
        self._depths = [np.inf]
        self._origins = [(0.0, 0.0)]
        self._roughness = [0.0]
        self._planes: dict[int, tuple[np.ndarray, float, float]] = {}
        """By owner: (a, b, c) of 1 / depth = a u + b v + c, and the depths it lies between."""
        self._thing = self._current = 0
        self._faces = False
        self._clear = 1.0
        self._cos, self._sin = cos(camera.pitch), sin(camera.pitch)

    def begin(
        self,
        label: str,
        depth: float,
        instance: int | None = None,
        origin: tuple[float, float, float] = (0.0, 0.0, 1.0),
        roughness: float = 0.03,
        faces: bool = False,
    ) -> int:
        """
        Start a thing: what is painted from here on belongs to it; return its owner number.

        `instance` is its number k among its label's instances, None for a label without
        instances or a group. Its surface noise is anchored at `origin` (X, Y, Z). With `faces`
        each call of `polygon` or `polygons` is a plane of its own in the depth map.
        """
        label_id = BY_NAME[label].id
        self._labels.append(label_id)
        self._instances.append(label_id if instance is None else label_id * 1000 + instance)
        self._depths.append(max(depth, NEAR))
        u, v, _ = self.project(np.array([origin]))[0]
        self._origins.append((u, v))
        self._roughness.append(roughness)
        self._thing = self._current = len(self._labels) - 1
        self._faces = faces and depth < FACETED
        self._clear = float(np.exp(-max(depth, 0.0) / self.light.visibility))
        return self._current

    def project(self, points: np.ndarray) -> np.ndarray:
        """Return (u, v, depth) in pixels and metres, (N, 3), of points (X, Y, Z), (N, 3)."""
        x, y, z = points[:, 0], points[:, 1], points[:, 2]
        down = self.camera.mount_height - y
        depth = z * self._cos + down * self._sin
        below = down * self._cos - z * self._sin
        safe = np.maximum(depth, 1e-3)
        projected = np.empty((len(points), 3))
        projected[:, 0] = (
            self.camera.fx * (x + 0.5 * self.curvature * z * z) / safe + self.camera.cx
        )
        projected[:, 1] = self.camera.fy * below / safe + self.camera.cy
        projected[:, 2] = depth
        return projected

    def lit(self, color: Color, shade: float = 1.0) -> Color:
        """Return a colour shaded and seen through the haze before the current thing."""
        haze, clear = self.light.haze, self._clear
        blue, green, red = (
            min(max(c * shade, 0.0), 255.0) * clear + h * (1 - clear)
            for c, h in zip(color, haze, strict=True)
        )
        return blue, green, red

    def polygon(
        self, points: Sequence[Sequence[float]] | np.ndarray, color: Color, shade: float = 1.0
    ) -> None:
        """Fill one polygon given by world points (N, 3)."""
        self.polygons(np.asarray(points, np.float64)[None], color, shade)

    def polygons(self, points: np.ndarray, color: Color, shade: float = 1.0) -> None:
        """Fill polygons that do not overlap, world points (M, N, 3), in one colour."""
        if not len(points):
            return
        count, corners = points.shape[:2]
        projected = self.project(points.reshape(-1, 3)).reshape(count, corners, 3)
        ahead = projected[:, :, 2] >= NEAR
        whole = ahead.all(1)
        flat = np.rint(np.clip(projected[whole, :, :2], -16000, 16000)).astype(np.int32)
        low, high = flat.min(1, initial=16001), flat.max(1, initial=-16001)
        seen = ((high >= 0) & (low < (self.camera.width, self.camera.height))).all(1)
        shapes = list(flat[seen])
        for index in np.flatnonzero(ahead.any(1) & ~whole):
            shapes.append(self._clipped(points[index]))
        if self._faces and shapes:
            self._face(points)
        self._fill(shapes, color, shade)
        self._current = self._thing

    def _face(self, points: np.ndarray) -> None:
        """Begin a face of the current thing: the plane of world points (M, N, 3)."""
        projected = self.project(points.reshape(-1, 3))
        ahead = projected[projected[:, 2] >= NEAR]
        if len(ahead) < 3:
            return
        system = np.column_stack([ahead[:, :2], np.ones(len(ahead))])
        plane, _, rank, _ = np.linalg.lstsq(system, 1 / ahead[:, 2], rcond=1e-9)
        if rank < 3:
            return
        self._labels.append(self._labels[self._thing])
        self._instances.append(self._instances[self._thing])
        self._depths.append(self._depths[self._thing])
        self._origins.append(self._origins[self._thing])
        self._roughness.append(self._roughness[self._thing])
        self._current = len(self._labels) - 1
        nearest = float(ahead[:, 2].min()) if len(ahead) == len(projected) else NEAR
        self._planes[self._current] = plane, nearest, float(ahead[:, 2].max())

    def _clipped(self, points: np.ndarray) -> np.ndarray:
        """Return the pixels of the part of a polygon that is far enough ahead."""
        down = self.camera.mount_height - points[:, 1]
        depth = points[:, 2] * self._cos + down * self._sin
        kept: list[np.ndarray] = []
        for index, point in enumerate(points):
            before, d0, d1 = points[index - 1], depth[index - 1] - NEAR, depth[index] - NEAR
            if (d0 < 0) != (d1 < 0):
                kept.append(before + (point - before) * (d0 / (d0 - d1)))
            if d1 >= 0:
                kept.append(point)
        flat = self.project(np.array(kept))[:, :2]
        pixels: np.ndarray = np.rint(np.clip(flat, -16000, 16000))
        return pixels.astype(np.int32)

    def _fill(self, shapes: list[np.ndarray], color: Color, shade: float) -> None:
        if shapes:
            cv2.fillPoly(self.image, shapes, self.lit(color, shade))
            cv2.fillPoly(self.owner, shapes, self._current)

    def discs(self, centers: np.ndarray, radii: np.ndarray, colors: Sequence[Color]) -> None:
        """Fill balls with world centres (N, 3) and radii in metres (N), in the given order."""
        projected = self.project(np.asarray(centers, np.float64))
        for (u, v, depth), radius, color in zip(projected, radii, colors, strict=True):
            size = radius * self.camera.fx / max(depth, NEAR)
            if depth < NEAR or abs(u) > 16000 or abs(v) > 16000 or size > 8000:
                continue
            center, pixels = (round(u), round(v)), max(round(size), 0)
            cv2.circle(self.image, center, pixels, self.lit(color), cv2.FILLED)
            cv2.circle(self.owner, center, pixels, self._current, cv2.FILLED)

    def bar(
        self,
        start: Sequence[float],
        end: Sequence[float],
        width: float,
        color: Color,
        shade: float = 1.0,
    ) -> None:
        """Paint a bar `width` metres thick from one world point to another, at least a pixel."""
        ends = self.project(np.array([start, end], np.float64))
        if (ends[:, 2] < NEAR).any() or np.abs(ends[:, :2]).max() > 16000:
            return
        pixels = max(round(width * self.camera.fx / ends[:, 2].mean()), 1)
        first, last = ((round(u), round(v)) for u, v, _ in ends)
        cv2.line(self.image, first, last, self.lit(color, shade), pixels)
        cv2.line(self.owner, first, last, self._current, pixels)

    def roughen(self) -> None:
        """Give every painted thing its surface noise, which moves with the thing."""
        depths = np.minimum(np.array(self._depths, np.float32), 500)
        origins = np.array(self._origins, np.float32)
        # About 30 texels a metre near by; never more than one texel a pixel, or it glitters.
        scale = np.minimum(30 * depths / self.camera.fx, 1.0).astype(np.float32)
        rough = np.array(self._roughness, np.float32) * 100
        height, width = self.owner.shape
        per_pixel = scale[self.owner]
        u = np.arange(width, dtype=np.float32)[None, :]
        v = np.arange(height, dtype=np.float32)[:, None]
        x = (u - origins[:, 0][self.owner]) * per_pixel
        y = (v - origins[:, 1][self.owner]) * per_pixel
        change = sample_noise(np.mod(x, TILE), np.mod(y, TILE)) * rough[self.owner]
        cv2.add(self.image, cv2.merge([change] * 3), dst=self.image, dtype=cv2.CV_8U)

    def labels(self) -> np.ndarray:
        """Return the label ids, uint8 (H, W)."""
        return np.array(self._labels, np.uint8)[self.owner]

    def instances(self) -> np.ndarray:
        """Return the instance ids, uint16 (H, W)."""
        return np.array(self._instances, np.uint16)[self.owner]

    def depths(self) -> np.ndarray:
        """Return the depth of each pixel, float32 (H, W), metres: of its owner or its plane."""
        found = np.array(self._depths, np.float32)[self.owner]
        planes = np.zeros((len(self._labels), 5), np.float32)
        for number, (plane, near, far) in self._planes.items():
            planes[number] = *plane, near, far
        inside = np.flatnonzero((planes[:, 4] > 0)[self.owner])
        a, b, c, near, far = planes[self.owner.ravel()[inside]].T
        v, u = np.divmod(inside, self.camera.width)
        inverse = np.maximum(a * u + b * v + c, 1e-3)
        found.ravel()[inside] = np.clip(1 / inverse, near, far)
        return found
