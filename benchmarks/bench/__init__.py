"""The modules of the benchmarks of overhead, long runs and proposers."""
