"""The bundles that ship with edge_affect, one folder each."""

DEFAULT = "edge-affect-s"
"""Bundle that runs when a user names none."""
