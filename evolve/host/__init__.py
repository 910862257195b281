"""This machine: disk space, locks, signals, run names, and the circuit breaker for faults."""
