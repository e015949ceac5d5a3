"""What is kept in memory while Blender runs: the runtime, the state of the panels, settings."""
