"""Frozen backbones, and what they see and hear of clips, computed once."""
