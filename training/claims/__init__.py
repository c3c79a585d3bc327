"""The papers' claims tried out: arms × seeds, paired, with a verdict each."""
