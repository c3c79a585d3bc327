"""The bundles that ship with edge_affect, one folder each."""

DEFAULT = "edge-affect-s"
"""Bundle that runs when a user names none."""

SIGNALS = "edge-affect-s-signals"
"""The same without any head that tells of an emotion, for the purpose ``fleet``."""
