"""vidfake: tells whether a video of a person has been manipulated, and measures honestly how well."""

from __future__ import annotations

__version__ = "0.1.0"

__all__ = ["__version__"]
