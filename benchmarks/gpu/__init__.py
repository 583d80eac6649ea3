"""The parts of benchmarks/gpu.sh: checks of numbers, and measurements of time, on a GPU."""
