"""Runners execute a group of graphs; one module each."""

import os

TELEMETRY_VARIABLE = "ORT_DISABLE_TELEMETRY"
"""Read by ONNX Runtime while it is imported; who set it has the last word."""
PROGRESS_LOG = "edge_affect.progress"
"""Logger of what takes long and is no warning; the command line shows its lines."""

# From 1.32 on, importing ONNX Runtime writes a device's name and a data base of events
# into the user's cache: more than the numbers that may leave this process. Every module
# that imports it stands behind this one.
os.environ.setdefault(TELEMETRY_VARIABLE, "1")
