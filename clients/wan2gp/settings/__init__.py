"""Settings: checked, snapped, described."""
