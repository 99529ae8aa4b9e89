"""Opening a hostile file: what is refused before, and what is forbidden while, libavformat looks at it."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Any

import av
import av.error
from av.container import InputContainer
from av.video.stream import VideoStream

from vidfake.errors import NoVideoStreamError, UnreadableVideoError

FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,ogg,asf"
"""Containers that are opened. None of them can name another file or a host; playlists, SDP, concat scripts and
image sequences can, and are not among them."""

MAX_PIXELS = 8192 * 4352
"""Largest picture that is decoded: 8K. A small file can claim a picture of gigabytes."""

MAX_STREAMS = 64
"""Streams that are looked at; further ones of the same file are ignored."""

DEMUXER_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": FORMATS,
    "enable_drefs": "0",  # a QuickTime file may say that its pictures are in another file
    "use_absolute_path": "0",
    "max_streams": str(MAX_STREAMS),
    "max_pixels": str(MAX_PIXELS),  # holds while streams are probed; decoders get their own, see `choose_stream`
}
DECODER_OPTIONS = {"max_pixels": str(MAX_PIXELS)}

# titles and comments need not be Unicode; PyAV 19 always tolerates that
_TOLERANT: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}

_PROTOCOL = re.compile(
    r"^(async|cache|concat|concatf|crypto|data|fd|ffrtmp\w+|file|ftp|gopher|hls|https?|httpproxy|icecast|mms[ht]|"
    r"md5|pipe|prompeg|rtm[pest]+|rtp|srt|srtp|subfile|tcp|tee|tls|udp|udplite|unix)[:,]"
)

_IMAGES = {
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"8BPS": "PSD",
}
_STILL_BRANDS = {b"heic", b"heix", b"mif1", b"avif"}


def open_container(path: Path | str) -> InputContainer:
    """Open a local video file and nothing else.

    Raises UnreadableVideoError, with the reason, for whatever is not a readable video file of one of `FORMATS`.
    The caller closes the container.
    """
    absolute = check_path(path)
    try:
        container = av.open(f"file:{absolute}", mode="r", options=dict(DEMUXER_OPTIONS), **_TOLERANT)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise UnreadableVideoError(why_no_picture(absolute, _reason(error))) from error
    assert isinstance(container, InputContainer)
    return container


def choose_stream(container: InputContainer, path: Path | str) -> VideoStream:
    """The moving-picture stream to read; cover art does not count. Raises NoVideoStreamError."""
    moving = [stream for stream in container.streams.video if not is_cover(stream)]
    if not moving and has_media_without_index(path):
        raise UnreadableVideoError(why_no_picture(path, "no stream"))
    if not moving:
        raise NoVideoStreamError(
            f"{path} has no video stream (found: {_found(container)}). Pass a file with video."
        )
    best = container.streams.best("video")
    stream = best if isinstance(best, VideoStream) and not is_cover(best) else moving[0]
    if stream.codec_context is None:
        raise UnreadableVideoError(
            f"{path}: no decoder for its video codec. Convert it to H.264 in MP4, then pass that file."
        )
    context = stream.codec_context
    if context.width * context.height > MAX_PIXELS:
        raise UnreadableVideoError(
            f"{path}: its pictures are {context.width} x {context.height} pixels; at most {MAX_PIXELS:,} pixels "
            "(8K) are decoded. Scale the video down first."
        )
    context.options = dict(DECODER_OPTIONS)
    return stream


def is_cover(stream: VideoStream) -> bool:
    """True for a picture that accompanies audio (album art), which is not video."""
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def check_path(path: Path | str, *, still_images: bool = False) -> str:
    """Absolute path of an existing, readable, non-empty regular file that is no still image, unless `still_images`.

    Raises UnreadableVideoError otherwise.
    """
    text = os.fspath(path)
    if "://" in text or _PROTOCOL.match(text):
        raise UnreadableVideoError(
            f"{text!r} looks like an address or a protocol. vidfake reads local files only: download it first, "
            "then pass its path (write ./NAME for a file whose name looks like this)."
        )
    if "\x00" in text:
        raise UnreadableVideoError(f"{text!r} contains a zero byte; no file can have that name. Check the path.")
    try:
        status = os.stat(text)
        if stat.S_ISDIR(status.st_mode):
            raise UnreadableVideoError(f"{text} is a folder, not a video file. Pass the files in it.")
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableVideoError(
                f"{text} is a pipe or a device, not a regular file. Save the video to a file first."
            )
        if status.st_size == 0:
            raise UnreadableVideoError(f"{text} is empty (0 bytes). Copy or download it again.")
        with open(text, "rb") as handle:
            kind = still_image_kind(handle.read(16))
    except OSError as error:
        raise UnreadableVideoError(_why_not_read(text, error)) from error
    if kind and not still_images:
        raise UnreadableVideoError(f"{text} is a still image ({kind}), not a video. Pass a video file.")
    return os.path.abspath(text)


def still_image_kind(head: bytes) -> str:
    """Name of the still-image format that starts with `head` (16 bytes), or an empty string."""
    for magic, name in _IMAGES.items():
        if head.startswith(magic):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[4:8] == b"ftyp" and head[8:12] in _STILL_BRANDS:
        return head[8:12].decode().upper()
    return ""


def _found(container: InputContainer) -> str:
    kinds = [
        "cover picture" if isinstance(stream, VideoStream) else str(stream.type) for stream in container.streams
    ]
    return ", ".join(sorted(set(kinds))) or "no streams at all"


def _why_not_read(path: str, error: OSError) -> str:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return f"{path} does not exist. Check the path."
    if isinstance(error, PermissionError):
        return f"{path} may not be read (permission denied). Change its permissions or pass a copy."
    return f"{path} cannot be read ({error.strerror or error}). Check the disk and the path."


def why_no_picture(path: Path | str, reason: str) -> str:
    """Message for a file that gave no picture, for a `reason` in words; a cut-off MP4 is recognised as such."""
    size = Path(path).stat().st_size
    if has_media_without_index(path):
        return (
            f"{path} ({size} bytes) is cut off: its 'moov' part, which says where the pictures are, is missing or "
            "incomplete. Copy or download it again; a recording that was interrupted must be repaired first."
        )
    return (
        f"{path} ({size} bytes) is not a video that can be read ({reason}). Accepted containers: "
        "MP4/MOV, Matroska/WebM, AVI, MPEG-TS/PS, FLV, Ogg, ASF. Check that it plays, or convert it."
    )


def has_media_without_index(path: Path | str) -> bool:
    """True for an MP4 whose top-level boxes hold no complete `moov`: the usual mark of a cut-off file."""
    size = Path(path).stat().st_size
    found, position = set(), 0
    with open(path, "rb") as handle:
        for _ in range(256):
            if position >= size:  # a box may claim more than any file can have
                break
            handle.seek(position)
            head = handle.read(16)
            if len(head) < 8 or not head[4:8].isalnum():
                break
            length = int.from_bytes(head[:4], "big")
            length = int.from_bytes(head[8:16], "big") if length == 1 else length or size - position
            if position + length <= size or head[4:8] != b"moov":
                found.add(head[4:8])
            if length < 8:
                break
            position += length
    return b"ftyp" in found and b"moov" not in found


def _reason(error: Exception) -> str:
    if isinstance(error, MemoryError):  # also what FFmpeg says of an MP4 with too many streams
        return f"more than {MAX_STREAMS} streams, or more memory needed than there is"
    return str(getattr(error, "strerror", None) or error).split("\n")[0].rstrip(".").lower()
