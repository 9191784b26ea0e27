"""Plain Python, numpy, OpenCV and torch: everything that needs no ROS, lowest layer first."""
