"""`python -m ift_lib` is `ift`."""

import sys

from ift_lib.cli import main

sys.exit(main())
