"""From a scene's properties to typed requests."""
