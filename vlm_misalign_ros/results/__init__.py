"""Records, run folders, summaries and the report."""
