"""The simulated table: PyBullet world, cameras, tasks, experts, and the nodes around them."""
