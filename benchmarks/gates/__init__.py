"""Simulated campaigns, and the rules that play them."""
