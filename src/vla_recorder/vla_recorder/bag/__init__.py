"""ROS 2 bags in MCAP: ours, and those of other robots by a topic map."""
