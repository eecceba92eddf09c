"""From a manifest to a verified local file, and from a file into a manifest."""
