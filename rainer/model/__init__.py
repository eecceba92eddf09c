"""What a commit is: names, times, bytes, hashes and formats; pure values, no I/O."""
