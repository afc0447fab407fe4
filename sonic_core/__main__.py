"""`python -m sonic_core`."""

import sys

from sonic_core.cli.main import main

sys.exit(main())
