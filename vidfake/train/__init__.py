"""Training: one plain loop, exact resume, selection on validation only."""
