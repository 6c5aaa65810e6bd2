"""Real processes, real sockets, SIGKILL, and a network that fails: `python -m tests.storm --kills 1000`."""
