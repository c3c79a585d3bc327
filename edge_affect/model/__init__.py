"""The bundle and the graphs as one step."""
