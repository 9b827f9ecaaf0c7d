"""The wall around untrusted code: the container engine, the pinned image, and one supervised container."""
