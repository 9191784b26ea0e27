"""Segmentation, contrastive and generative models behind one factory."""
