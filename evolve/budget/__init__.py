"""A run's budget: its caps, and the spending counted against them."""
