"""Where estimates go; one module each."""
