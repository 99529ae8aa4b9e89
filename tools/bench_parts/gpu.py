"""The encoder alone on a graphics card, in single and in half precision."""

from __future__ import annotations

import time

from table import Table


def run(batches: int = 10) -> list[Table]:
    """Frames per second of `batches` batches of 16 clips of 16 frames."""
    import torch

    from vidfake.models.detector import build_detector
    from vidfake.settings import EncoderSettings, ModelSettings

    if not torch.cuda.is_available():
        raise SystemExit("tools/bench gpu: this machine has no CUDA device. Run it on one that has.")
    detector = build_detector(ModelSettings(encoder=EncoderSettings(weights="none"))).prepare_for_inference().cuda()
    frames = torch.zeros(16, 16, 3, 256, 256, dtype=torch.uint8, device="cuda")
    rows = []
    for precision in ("float32", "bfloat16"):
        with torch.autocast("cuda", torch.bfloat16, enabled=precision == "bfloat16"), torch.no_grad():
            for _ in range(3):
                detector.encode(frames)
            torch.cuda.synchronize()
            begun = time.perf_counter()
            for _ in range(batches):
                detector.encode(frames)
            torch.cuda.synchronize()
        rows.append([precision, batches * 256 / (time.perf_counter() - begun)])
    return [Table(f"The encoder on a {torch.cuda.get_device_name()}", ["precision", "frames/s"], rows)]
