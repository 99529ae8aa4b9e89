"""Reading, sampling and writing video. The only importer of `av`; see docs/video.md."""
