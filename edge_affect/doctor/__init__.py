"""What is installed and runs on this machine, and what mends the rest."""
