"""Puts `support`, and that of the stores, on the import path."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
for folder in (HERE / "support", HERE.parent / "data" / "support"):
    sys.path.insert(0, str(folder))
