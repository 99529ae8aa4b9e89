"""The detector that ships with vidfake: where it lies, its model card, and how it is trained and made ready."""

from vidfake.default.card import ModelCard, read_card
from vidfake.default.shipped import find_shipped, load_default

__all__ = ["ModelCard", "find_shipped", "load_default", "read_card"]
