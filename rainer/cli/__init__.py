"""The command line: `rainer`. Commands import what they need when they run, so that help and completion are quick."""
