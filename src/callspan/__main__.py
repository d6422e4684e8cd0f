"""`python -m callspan`."""

import sys

from callspan.cli import main

if __name__ == "__main__":
    sys.exit(main())
