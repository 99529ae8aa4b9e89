"""Named compositions of train, validation and test data that refuse what would be dishonest; docs/protocols.md."""

from __future__ import annotations

from vidfake.protocols.definition import Protocol, Role, Selection, load_protocol, shipped_protocols
from vidfake.protocols.resolve import ResolvedProtocol, by_dataset, resolve, role_counts

__all__ = [
    "Protocol",
    "ResolvedProtocol",
    "Role",
    "Selection",
    "by_dataset",
    "load_protocol",
    "resolve",
    "role_counts",
    "shipped_protocols",
]
