"""Fine-tuning: from instruction data to a checkpoint."""
