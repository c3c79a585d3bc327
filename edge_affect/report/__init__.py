"""A record as one self-contained HTML page."""
