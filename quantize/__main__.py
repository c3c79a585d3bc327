"""Run the command of ``python -m quantize``."""

from quantize.cli import main

raise SystemExit(main())
