"""From free text to mentions and a safety judgement."""
