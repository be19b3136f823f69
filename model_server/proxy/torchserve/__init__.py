"""TorchServe as a child process: its configuration, its life, its workers, and the requests to it."""
