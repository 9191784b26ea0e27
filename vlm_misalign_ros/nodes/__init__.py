"""One thin rclpy node a file; the only place where ROS is imported."""
