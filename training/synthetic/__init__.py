"""Labelled clips of simulated drivers, filmed into Aff-Wild2's layout."""
