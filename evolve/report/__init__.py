"""Output: tables for people, JSON for programs, progress while a run works."""
