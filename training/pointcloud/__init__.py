"""Point clouds: shapes made in code, patches of them, and what PU-MFA learns from."""
