"""Where Blender versions and operating systems differ."""
