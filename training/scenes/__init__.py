"""Scenes with faces pasted in, and how well a locator finds them."""
