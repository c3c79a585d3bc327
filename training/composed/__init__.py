"""Composed material of the affect network: pictures, utterances, simulated drives."""
