"""`python -m quasintk`, the same as the command `quasintk`."""

from quasintk.cli import main

if __name__ == "__main__":
    main()
