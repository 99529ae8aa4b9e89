"""From a checkpoint and a video, or a clip store, to scores at every level."""
