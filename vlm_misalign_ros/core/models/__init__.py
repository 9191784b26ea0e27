"""Adapters: every segmentation model, contrastive or generative VLM behind one small type."""
