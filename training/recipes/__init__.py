"""Training recipes: one module each, with its configuration and its loop."""
