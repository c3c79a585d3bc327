"""Rendering family B: another person, another car, another voice; test only."""
