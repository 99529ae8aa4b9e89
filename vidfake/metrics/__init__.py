"""How well a detector does, and how sure one can be: our own definitions, checked against independent ones."""
