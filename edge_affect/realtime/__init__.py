"""The stream: grid, slots, budget, ladder, health and the one loop."""
