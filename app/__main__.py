"""``python -m app``: the same as ``affectline``."""

from app.cli import main

if __name__ == "__main__":
    main()
