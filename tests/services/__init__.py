"""Starters of real servers on free loopback ports in temporary folders.

Plain classes without pytest, so that fixtures, benchmarks and fault scripts use the same ones. All of them are context
managers, and die with the process that started them, however it ends.
"""
