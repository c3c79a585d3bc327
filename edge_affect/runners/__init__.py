"""Runners execute a group of graphs; one module each."""
