"""Campaigns played by a simulator: landscapes, and the rules that search them."""
