"""UADFV (Yang et al., ICASSP 2019): 49 real videos and one face swap of each."""

from __future__ import annotations

import re
from pathlib import Path

from vidfake.datasets.base import DATASETS
from vidfake.datasets.result import Published, ScanBuilder, ScanResult
from vidfake.datasets.tree import resolve_root, videos_in
from vidfake.types import FAKE, REAL

HOLDS = "real/ (0000.mp4 …) and fake/ (0000_fake.mp4 …)"
LICENCE = "UADFV terms of use (agreement form)"
ORIGIN = "https://doi.org/10.1109/ICASSP.2019.8683164"

_SOURCE = "UADFV paper"
_REAL = re.compile(r"^(\d{4})$")
_FAKE = re.compile(r"^(\d{4})_fake$")


def is_root(folder: Path) -> bool:
    """Whether a folder is UADFV: the names of its fakes tell it from any other real/ and fake/."""
    return (folder / "real").is_dir() and any(_FAKE.match(p.stem) for p in videos_in(folder / "fake"))


@DATASETS.register("uadfv", source=ORIGIN, licence=LICENCE, layout=HOLDS, splits="none")
def scan(root: Path | str) -> ScanResult:
    """UADFV: real ``0000`` pairs with fake ``0000_fake``; no split.

    Args:
        root: the folder that holds real/ and fake/.
    """
    root = resolve_root(root, is_root, dataset="UADFV", holds=HOLDS)
    builder = ScanBuilder("uadfv", root, licence=LICENCE, origin=ORIGIN)
    for folder, label, pattern in (("real", REAL, _REAL), ("fake", FAKE, _FAKE)):
        for path in videos_in(root / folder):
            match = pattern.match(path.stem)
            if match is None:
                builder.extra.append(builder.relative(path))
                continue
            builder.add(
                path,
                video_id=f"uadfv/{folder}/{path.stem}",
                label=label,
                manipulation="FakeApp",
                source_id=f"uadfv/{match[1]}",
                pair_id=f"uadfv/{match[1]}",
                people=[f"uadfv/{match[1]}"],
            )
    return builder.finish("as distributed", [Published(49, _SOURCE, REAL), Published(49, _SOURCE, FAKE)])
