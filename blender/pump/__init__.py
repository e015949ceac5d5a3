"""What carries events from the runtime into Blender."""
