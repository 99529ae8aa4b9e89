"""What to measure with: animated portraits before a textured wall, H.264 at 30 frames per second; a detector."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

SIZES = {"360p": (640, 360), "720p": (1280, 720), "1080p": (1920, 1080), "4K": (3840, 2160)}


def make_video(path: Path, *, seconds: float, width: int = 1920, height: int = 1080, faces: int = 1) -> None:
    """One portrait as high as the picture, or up to eight side by side in two rows."""
    import cv2
    import numpy as np

    from vidfake.demo.media import portrait
    from vidfake.faces.detect import build_detector
    from vidfake.settings import ExtractSettings
    from vidfake.synth.animate import animate
    from vidfake.video.writer import write_video

    photo = portrait()
    face = build_detector(ExtractSettings()).detect(photo)[0]
    wall = np.random.default_rng(0).integers(90, 150, (height // 8, width // 8, 3), dtype=np.uint8)
    wall = cv2.resize(wall, (width, height), interpolation=cv2.INTER_CUBIC)
    rows = 1 if faces == 1 else 2
    columns = -(-faces // rows)
    side = min(height // rows, width // columns) // 2 * 2
    num_frames = round(seconds * 30)
    people = [
        animate(photo, face, seed=3 + n, num_frames=num_frames, frame_rate=30, side=side) for n in range(faces)
    ]

    def frames() -> Iterator[Any]:
        for pictures in zip(*people, strict=True):
            frame = wall.copy()
            for number, picture in enumerate(pictures):
                top, left = number // columns * side, number % columns * (width // columns)
                left += (width // columns - side) // 2
                frame[top : top + side, left : left + side] = picture
            yield frame

    write_video(path, frames(), frame_rate=30, crf=23, options={"preset": "medium"})


def loop(source: Path, out: Path, *, times: int) -> None:
    """The same packets `times` over, as one file."""
    import av

    with av.open(str(out), "w") as output:
        target, offset = None, 0
        for _ in range(times):
            with av.open(str(source)) as input_:
                stream = input_.streams.video[0]
                target = target or output.add_stream_from_template(stream)
                end = 0
                for packet in input_.demux(stream):
                    if packet.dts is None:
                        continue
                    end = max(end, packet.pts + packet.duration)
                    packet.pts, packet.dts = packet.pts + offset, packet.dts + offset
                    packet.stream = target
                    output.mux(packet)
                offset += end


def make_checkpoint(folder: Path) -> Path:
    """A MobileNetV2 at 224 pixels with the default transformer; its weights do not matter for speed."""
    from vidfake.config import load
    from vidfake.inference.load import join_states
    from vidfake.losses.combine import build_loss
    from vidfake.models.checkpoint import save_checkpoint
    from vidfake.models.detector import build_detector
    from vidfake.settings import RunConfig

    config = load(RunConfig, None, ["model.encoder.weights=none"])
    detector = build_detector(config.model, num_frames=config.extract.num_frames)
    loss = build_loss(config.loss, num_classes=2, embedding_dim=detector.embedding_dim)
    path = folder / "bench.vidfake"
    save_checkpoint(
        path, detector_state=detector.state_dict(), config=config, class_names=("real", "fake"),
        loss_state=loss.state_dict(), readout_state=join_states({}), extra={"readout": "native"},
    )  # fmt: skip
    return path
