"""Colours against the defining equations of BT.601, BT.709 and BT.2020, written out here independently."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from vidfake.types import Region
from vidfake.video.orientation import Orientation
from vidfake.video.pixels import PixelConverter
from vidfake.video.reader import open_video, probe

Array = np.ndarray[Any, Any]

# red and blue luma weights of the three recommendations; keys are the matrix codes of ITU-T H.273
WEIGHTS = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
NAMES = {1: "bt709", 6: "bt601", 9: "bt2020"}
SUBSAMPLING = {
    "yuv420p": (2, 2, 8), "yuv422p": (2, 1, 8), "yuv444p": (1, 1, 8), "yuv420p10le": (2, 2, 10),
    "yuv422p10le": (2, 1, 10), "yuv444p12le": (1, 1, 12),
}  # fmt: skip
BLOCK = 16


def rgb_by_definition(y: Array, u: Array, v: Array, *, matrix: int, full_range: bool, bits: int) -> Array:
    """E'R = E'Y + 2 (1 - Kr) E'Cr, E'B = E'Y + 2 (1 - Kb) E'Cb, and E'G from E'Y = Kr E'R + Kg E'G + Kb E'B."""
    red, blue = WEIGHTS[matrix]
    step, top = 2 ** (bits - 8), 2**bits - 1
    luma = y / top if full_range else (y - 16 * step) / (219 * step)
    cb, cr = ((c - 128 * step) / (top if full_range else 224 * step) for c in (u, v))
    r = luma + 2 * (1 - red) * cr
    b = luma + 2 * (1 - blue) * cb
    g = (luma - red * r - blue * b) / (1 - red - blue)
    return np.clip(np.rint(np.stack([r, g, b], -1) * 255), 0, 255)


def blocks(rng: np.random.Generator, *, bits: int, full_range: bool, size: tuple[int, int]) -> list[Array]:
    """Coarse grids of Y, U, V: one colour per 16 x 16 block."""
    rows, columns = -(-size[1] // BLOCK), -(-size[0] // BLOCK)
    scale = 2 ** (bits - 8)
    low, high = (0, 256) if full_range else (16, 236)
    luma = rng.integers(low * scale, high * scale, (rows, columns))
    return [luma, *(rng.integers(64 * scale, 192 * scale, (rows, columns)) for _ in range(2))]


def planes(grids: list[Array], pixel_format: str, size: tuple[int, int]) -> list[Array]:
    across, down, bits = SUBSAMPLING[pixel_format]
    kind = np.uint8 if bits == 8 else np.uint16
    result = []
    for number, grid in enumerate(grids):
        sx, sy = (1, 1) if number == 0 else (across, down)
        whole = np.kron(grid, np.ones((BLOCK // sy, BLOCK // sx), np.int64))
        result.append(whole[: -(-size[1] // sy), : -(-size[0] // sx)].astype(kind))
    return result


@pytest.mark.parametrize("size", [(160, 128), (163, 121)], ids=["even", "odd"])
@pytest.mark.parametrize("full_range", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", WEIGHTS, ids=NAMES.values())
@pytest.mark.parametrize("pixel_format", SUBSAMPLING)
def test_matrix_range_and_depth(
    make_yuv: Callable[..., Path], pixel_format: str, matrix: int, full_range: bool, size: tuple[int, int]
) -> None:
    bits = SUBSAMPLING[pixel_format][2]
    grids = blocks(np.random.default_rng(matrix), bits=bits, full_range=full_range, size=size)
    path = make_yuv([planes(grids, pixel_format, size)], pixel_format, matrix=matrix, full_range=full_range)
    with open_video(path) as reader:
        rgb = next(reader.frames()).rgb()
        info = reader.info
    assert (info.colour_space, info.colour_range) == (NAMES[matrix], "full" if full_range else "limited")
    assert (info.bit_depth, info.pixel_format, info.width, info.height) == (bits, pixel_format, *size)
    expected = rgb_by_definition(*grids, matrix=matrix, full_range=full_range, bits=bits)
    centres = rgb[BLOCK // 2 - 1 :: BLOCK, BLOCK // 2 - 1 :: BLOCK].astype(int)
    assert np.abs(centres - expected[: len(centres), : centres.shape[1]]).max() <= 1


@pytest.mark.parametrize(("lines", "expected"), [(718, "bt601"), (720, "bt709"), (1080, "bt709"), (64, "bt601")])
def test_undeclared_matrix_goes_by_height(make_yuv: Callable[..., Path], lines: int, expected: str) -> None:
    luma, cb, cr = (np.full((2, 2), value) for value in (120, 90, 170))
    size = (32, lines)
    path = make_yuv(
        [[np.full((lines, 32), 120, np.uint8), *(np.full((lines // 2, 16), v, np.uint8) for v in (90, 170))]],
        "yuv420p",
    )
    with open_video(path) as reader:
        rgb = next(reader.frames()).rgb()
        assert (reader.info.colour_space, reader.info.colour_range) == (expected, "limited")
    matrix = {name: code for code, name in NAMES.items()}[expected]
    want = rgb_by_definition(luma, cb, cr, matrix=matrix, full_range=False, bits=8)[0, 0]
    assert rgb.shape == (*size[::-1], 3)
    assert np.abs(rgb.astype(int) - want).max() <= 1


def test_the_two_matrices_really_differ(make_yuv: Callable[..., Path]) -> None:
    frame = [np.full((64, 64), 120, np.uint8), *(np.full((32, 32), value, np.uint8) for value in (90, 190))]
    pictures = []
    for matrix in (1, 6):
        with open_video(make_yuv([frame], "yuv420p", matrix=matrix, name=f"{matrix}.mkv")) as reader:
            pictures.append(next(reader.frames()).rgb()[0, 0].astype(int))
    assert np.abs(pictures[0] - pictures[1]).max() > 10


@pytest.mark.parametrize(
    ("codec", "full_range", "expected"),
    [
        ("libx265", False, True),
        ("libx265", True, False),
        ("libx265", None, True),
        ("ffv1", None, False),
    ],
)
def test_gray(make_yuv: Callable[..., Path], codec: str, full_range: bool | None, expected: bool) -> None:
    """`expected`: limited range, so 16 is black and 235 white. Undeclared: limited in HEVC, full in FFV1."""
    values = np.repeat(np.array([16, 60, 128, 235], np.uint8), 16)
    path = make_yuv([[np.tile(values, (64, 1))]] * 4, "gray", codec=codec, full_range=full_range)
    with open_video(path) as reader:
        rgb = next(reader.frames()).rgb()
        assert reader.info.colour_space == "gray"
        assert reader.info.colour_range == ("limited" if expected else "full")
    assert np.ptp(rgb, axis=2).max() == 0
    shown = rgb[32, 8::16, 0].astype(float)
    want = [0, 51.2, 130.4, 255] if expected else [16, 60, 128, 235]
    assert np.abs(shown - want).max() <= (3 if codec == "libx265" else 1)


@pytest.mark.parametrize(
    ("codec", "pixel_format", "suffix"),
    [("utvideo", "gbrp", "avi"), ("ffv1", "bgr0", "mkv"), ("png", "rgb24", "mov"), ("qtrle", "rgb24", "mov")],
)
def test_rgb_formats_are_left_alone(
    tmp_path: Path, codec: str, pixel_format: str, suffix: str, pictures: Callable[..., Array]
) -> None:
    picture = pictures(1, 66, 50)[0]
    path = tmp_path / f"rgb.{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 66, 50, pixel_format
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format=pixel_format)))
        container.mux(stream.encode(None))
    with open_video(path) as reader:
        frame = next(reader.frames())
        assert (reader.info.colour_space, reader.info.colour_range) == ("rgb", "full")
        assert np.array_equal(frame.rgb(), picture)
        assert frame.luma_thumbnail().shape == (36, 64)


def test_palette(tmp_path: Path) -> None:
    """A palette of 256 colours: bytes of the picture are numbers in a table."""
    path = tmp_path / "pal.mov"
    rng = np.random.default_rng(0)
    table = rng.integers(0, 256, (256, 3)).astype(np.uint8)
    numbers = rng.integers(0, 256, (48, 64)).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "pal8"
        frame = av.VideoFrame(64, 48, "pal8")
        np.frombuffer(frame.planes[0], np.uint8).reshape(48, -1)[:, :64] = numbers
        argb = np.concatenate([table[:, ::-1], np.full((256, 1), 255, np.uint8)], 1)  # little-endian ARGB
        np.frombuffer(frame.planes[1], np.uint8)[:] = argb.ravel()
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with open_video(path) as reader:
        assert reader.info.pixel_format == "pal8"
        assert np.array_equal(next(reader.frames()).rgb(), table[numbers])


@pytest.mark.parametrize(("transfer", "hdr"), [(1, False), (16, True), (18, True)])
def test_hdr_is_flagged(make_yuv: Callable[..., Path], transfer: int, hdr: bool) -> None:
    frame = [np.full((64, 64), 500, np.uint16), *(np.full((32, 32), 512, np.uint16) for _ in range(2))]
    path = make_yuv([frame] * 4, "yuv420p10le", codec="libx265", name="hdr.mp4", matrix=9, transfer=transfer)
    info = probe(path)
    assert (info.hdr, info.colour_space, info.bit_depth) == (hdr, "bt2020", 10)
    json.dumps(dataclasses.asdict(info), allow_nan=False)


# ---- parts and smaller versions

FORMATS = [
    "yuv420p", "yuvj420p", "yuv422p", "yuv444p", "yuv440p", "yuv410p", "yuv411p", "nv12", "nv16", "p010le",
    "yuva420p", "yuv420p10le", "yuv422p10le", "yuv420p16le", "yuv444p10be", "gray", "gray10le", "ya8", "gbrp",
    "gbrp10le", "rgb24", "bgr0", "yuyv422", "rgb565le", "monow",
]  # fmt: skip


def noise(pixel_format: str, width: int, height: int) -> av.VideoFrame:
    frame = av.VideoFrame(width, height, pixel_format)
    rng = np.random.default_rng(width)
    bits = max(component.bits for component in frame.format.components)
    for plane in frame.planes:
        samples = np.frombuffer(plane, np.uint8)
        samples[:] = rng.integers(0, 256, len(samples), dtype=np.uint8)
        if bits in (10, 12) and pixel_format.endswith("le") and not pixel_format.startswith("p0"):
            samples.view("<u2")[:] &= (1 << bits) - 1
        elif bits in (10, 12) and pixel_format.endswith("be"):
            samples.view(">u2")[:] &= (1 << bits) - 1
    return frame


@pytest.mark.parametrize("pixel_format", [*FORMATS, "pal8"])
def test_a_region_is_pixel_for_pixel_part_of_the_whole(pixel_format: str) -> None:
    rng = np.random.default_rng(7)
    for (width, height), orientation in itertools.product(
        [(160, 120), (163, 121), (53, 37)],
        [Orientation(), Orientation(True, False, True), Orientation(True, True, True)],
    ):
        converter = PixelConverter(size=(width, height), orientation=orientation, codec="h264")
        frame = noise(pixel_format, width, height)
        whole = converter.rgb(frame, max_side=None, region=None)
        assert whole.shape == (*orientation.upright_size(width, height)[::-1], 3)
        assert whole.flags.c_contiguous
        for _ in range(8):
            x, y = (int(rng.integers(0, side)) for side in (whole.shape[1], whole.shape[0]))
            w, h = int(rng.integers(1, whole.shape[1] - x + 1)), int(rng.integers(1, whole.shape[0] - y + 1))
            part = converter.rgb(frame, max_side=None, region=Region(x, y, w, h))
            assert np.array_equal(part, whole[y : y + h, x : x + w]), (width, height, x, y, w, h)


@pytest.mark.parametrize("pixel_format", FORMATS)
def test_thumbnail_of_every_format(pixel_format: str) -> None:
    """The left half black and the right half white, in any format: so is the thumbnail."""
    rgb = np.zeros((90, 160, 3), np.uint8)
    rgb[:, 80:] = 255
    frame = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(format=pixel_format)
    converter = PixelConverter(size=(160, 90), orientation=Orientation(), codec="h264")
    thumbnail = converter.luma_thumbnail(frame)
    assert (thumbnail.shape, thumbnail.dtype) == ((36, 64), np.uint8)
    assert thumbnail[:, :31].max() <= 20
    assert thumbnail[:, 33:].min() >= 230


def test_smaller_versions_average_and_never_enlarge() -> None:
    rgb = np.zeros((120, 160, 3), np.uint8)
    rgb[:, ::2] = 200  # stripes of one pixel: averaged to gray, not sampled
    frame = av.VideoFrame.from_ndarray(rgb, "rgb24")
    converter = PixelConverter(size=(160, 120), orientation=Orientation(), codec="png")
    small = converter.rgb(frame, max_side=40, region=None)
    assert small.shape == (30, 40, 3)
    assert 90 <= small[2:-2, 2:-2].min() <= small[2:-2, 2:-2].max() <= 110
    assert converter.rgb(frame, max_side=500, region=None).shape == (120, 160, 3)
    part = converter.rgb(frame, max_side=20, region=Region(10, 10, 60, 30))
    assert part.shape == (10, 20, 3)


def test_a_frame_of_another_size_is_brought_to_the_first_ones() -> None:
    converter = PixelConverter(size=(160, 120), orientation=Orientation(), codec="h264")
    frame = av.VideoFrame.from_ndarray(np.full((60, 80, 3), 77, np.uint8), "rgb24").reformat(format="yuv420p")
    assert converter.rgb(frame, max_side=None, region=None).shape == (120, 160, 3)
    assert converter.rgb(frame, max_side=None, region=Region(100, 50, 60, 70)).shape == (70, 60, 3)


@pytest.mark.parametrize("pixel_format", SUBSAMPLING)
@pytest.mark.parametrize("max_side", [None, 320, 290, 257, 150, 33])
def test_planar_conversion_gives_what_packed_conversion_gives(pixel_format: str, max_side: int | None) -> None:
    """Pixels are taken from swscale as planes, which is quicker: the values are those of its packed RGB."""
    import vidfake.video.pixels as module

    rng = np.random.default_rng(0)
    frame = av.VideoFrame(322, 242, pixel_format)
    bits = SUBSAMPLING[pixel_format][2]
    for plane in frame.planes:
        kind = np.uint8 if bits == 8 else np.uint16
        plane.update(rng.integers(0, 2**bits, plane.buffer_size // np.dtype(kind).itemsize, dtype=kind).tobytes())
    converter = PixelConverter(size=(322, 242), orientation=Orientation(), codec="h264")
    found = converter.rgb(frame, max_side=max_side, region=None)
    packed = av.video.reformatter.VideoReformatter().reformat(
        frame, width=found.shape[1], height=found.shape[0], format="rgb24",
        src_colorspace=av.video.reformatter.Colorspace.ITU601, src_color_range=av.video.reformatter.ColorRange.MPEG,
        dst_color_range=av.video.reformatter.ColorRange.JPEG, interpolation=module._INTERPOLATION,
    )  # fmt: skip
    np.testing.assert_array_equal(found, packed.to_ndarray())
