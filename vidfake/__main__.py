"""`python -m vidfake` is the `vidfake` command."""

from __future__ import annotations

from vidfake.cli.main import main

if __name__ == "__main__":
    main()
