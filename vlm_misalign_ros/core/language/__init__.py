"""From text to mentions and judgements: deterministic, versioned, no second model."""
