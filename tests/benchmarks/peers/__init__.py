"""The program beside what people would use instead of it; `python -m tests.benchmarks.peers`."""
