"""Files of results: names, parts, hashes, storage errors."""
