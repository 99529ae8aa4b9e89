"""Runs the toy study of a store into a folder, for a test that kills it: STORE OUT WORKERS [SHARD SHARDS]."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import toy_study

from vidfake.study import run

if __name__ == "__main__":
    toy_study.register()
    run.code_version = lambda: toy_study.CODE
    shard = (int(sys.argv[4]), int(sys.argv[5])) if len(sys.argv) > 4 else (0, 1)
    run.run_study(toy_study.study(Path(sys.argv[1])), Path(sys.argv[2]), workers=int(sys.argv[3]), shard=shard)
