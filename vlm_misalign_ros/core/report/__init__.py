"""What a run leaves: records, manifest, summaries, verdict, report."""
