"""A procedural driver: camera and microphone of a person who is not there."""
