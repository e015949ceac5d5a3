"""The server's interface: routes, messages, queue, history, node classes."""
