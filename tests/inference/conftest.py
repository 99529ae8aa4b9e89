"""Puts the support of the decoding process's tests on the import path: a cache holds what that process sends."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "sandbox" / "support"))
