"""Bundles that were installed on this device: a store, trials and the way back."""
