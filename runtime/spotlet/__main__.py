"""`python -m spotlet` is the program `spotlet`."""

import sys

from spotlet.cli import main

if __name__ == "__main__":
    sys.exit(main())
