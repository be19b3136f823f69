"""The console: the `podium` command and the local stack behind it."""
