"""Measure how a vision-language model goes wrong when the camera degrades, beside mIoU."""

__version__ = '0.1.0'
