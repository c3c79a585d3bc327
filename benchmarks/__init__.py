"""Measure what is shipped; every figure is written with its machine, run and bundle."""
