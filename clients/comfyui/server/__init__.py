"""The server's side: routes, messages, queue, history, node classes."""
