"""A JVM program that follows a path with Curator's PathChildrenCache, as services of the original Rainer do."""
