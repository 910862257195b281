"""This machine: the operating system, disk space, locks, signals, run names, and the circuit breaker for faults."""
