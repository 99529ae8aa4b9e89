"""Every error that vidfake raises on purpose.

    VidfakeError
    ├── UsageError               the request itself is wrong                       (exit code 2)
    │   ├── ConfigError          a setting is unknown, of the wrong type or out of range
    │   └── UnknownNameError     a registry has no such row
    ├── MediaError               one media file cannot be used; a batch goes on without it
    │   ├── UnreadableVideoError not a video, truncated, refused or undecodable
    │   │   └── DecoderFailedError  the process that decoded it crashed, hung or outgrew its limits
    │   └── NoVideoStreamError   a container without pictures
    ├── ManifestError            a manifest row is wrong; names file and line
    ├── DatasetError             a corpus is not laid out as its authors publish it, or a list of it is damaged
    ├── ProtocolError            a protocol would measure something dishonest
    ├── StoreError               a clip store is damaged, foreign or made with other settings
    ├── CheckpointError          a checkpoint is damaged, of a newer format or does not fit
    ├── ScoreFileError           a file of scores is wrong; names file and line
    ├── LossInputError           embeddings, labels or options that a loss cannot take
    ├── SamplerError             a sampler cannot supply what was asked of it
    ├── MakerError               a maker gave no fake of a clip, or a broken one; names maker and video
    │   └── UnchangedFakeError   nothing visible changed, as on a face that does not move
    ├── UndefinedMetricError     a figure that does not exist for this data; never replaced by a number
    ├── MissingPackageError      an optional package or model file is not installed
    ├── SandboxError             the decoding process cannot be started at all
    └── StorageError             the disk is full or a path cannot be written

A message says what happened with the value received, what is accepted, and what to do next.
Library code raises these; only the command line prints them.
"""

from __future__ import annotations


class VidfakeError(Exception):
    """Base of every expected failure."""

    exit_code = 1


class UsageError(VidfakeError):
    """The request itself is wrong."""

    exit_code = 2


class ConfigError(UsageError):
    """A setting is unknown, has the wrong type or is out of range."""


class UnknownNameError(UsageError):
    """A registry has no row of that name."""


class MediaError(VidfakeError):
    """One media file cannot be used.

    `status` is the word that the result row carries: ``unreadable``, ``no_face`` …
    """

    exit_code = 3
    status = "unreadable"


class UnreadableVideoError(MediaError):
    """Not a video, truncated, refused or undecodable."""


class DecoderFailedError(UnreadableVideoError):
    """The process that decoded the file crashed, hung, outgrew its limits or answered with nonsense."""


class NoVideoStreamError(MediaError):
    """A container without pictures."""


class ManifestError(UsageError):
    """A manifest row is wrong. The message names file and line."""


class DatasetError(UsageError):
    """A corpus is not laid out as its authors publish it, or one of its lists is damaged."""


class ProtocolError(UsageError):
    """A protocol would measure something dishonest (overlap, empty class, selection on test)."""


class StoreError(VidfakeError):
    """A clip store is damaged, foreign or made with other settings."""

    exit_code = 2


class CheckpointError(VidfakeError):
    """A checkpoint is damaged, of a newer format, or does not fit the request."""

    exit_code = 2


class ScoreFileError(UsageError):
    """A file of scores is wrong. The message names file and line."""


class LossInputError(VidfakeError, ValueError):
    """Embeddings, labels or options that a loss cannot take."""

    exit_code = 2


class SamplerError(UsageError):
    """A sampler cannot supply what was asked of it."""


class MakerError(VidfakeError):
    """A maker of fakes gave a clip in which nothing visible changed, or a broken one. Names maker and video."""

    exit_code = 2


class UnchangedFakeError(MakerError):
    """A maker changed nothing visible in a clip: it would be a real clip labelled fake."""


class UndefinedMetricError(VidfakeError, ValueError):
    """A figure that does not exist for this data. It is never replaced by a number."""


class MissingPackageError(UsageError):
    """An optional package or model file is not installed; the message says how to get it."""


class SandboxError(VidfakeError):
    """The process that untrusted files are decoded in cannot be started; no file is at fault."""

    exit_code = 1


class StorageError(VidfakeError):
    """The disk is full, or a path cannot be written."""

    exit_code = 1
