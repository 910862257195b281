"""A whole run in one file: writing it, reading a stranger's, and checking what it says."""
