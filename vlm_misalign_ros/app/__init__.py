"""What a user starts: command line, graph, run folders, processes, launch actions, doctor."""
