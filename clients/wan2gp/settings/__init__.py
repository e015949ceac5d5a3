"""Settings: validation, snapping, descriptions."""
