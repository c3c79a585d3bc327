"""Training on labelled clips: the tape, windows of it, trainer and recipe."""
