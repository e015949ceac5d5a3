"""The properties that scenes and the window manager carry."""
