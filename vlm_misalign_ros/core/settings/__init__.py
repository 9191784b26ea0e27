"""Parameter tables, the configuration of a run, and where its files lie."""
