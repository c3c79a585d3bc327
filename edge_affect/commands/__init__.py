"""What the commands of ``edge-affect`` do; ``cli`` reads their arguments."""
