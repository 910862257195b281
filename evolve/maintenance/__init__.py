"""Keeping results healthy: the doctor and gc."""
