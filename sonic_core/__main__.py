"""`python -m sonic_core`."""

import sys

from sonic_core.cli import main

sys.exit(main())
