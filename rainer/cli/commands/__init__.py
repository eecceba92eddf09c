"""One module a command or group of commands, each with its click command as `command`."""
