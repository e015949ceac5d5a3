"""How bytes travel: addresses, pooled HTTP, retries, uploads, downloads, websockets. Knows nothing of any backend."""
