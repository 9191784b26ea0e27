"""Record runs to rosbag2 bags (MCAP) and analyse bags offline; no ROS installation needed."""
