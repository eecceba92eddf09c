"""Where tables live: URLs, engines, the schema and its migrations."""
