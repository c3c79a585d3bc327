"""The build machine's part: pack exported graphs into a bundle and check it."""
