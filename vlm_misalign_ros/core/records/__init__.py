"""What a run writes down: records, manifest, pictures; reading, comparing and merging them."""
