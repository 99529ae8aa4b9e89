"""Manifests, clip stores, datasets and samplers (docs/data.md)."""
