//! Benchmarks of kernels and networks against the fastest dense.
