"""``python -m callaudit`` is the command ``callaudit``."""

import sys

from callaudit.cli import main

sys.exit(main())
