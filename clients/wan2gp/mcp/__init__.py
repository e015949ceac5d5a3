"""WanGP's MCP server."""
