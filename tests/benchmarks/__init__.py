"""`python -m tests.benchmarks`: what Rainer promises about speed, as ratios taken in one interleaved run."""
