"""EmoDB in four folds of two unheard speakers: the voice's figures, and a baseline."""
