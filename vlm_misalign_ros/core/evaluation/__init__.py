"""From the parts of frames to their records: join, evaluator, session."""
