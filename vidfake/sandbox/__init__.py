"""Untrusted files are decoded in a confined child process (docs/security.md)."""

from vidfake.sandbox.extraction import close_children, extract_in_child, protections, warm_up
from vidfake.sandbox.limits import SandboxLimits
from vidfake.sandbox.reading import open_in_child

__all__ = ["SandboxLimits", "close_children", "extract_in_child", "open_in_child", "protections", "warm_up"]
