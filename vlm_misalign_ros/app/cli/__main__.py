"""`python -m vlm_misalign_ros.app.cli`."""

import sys

from vlm_misalign_ros.app.cli import main

sys.exit(main())
