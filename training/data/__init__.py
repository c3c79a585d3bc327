"""Readers of the public data sets, without torch; each yields numpy arrays."""
