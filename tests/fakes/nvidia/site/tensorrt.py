"""What ``import tensorrt`` finds in a child that builds engines."""

from __future__ import annotations

import os
import sys

from tests.fakes.nvidia.tensorrt_api import VERSION_VARIABLE, make_tensorrt

sys.modules[__name__] = make_tensorrt(os.environ[VERSION_VARIABLE])
