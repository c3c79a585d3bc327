"""The stream left alone for long: faults by script, promises with numbers."""
