"""The same work by hand, with as little as it takes."""
