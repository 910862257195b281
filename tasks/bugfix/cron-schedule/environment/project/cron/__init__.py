"""Run times of cron expressions."""

from .schedule import Schedule

__all__ = ["Schedule"]
