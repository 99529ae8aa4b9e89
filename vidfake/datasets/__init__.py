"""Readers of corpora as they are distributed; see docs/datasets.md. Importing this fills the registry."""

from __future__ import annotations

from vidfake.datasets import (
    av_deepfake1m,
    celebdf,
    deeperforensics,
    deepfake_eval_2024,
    df40,
    dfd,
    dfdc,
    dfdc_preview,
    dftimit,
    faceshifter,
    fakeavceleb,
    ffiw10k,
    ffpp,
    folder,
    forgerynet,
    kodf,
    uadfv,
    wilddeepfake,
)
from vidfake.datasets.base import DATASETS, scan_dataset
from vidfake.datasets.result import CountRow, Published, ScanResult

__all__ = ["DATASETS", "CountRow", "Published", "ScanResult", "scan_dataset"]

_READERS = (
    ffpp, faceshifter, dfd, celebdf, dfdc, dfdc_preview, deeperforensics, uadfv, wilddeepfake, fakeavceleb, ffiw10k,
    kodf, forgerynet, dftimit, deepfake_eval_2024, av_deepfake1m, df40, folder,
)  # fmt: skip
