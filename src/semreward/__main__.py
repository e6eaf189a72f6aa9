"""`python -m semreward`: the command line, where no `semreward` is on the path."""

import sys

from semreward.cli import main

if __name__ == "__main__":
    sys.exit(main())
