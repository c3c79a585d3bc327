"""From pixels and samples to what the graphs take."""
