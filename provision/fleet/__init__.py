"""Many nodes: the smallest set of images that serves them."""
