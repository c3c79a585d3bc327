"""Networks of others that teach ours: each labels pictures or sound once."""
