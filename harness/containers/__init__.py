"""The wall: container engine, pinned image, and the supervision of one container."""
