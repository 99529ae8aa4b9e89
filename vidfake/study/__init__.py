"""Loss studies: losses × tasks × seeds, searched alike, chosen on validation, tested once. See docs/study.md."""
