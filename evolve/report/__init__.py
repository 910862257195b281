"""Showing: tables for people, JSON for programs, progress for whoever waits."""
