"""What runs every recipe: configs, the loop, checkpoints, several processes."""
