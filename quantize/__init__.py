"""The workshop's second stage: checkpoints to the graphs of each target."""
