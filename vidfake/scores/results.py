"""Reading what `vidfake score --json` printed: one object per video, tracks with clips with frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vidfake.errors import ScoreFileError


def is_result(value: Any) -> bool:
    """True for one video's result of `vidfake score --json`."""
    tool = value.get("tool") if isinstance(value, dict) else None
    return isinstance(tool, dict) and tool.get("name") == "vidfake" and "tracks" in value


def result_key(value: dict[str, Any], path: Path | str, line: int) -> tuple[str, str]:
    """The input's path and region (as in a manifest, ``""`` for the whole picture)."""
    try:
        region = value["input"]["region"]
        return str(value["input"]["path"]), "" if region is None else " ".join(str(int(n)) for n in region)
    except (KeyError, TypeError, ValueError) as error:
        raise ScoreFileError(f"{path}:{line}: a damaged result (no input path). Score the video again.") from error


def _append(columns: dict[str, list[Any]], cells: dict[str, Any]) -> None:
    for name, column in columns.items():
        column.append(cells[name])


def result_scores(value: dict[str, Any], path: Path | str, line: int) -> dict[str, Any]:
    """Arguments for `ScoreTableBuilder.add`: status, frames and clips of one result."""
    try:
        frames: dict[str, list[Any]] = {"track": [], "pts_seconds": [], "score": []}
        clips: dict[str, list[Any]] = {"track": [], "index": [], "start_seconds": [], "score": [], "quality": []}
        for track in value["tracks"]:
            for clip in track["clips"]:
                _append(clips, {"track": track["track_id"], "index": clip["clip_index"], **clip})
                for frame in clip["frames"]:
                    _append(frames, {"track": track["track_id"], **frame})
        return {"status": str(value["status"]), "frames": frames, "clips": clips}
    except (KeyError, TypeError, ValueError) as error:
        raise ScoreFileError(
            f"{path}:{line}: a damaged result of `vidfake score --json` ({type(error).__name__}: {error}). "
            "Score the video again."
        ) from error
